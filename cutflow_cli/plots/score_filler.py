"""Histograms of scores, filled batch by batch: of the score itself, and of its logit where it piles up at 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROLES
from cutflow_cli.plots.arrays import Shape

#: Bins of a score between 0 and 1.
BINS = 40
#: Fine bins of its logit, of which the populated range is shown in at most `BINS` bins. A float32 below 1 ends at 16.6.
LOGIT_EDGES = np.linspace(-25.0, 17.5, 341)
#: Share of a class's weight that is left to the edge bins of the logit on each side.
_TAIL = 0.002
#: A logit is shown if the outer bins of the score hold more than this share of either class.
PILED_UP = 0.4


class ScoreFiller:
    """Fills the histograms of one score on one split, plain and of its logit, batch by batch.

    Args:
        column: the column of the events that holds the score.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._linear = [Histogram(np.linspace(0.0, 1.0, BINS + 1)) for _ in ROLES]
        self._logit = [Histogram(LOGIT_EDGES) for _ in ROLES]

    def fill(self, batch: EventBatch) -> None:
        """Add events."""
        scores = batch.columns[self._column].astype(np.float64)
        logits = logit(scores)
        for label in range(len(ROLES)):
            mine: NDArray[np.bool_] = batch.label == label
            self._linear[label].fill(scores[mine], batch.weight[mine])
            self._logit[label].fill(logits[mine], batch.weight[mine])

    def plain(self) -> tuple[Shape, ...]:
        """Return the histograms of the score, background and signal."""
        return tuple(histogram.shape for histogram in self._linear)

    def of_logit(self) -> tuple[Shape, ...]:
        """Return those of its logit, in fine bins."""
        return tuple(histogram.shape for histogram in self._logit)

    @property
    def piles_up(self) -> bool:
        """Whether most of a class is close to 0 or 1."""
        shares = [shape.unit_area() for shape in self.plain()]
        return any(area is not None and area[0][0] + area[0][-1] > PILED_UP for area in shares)


class Histogram:
    """A weighted histogram with under- and overflow; a score of 1 belongs to the last bin."""

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self._edges = edges
        self._sums = np.zeros((2, len(edges) + 1))
        self._events = self._missing = 0

    def fill(self, values: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        """Add values with their weights, each of shape (events,)."""
        known = ~np.isnan(values)
        place = np.searchsorted(self._edges, values[known], side="right")
        place[values[known] == self._edges[-1]] -= 1
        for row, weights in enumerate((weight[known], weight[known] ** 2)):
            self._sums[row] += np.bincount(place, weights=weights, minlength=self._sums.shape[1])
        self._events += int(np.count_nonzero(known))
        self._missing += int(np.count_nonzero(~known))

    @property
    def shape(self) -> Shape:
        """The sums, as arrays of their own."""
        sumw, sumw2 = self._sums
        return Shape(sumw.copy(), sumw2.copy(), self._events, self._missing, None)


def logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln s/(1−s), the output of a network before the sigmoid; infinite at 0 and 1 and beyond."""
    inside = np.clip(scores, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(inside) - np.log1p(-inside))


def coarse_positions(shapes: Sequence[Shape]) -> NDArray[np.intp]:
    """Choose which fine edges to keep: 0.2 % of either class beyond each end, and few enough bins between."""
    low, high = len(LOGIT_EDGES) - 2, 1
    for shape in shapes:
        size = np.abs(shape.sumw)
        if size.sum() > 0:
            share = np.cumsum(size) / size.sum()
            low = min(low, int(np.searchsorted(share, _TAIL)) - 1)
            high = max(high, int(np.searchsorted(share, 1 - _TAIL)))
    low, high = max(low, 0), min(high, len(LOGIT_EDGES) - 1)
    if high <= low:
        low, high = 0, len(LOGIT_EDGES) - 1
    step = -(-(high - low) // BINS)
    last = min(low + step * -(-(high - low) // step), len(LOGIT_EDGES) - 1)
    return np.unique(np.append(np.arange(low, last, step), last))


def coarser(shape: Shape, kept: NDArray[np.intp]) -> Shape:
    """Merge bins so that only some edges are left; what is beyond goes to under- and overflow."""
    starts = np.append(0, kept + 1)
    sumw, sumw2 = (np.add.reduceat(sums, starts) for sums in (shape.sumw, shape.sumw2))
    return Shape(sumw, sumw2, shape.events, shape.non_finite, None)
