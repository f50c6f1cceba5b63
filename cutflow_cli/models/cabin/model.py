"""The method: an efficiency scan of one-to-one linear networks, finished on hard cuts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.loop import Stepper
from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.binning import Binning, divide
from cutflow_cli.models.cabin.prepare import Neurons, Prepared, prepare, prepare_part
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.training import landscape_of, train_scan
from cutflow_cli.models.cabin.working_points import HeldCounts
from cutflow_cli.models.protocol import Fitted, TrainingContext

if TYPE_CHECKING:
    from cutflow_cli.metrics.objectives import Objective
    from cutflow_cli.models.streaming.source import Source

Array = NDArray[np.float64]
Path = Literal["auto", "fused", "torch"]


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

        fitted = train_scan(self.settings, sample, data, make, HeldCounts(sample, context.validation), context, started)
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
        from cutflow_cli.models.cabin.bin_table import bin_table
        from cutflow_cli.models.cabin.binned import BinnedFinisher, BinnedStepper
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
                lambda events, prepared: landscape_of(events, prepared, neurons, self.settings),
            )  # fmt: skip

        counts = HeldCounts(sample, context.validation)
        fitted = train_scan(self.settings, inside, data, make, counts, context, started, finish)
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
            fitted = train_scan(
                settings, sample, prepare_part(sample, settings, mean, std), make, counts, context, started
            )
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

    def _stepper(self, data: Prepared, weights: Sequence[Array], neurons: Neurons, context: TrainingContext) -> Stepper:
        from cutflow_cli.models.cabin.fused import FusedStepper

        if self._path == "auto" and context.device != "cpu":
            from cutflow_cli.models.cabin.batched import BatchedStepper

            return BatchedStepper(data, weights, neurons, self.settings, context.device)
        if self._path == "torch" or (self._path == "auto" and not self._covered(context)):
            from cutflow_cli.models.cabin.torch_path import TorchStepper

            return TorchStepper(data, weights, neurons, self.settings, context.device)
        return FusedStepper(data, weights, neurons, self.settings, context.threads)
