"""The best of many selections without computing each: whole blocks of boundaries are ruled out by a bound.

A selection keeps the sums `first[x] + second[y]` for two boundaries x < y (or for one, with a single y). Boundaries are
grouped into blocks; the least and greatest sums within a pair of blocks bound its figure of merit. Pairs that can't
exceed the best selection known are dropped, the others divided, down to single boundaries (branch and bound,
A. H. Land, A. G. Doig, Econometrica 28 (1960) 497). The result is that of trying all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cut_and_count.objective import Numbers, Objective

Positions = NDArray[np.int64]
#: Blocks to begin with, and parts into which one is divided, for one boundary and for each of two.
_BLOCKS, _PARTS = (128, 16), (32, 4)
#: Pairs of blocks whose bounds are computed at once; more only take memory.
_AT_ONCE = 1 << 17


@dataclass(frozen=True, slots=True)
class Side:
    """What one boundary contributes to the sums that a selection keeps: `offset + sign × sums[:, places]`.

    Attributes:
        sums: cumulative sums, shape (4, positions).
        places: where the boundary may be, rising positions in `sums`.
        sign: +1 where it lets in what lies below it, −1 where it takes that away.
        offset: what is kept besides, shape (4, 1).
        rising: whether no weight is negative, so that no sum falls.
    """

    sums: Numbers
    places: Positions
    sign: int
    offset: Numbers
    rising: bool

    def __len__(self) -> int:
        return len(self.places)

    def at(self, indices: Positions) -> Numbers:
        """Return the contributions of some of the places, shape (4, indices)."""
        sums = self.sums[:, self.places[indices]]
        return self.offset + sums if self.sign > 0 else self.offset - sums

    def limits(self, size: int) -> tuple[Numbers, Numbers]:
        """Return the least and greatest contributions in each block of `size` places, each of shape (4, blocks)."""
        starts = np.arange(0, len(self), size)
        if self.rising:
            begin, end = self.at(starts), self.at(np.minimum(starts + size, len(self)) - 1)
            return (begin, end) if self.sign > 0 else (end, begin)
        every = self.at(np.arange(len(self)))
        return np.minimum.reduceat(every, starts, axis=1), np.maximum.reduceat(every, starts, axis=1)


@dataclass(frozen=True, slots=True)
class Best:
    """The best selection.

    Attributes:
        figure: its figure of merit.
        first: position of its first boundary.
        second: position of its second.
    """

    figure: float
    first: int
    second: int


def best_selection(
    objective: Objective, first: Side, second: Side, above: float, *, ordered: bool = False
) -> Best | None:
    """Find the selection with the largest figure of merit.

    Args:
        objective: the figure of merit.
        first: the first boundary.
        second: the second; a single place stands for none.
        above: the figure that must be exceeded.
        ordered: both have the same places, and the second must come after the first.

    Returns:
        The best selection, of equals the one met first; None if none exceeds `above`.
    """
    if not len(first) or not len(second):
        return None
    pair = len(second) > 1
    parts, size = _PARTS[pair], 1
    while size * _BLOCKS[pair] < len(first):
        size *= parts
    found: Best | None = None
    x, y = _all_pairs(_blocks(first, size), _blocks(second, size))
    while True:
        if ordered:
            order = x <= y if size > 1 else x < y
            x, y = x[order], y[order]
        candidates = (
            np.minimum(x * size + size // 2, len(first) - 1),
            np.minimum(y * size + size // 2, len(second) - 1),
        )
        found = _improved(objective, first, second, candidates, above, found, ordered=ordered)
        if size == 1 or not len(x):
            return found
        x, y = _hopeful(objective, first, second, (x, y), size, above if found is None else found.figure)
        size //= parts
        x, y = _divided(x, y, parts, _blocks(first, size), _blocks(second, size))


def _blocks(side: Side, size: int) -> int:
    return -(-len(side) // size)


def _improved(
    objective: Objective,
    first: Side,
    second: Side,
    candidates: tuple[Positions, Positions],
    above: float,
    found: Best | None,
    *,
    ordered: bool,
) -> Best | None:
    """Return the best of some selections if it is better than the best known, else that."""
    for start in range(0, len(candidates[0]), _AT_ONCE):
        i, j = (indices[start : start + _AT_ONCE] for indices in candidates)
        if ordered:
            order = i < j
            i, j = i[order], j[order]
        if not len(i):
            continue
        needed = above if found is None else found.figure
        figure = objective.values(first.at(i) + second.at(j), needed)
        best = int(np.argmax(figure))
        if figure[best] > needed:
            found = Best(float(figure[best]), int(first.places[i[best]]), int(second.places[j[best]]))
    return found


def _hopeful(
    objective: Objective, first: Side, second: Side, blocks: tuple[Positions, Positions], size: int, above: float
) -> tuple[Positions, Positions]:
    """Keep the pairs of blocks that may hold something better."""
    low, high = first.limits(size)
    low_second, high_second = second.limits(size)
    kept = []
    for start in range(0, len(blocks[0]), _AT_ONCE):
        i, j = (part[start : start + _AT_ONCE] for part in blocks)
        bound = objective.bound(low[:, i] + low_second[:, j], high[:, i] + high_second[:, j], above)
        kept.append(bound > above)
    hopeful = np.concatenate(kept)
    return blocks[0][hopeful], blocks[1][hopeful]


def _all_pairs(columns: int, rows: int) -> tuple[Positions, Positions]:
    x, y = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    return x.ravel(), y.ravel()


def _divided(x: Positions, y: Positions, parts: int, columns: int, rows: int) -> tuple[Positions, Positions]:
    """Divide each block of every pair into parts, and pair every part of one with every part of the other."""
    i = (x[:, None] * parts + np.arange(parts))[:, :, None]
    j = (y[:, None] * parts + np.arange(parts))[:, None, :]
    inside = (i < columns) & (j < rows)
    i, j = np.broadcast_arrays(i, j)
    return i[inside], j[inside]
