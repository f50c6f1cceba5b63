"""The method: an efficiency scan of one-to-one linear networks, finished on hard cuts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import FinishedReplicas
from cutflow_cli.engine.loop import Stepper, history_columns, train
from cutflow_cli.errors import Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin.directions import Directions, find_directions
from cutflow_cli.models.cabin.finish import Finished, Finisher
from cutflow_cli.models.cabin.landscape import Landscape, survey
from cutflow_cli.models.cabin.prepare import Neurons, Prepared, prepare, replica_weights
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.working_points import combined
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap

Array = NDArray[np.float64]
Path = Literal["auto", "fused", "torch"]

#: Standard deviations from the mean at which the two boundaries of a window start: at zero nothing would be between.
_WINDOW = 1.5
_SAME = "nothing in this method is random, so replicas would be the same; use --replicas 1"
#: Share of the progress that the gradient is given where the exact step follows.
_GRADIENT_SHARE = 0.2


class CabinScan:
    """CABIN's efficiency scan (arXiv:2502.08615).

    For each target signal efficiency a network of one neuron for each feature, whose product is the score; all are
    trained together. The boundaries are then finished on the hard cuts (`scan`). Not valid as a statement about events
    outside the training split: the exact step finds the lowest background *there*, so quote efficiencies on test.

    Args:
        settings: what to train.
        path: `fused` for the compiled CPU kernel, `torch` for autograd on any device; `auto` takes the first where it
            can (on a CPU, with weights of ±1 and a steepness that it covers).
    """

    def __init__(self, settings: CabinSettings, path: Path = "auto") -> None:
        self.settings = settings
        self._path = path

    @property
    def spectators(self) -> tuple[str, ...]:
        """No column is needed beside the features."""
        return ()

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Train all replicas, finish each, and combine them.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, checkpoint, validation split.

        Returns:
            For each working point one flow per replica, then their consensus; the table `working_points`.
        """
        settings, started = self.settings, time.perf_counter()
        bootstrap = resolve_bootstrap(settings.bootstrap, context.replicas, _SAME)
        data = prepare(sample, settings)
        directions = find_directions(sample, data, settings)
        neurons = _neurons(directions, sample, settings)
        weights = [replica_weights(data, bootstrap, context.seed, replica) for replica in context.replicas]
        stepper = self._stepper(data, weights, neurons, context)
        prepared = time.perf_counter()
        share = _GRADIENT_SHARE if settings.exact else 1.0
        history = train(
            stepper,
            settings.epochs,
            checkpoint=context.checkpoint,
            stop_reason=context.stop_reason,
            progress=lambda done, text: context.progress(share * done, text),
        )
        trained = time.perf_counter()
        finisher = Finisher(sample, data, settings, _landscape(sample, data, neurons, settings))
        finished = self._finish(finisher, stepper, neurons, weights, context)
        exact = time.perf_counter()
        result = combined(finisher, finished, sample, context, settings.fom)
        rows = history_columns(history, context.replicas)
        timings = {
            "prepare": prepared - started,
            "train": trained - prepared,
            "exact": exact - trained,
            "combine": time.perf_counter() - exact,
        }
        resolved: dict[str, Any] = {
            "bootstrap": bootstrap,
            "directions": _described(neurons, sample, settings),
            "roughness": _mean([one.roughness for one in finished]),
            "free_roughness": _mean([one.free_roughness for one in finished]),
        }
        return Fitted(
            result.flows,
            rows,
            (*directions.notes, *result.warnings),
            timings,
            resolved,
            tables={"working_points": result.table},
            recommended=result.recommended,
        )

    def _stepper(self, data: Prepared, weights: Sequence[Array], neurons: Neurons, context: TrainingContext) -> Stepper:
        from cutflow_cli.models.cabin.fused import LARGEST_STEEPNESS, FusedStepper

        settings = self.settings
        covered = context.device == "cpu" and not settings.learn_weights and settings.steepness <= LARGEST_STEEPNESS
        if self._path == "torch" or (self._path == "auto" and not covered):
            from cutflow_cli.models.cabin.torch_path import TorchStepper

            return TorchStepper(data, weights, neurons, settings, context.device)
        return FusedStepper(data, weights, neurons, settings, context.threads)

    def _finish(
        self,
        finisher: Finisher,
        stepper: Stepper,
        neurons: Neurons,
        weights: Sequence[Array],
        context: TrainingContext,
    ) -> list[Finished]:
        state = stepper.state()
        slopes = state.get("slope", np.broadcast_to(neurons.side, state["bias"].shape))
        kept = FinishedReplicas(context.checkpoint)
        finished = []
        for row, (replica, weight) in enumerate(zip(context.replicas, weights, strict=True)):

            def progress(part: float, row: int = row, replica: int = replica) -> None:
                reason = context.stop_reason()
                if reason:
                    msg = f"stopped by {reason} in the exact step of replica {replica}; the same command goes on, and "
                    raise Interrupted(msg + "begins that step again")
                done = (row + part) / len(weights)
                context.progress(_GRADIENT_SHARE + (1 - _GRADIENT_SHARE) * done, "exact step")

            one = finisher.finish(
                neurons, state["bias"][row], slopes[row], weight, replica, context.seed, context.threads, progress, kept
            )
            finished.append(one)
        return finished


def _neurons(directions: Directions, sample: EventSample, settings: CabinSettings) -> Neurons:
    """Give each feature a neuron, or with `windows` two where no direction was given."""
    rows: list[tuple[int, float, float]] = []
    for i, name in enumerate(sample.features):
        if settings.windows and name not in settings.directions:
            rows += [(i, directions.side[i], _WINDOW), (i, -directions.side[i], _WINDOW)]
        else:
            rows.append((i, directions.side[i], 0.0))
    feature, side, start = zip(*rows, strict=True)
    return Neurons(np.array(feature, dtype=np.int64), np.array(side), np.array(start))


def _landscape(sample: EventSample, data: Prepared, neurons: Neurons, settings: CabinSettings) -> Landscape | None:
    """Rank the events for the exact step: a face for each neuron, both for one whose weight may change sign."""
    if not settings.exact:
        return None
    if settings.learn_weights:
        feature = np.concatenate([neurons.feature, neurons.feature])
        neurons = Neurons(feature, np.concatenate([neurons.side, -neurons.side]))
    return survey(sample, data, neurons)


def _described(neurons: Neurons, sample: EventSample, settings: CabinSettings) -> dict[str, str]:
    """Say for each feature which side is kept."""
    if settings.learn_weights:
        return dict.fromkeys(sample.features, "learned")
    words: dict[str, str] = {}
    for feature, side in zip(neurons.feature, neurons.side, strict=True):
        name = sample.features[feature]
        words[name] = "both" if name in words else "above" if side > 0 else "below"
    return words


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if np.isfinite(values).all() else None
