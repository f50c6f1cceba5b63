"""The scan of HEP ML LAB over bin edges; see `settings` for what it is and which of its faults it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cut_and_count.objective import Objective
from cutflow_cli.models.cut_and_count.profile import B, Profile, S
from cutflow_cli.selection.cut import Cut, Region

Array = NDArray[Any]
_SHAPES = (Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE)


def best_of_bins(name: str, profile: Profile, objective: Objective, bins: int) -> Cut | None:
    """Find the best of the published candidates.

    Its comparisons hold on the boundary too; ours are strict, so a boundary is the next number beyond the bin edge.

    Args:
        name: of the observable.
        profile: of the observable.
        objective: the figure of merit.
        bins: how many equal bins between the least and the greatest finite value.

    Returns:
        The cut, the first of equals; None where the classes cross nowhere.
    """
    edges = _edges(profile, bins)
    if edges is None:
        return None
    candidates = _candidates(profile, edges)
    if not len(candidates):
        return None
    if len(candidates) == 1:
        candidates = np.append(candidates, edges[-1])
    second, first = np.tril_indices(len(candidates), -1)  # pairs in the published order: by b, then by a
    at_most = np.searchsorted(profile.values, candidates, side="right")  # values x <= edge
    less = np.searchsorted(profile.values, candidates, side="left")
    figures = np.stack(
        [
            objective.values(profile.kept(Region.BELOW, at_most[first], first)),
            objective.values(profile.kept(Region.ABOVE, less[first], first)),
            objective.values(profile.kept(Region.INSIDE, less[first], at_most[second])),
            objective.values(profile.kept(Region.OUTSIDE, at_most[first], less[second])),
        ],
        axis=1,
    )
    best, shape = (int(index) for index in np.unravel_index(int(np.argmax(figures)), figures.shape))
    if not np.isfinite(figures[best, shape]):
        return None
    return _cut(name, _SHAPES[shape], candidates[first[best]], candidates[second[best]])


def _edges(profile: Profile, bins: int) -> Array | None:
    finite = profile.values[np.isfinite(profile.values)]
    if len(finite) < 2:
        return None
    low, high = float(finite[0]), float(finite[-1])
    return np.linspace(low, high, bins + 1).astype(profile.values.dtype)


def _candidates(profile: Profile, edges: Array) -> Array:
    """Return the bin edges on which one class takes over from the other, where that bin was not empty of it."""
    begin = np.searchsorted(profile.values, edges[:-1], side="left")
    end = np.searchsorted(profile.values, edges[1:], side="right")  # both ends count in a bin
    signal, background = (profile.sums[row, end] - profile.sums[row, begin] for row in (S, B))
    found = np.zeros(len(edges) - 2, dtype=np.bool_)
    for one, other in ((background, signal), (signal, background)):
        more = one > other
        found |= (more[:-1] != more[1:]) & (one[:-1] > 0)
    return np.unique(edges[1:-1][found])


def _cut(name: str, region: Region, low: np.floating[Any], high: np.floating[Any]) -> Cut:
    """Turn a closed region into an open one by a step to the next number of the column's type."""

    def before(value: np.floating[Any]) -> float:
        return float(np.nextafter(value, value.dtype.type(-np.inf)))

    def after(value: np.floating[Any]) -> float:
        return float(np.nextafter(value, value.dtype.type(np.inf)))

    match region:
        case Region.BELOW:
            return Cut(name, region, None, after(low))
        case Region.ABOVE:
            return Cut(name, region, before(low))
        case Region.INSIDE:
            return Cut(name, region, before(low), after(high))
        case _:
            return Cut(name, region, after(low), before(high))
