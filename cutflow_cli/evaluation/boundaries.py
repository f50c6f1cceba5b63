"""Where the boundaries of a flow are moved to, laid out for `cut_sums.sum_near`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cutflow_cli.evaluation.detail_rows import Side
from cutflow_cli.selection.cut import Cut, Region

#: An end of a cut: the cut's place in its flow, and which end.
End = tuple[int, Side]


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The ends of a flow's cuts that are moved, row by row.

    Values are multiplied by the sign of their end, such that those above a boundary pass: x > a is as it stands, x < a
    is −x > −a. An end decides about events in [floor, ceiling) alone; about others the cut's other end does, wherever
    this one is.

    Attributes:
        ends: what the rows are of.
        cut: the place of the cut in the flow, shape (ends,).
        column: the column of its values, likewise.
        sign: 1 or −1, likewise.
        floor: likewise.
        ceiling: likewise.
        edges: the boundary and where it is moved to, in increasing order and times the sign; the last is repeated for
            ends that have fewer; shape (ends, edges).
    """

    ends: tuple[End, ...]
    cut: NDArray[np.intp]
    column: NDArray[np.intp]
    sign: NDArray[np.float64]
    floor: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    edges: NDArray[np.float64]

    @classmethod
    def of(cls, cuts: Sequence[Cut], moved: Sequence[tuple[End, Cut]], columns: Sequence[str]) -> Boundaries:
        """Lay out the boundaries of a flow.

        Args:
            cuts: of the flow, in order.
            moved: which end is moved, and the cut with it.
            columns: names of the columns.
        """
        ends = tuple(dict.fromkeys(end for end, _ in moved))
        edges = []
        for end in ends:
            place, side = end
            those = (cuts[place], *(cut for one, cut in moved if one == end))
            edges.append(sorted({_sign(cuts[place], side) * _boundary(cut, side) for cut in those}))
        most = max(map(len, edges), default=1)
        ranges = [_range(cuts[place], side) for place, side in ends]
        return cls(
            ends,
            np.array([place for place, _ in ends], dtype=np.intp),
            np.array([columns.index(cuts[place].observable) for place, _ in ends], dtype=np.intp),
            np.array([_sign(cuts[place], side) for place, side in ends], dtype=np.float64),
            np.array([floor for floor, _ in ranges], dtype=np.float64),
            np.array([ceiling for _, ceiling in ranges], dtype=np.float64),
            np.array([[*one, *[one[-1]] * (most - len(one))] for one in edges]).reshape(len(ends), most),
        )

    def arrays(self, dtype: DTypeLike) -> tuple[NDArray[Any], ...]:
        """Return what `sum_near` takes, in order.

        Args:
            dtype: of the values.
        """
        numbers = (self.sign, self.floor, self.ceiling, self.edges)
        return self.cut, self.column, *(one.astype(dtype) for one in numbers)

    def exchanged(self, end: End, cut: Cut, moved: Cut, near: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the events that a flow gains and loses when an end of a cut is moved.

        Args:
            end: which.
            cut: as it is.
            moved: with the end moved.
            near: sums of events by the number of edges of an end below them, shape (ends, 1 + edges, ...).

        Returns:
            Gained and lost, shape (2, ...).
        """
        row = self.ends.index(end)
        old, new = (int(np.searchsorted(self.edges[row], self.sign[row] * _boundary(one, end[1])))
                    for one in (cut, moved))  # fmt: skip
        gained, lost = near[row, new + 1 : old + 1], near[row, old + 1 : new + 1]
        return np.stack([gained.sum(axis=0), lost.sum(axis=0)])


def _boundary(cut: Cut, side: Side) -> float:
    value = cut.lower if side == "lower" else cut.upper
    assert value is not None
    return value


def _sign(cut: Cut, side: Side) -> int:
    return 1 if (side == "lower") == (cut.region is not Region.OUTSIDE) else -1


def _range(cut: Cut, side: Side) -> tuple[float, float]:
    """Return floor and ceiling of the events that an end decides about, times its sign."""
    other = cut.upper if side == "lower" else cut.lower
    if other is None:
        return -np.inf, np.inf
    if cut.region is Region.INSIDE:
        return -np.inf, _sign(cut, side) * other
    return _sign(cut, side) * other, np.inf
