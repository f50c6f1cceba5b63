"""The course of a scan's training, wherever its events are: gradient, exact step, and what replicas agree on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import FinishedReplicas
from cutflow_cli.engine.loop import Stepper, history_columns, train
from cutflow_cli.errors import Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin.directions import Directions, find_directions
from cutflow_cli.models.cabin.finish import Finished, FinishesReplicas, Trained
from cutflow_cli.models.cabin.landscape import Landscape, survey
from cutflow_cli.models.cabin.prepare import Neurons, Prepared, replica_weights
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.unbinned import Finisher
from cutflow_cli.models.cabin.working_points import Counts, combined
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap

Array = NDArray[np.float64]

#: Standard deviations from the mean at which the two boundaries of a window start: at zero nothing would be between.
_WINDOW = 1.5
_SAME = "nothing in this method is random, so replicas would be the same; use --replicas 1"
#: Share of the progress that the gradient is given where the exact step follows.
_GRADIENT_SHARE = 0.2


class MakeStepper(Protocol):
    """Makes what trains, once sides and weights are known."""

    def __call__(self, neurons: Neurons, weights: Sequence[Array], *, bootstrap: bool) -> Stepper:
        """Make it.

        Args:
            neurons: what each neuron looks at.
            weights: training weights of each replica, of the events in memory.
            bootstrap: whether each replica has its own bootstrap.
        """


def train_scan(
    settings: CabinSettings,
    sample: EventSample,
    data: Prepared,
    make: MakeStepper,
    counts: Counts,
    context: TrainingContext,
    started: float,
    make_finisher: Callable[[Neurons], FinishesReplicas] | None = None,
) -> Fitted:
    """Train all replicas, finish each on the sample, and combine them.

    Args:
        settings: of the training.
        sample: the events in memory: the training split, or what stands for it.
        data: the same, prepared.
        make: makes what trains.
        counts: counts flows on the splits.
        context: seed, replicas, device, checkpoint.
        started: when the method began, by `time.perf_counter`.
        make_finisher: makes what turns parameters into flows; None for cuts that all events share.
    """
    bootstrap = resolve_bootstrap(settings.bootstrap, context.replicas, _SAME)
    directions = find_directions(sample, data, settings)
    neurons = _neurons_of(directions, sample, settings)
    weights = [replica_weights(data, bootstrap, context.seed, replica) for replica in context.replicas]
    stepper = make(neurons, weights, bootstrap=bootstrap)
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
    if make_finisher is None:
        finisher: FinishesReplicas = Finisher(sample, data, settings, landscape_of(sample, data, neurons, settings))
    else:
        finisher = make_finisher(neurons)
    finished = _finished(finisher, stepper, neurons, weights, context)
    exact = time.perf_counter()
    result = combined(finisher, finished, counts, context, settings.fom)
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


def _finished(
    finisher: FinishesReplicas, stepper: Stepper, neurons: Neurons, weights: Sequence[Array], context: TrainingContext
) -> list[Finished]:
    """Turn the parameters of every replica into its flows."""
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

        one = Trained(neurons, state["bias"][row], slopes[row], weight, replica, context.seed, context.threads)
        finished.append(finisher.finish(one, progress, kept))
    return finished


def _neurons_of(directions: Directions, sample: EventSample, settings: CabinSettings) -> Neurons:
    """Give each feature a neuron, or with `windows` two where no direction was given."""
    rows: list[tuple[int, float, float]] = []
    for i, name in enumerate(sample.features):
        if settings.windows and name not in settings.directions:
            rows += [(i, directions.side[i], _WINDOW), (i, -directions.side[i], _WINDOW)]
        else:
            rows.append((i, directions.side[i], 0.0))
    feature, side, start = zip(*rows, strict=True)
    return Neurons(np.array(feature, dtype=np.int64), np.array(side), np.array(start))


def landscape_of(sample: EventSample, data: Prepared, neurons: Neurons, settings: CabinSettings) -> Landscape | None:
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
