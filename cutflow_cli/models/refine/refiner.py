"""One flow refined for an objective: start, gradient ascent on soft counts, exact step on hard cuts.

Two things keep a refinement from learning the sample's fluctuations. The soft counts are yields of observables smeared
by a width that even at the end covers several times the distance of the last background events, so that B is estimated
from those around the selection, too. And the exact step judges hard cuts as `train box` does: by a background that is
predicted from one- and two-dimensional distributions and combined with the count (`models.box.landscape`). On
50 000 + 50 000 events of mock1 (arXiv:2503.22498) exact steps on counts alone, with a guard of 10 effective background
events, came to Z = 4.0 on fresh events, 4.2 being expected; on predictions to 4.65, 4.6 being expected, where 4.64 is
what any box can have. What is left of the optimism is estimated (`pursue`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.layers.cut_layer import half_widths
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.box.binning import bin_sample
from cutflow_cli.models.box.flow import box_of, cut_of
from cutflow_cli.models.box.landscape import Box, Landscape, make_landscape, weights_of
from cutflow_cli.models.box.probes import independent_boxes, with_measured_error
from cutflow_cli.models.box.search import Climber
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.refine.ascent import STEPS, ascend
from cutflow_cli.models.refine.soft import Edges, SoftSums, make_binned
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

Array = NDArray[np.float64]

#: Every so many steps of an ascent a row of the table says how it stands.
ROWS_EVERY = 10
#: The exact step is repeated, so many in all, where predictions are worse near what it found than was known.
_ROUNDS = 3
#: The rules of `train box`, whose landscape this is.
_RULES = BoxSettings()


@dataclass(frozen=True, slots=True)
class Row:
    """How a refinement stood.

    Attributes:
        stage: `start`, then `ascent` and `exact`.
        step: of the ascent; its number of steps after it.
        steepness: of the soft counts; NaN where there are none.
        soft: objective of the soft counts; NaN where there are none.
        hard: objective of the hard cuts as estimated on train, boundaries moved to the nearest that an exact step can
            have.
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
        flow: the result, boundaries numbers that the columns can hold.
        box: the same by places between bins.
        rows: how it came about.
        landscape: by which it was judged.
    """

    flow: CutFlow
    box: Box
    rows: tuple[Row, ...]
    landscape: Landscape


class Refiner:
    """Refines flows on a training split; what replicas share is done once.

    Args:
        sample: the training split. What counts are its expected events, signed, whatever weights a loss had.
        objective: what to make large.
        min_effective: events' worth that must be known of the background kept, unless the objective is additive
            (`cutflow_cli.models.box.landscape.Landscape`).
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
        background, signal = np.bincount(sample.label, weights=sample.expected, minlength=2)
        if not (background > 0 and signal > 0):
            msg = f"--objective: expects {signal:g} signal and {background:g} background events; both must be above 0"
            raise UsageError(msg)
        self._sample, self._objective, self._allowed = sample, objective, allowed
        self._min_effective = 0.0 if objective.additive else min_effective
        self._binned = bin_sample(sample, sample.expected, _RULES.bins)
        self._widths = _widths(sample)
        self._smeared = [make_binned(sample.x[:, k], sample.label, width) for k, width in enumerate(self._widths)]

    def landscape(self, counts: NDArray[np.int64] | None, random: np.random.Generator) -> Landscape:
        """Prepare to judge hard cuts.

        Args:
            counts: how often each event counts (a bootstrap's); None for once each.
            random: by which parts of boxes are chosen that tell how good predictions are.
        """
        made = make_landscape(
            self._binned, weights_of(self._binned.signal, self._sample.expected, counts), self._objective,
            smooth=_RULES.smooth, min_effective_events=self._min_effective, min_gain=_RULES.min_gain,
            chance=_RULES.chance,
        )  # fmt: skip
        return with_measured_error(made, independent_boxes(made), random)

    def refine(
        self,
        starts: Sequence[CutFlow],
        counts: NDArray[np.int64] | None,
        random: np.random.Generator,
        watch: Callable[[float], None] = lambda done: None,
    ) -> Refined:
        """Refine the best of some flows.

        Args:
            starts: one flow, or several of which the one with the highest objective is where it begins: each with a
                step for every feature, in order; inactive ones keep everything.
            counts: how often each event counts (a bootstrap's); None for once each.
            random: see `landscape`.
            watch: told the share done; what it raises ends it.

        Returns:
            The flow of the highest objective found, without importances and N−1 losses, which were those of another
            loss.
        """
        landscape = self.landscape(counts, random)
        for _ in range(_ROUNDS):
            found = self.improved(starts, landscape, watch)
            measured = with_measured_error(landscape, [found.box], random)
            if measured.variance <= 1.2 * landscape.variance:
                break
            landscape = measured
        return found

    def improved(
        self, starts: Sequence[CutFlow], landscape: Landscape, watch: Callable[[float], None] = lambda done: None
    ) -> Refined:
        """Refine the best of some flows on a landscape, which may be that of a part of the events.

        Exact steps are taken from the start and from where the ascent ended, and the better result is kept. They move
        one observable's region at a time to the best there is, and never lower the objective, less the share of it
        that every boundary must add (`min_gain`); so the result is at least as good as the start.

        Args:
            starts: see `refine`.
            landscape: by which to judge.
            watch: told the share done; what it raises ends it.
        """
        boxes = [box_of(self._binned, flow) for flow in starts]
        at_start = [landscape.value(box) for box in boxes]
        best = int(np.argmax(np.where(np.isfinite(at_start), at_start, -np.inf)))
        rows = [Row("start", 0, np.nan, np.nan, at_start[best])]
        begun, begin = starts[best], [boxes[best]]
        if begun.cuts:
            ended, climbed = self._ascended(begun, landscape, watch)
            rows += climbed
            begin.append(ended)
        results = []
        for box in begin:
            watch(0.9)
            climber = Climber(landscape, box, allowed=self._allowed)
            results.append((climber.climb(), climber.box))
        box = max(results, key=lambda result: result[0])[1]
        rows.append(Row("exact", STEPS, np.nan, np.nan, landscape.value(box)))
        return Refined(self._flow(begun, box), box, tuple(rows), landscape)

    def value(self, flow: CutFlow, landscape: Landscape) -> float:
        """Return a flow's objective as estimated on a landscape."""
        return landscape.value(box_of(self._binned, flow))

    def _ascended(self, flow: CutFlow, landscape: Landscape, watch: Callable[[float], None]) -> tuple[Box, list[Row]]:
        """Ascend the objective of soft counts from a flow."""
        cuts = [step.cut if step.active else Cut(step.cut.observable, Region.ALL) for step in flow.steps]
        edges = Edges.of(cuts, self._widths)
        signal, signal_squares, background, background_squares = landscape.weights
        squares = (signal_squares + background_squares) * landscape.variance_scale
        soft = SoftSums(self._smeared, edges, signal + background, squares, self._sample.label)
        rows: list[Row] = []

        def box_at(parameters: Array) -> Box:
            moved = edges.moved(parameters, self._widths)
            steps = (LearnedCut(moved.get(k, cut)) for k, cut in enumerate(cuts))
            return box_of(self._binned, CutFlow(tuple(steps)))

        def note(step: int, steepness: float, parameters: Array, objective: float) -> None:
            watch(0.9 * step / STEPS)
            if step % ROWS_EVERY == 0 or step == STEPS:
                rows.append(Row("ascent", step, steepness, objective, landscape.value(box_at(parameters))))

        totals = (float(landscape.totals[2]), float(landscape.totals[0]))
        least = landscape.min_effective_events / landscape.variance_scale  # events of a part stand for more of them
        return box_at(ascend(soft, edges.start, totals, self._objective, least, note)), rows

    def _flow(self, begun: CutFlow, box: Box) -> CutFlow:
        """Return the flow of a box, in place of that where it began."""
        edges = self._binned.edges
        places = zip(box.low.tolist(), box.high.tolist(), box.kind.tolist(), strict=True)
        cuts = (cut_of(old.cut.observable, edges[k], *place)
                for k, (old, place) in enumerate(zip(begun.steps, places, strict=True)))  # fmt: skip
        return replace(begun, steps=tuple(_step(cut, old) for cut, old in zip(cuts, begun.steps, strict=True)))


def _widths(sample: EventSample) -> list[float]:
    """Return each feature's unit: half the 16-84 % interval of the class in which that is narrower.

    A signal that peaks is not smeared by the width of its background.
    """
    by_class = [
        half_widths({k: column[sample.label == role] for k, column in sample.columns.items()}) for role in (0, 1)
    ]
    return [min(widths[name] for widths in by_class) for name in sample.features]


def _step(cut: Cut, old: LearnedCut) -> LearnedCut:
    if cut.region is not Region.ALL:
        return LearnedCut(cut)
    why = old.note if not old.active else "the objective is better without it"
    return LearnedCut(cut, active=False, note=why)
