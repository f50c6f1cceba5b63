"""The method: an efficiency scan of one-to-one linear networks, finished on hard cuts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import FinishedReplicas
from cutflow_cli.engine.loop import Stepper, history_columns, train
from cutflow_cli.errors import Interrupted, UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.binning import Binning, divide
from cutflow_cli.models.cabin.directions import Directions, find_directions
from cutflow_cli.models.cabin.finish import Finished, Finisher, FinishesReplicas
from cutflow_cli.models.cabin.landscape import Landscape, survey
from cutflow_cli.models.cabin.prepare import Neurons, Prepared, prepare, prepare_part, replica_weights
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.working_points import Counts, HeldCounts, combined
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap

if TYPE_CHECKING:
    from cutflow_cli.metrics.objectives import Objective
    from cutflow_cli.models.streaming.source import Source

Array = NDArray[np.float64]
Path = Literal["auto", "fused", "torch"]

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


class CabinScan:
    """CABIN's efficiency scan (arXiv:2502.08615).

    For each target signal efficiency a network of one neuron for each feature, whose product is the score; all are
    trained together. The boundaries are then finished on the hard cuts (`scan`). Not valid as a statement about events
    outside the training split: the exact step finds the lowest background *there*, so quote efficiencies on test.

    Args:
        settings: what to train.
        path: `fused` for the compiled CPU kernel, `torch` for autograd on any device; `auto` takes the first where it
            can (on a CPU, with weights of ±1 and a steepness that it covers), and all replicas at once on CUDA.
    """

    def __init__(self, settings: CabinSettings, path: Path = "auto") -> None:
        self.settings = settings
        self._path = path

    @property
    def spectators(self) -> tuple[str, ...]:
        """The observable of the bins, if there are some."""
        return () if self.binning is None else (self.binning.observable,)

    @property
    def binning(self) -> Binning | None:
        """The bins in which there are cuts of their own; None for one selection for all events."""
        return self.settings.binning

    def cpu_only(self, *, streams: bool) -> str:
        """Say why cuts are learned on the CPU only: those in bins are, and those of streamed events."""
        if self.binning is not None:
            return "cuts in bins are learned on the CPU only; leave out --device or --binned-in"
        if streams:
            return "a scan streams through the CPU; leave out --device, or give enough --memory to hold the sample"
        return ""

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Train all replicas, finish each, and combine them.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, checkpoint, validation split.

        Returns:
            For each working point one flow per replica, then their consensus; the table `working_points`. With an
            objective a further working point, and the table `objective`.
        """
        started = time.perf_counter()
        if self.binning is not None:
            return self._fit_binned(sample, self.binning, context, started)
        data = prepare(sample, self.settings)

        def make(neurons: Neurons, weights: Sequence[Array], *, bootstrap: bool) -> Stepper:
            del bootstrap  # the weights have it
            return self._stepper(data, weights, neurons, context)

        fitted = self._trained(sample, data, make, HeldCounts(sample, context.validation), context, started)
        return fitted if self.settings.goal is None else self._refined(fitted, sample, self.settings.goal, context)

    def _refined(self, fitted: Fitted, sample: EventSample, goal: Objective, context: TrainingContext) -> Fitted:
        """Add the working point of an objective."""
        from cutflow_cli.models.cabin.pursue import with_objective

        begun = time.perf_counter()
        refined = with_objective(fitted, sample, goal, self.settings, context)
        return replace(refined, timings={**fitted.timings, "refine": time.perf_counter() - begun})

    def _fit_binned(self, sample: EventSample, binning: Binning, context: TrainingContext, started: float) -> Fitted:
        """Train bin by bin, with ties between neighbouring bins (`binned`).

        Raises:
            InputError: if a bin has too few events.
            UsageError: for what the compiled path does not cover.
        """
        from cutflow_cli.models.cabin.binned import BinnedFinisher, BinnedStepper, bin_table
        from cutflow_cli.models.cabin.fused import LARGEST_STEEPNESS

        if self._path == "torch" or not self._covered(context):
            msg = f"--binned-in: is learned on the CPU, with a --steepness of at most {LARGEST_STEEPNESS:g}"
            raise UsageError(msg)
        if binning.observable in sample.features:
            msg = f"--features: {binning.observable} is what cuts are binned in; leave it out"
            raise UsageError(msg)
        divided = divide(sample, binning)
        inside = sample.take(divided.inside)
        rows = [np.searchsorted(divided.inside, one) for one in divided.rows]
        data = prepare(inside, self.settings)

        def make(neurons: Neurons, weights: Sequence[Array], *, bootstrap: bool) -> Stepper:
            del bootstrap  # the weights have it
            centres = divided.binning.centres
            return BinnedStepper(data, rows, centres, weights, neurons, self.settings, context.threads)

        def finish(neurons: Neurons) -> BinnedFinisher:
            return BinnedFinisher(
                inside, data, self.settings, divided, rows,
                lambda events, prepared: _landscape(events, prepared, neurons, self.settings),
            )  # fmt: skip

        counts = HeldCounts(sample, context.validation)
        fitted = self._trained(inside, data, make, counts, context, started, finish)
        tied = len(binning) > 2
        notes = () if tied else ("two bins: none has two neighbours, so nothing ties them to each other",)
        table = bin_table(divided.binning, fitted.flows, sample, context.validation)
        return replace(
            fitted, warnings=(*divided.notes, *notes, *fitted.warnings), tables={**fitted.tables, "bins": table}
        )

    def fit_stream(self, source: Source, context: TrainingContext) -> Fitted:
        """Train on events that are not held in memory.

        The gradient sums over all events (`stream_stepper`), and all efficiencies, the recommended working point and
        N−1 losses are counted on all events. Sides and the exact step, which jumps among events, are found on a fixed
        choice of `CHOSEN` events of each class, by the hash of their rows: boundaries have that choice's errors.

        Args:
            source: the events.
            context: seed, replicas, device, checkpoint.

        Raises:
            UsageError: for settings that only the torch path covers.
        """
        from cutflow_cli.models.cabin.stream_counts import StreamCounts
        from cutflow_cli.models.cabin.stream_stepper import PiecewiseStepper, fill_pieces
        from cutflow_cli.models.streaming.overview import glance, overview

        source = source.stoppable(context.stop_reason)
        settings, started, stream = self.settings, time.perf_counter(), source.train
        if settings.goal is not None:
            msg = f"--objective {settings.objective}: needs the events in memory; give enough --memory"
            raise UsageError(msg)
        if self.binning is not None:
            msg = "--binned-in needs the events in memory; give enough --memory"
            raise UsageError(msg)
        if not self._covered(context):
            msg = "--learn-weights and this --steepness need the events in memory; "
            raise UsageError(msg + "give enough --memory, or leave them out")
        first = glance(stream, context.seed, source.validation)
        seen = overview(stream, first, settings.class_weights, settings.negative_weights)
        notes = seen.check(stream, features_named=source.features_named)
        for text in notes:
            source.say(text)
        mean, std = np.array([histogram.mean_and_deviation(weighted=True) for histogram in seen.histograms]).T
        sample = first.chosen
        steppers: list[PiecewiseStepper] = []

        def make(neurons: Neurons, weights: Sequence[Array], *, bootstrap: bool) -> Stepper:
            del weights  # of the chosen events
            steppers.append(
                PiecewiseStepper(
                    lambda: fill_pieces(
                        stream, first.events, seen.rule, (mean, std), neurons, settings.steepness
                    ),
                    neurons, settings, context.seed, context.replicas, bootstrap=bootstrap, threads=context.threads,
                )
            )  # fmt: skip
            return steppers[0]

        counts = StreamCounts(source, first.scales, first.beside, context.threads)
        try:
            fitted = self._trained(sample, prepare_part(sample, settings, mean, std), make, counts, context, started)
        finally:
            for stepper in steppers:
                stepper.close()
        resolved = {**fitted.resolved, "streamed": "windows", "exact_step_events": len(sample)}
        return replace(fitted, warnings=(*notes, *fitted.warnings), resolved=resolved)

    def memory(self, events: int, features: int) -> float:
        """Estimate the bytes that training in memory needs, for ten replicas at most."""
        faces = features * (2 if self.settings.windows or self.settings.learn_weights else 1)
        return events * (16.0 * features + 4.0 * faces + 33.0 * faces * self.settings.exact + 250.0)

    def _covered(self, context: TrainingContext) -> bool:
        """Say whether the compiled path does what is asked for."""
        from cutflow_cli.models.cabin.fused import LARGEST_STEEPNESS

        settings = self.settings
        return context.device == "cpu" and not settings.learn_weights and settings.steepness <= LARGEST_STEEPNESS

    def _trained(
        self,
        sample: EventSample,
        data: Prepared,
        make: MakeStepper,
        counts: Counts,
        context: TrainingContext,
        started: float,
        make_finisher: Callable[[Neurons], FinishesReplicas] | None = None,
    ) -> Fitted:
        """Train all replicas, finish each on the sample, and combine them."""
        settings = self.settings
        bootstrap = resolve_bootstrap(settings.bootstrap, context.replicas, _SAME)
        directions = find_directions(sample, data, settings)
        neurons = _neurons(directions, sample, settings)
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
            finisher: FinishesReplicas = Finisher(sample, data, settings, _landscape(sample, data, neurons, settings))
        else:
            finisher = make_finisher(neurons)
        finished = self._finish(finisher, stepper, neurons, weights, context)
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

    def _stepper(self, data: Prepared, weights: Sequence[Array], neurons: Neurons, context: TrainingContext) -> Stepper:
        from cutflow_cli.models.cabin.fused import FusedStepper

        if self._path == "auto" and context.device != "cpu":
            from cutflow_cli.models.cabin.batched import BatchedStepper

            return BatchedStepper(data, weights, neurons, self.settings, context.device)
        if self._path == "torch" or (self._path == "auto" and not self._covered(context)):
            from cutflow_cli.models.cabin.torch_path import TorchStepper

            return TorchStepper(data, weights, neurons, self.settings, context.device)
        return FusedStepper(data, weights, neurons, self.settings, context.threads)

    def _finish(
        self,
        finisher: FinishesReplicas,
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
