"""S/√B of the bins of an observable, and of a selection as a boundary on it is moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.significance import signal_over_sqrt_background
from cutflow_cli.metrics.summary import too_few
from cutflow_cli.metrics.yields import Sums, expected_events
from cutflow_cli.plots.binning import Binning
from cutflow_cli.plots.stacks import Counts, Moved, MovedName
from cutflow_cli.selection.cut import Cut, Region

Curves = tuple[tuple[Moved, ...], str | None]


def moved_boundaries(cut: Cut, edges: NDArray[np.float64], signal: Counts, background: Counts, least: float) -> Curves:
    """Compute S/√B of the selection with each boundary of its cut moved to each edge, the other one left in place.

    Args:
        cut: the cut, on the axis.
        edges: of the bins, shape (bins + 1,).
        signal: in bins.
        background: in bins.
        least: effective background events below which the number is not quoted.

    Returns:
        A curve for each boundary, and why it is undefined somewhere; no curve where a boundary lies beyond the range,
        for bins there do not tell what it keeps.
    """
    lower, upper = _edge_at(edges, cut.lower), _edge_at(edges, cut.upper)
    if (lower is None) != (cut.lower is None) or (upper is None) != (cut.upper is None):
        return (), "a boundary lies beyond the range shown"
    curves: list[Moved] = []
    reasons: list[str | None] = []
    places = range(len(edges))
    if lower is not None:
        pairs = [(place, upper) for place in places if upper is None or place < upper]
        found = [_selection(cut, pair, signal, background, least) for pair in pairs]
        curves.append(curve("lower", edges[[low for low, _ in pairs]], found))
        reasons += [one.reason for one in found if one.value is None]
    if upper is not None:
        pairs_above = [(lower, place) for place in places if lower is None or place > lower]
        found = [_selection(cut, pair, signal, background, least) for pair in pairs_above]
        curves.append(curve("upper", edges[[high for _, high in pairs_above]], found))
        reasons += [one.reason for one in found if one.value is None]
    return tuple(curves), next(filter(None, reasons), None)


def _selection(
    cut: Cut, boundaries: tuple[int | None, int | None], signal: Counts, background: Counts, least: float
) -> Estimate:
    """Compute S/√B with the boundaries at two edges; edge i is the lower one of bin i + 1."""
    low, high = boundaries
    number = np.arange(len(signal.sumw))
    above = np.ones(len(number), dtype=np.bool_) if low is None else number > low
    below = np.ones(len(number), dtype=np.bool_) if high is None else number <= high
    inside = ~(above & below) if cut.region is Region.OUTSIDE else above & below
    return s_over_sqrt_b(signal.sums(inside), background.sums(inside), least)


def of_bins(binning: Binning, signal: Counts, background: Counts, least: float) -> Curves:
    """Compute S/√B of each bin, under- and overflow in the edge bins unless the range is cut down.

    See `moved_boundaries`.
    """
    edges = binning.edges
    bins = np.arange(len(edges) + 1)
    bins = bins if binning.cut_down else np.clip(bins, 1, len(edges) - 1)
    found = [
        s_over_sqrt_b(signal.sums(bins == one), background.sums(bins == one), least) for one in range(1, len(edges))
    ]
    reason = next((one.reason for one in found if one.value is None and one.reason), None)
    return (curve("bins", 0.5 * (edges[1:] + edges[:-1]), found),), reason


def s_over_sqrt_b(signal: Sums, background: Sums, least: float) -> Estimate:
    """Compute S/√B, undefined with a reason where there is too little background, as in the tables."""
    few = too_few(background, least)
    if few is not None:
        return Estimate.undefined(few)
    return signal_over_sqrt_background(expected_events(signal, "signal"), expected_events(background, "background"))


def curve(name: MovedName, places: NDArray[np.float64], found: Sequence[Estimate]) -> Moved:
    """Put numbers at places together; NaN where one is undefined."""

    def numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    return Moved(name, places, numbers([one.value for one in found]), numbers([one.error for one in found]))


def _edge_at(edges: NDArray[np.float64], boundary: float | None) -> int | None:
    """Return which edge a boundary is; None where it lies outside the range, or there is none."""
    found = np.flatnonzero(edges == boundary) if boundary is not None else np.empty(0)
    return int(found[0]) if len(found) else None
