"""What each working point keeps, counted on events, and which one to recommend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.figures_of_merit import ADDITIVE, MIN_EFFECTIVE_EVENTS, Yields, figure_of_merit
from cutflow_cli.models.cabin.finish import Finished, FinishesReplicas
from cutflow_cli.models.flows import with_n_minus_1
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, consensus

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """What flows keep of a sample, each of shape (flows,).

    Attributes:
        signal: ε_s by physical weights.
        background: ε_b, likewise.
        effective: effective number of background events kept, (Σw)² / Σw².
        figure: figure of merit of the expected yields.
    """

    signal: Array
    background: Array
    effective: Array
    figure: Array


def count(flows: Sequence[CutFlow], sample: EventSample | None, fom: str) -> Counted:
    """Count hard cuts on a sample; all NaN where there is none, or where a class has no positive sum of weights."""
    nothing = np.full(len(flows), np.nan)
    if sample is None:
        return Counted(nothing, nothing, nothing, nothing)
    signal = sample.label == 1
    sums = np.zeros((len(flows), 3))
    for i, flow in enumerate(flows):
        kept = flow.mask(sample.columns, len(sample))
        s, b = sample.expected[kept & signal], sample.expected[kept & ~signal]
        sums[i] = s.sum(), b.sum(), (b**2).sum()
    totals = [float(sample.expected[mask].sum()) for mask in (signal, ~signal)]
    return counted(sums, totals, fom)


def counted(sums: Array, totals: Sequence[float], fom: str) -> Counted:
    """Turn sums of expected events into what flows keep.

    Args:
        sums: what each flow keeps: signal, background, and the background's sum of squares; shape (flows, 3).
        totals: signal and background before any cut.
        fom: figure of merit.
    """
    nothing = np.full(len(sums), np.nan)
    some = sums[:, 2] > 0
    effective = np.where(some, sums[:, 1] ** 2 / np.where(some, sums[:, 2], 1.0), 0.0)
    if min(totals) <= 0:
        return Counted(nothing, nothing, effective, nothing)
    yields = Yields(sums[:, 0], sums[:, 1], sums[:, 2], *totals)
    return Counted(sums[:, 0] / totals[0], sums[:, 1] / totals[1], effective, figure_of_merit(fom, yields))


class Counts(Protocol):
    """Counts flows on train and validation, whether these are in memory or not."""

    @property
    def validates(self) -> bool:
        """Whether there is a validation split of both classes; known once `look` was called."""

    def look(self, flows: Sequence[CutFlow], worth: Sequence[CutFlow]) -> None:
        """Be told of what will be asked, so that one pass over the events answers it.

        Args:
            flows: for `count`.
            worth: for `with_n_minus_1`.
        """

    def count(self, flows: Sequence[CutFlow], fom: str, *, validation: bool) -> Counted:
        """Count hard cuts; all NaN on a validation split that is not there."""

    def with_n_minus_1(self, flows: Sequence[CutFlow]) -> tuple[tuple[CutFlow, ...], tuple[bool, ...]]:
        """Fill in what each cut is worth on train, and say of each flow whether it keeps any signal event there."""


class HeldCounts:
    """Counts flows on samples in memory.

    Args:
        train: the training split.
        validation: the validation split; None where there is none.
    """

    def __init__(self, train: EventSample, validation: EventSample | None) -> None:
        self._train, self._validation = train, validation

    @property
    def validates(self) -> bool:
        """Whether there is a validation split of both classes."""
        return self._validation is not None

    def look(self, flows: Sequence[CutFlow], worth: Sequence[CutFlow]) -> None:
        """Do nothing: events are at hand whenever they are needed."""

    def count(self, flows: Sequence[CutFlow], fom: str, *, validation: bool) -> Counted:
        """Count hard cuts; all NaN on a validation split that is not there."""
        return count(flows, self._validation if validation else self._train, fom)

    def with_n_minus_1(self, flows: Sequence[CutFlow]) -> tuple[tuple[CutFlow, ...], tuple[bool, ...]]:
        """Fill in what each cut is worth on train, and say of each flow whether it keeps any signal event there."""
        train = self._train
        keeps = tuple(bool((flow.mask(train.columns, len(train)) & (train.label == 1)).any()) for flow in flows)
        return tuple(with_n_minus_1(flow, train) for flow in flows), keeps


def recommend(judged: Counted, fom: str) -> tuple[int, str | None]:
    """Choose the working point with the best figure of merit.

    With few background events left a figure of merit that divides by them is a lottery, so only working points with at
    least ten effective events take part, unless the figure is additive.

    Args:
        judged: the consensus at each working point, on validation.
        fom: a key of `FIGURES_OF_MERIT`.

    Returns:
        Its position, and what a user should know of the choice.
    """
    figure = np.where(np.isfinite(judged.figure), judged.figure, -np.inf)
    enough = judged.effective >= MIN_EFFECTIVE_EVENTS if fom not in ADDITIVE else np.full(len(figure), True)
    if (enough & (figure > -np.inf)).any():
        return int(np.argmax(np.where(enough, figure, -np.inf))), None
    if (figure > -np.inf).any():
        note = f"every working point keeps fewer than {MIN_EFFECTIVE_EVENTS:g} effective background events to choose by"
        return int(np.argmax(figure)), f"recommended working point: {note}"
    return len(figure) // 2, "recommended working point: no figure of merit is defined, so it is the middle one"


@dataclass(frozen=True, slots=True)
class Combined:
    """The flows of a run, and what they keep.

    Attributes:
        flows: for each working point its replicas, then their consensus.
        table: columns of `working_points.parquet`.
        recommended: the working point with the best figure of merit; None if there is one only.
        warnings: what a user should know, a sentence each.
    """

    flows: tuple[CutFlow, ...]
    table: dict[str, Any]
    recommended: str | None
    warnings: tuple[str, ...]


def combined(
    finisher: FinishesReplicas, finished: Sequence[Finished], counts: Counts, context: TrainingContext, fom: str
) -> Combined:
    """Combine replicas at each working point, count everything, and recommend one.

    Args:
        finisher: of the run.
        finished: one for each replica.
        counts: counts on train and validation.
        context: with replicas.
        fom: figure of merit, a key of `FIGURES_OF_MERIT`.
    """
    agreed = tuple(_agreed(finisher, [one.flows[t] for one in finished]) for t in range(len(finished[0].flows)))
    flows = [flow for t, last in enumerate(agreed) for flow in (*(one.flows[t] for one in finished), last)]
    counts.look([*agreed, *(flow for one in finished for flow in one.every)], flows)
    judged = counts.count(agreed, fom, validation=counts.validates)
    filled, keeps = counts.with_n_minus_1(flows)
    recommended, warnings = None, _concerns(agreed, keeps[len(finished) :: len(finished) + 1])
    if len(agreed) > 1:
        best, note = recommend(judged, fom)
        recommended = agreed[best].working_point
        warnings += [note] if note else []
        if not counts.validates:
            warnings.append("there is no validation split: the recommended working point was chosen on train")
    parts = [
        _rows(replica, one.flows, one, counts, fom) for replica, one in zip(context.replicas, finished, strict=True)
    ]
    parts.append(_rows(CONSENSUS_REPLICA, agreed, None, counts, fom))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["recommended"] = columns["working_point"] == recommended
    return Combined(filled, columns, recommended, tuple(warnings))


def _agreed(finisher: FinishesReplicas, flows: Sequence[CutFlow]) -> CutFlow:
    """Return what replicas agree on, moved to the target where they are finished exactly and differ."""
    agreed = consensus(flows).rounded(finisher.dtypes)
    return agreed if len(flows) == 1 else finisher.moved_to_target(agreed)


def _rows(
    replica: int,
    flows: tuple[CutFlow, ...],
    finished: Finished | None,
    counts: Counts,
    fom: str,
) -> dict[str, NDArray[Any]]:
    """Return the columns of one replica, or of the consensus, which has no gradient of its own."""
    train, validation = (counts.count(flows, fom, validation=on) for on in (False, True))
    unknown = np.full(len(flows), np.nan)
    learned = (
        Counted(unknown, unknown, unknown, unknown)
        if finished is None
        else counts.count(finished.learned, fom, validation=False)
    )
    moved, free = (
        unknown if some is None else counts.count(some, fom, validation=False).background
        for some in ((None, None) if finished is None else (finished.moved, finished.free))
    )
    return {
        "replica": np.full(len(flows), replica, dtype=np.int32),
        "working_point": np.array([flow.working_point for flow in flows]),
        "target": np.array([np.nan if flow.target is None else flow.target for flow in flows]),
        "signal_efficiency": train.signal,
        "background_efficiency": train.background,
        "validation_signal_efficiency": validation.signal,
        "validation_background_efficiency": validation.background,
        "validation_effective_background": validation.effective,
        "figure_of_merit": validation.figure,
        "gradient_signal_efficiency": learned.signal,
        "gradient_background_efficiency": learned.background,
        "moved_background_efficiency": moved,
        "free_background_efficiency": free,
        "price": train.background - free,
        "roughness": np.full(len(flows), np.nan if finished is None else finished.roughness),
        "free_roughness": np.full(len(flows), np.nan if finished is None else finished.free_roughness),
    }


def _concerns(agreed: Sequence[CutFlow], keeps: Sequence[bool]) -> list[str]:
    """Say in words what a user should look at before trusting the scan."""
    empty = [flow.working_point for flow, some in zip(agreed, keeps, strict=True) if not some]
    unsure = [
        f"{step.cut.observable} at {flow.working_point}"
        for flow in agreed
        for step in flow.steps
        if step.agreement is not None and step.agreement < 0.6
    ]
    concerns = []
    if empty:
        where = ", ".join(empty) if len(empty) < 4 else f"{len(empty)} of {len(agreed)} working points"
        concerns.append(
            f"no signal event of the training split is kept at {where}: the learning was unstable there; "
            "a smaller --learning-rate or --epsilon, or --smoothing averaged, helps, and --exact finishes the cuts"
        )
    if unsure:
        few = ", ".join(unsure[:3]) + (f" and {len(unsure) - 3} more" if len(unsure) > 3 else "")
        concerns.append(f"fewer than 60% of the replicas agree whether to cut on {few}")
    return concerns
