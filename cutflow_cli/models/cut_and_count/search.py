"""The best region of one observable for a figure of merit: none, one-sided or two-sided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutflow_cli.models.cut_and_count.objective import Objective
from cutflow_cli.models.cut_and_count.pairs import Best, Positions, Side, best_selection
from cutflow_cli.models.cut_and_count.profile import B, Profile, S
from cutflow_cli.selection.cut import Cut, Region

#: A gain below this share is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Window:
    """A region of an observable by positions in its profile.

    Attributes:
        figure: figure of merit of what it keeps.
        region: which part.
        first: position of the boundary of a one-sided region, or of the lower of two.
        second: position of the upper of two.
    """

    figure: float
    region: Region
    first: int
    second: int = 0


def best_region(
    profile: Profile,
    objective: Objective,
    before: float,
    min_gain: float,
    *,
    two_sided: bool = True,
    above: float = -np.inf,
) -> Window | None:
    """Find the region with the best figure of merit; of equals the simpler.

    Exact: what it finds is the best of all places between distinct values and of all pairs of them, for additive
    figures of merit by one pass, for others by branch and bound.

    Args:
        profile: of the observable.
        objective: the figure of merit.
        before: its value without a cut on the observable.
        min_gain: share by which each boundary must raise it.
        two_sided: whether regions with two boundaries are considered.
        above: regions with two boundaries are considered only if they exceed this.

    Returns:
        The region, or None if no cut is worth it.
    """
    if len(profile.values) < 2:
        return None
    found = _one_sided(profile, objective, worth(before, min_gain))
    needed = max(worth(before if found is None else found.figure, min_gain), above)
    for region in (Region.INSIDE, Region.OUTSIDE) if two_sided else ():
        pair = _two_sided(profile, objective, region, needed)
        if pair is not None:
            found, needed = pair, worth(pair.figure, 0.0)
    return found


def worth(figure: float, min_gain: float) -> float:
    """Return what a figure of merit must exceed to be worth one more boundary."""
    return figure + max(min_gain, _ROUNDING) * abs(figure)


def _one_sided(profile: Profile, objective: Objective, above: float) -> Window | None:
    places = np.arange(1, len(profile.values))
    nothing = Side(np.zeros((4, 1)), np.zeros(1, dtype=np.int64), 1, np.zeros((4, 1)), rising=True)
    best: Window | None = None
    for region, sign in ((Region.BELOW, 1), (Region.ABOVE, -1)):
        if objective.additive:
            figure = objective.values(profile.kept(region, places, places))
            index = int(np.argmax(figure))
            found = Best(float(figure[index]), int(places[index]), 0) if figure[index] > above else None
        else:
            offset = profile.total if sign < 0 else 0 * profile.total
            boundary = Side(profile.sums, places, sign, offset, profile.rising)
            found = best_selection(objective, boundary, nothing, above)
        if found is not None:
            best = Window(found.figure, region, found.first)
            above = worth(best.figure, 0.0)
    return best


def _two_sided(profile: Profile, objective: Objective, region: Region, above: float) -> Window | None:
    places = np.arange(1, len(profile.values))
    if len(places) < 2:
        return None
    if objective.additive:
        window = _best_additive(profile, objective, region)
        return window if window.figure > above else None
    best = best_selection(objective, *_sides(profile, region, places), above, ordered=True)
    return None if best is None else Window(best.figure, region, best.first, best.second)


def _sides(profile: Profile, region: Region, places: Positions) -> tuple[Side, Side]:
    """Return what the two boundaries of a region contribute to what it keeps."""
    sums, nothing = profile.sums, 0 * profile.total
    if region is Region.INSIDE:
        return Side(sums, places, -1, nothing, profile.rising), Side(sums, places, 1, nothing, profile.rising)
    return Side(sums, places, 1, nothing, profile.rising), Side(sums, places, -1, profile.total, profile.rising)


def _best_additive(profile: Profile, objective: Objective, region: Region) -> Window:
    """Find the window with the largest (or, kept outside, the smallest) sum of gains: J. Bentley's maximum subarray."""
    up, down = objective.slopes
    gain = up * profile.sums[S, 1:-1] - down * profile.sums[B, 1:-1]  # of the values below each boundary
    if region is Region.OUTSIDE:
        gain = -gain
    lowest = np.minimum.accumulate(gain[:-1])
    second = int(np.argmax(gain[1:] - lowest)) + 1
    first = int(np.argmin(gain[:second]))
    kept = profile.kept(region, np.array([first + 1]), np.array([second + 1]))
    return Window(float(objective.values(kept)[0]), region, first + 1, second + 1)


def make_cut(name: str, profile: Profile, window: Window) -> Cut:
    """Give a region its boundaries, each midway between the values that it divides, or as near as their type allows.

    Args:
        name: of the observable.
        profile: of the observable.
        window: the region.
    """
    first, second = window.first, window.second
    match window.region:
        case Region.BELOW:
            return Cut(name, Region.BELOW, None, profile.below(first))
        case Region.ABOVE:
            return Cut(name, Region.ABOVE, profile.above(first))
        case Region.INSIDE:
            return Cut(name, Region.INSIDE, profile.above(first), profile.below(second))
        case _:
            return Cut(name, Region.OUTSIDE, profile.below(first), profile.above(second))
