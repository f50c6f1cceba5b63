"""The method: cut and count."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays, FinishedReplicas
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.errors import Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT
from cutflow_cli.models.cut_and_count.profile import B2, B, S
from cutflow_cli.models.cut_and_count.scan import Scan, Step, steps_as_arrays, steps_from_arrays
from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings
from cutflow_cli.models.cut_and_count.view import make_ready, make_view
from cutflow_cli.models.flows import concerns, with_n_minus_1
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

_SAME = "cut-and-count has nothing random, so that all replicas would be the same; use --replicas 1 or --bootstrap"
#: Where one class has so many times the expected events of the other, the accuracy is that of the larger alone.
_UNEVEN = 10.0


class CutAndCount:
    """Cut and count: for each observable the region with the best figure of merit, exactly.

    Every boundary between two values and every pair of them is considered, for the events that earlier cuts keep
    (sequential) or for all (parallel). The result is the best next cut, not the best set of cuts: a region that pays
    only together with a later one is not seen. Boundaries are placed on the sample's own fluctuations, so the figure
    of merit on the training split is too good by an amount that the test split shows.

    Args:
        settings: what to search for.
    """

    spectators: tuple[str, ...] = ()

    def __init__(self, settings: CutAndCountSettings) -> None:
        self.settings = settings

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Scan all observables, once per replica, and combine the replicas.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, checkpoint; this method does not use the device.

        Returns:
            One flow per replica, then their consensus; all list the observables in one order, that of the cuts. The
            history has a row for each step, with the figure of merit of the flow so far; it has no loss.

        Raises:
            UsageError: for several replicas without a bootstrap, which would all be the same.
            InputError: if the checkpoint is of another training.
            Interrupted: if asked to stop between two replicas; those that were finished are in the checkpoint.
        """
        bootstrap = resolve_bootstrap(self.settings.bootstrap, context.replicas, _SAME)
        started = time.perf_counter()
        ready = make_ready(sample, self.settings)
        prepared = time.perf_counter()
        half = None
        if self.settings.search == "exact" and self.settings.cross_check:
            half = generator(context.seed, 0, Stream.SHUFFLE).random(len(sample)) < 0.5
        scans: list[list[Step]] = []
        figures: list[tuple[list[float], list[float]]] = []
        kept = FinishedReplicas(context.checkpoint)
        for done, replica in enumerate(context.replicas):
            scanned = kept.read(replica, _restored)
            if scanned is None:
                reason = context.stop_reason()
                if reason:
                    msg = f"stopped by {reason} after replica {done} of {len(context.replicas)}; "
                    raise Interrupted(msg + "the same command continues from there")
                counts = _poisson(context.seed, replica, len(sample)) if bootstrap else None
                scan = Scan(make_view(ready, counts, self.settings), self.settings, half)
                steps = scan.run()
                scanned = steps, scan.cumulative(steps), scan.without_each(steps)
                arrays = {"cumulative": np.array(scanned[1]), "without": np.array(scanned[2])}
                kept.add(replica, {**steps_as_arrays(steps), **arrays})
            scans.append(scanned[0])
            figures.append(scanned[1:])
            text = f"{FIGURES_OF_MERIT[self.settings.fom]} {figures[-1][0][-1]:.4g}"
            context.progress((done + 1) / len(context.replicas), text)
        trained = time.perf_counter()
        order = common_order(scans)
        flows = [
            self._judged(_flow(steps, order, replica).rounded(sample.dtypes), sample)
            for steps, replica in zip(scans, context.replicas, strict=True)
        ]
        agreed = self._judged(consensus(flows).rounded(sample.dtypes), sample)
        table = _steps_table(scans, figures, context.replicas)
        history = {
            "replica": table["replica"],
            "epoch": table["position"] + np.int32(1),
            "figure_of_merit": table["figure_of_merit_of_flow"],
        }
        warnings = (*concerns(agreed, sample), *self._warnings(sample, scans[0], figures[0][0][-1]))
        timings = {"prepare": prepared - started, "train": trained - prepared, "combine": time.perf_counter() - trained}
        resolved = {"bootstrap": bootstrap, "order": "greedy" if self.settings.greedy else "given"}
        return Fitted((*flows, agreed), history, warnings, timings, resolved, tables={"steps": table})

    def _judged(self, flow: CutFlow, sample: EventSample) -> CutFlow:
        """Fill in N-1 losses where they measure what was sought: a balanced error says little of a significance.

        The figure of merit without each cut is in the table of steps.
        """
        return with_n_minus_1(flow, sample) if self.settings.fom in ADDITIVE else flow

    def _warnings(self, sample: EventSample, steps: Sequence[Step], whole: float) -> list[str]:
        """Say what the figure of merit of the first replica shows to be doubtful."""
        name = FIGURES_OF_MERIT[self.settings.fom]
        best = max(steps, key=lambda step: step.after)
        found = []
        if self.settings.strategy == "parallel" and best.active and not whole >= best.after:
            together = "undefined" if math.isnan(whole) else f"{whole:.4g}"
            found.append(
                f"all cuts together have {name} {together} on train, the cut on {best.cut.observable} alone "
                f"{best.after:.4g}: parallel cuts do not know of each other, a sequential flow does"
            )
        background, signal = np.bincount(sample.label, weights=sample.expected, minlength=2)
        if self.settings.fom == "accuracy" and self.settings.class_weights == "physical":
            larger, smaller = max(signal, background), min(signal, background)
            if larger > _UNEVEN * smaller > 0:
                found.append(
                    f"of the expected events one class has {larger / smaller:.3g} times the other, and the accuracy is "
                    "little but that class's; --fom balanced_accuracy or --class-weights unit weigh them otherwise"
                )
        if self.settings.class_weights == "unit" and self.settings.fom not in ADDITIVE:
            found.append(
                f"{name} was computed with a weight of one for every simulated event, so it is no significance"
            )
        return found


def _restored(stored: Arrays) -> tuple[list[Step], list[float], list[float]]:
    """Read one replica from a checkpoint: its steps, and the figures of merit of its flow with and without them."""
    return steps_from_arrays(stored), stored["cumulative"].tolist(), stored["without"].tolist()


def _poisson(seed: int, replica: int, events: int) -> NDArray[np.int64]:
    return generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, events)


def common_order(scans: Sequence[Sequence[Step]]) -> list[int]:
    """Order the observables by when they were cut on, on average over replicas; those never cut on come last.

    A replica's own order is kept in the table of steps; what a flow selects does not depend on it.
    """
    observables = len(scans[0])
    rank = np.zeros(observables)
    active = np.zeros(observables, dtype=np.bool_)
    for steps in scans:
        for position, step in enumerate(steps):
            rank[step.observable] += position
            active[step.observable] |= step.active
    return [int(k) for k in np.lexsort((np.arange(observables), rank, ~active))]


def importances(steps: Sequence[Step]) -> dict[int, float | None]:
    """Return each observable's share of the logarithm of the gain in the figure of merit.

    Logarithms, since cuts multiply a significance: each step's share does not then depend on what came before it. A
    cut that gains nothing has none; where no cut gains, there are no shares. In a parallel flow gains are those of each
    cut alone.
    """
    gains = {
        step.observable: max(math.log(step.after / step.before), 0.0) if step.after > 0 < step.before else 0.0
        for step in steps
    }
    total = sum(gains.values())
    return {k: gain / total if total > 0 else None for k, gain in gains.items()}


def _flow(steps: Sequence[Step], order: Sequence[int], replica: int) -> CutFlow:
    shares = importances(steps)
    by_observable = {step.observable: step for step in steps}
    learned = []
    for k in order:
        step = by_observable[k]
        learned.append(LearnedCut(step.cut, active=step.active, importance=shares[k], note=step.note))
    return CutFlow(tuple(learned), replica=replica)


def _steps_table(
    scans: Sequence[Sequence[Step]],
    of_flows: Sequence[tuple[Sequence[float], Sequence[float]]],
    replicas: Sequence[int],
) -> dict[str, Any]:
    """Make a row of each step; figures of merit of the flow are those up to the step, and of all of it but the step."""
    steps = [step for one in scans for step in one]
    observables = len(scans[0])
    kept = np.array([step.kept for step in steps])

    def boundaries(values: list[float | None]) -> NDArray[np.float64]:
        numbers = np.array([np.nan if value is None else value for value in values])
        return np.ma.masked_array(numbers, [value is None for value in values])

    return {
        "replica": np.repeat(np.array(replicas, dtype=np.int32), observables),
        "position": np.tile(np.arange(observables, dtype=np.int32), len(scans)),
        "observable": [step.cut.observable for step in steps],
        "region": [step.cut.region.value for step in steps],
        "lower": boundaries([step.cut.lower for step in steps]),
        "upper": boundaries([step.cut.upper for step in steps]),
        "figure_of_merit_before": np.array([step.before for step in steps]),
        "figure_of_merit_after": np.array([step.after for step in steps]),
        "figure_of_merit_of_flow": np.concatenate([figures for figures, _ in of_flows]),
        "figure_of_merit_without": np.concatenate([figures for _, figures in of_flows]),
        "signal": kept[:, S],
        "background": kept[:, B],
        "background_error": np.sqrt(kept[:, B2]),
    }
