"""The method: parallel and sequential Learnable Cut Flow, one model with one difference."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from cutflow_cli.engine.loop import Stepper, history_columns, train
from cutflow_cli.engine.randomness import epoch_order
from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.flows import concerns, with_n_minus_1
from cutflow_cli.models.lcf.flow import learned_flow, tidied, without_centre_errors
from cutflow_cli.models.lcf.order import learned_order, reordered
from cutflow_cli.models.lcf.prepare import Prepared, prepare
from cutflow_cli.models.lcf.settings import LcfSettings, resolve_epochs
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap
from cutflow_cli.selection.cutflow import consensus

if TYPE_CHECKING:
    from cutflow_cli.events.stream import SplitStream
    from cutflow_cli.metrics.objectives import Objective
    from cutflow_cli.models.lcf.fused import Order
    from cutflow_cli.models.streaming.source import Source
    from cutflow_cli.selection.cutflow import CutFlow

Path = Literal["auto", "fused", "torch"]

#: Share of the progress that LCF's own loss is given where the flow is refined after it.
_LOSS_SHARE = 0.5


class LearnableCutFlow:
    """Learnable Cut Flow (arXiv:2503.22498).

    Every observable gets two logistic neurons, one below and one above a centre, scaled by a softmax importance. In a
    parallel flow each observable trains on all events; in a sequential one on those that the cuts before it keep. Not
    valid as an optimum of any figure of merit: it places each boundary at equal likelihood of the classes (see
    `cutflow_cli.models.lcf.settings`), unless an `objective` is set, for which the flow is then refined.

    Args:
        settings: what to train.
        path: `fused` for the compiled CPU kernel, `torch` for autograd on any device; `auto` takes the first on a CPU.
    """

    spectators: tuple[str, ...] = ()

    def __init__(self, settings: LcfSettings, path: Path = "auto") -> None:
        self.settings = settings
        self._path = path

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Train all replicas and combine them.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, checkpoint.

        Returns:
            One flow per replica, then their consensus, with N-1 losses on train, in the order of the features or the
            one learned; with an objective the table `objective`.
        """
        settings, goal = self._resolved(context.replicas), self.settings.goal
        self._require_centers(sample)
        started = time.perf_counter()
        recorded: dict[str, Any] = {"bootstrap": bool(settings.bootstrap)}
        if settings.order == "learned":
            sample = reordered(sample, learned_order(sample, settings, context, self._stepper))
            recorded["learned_order"] = list(sample.features)
        data = prepare(sample, settings)
        stepper = self._stepper(data, settings, context)
        epochs = resolve_epochs(settings, len(sample))
        prepared = time.perf_counter()
        history = train(
            stepper,
            epochs,
            checkpoint=context.checkpoint,
            stop_reason=context.stop_reason,
            progress=lambda done, text: context.progress((1.0 if goal is None else _LOSS_SHARE) * done, text),
        )
        trained = time.perf_counter()
        state = stepper.state()
        learned = [
            learned_flow(state["params"][row], state["unmasked"][row], data, sample, settings, replica)
            for row, replica in enumerate(context.replicas)
        ]
        columns = history_columns(history, context.replicas)
        timings = {"prepare": prepared - started, "train": trained - prepared}
        if goal is not None:
            fitted = self._refined(learned, sample, goal, settings, context)
            timings["refine"] = time.perf_counter() - trained
            resolved = {"epochs": epochs, **recorded, **fitted.resolved}
            return replace(fitted, history=columns, timings=timings, resolved=resolved)
        flows = [with_n_minus_1(flow, sample) for flow in learned]
        agreed = consensus(flows).rounded(sample.dtypes)
        agreed = without_centre_errors(agreed, data.centre)
        if settings.tidy:
            agreed = tidied(agreed, sample, settings)
        agreed = with_n_minus_1(agreed, sample)
        timings["combine"] = time.perf_counter() - trained
        return Fitted((*flows, agreed), columns, concerns(agreed, sample), timings, {"epochs": epochs, **recorded})

    def _refined(
        self,
        learned: list[CutFlow],
        sample: EventSample,
        goal: Objective,
        settings: LcfSettings,
        context: TrainingContext,
    ) -> Fitted:
        """Refine what LCF learned for an objective; without a history."""
        from cutflow_cli.models.refine.pursue import pursue
        from cutflow_cli.models.refine.refiner import Refiner

        refiner = Refiner(sample, goal, settings.min_effective_background)
        found = pursue(
            refiner, [[flow] for flow in learned], sample, goal, context, bootstrap=bool(settings.bootstrap),
            parts=settings.optimism_folds, done=_LOSS_SHARE,
        )  # fmt: skip
        warnings = (*concerns(found.agreed, sample), *found.warnings)
        flows, tables = (*found.flows, found.agreed), {"objective": found.table}
        return Fitted(flows, {}, warnings, resolved=found.resolved, tables=tables, notes=found.notes)

    def fit_stream(self, source: Source, context: TrainingContext) -> Fitted:
        """Train on events that are not held in memory; see `cutflow_cli.models.lcf.streamed`.

        Args:
            source: the events.
            context: seed, replicas, device, checkpoint.
        """
        from cutflow_cli.models.lcf.streamed import fit_stream

        if self.settings.goal is not None:
            msg = f"--objective {self.settings.objective}: needs the events in memory; give enough --memory"
            raise UsageError(msg)
        if self.settings.order == "learned":
            msg = "--order learned: is learned from the events in memory; give enough --memory, or order --features"
            raise UsageError(msg)
        self._require_centers(source.train)

        def make(data: Prepared, settings: LcfSettings, replicas: range, threads: int, order: Order) -> Stepper:
            part = replace(context, replicas=replicas, threads=threads)
            return self._stepper(data, settings, part, order)

        return fit_stream(self.settings, source, context, make)

    def memory(self, events: int, features: int) -> float:
        """Estimate the bytes that training in memory needs, for ten replicas at most (measured with eight features)."""
        return events * (32.0 * features + (150.0 if self.settings.bootstrap else 110.0))

    def cpu_only(self, *, streams: bool) -> str:
        """Say why events go through the CPU only: those of a sequential flow do that are streamed."""
        if streams and self.settings.strategy == "sequential":
            return "a sequential flow streams through the CPU; give --device cpu, or enough --memory for the sample"
        return ""

    def _resolved(self, replicas: range) -> LcfSettings:
        """Return the settings with what is left open decided."""
        if self.settings.bootstrap is not None:
            return self.settings
        bootstrap = self.settings.goal is not None and resolve_bootstrap(None, replicas, None)
        return self.settings.model_copy(update={"bootstrap": bootstrap})

    def _require_centers(self, sample: EventSample | SplitStream) -> None:
        missing = [name for name in sample.features if name not in self.settings.centers]
        if self.settings.preset == "lcf" and missing:
            options = " ".join(f"--center {name}=…" for name in missing)
            msg = f"--preset lcf: the paper sets centres by hand, so give {options}"
            raise UsageError(msg)

    def _stepper(
        self, data: Prepared, settings: LcfSettings, context: TrainingContext, order: Order = epoch_order
    ) -> Stepper:
        if self._path == "torch" or (self._path == "auto" and context.device != "cpu"):
            from cutflow_cli.models.lcf.torch_path import TorchStepper

            return TorchStepper(data, settings, context.seed, context.replicas, context.device, order=order)
        from cutflow_cli.models.lcf.fused import FusedStepper

        return FusedStepper(data, settings, context.seed, context.replicas, context.threads, order)
