"""One flow refined for an objective: start, gradient ascent on soft counts, exact step on hard cuts.

The soft counts are also what keeps an ascent from learning the sample's fluctuations: each is the yield of observables
smeared by a width that even at the end covers several times the distance of the last background events, so that B is
estimated from those around the selection, too. On 50 000 + 50 000 events of mock1 (arXiv:2503.22498) the ascent by
itself reaches 4.3 to 4.6 of the 4.64 that any box can have on fresh events, while a plain search on hard counts with
the same guard reaches 3.5. The exact step may spoil some of that: it only makes moves that more than fluctuations
speak for (`exact.WORTH`), yet the best of many places is always too good. So the objective on the training split is no
measurement; quote it on test. A search that smooths all along, and estimates its optimism, is `train box`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.layers.cut_layer import half_widths
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.refine.ascent import STEEPNESS, STEPS, ascend, judged
from cutflow_cli.models.refine.exact import ExactStep, Judge
from cutflow_cli.models.refine.soft import Edges, SoftSums, make_binned
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

Array = NDArray[np.float64]

#: Every so many steps of an ascent a row of the table says how it stands.
ROWS_EVERY = 10
#: Where the exact step changed what a cut keeps (below, above, ...), all boundaries ascend again, so often at most.
ROUNDS = 2
#: An ascent is repeated, so many in all, while the hard cuts keep too little background, each time asking for more.
ASCENTS = 2
_MORE = 1.1
#: Boundaries are moved outward by at most this many widths until enough background is kept.
_OUTWARD = 4.0
_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """How a refinement stood.

    Attributes:
        stage: `start`, then `ascent`, `outward` (boundaries moved outward until enough background is kept) and `exact`,
            again where the exact step changed the region of a cut.
        step: of the ascent; its number of steps after it.
        steepness: of the soft counts; NaN where there are none.
        soft: objective of the soft counts; NaN where there are none.
        hard: objective of the hard cuts, −∞ where it is undefined or too little background is kept; NaN if not counted.
    """

    stage: str
    step: int
    steepness: float
    soft: float
    hard: float


@dataclass(frozen=True, slots=True)
class Refined:
    """What became of a flow.

    Attributes:
        flow: the result, boundaries rounded to what the columns can hold.
        rows: how it came about.
    """

    flow: CutFlow
    rows: tuple[Row, ...]


class Refiner:
    """Refines flows on a training split; what replicas share is done once.

    Args:
        sample: the training split. What counts are its expected events, signed, whatever weights a loss had.
        objective: what to make large.
        min_effective: effective background events, (Σw)²/Σw², that hard cuts must keep, unless it is additive.
        allowed: which regions each feature may have in the end; every one if None.

    Raises:
        UsageError: if a class has no positive sum of expected events, for then there are no efficiencies.
    """

    def __init__(
        self,
        sample: EventSample,
        objective: Objective,
        min_effective: float,
        allowed: Sequence[frozenset[Region]] | None = None,
    ) -> None:
        self._sample, self._objective, self._min_effective = sample, objective, min_effective
        self._columns = [
            np.ascontiguousarray(sample.x[:, k], dtype=np.float32 if sample.dtypes[name] == "float32" else None)
            for k, name in enumerate(sample.features)
        ]
        self._widths = _widths(sample)
        self._binned = [
            make_binned(column, sample.label, width) for column, width in zip(self._columns, self._widths, strict=True)
        ]
        regions = allowed or [frozenset(Region)] * len(self._columns)
        self._exact = ExactStep(sample.features, self._columns, sample.label, regions)

    def refine(
        self, flow: CutFlow, counts: NDArray[np.int64] | None, watch: Callable[[float], None] = lambda done: None
    ) -> Refined:
        """Refine one flow.

        Args:
            flow: where to start: one step for each feature, in order; inactive ones keep everything.
            counts: how often each event counts (a bootstrap's); None for once each.
            watch: told the share done; what it raises ends it.

        Returns:
            The flow of the highest hard objective that the rules allow, without importances and N−1 losses, which were
            those of another loss.
        """
        weight, square = self._weights(counts)
        judge, events = self._judge(weight), self._exact.sums(weight, square)
        start = self._cuts(flow)
        rows = [Row("start", 0, np.nan, np.nan, self._hard(start, judge, events))]
        found = start

        def within(turn: int, done: float) -> None:
            watch((turn + 0.7 * done) / ROUNDS)

        for turn in range(ROUNDS):
            regions = [cut.region for cut in found]
            begun, begun_at = found, self._hard(found, judge, events)
            if any(region is not Region.ALL for region in regions):
                found, climbed = self._climbed(found, judge, (weight, square, events), partial(within, turn))
                rows += climbed
            found = self._outward(found, judge, events)
            rows.append(Row("outward", STEPS, np.nan, np.nan, self._hard(found, judge, events)))
            if rows[-1].hard == -np.inf < begun_at:  # there is no way outward, but where it began was good
                found = begun
            found = self._exact.improve(found, judge, events, partial(within, turn, 1.1))
            rows.append(Row("exact", STEPS, np.nan, np.nan, self._hard(found, judge, events)))
            if [cut.region for cut in found] == regions:
                break
        steps = tuple(_step(cut, old) for cut, old in zip(found, flow.steps, strict=True))
        return Refined(replace(flow, steps=steps), tuple(rows))

    def settled(self, flow: CutFlow) -> tuple[CutFlow, float]:
        """Move the boundaries of a consensus outward until it keeps enough background, and judge it on all events.

        Args:
            flow: with a step for each feature, in order.

        Returns:
            The flow, and its objective on the training split, −∞ where it is undefined.
        """
        weight, square = self._weights(None)
        judge, events = self._judge(weight), self._exact.sums(weight, square)
        cuts = self._outward(self._cuts(flow), judge, events)
        steps = tuple(
            replace(step, cut=cut) if step.active else step for step, cut in zip(flow.steps, cuts, strict=True)
        )
        return replace(flow, steps=steps), self._hard(cuts, judge, events)

    def objective_of(self, flow: CutFlow, counts: NDArray[np.int64] | None = None) -> float:
        """Return a flow's objective on the training split, −∞ where it is undefined or keeps too little background."""
        weight, square = self._weights(counts)
        return self._hard(self._cuts(flow), self._judge(weight), self._exact.sums(weight, square))

    def _weights(self, counts: NDArray[np.int64] | None) -> tuple[Array, Array]:
        """Return Σw and Σw² of what each event stands for."""
        expected = self._sample.expected
        if counts is None:
            return expected, expected**2
        return expected * counts, expected**2 * counts

    def _judge(self, weight: Array) -> Judge:
        background, signal = (float(weight[self._sample.label == role].sum()) for role in (0, 1))
        if not (background > 0 and signal > 0):
            msg = f"--objective: expects {signal:g} signal and {background:g} background events; both must be above 0"
            raise UsageError(msg)
        return Judge(self._objective, (signal, background), self._min_effective)

    def _cuts(self, flow: CutFlow) -> list[Cut]:
        return [
            step.cut.rounded(self._sample.dtypes[step.cut.observable])
            if step.active
            else Cut(step.cut.observable, Region.ALL)
            for step in flow.steps
        ]

    def _hard(self, cuts: Sequence[Cut], judge: Judge, events: Array) -> float:
        return float(judge.values(self._exact.kept(cuts, events)[:, None])[0])

    def _climbed(
        self, start: list[Cut], judge: Judge, sums: tuple[Array, Array, Array], watch: Callable[[float], None]
    ) -> tuple[list[Cut], list[Row]]:
        """Ascend from a start; keep it where soft and hard counts both say that it was better."""
        weight, square, events = sums
        edges = Edges.of(start, self._widths)
        soft = SoftSums(self._binned, edges, weight, square, self._sample.label)
        rows: list[Row] = []

        def cuts_at(parameters: Array) -> list[Cut]:
            moved = edges.moved(parameters, self._widths)
            cuts = [moved.get(k, cut) for k, cut in enumerate(start)]
            return [cut.rounded(self._sample.dtypes[cut.observable]) for cut in cuts]

        def note(step: int, steepness: float, parameters: Array, objective: float) -> None:
            watch(step / STEPS)
            if step % ROWS_EVERY == 0 or step == STEPS:
                rows.append(Row("ascent", step, steepness, objective, self._hard(cuts_at(parameters), judge, events)))

        totals = (judge.totals[1], judge.totals[0])
        end, wanted = edges.start, self._min_effective
        for _ in range(ASCENTS):
            end = ascend(soft, end, totals, self._objective, wanted, note)
            effective = judge.effective(self._exact.kept(cuts_at(end), events))
            if self._objective.additive or effective >= self._min_effective:
                break
            # what is smeared keeps more background than what is not: ask for as much more
            wanted *= max(_MORE, self._min_effective / max(effective, 1.0))
        found = cuts_at(end)
        at_start = judged(soft.at(edges.start, STEEPNESS[1])[0], totals, self._objective, self._min_effective)[0]
        better = rows[-1].soft >= at_start or rows[-1].hard > self._hard(start, judge, events)
        return (found if better else start), rows

    def _outward(self, cuts: list[Cut], judge: Judge, events: Array) -> list[Cut]:
        """Move all boundaries outward alike, as little as makes the objective defined; none if that does not help."""

        def moved(by: float) -> list[Cut]:
            return [
                _widened(cut, by * width).rounded(self._sample.dtypes[cut.observable])
                for cut, width in zip(cuts, self._widths, strict=True)
            ]

        def defined(by: float) -> bool:
            return self._hard(moved(by), judge, events) > -np.inf

        if self._hard(cuts, judge, events) > -np.inf or not defined(_OUTWARD):
            return cuts
        low, high = 0.0, _OUTWARD
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if defined(middle) else (middle, high)
        return moved(high)


def _widths(sample: EventSample) -> list[float]:
    """Return each feature's unit: half the 16-84 % interval of the class in which that is narrower.

    A signal that peaks is not smeared by the width of its background.
    """
    by_class = [
        half_widths({k: column[sample.label == role] for k, column in sample.columns.items()}) for role in (0, 1)
    ]
    return [min(widths[name] for widths in by_class) for name in sample.features]


def _widened(cut: Cut, by: float) -> Cut:
    outward = -by if cut.region is Region.OUTSIDE else by
    lower = None if cut.lower is None else cut.lower - outward
    upper = None if cut.upper is None else cut.upper + outward
    return Cut(cut.observable, cut.region, lower, upper)


def _step(cut: Cut, old: LearnedCut) -> LearnedCut:
    if cut.region is not Region.ALL:
        return LearnedCut(cut)
    why = old.note if not old.active else "the objective is better without it"
    return LearnedCut(cut, active=False, note=why)
