"""Histograms of expected events per process, filled batch by batch, and what a cut on them keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.plots.backend import hist
from cutflow_cli.plots.binned_panels import Side, replaced_sides
from cutflow_cli.plots.binning import Binning, aligned
from cutflow_cli.plots.score_filler import BINS, LOGIT_EDGES, PILED_UP, logit
from cutflow_cli.plots.stacks import Counts
from cutflow_cli.plots.stream import of_hypothesis, passing
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

#: Share of the weight of a class that is left to the edge bins of a score's logit on each side.
_TAIL = 0.002


@dataclass(frozen=True, slots=True)
class Shown:
    """Which events one panel shows, and of what.

    Attributes:
        step: the step of the flow; its cut rounded to the column's type.
        others: the cuts that the events passed.
        hypothesis: signal mass point that the signal is restricted to; None for all.
    """

    step: LearnedCut
    others: tuple[Cut, ...]
    hypothesis: float | None

    @property
    def observable(self) -> str:
        """The column."""
        return self.step.cut.observable

    @property
    def cut(self) -> Cut:
        """The cut of the flow on it; one that keeps everything where the flow applies none."""
        return self.step.cut if self.step.active else Cut(self.observable, Region.ALL)


@dataclass(frozen=True, slots=True)
class FilledStack:
    """A filled panel.

    Attributes:
        binning: the bins.
        logits: whether they are of the logit of the score.
        cut: the cut, as it lies on the axis.
        counts: of each process.
        missing: simulated events without a value, by process.
        kept: number, Σw and Σw² of the events that pass the cut too, shape (processes, 3).
        rest: for a cut in bins the events of each process that pass what is left of it without one side.
    """

    binning: Binning
    logits: bool
    cut: Cut
    counts: tuple[Counts, ...]
    missing: NDArray[np.int64]
    kept: NDArray[np.float64]
    rest: Mapping[Side, tuple[Counts, ...]] = field(default_factory=dict)

    def of(self, processes: Sequence[int]) -> Counts:
        """Return what some processes have in each bin."""
        return self._sum(self.counts, processes)

    def rest_of(self, processes: Sequence[int]) -> dict[Side, Counts]:
        """Return what some processes have in each bin that passes the cut without one side, by side."""
        return {side: self._sum(counts, processes) for side, counts in self.rest.items()}

    def _sum(self, counts: Sequence[Counts], processes: Sequence[int]) -> Counts:
        return sum((counts[one] for one in processes), Counts.nothing(len(self.binning.edges) - 1))

    def kept_by(self, processes: Sequence[int]) -> Sums:
        """Return what some processes have that passes the cut too: the yield of the whole selection."""
        events, sumw, sumw2 = self.kept[list(processes)].sum(axis=0).tolist()
        return Sums(round(events), sumw, sumw2)


class _Histograms:
    """Numbers and weights of events of each process against an observable."""

    def __init__(self, edges: NDArray[np.float64], processes: int) -> None:
        axes = hist.axis.Integer(0, processes), hist.axis.Variable(edges.tolist())
        self._events: Any = hist.Hist(*axes)
        self._weights: Any = hist.Hist(*axes, storage=hist.storage.Weight())
        self._processes = processes

    def fill(self, process: NDArray[np.int32], places: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        self._events.fill(process, places)
        self._weights.fill(process, places, weight=weight)

    def counts(self) -> tuple[Counts, ...]:
        events, weights = self._events.view(flow=True), self._weights.view(flow=True)
        return tuple(
            Counts(np.array(events[row]), np.array(weights["value"][row]), np.array(weights["variance"][row]))
            for row in range(1, self._processes + 1)
        )


class StackFiller:
    """Fills one panel: every process against one observable, batch by batch.

    A bin holds its lower edge; that of a boundary which a cut keeps only what is above is put next to it, so that bins
    are kept or not as a whole, whatever lies on the boundary.

    Args:
        shown: the events.
        binning: the bins; of the logit, for a score that piles up.
        processes: how many there are.
        logits: whether the axis is that of the logit.
    """

    def __init__(self, shown: Shown, binning: Binning, processes: int, *, logits: bool = False) -> None:
        self._shown, self._binning, self._logits, self._processes = shown, binning, logits, processes
        self._cut = _on_axis(shown.cut, logits=logits)
        edges = _counting_edges(binning.edges, self._cut)
        self._histograms = _Histograms(edges, processes)
        sides = replaced_sides(shown.cut) if shown.others else ()
        self._rest = [(one, _Histograms(edges, processes)) for one in sides]
        self._missing = np.zeros(processes, dtype=np.int64)
        self._kept = np.zeros((processes, 3))

    def fill(self, batch: EventBatch) -> None:
        """Add events."""
        chosen = np.flatnonzero(passing(self._shown.others, batch, of_hypothesis(batch, self._shown.hypothesis)))
        values = batch.columns[self._shown.observable][chosen]
        process, weight = batch.process[chosen], batch.weight[chosen]
        cut = self._shown.cut
        columns = {name: batch.columns[name][chosen] for name in cut.columns}
        kept = cut.keeps(columns)
        for column, sums in enumerate((np.ones(len(chosen)), weight, weight**2)):
            self._kept[:, column] += np.bincount(process[kept], sums[kept], self._processes)
        known = ~np.isnan(values)
        self._missing += np.bincount(process[~known], minlength=self._processes)
        places = values[known].astype(np.float64)
        places = logit(places) if self._logits else places
        process, weight = process[known], weight[known]
        self._histograms.fill(process, places, weight)
        for one, histograms in self._rest:
            passed = one.rest.keeps(columns)[known]
            histograms.fill(process[passed], places[passed], weight[passed])

    def result(self) -> FilledStack:
        """Return the histograms as arrays."""
        return FilledStack(
            self._binning, self._logits, self._cut, self._histograms.counts(), self._missing.copy(), self._kept.copy(),
            {one.side: histograms.counts() for one, histograms in self._rest},
        )  # fmt: skip


class ScoreStackFiller:
    """Fills one panel of a score between 0 and 1, of whose events nothing is known before: plain and of its logit.

    Args:
        shown: the events.
        processes: how many there are.
    """

    def __init__(self, shown: Shown, processes: int) -> None:
        def filler(edges: NDArray[np.float64], *, logits: bool) -> StackFiller:
            cut = _on_axis(shown.cut, logits=logits)
            boundaries = [one for one in (cut.lower, cut.upper) if one is not None]
            return StackFiller(shown, aligned(Binning(edges), boundaries), processes, logits=logits)

        self._plain = filler(np.linspace(0.0, 1.0, BINS + 1), logits=False)
        self._fine = filler(LOGIT_EDGES, logits=True)

    def fill(self, batch: EventBatch) -> None:
        """Add events."""
        self._plain.fill(batch)
        self._fine.fill(batch)

    def result(self) -> FilledStack:
        """Return the histogram of the score, or of its logit where most of a process is close to 0 or 1."""
        plain = self._plain.result()
        for counts in plain.counts:
            sumw = counts.shown()[0]
            if sumw.sum() > 0 and sumw[0] + sumw[-1] > PILED_UP * sumw.sum():
                return _coarser(self._fine.result())
        return plain


def _coarser(fine: FilledStack) -> FilledStack:
    """Merge bins of a logit so that the populated range has few enough; boundaries stay edges where there is one."""
    edges = fine.binning.edges
    low, high = len(edges) - 2, 1
    for counts in fine.counts:
        size = np.abs(counts.sumw)
        if size.sum() > 0:
            share = np.cumsum(size) / size.sum()
            low = min(low, int(np.searchsorted(share, _TAIL)) - 1)
            high = max(high, int(np.searchsorted(share, 1 - _TAIL)))
    boundaries = [one for one in (fine.cut.lower, fine.cut.upper) if one is not None]
    anchors = [place for one in boundaries for place in np.flatnonzero(edges == one).tolist()]
    low, high = min([max(low, 0), *anchors]), max([min(high, len(edges) - 1), *anchors])
    if high <= low:
        low, high = 0, len(edges) - 1
    step = -(-(high - low) // BINS)
    anchor = anchors[0] if anchors else low
    first = anchor - step * min(-(-(anchor - low) // step), anchor // step)
    last = min(len(edges) - 1, high + step - 1)
    kept = np.unique([*range(first, last + 1, step), *anchors])
    starts = np.append(0, kept + 1)
    merged = tuple(
        Counts(*(np.add.reduceat(sums, starts) for sums in (one.events, one.sumw, one.sumw2))) for one in fine.counts
    )
    return FilledStack(Binning(edges[kept]), True, fine.cut, merged, fine.missing, fine.kept)


def _on_axis(cut: Cut, *, logits: bool) -> Cut:
    """Return a cut on a score as one on its logit."""
    if not logits or cut.region is Region.ALL:
        return cut
    lower, upper = (None if one is None else float(logit(np.array([one]))[0]) for one in (cut.lower, cut.upper))
    return Cut(cut.observable, cut.region, lower, upper)


def _counting_edges(edges: NDArray[np.float64], cut: Cut) -> NDArray[np.float64]:
    """Move the edge at a boundary to the next number above where the cut keeps only what is above it."""
    side: Side = "upper" if cut.region is Region.OUTSIDE else "lower"
    every = cut.sides(side) if isinstance(cut, BinnedCut) else (cut.upper if side == "upper" else cut.lower,)
    above = [value for value in every if value is not None]
    return np.where(np.isin(edges, above), np.nextafter(edges, np.inf), edges)
