"""A cut whose boundaries differ by bin of another observable, on the axis of its own observable.

There it keeps some places in all bins and others in some of them only. What is moved is not its own boundary, which is
none on this axis, but one boundary that takes the place of those of all bins: its curve beside S/√B of the selection as
it is says what bins are worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.moving import Curves, curve, s_over_sqrt_b
from cutflow_cli.plots.stacks import Counts, Moved
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region

Side = Literal["lower", "upper"]
Intervals = list[tuple[float, float]]
_SIDES: tuple[Side, ...] = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the other side of a cut does when one side of all bins is replaced by one boundary.

    Attributes:
        side: the side that is replaced.
        rest: what is left of the cut without that side.
        joined: whether an event passes on either side (a region `outside`), rather than having to pass both.
    """

    side: Side
    rest: BinnedCut
    joined: bool

    @property
    def passes_above(self) -> bool:
        """Whether it is events above the boundary that pass it."""
        return (self.side == "lower") != self.joined


def boundaries_of(cut: Cut) -> tuple[float, ...]:
    """Return the boundaries of a cut; of one in bins the least and the greatest of each side, each once."""
    if isinstance(cut, BinnedCut):
        return tuple(dict.fromkeys(value for side in _SIDES for value in cut.span(side) or ()))
    return tuple(value for value in (cut.lower, cut.upper) if value is not None)


def edges_of(cut: Cut) -> tuple[float, ...]:
    """Return the boundaries at which bins of an axis should begin: those that all bins share."""
    if isinstance(cut, BinnedCut):
        spans = (cut.span(side) for side in _SIDES)
        return tuple(span[0] for span in spans if span is not None and span[0] == span[1])
    return boundaries_of(cut)


def kept_by_bins(cut: BinnedCut, low: float, high: float) -> tuple[Intervals, Intervals]:
    """Return the parts of a range that a cut keeps in all of its bins, and those that it keeps in some only.

    Args:
        cut: the cut.
        low: of the range.
        high: of the range.
    """
    values = [value for member in cut.members for value in (member.lower, member.upper) if value is not None]
    places = np.unique([low, *(value for value in values if low < value < high), high])
    middles = 0.5 * (places[1:] + places[:-1])
    keeping = np.sum([member.passes(middles) for member in cut.members], axis=0)
    every, some = keeping == len(cut.members), (keeping > 0) & (keeping < len(cut.members))
    return _joined(places, every), _joined(places, some)


def _joined(places: NDArray[np.float64], chosen: NDArray[np.bool_]) -> Intervals:
    """Join neighbouring intervals that are chosen."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return [(float(places[start]), float(places[end])) for start, end in turns.reshape(-1, 2)]


def replaced_sides(cut: Cut) -> tuple[Replaced, ...]:
    """Return the sides of a cut in bins that one boundary for all bins can replace; none where regions differ.

    A bin that does not cut would, with that boundary.
    """
    if not isinstance(cut, BinnedCut) or len({one.region for one in cut.members} - {Region.ALL}) != 1:
        return ()
    return tuple(
        Replaced(side, replace(cut, members=tuple(_without(one, side) for one in cut.members)),
                 cut.region is Region.OUTSIDE)
        for side in _SIDES
        if cut.span(side) is not None
    )  # fmt: skip


def _without(cut: Cut, side: Side) -> Cut:
    """Return what is left of a cut of one bin without a side."""
    other = cut.upper if side == "lower" else cut.lower
    if other is None:
        return Cut(cut.observable, Region.ALL)
    if (side == "lower") == (cut.region is Region.INSIDE):
        return Cut(cut.observable, Region.BELOW, upper=other)
    return Cut(cut.observable, Region.ABOVE, lower=other)


def common_boundaries(
    cut: Cut,
    edges: NDArray[np.float64],
    everything: tuple[Counts, Counts],
    rest: Mapping[Side, tuple[Counts, Counts]],
    least: float,
) -> Curves:
    """Compute S/√B of the selection with one boundary, at each edge, in place of those that one side has in the bins.

    Args:
        cut: the cut; what is no cut in bins has no curve.
        edges: of the bins of the axis, shape (bins + 1,).
        everything: signal and background after the other cuts.
        rest: what of them passes `Replaced.rest` of each side.
        least: effective background events below which the number is not quoted.

    Returns:
        A curve for each side, and why one is undefined somewhere.
    """
    curves: list[Moved] = []
    reasons: list[str | None] = []
    number = np.arange(len(edges) + 1)
    for one in replaced_sides(cut):
        found = []
        for edge in range(len(edges)):
            beyond = number > edge if one.passes_above else number <= edge
            # Within the boundary either side may decide (`outside`: it is enough), or both must.
            pairs = zip(everything, rest[one.side], strict=True)
            sums = [
                every.sums(beyond) + left.sums(~beyond) if one.joined else left.sums(beyond) for every, left in pairs
            ]
            found.append(s_over_sqrt_b(sums[0], sums[1], least))
        curves.append(curve(one.side, edges, found))
        reasons += [estimate.reason for estimate in found if estimate.value is None]
    return tuple(curves), next(filter(None, reasons), None)
