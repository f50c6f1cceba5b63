"""Where the boundaries of a flow are moved to, laid out for `cut_sums.sum_near`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cutflow_cli.evaluation.detail_rows import Side
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut, Region

#: An end of a cut: the cut's place in its flow, and which end. That of a cut in bins has a boundary in each of them.
End = tuple[int, Side]


@dataclass(frozen=True, slots=True)
class Values:
    """What a boundary is compared with: an observable, or what it is in one bin of another one.

    Attributes:
        observable: its column.
        binned_in: the observable of the bins; empty for all events.
        edges: of the bins.
        bin: number of the bin.
    """

    observable: str
    binned_in: str = ""
    edges: tuple[float, ...] = ()
    bin: int = 0


def values_of(cuts: Iterable[Cut]) -> tuple[Values, ...]:
    """List what the boundaries of some cuts are compared with, each once."""
    found: list[Values] = []
    for cut in cuts:
        if cut.has_boundaries or isinstance(cut, BinnedCut):
            found += [_values(cut, number) for number, _ in _parts(cut)]
    return tuple(dict.fromkeys(found))


def fill_values(into: NDArray[Any], which: Sequence[Values], columns: Mapping[str, NDArray[Any]], events: int) -> None:
    """Lay out values row by row: those of an observable in a bin are missing for events outside it.

    Args:
        into: overwritten, shape (rows, events or more).
        which: of each row.
        columns: shape (events,) each.
        events: how many.
    """
    bins: dict[tuple[str, tuple[float, ...]], NDArray[np.int64]] = {}
    for row, one in zip(into, which, strict=True):
        row[:events] = columns[one.observable]
        if one.binned_in:
            key = (one.binned_in, one.edges)
            if key not in bins:
                bins[key] = BinnedCut.range_of(*key).bin_of(columns[one.binned_in])
            row[:events][bins[key] != one.bin] = np.nan


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The ends of a flow's cuts that are moved, row by row; of a cut in bins, a row for each that has the boundary.

    Values are multiplied by the sign of their end, such that those above a boundary pass: x > a is as it stands, x < a
    is −x > −a. An end decides about events in [floor, ceiling) alone; about others the cut's other end does, wherever
    this one is.

    Attributes:
        ends: what the rows are of, with the bin (0 for a cut without bins).
        cut: the place of the cut in the flow, shape (ends,).
        column: the row of its values (`Values`), likewise.
        sign: 1 or −1, likewise.
        floor: likewise.
        ceiling: likewise.
        edges: the boundary and where it is moved to, in increasing order and times the sign; the last is repeated for
            ends that have fewer; shape (ends, edges).
    """

    ends: tuple[tuple[End, int], ...]
    cut: NDArray[np.intp]
    column: NDArray[np.intp]
    sign: NDArray[np.float64]
    floor: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    edges: NDArray[np.float64]

    @classmethod
    def of(cls, cuts: Sequence[Cut], moved: Sequence[tuple[End, Cut]], values: Sequence[Values]) -> Boundaries:
        """Lay out the boundaries of a flow.

        Args:
            cuts: of the flow, in order.
            moved: which end is moved, and the cut with it.
            values: what rows of values hold.
        """
        ends: list[tuple[End, int]] = []
        edges: list[list[float]] = []
        parts: list[Cut] = []
        for end in dict.fromkeys(end for end, _ in moved):
            place, side = end
            those = [dict(_parts(cut)) for one, cut in moved if one == end]
            for number, part in _parts(cuts[place]):
                if not np.isfinite(_boundary(part, side, np.nan)):
                    continue  # a bin without this boundary, or with one at infinity, which stays there
                every = (part, *(bins[number] for bins in those))
                ends.append((end, number))
                parts.append(part)
                edges.append(sorted({_sign(part, side) * _boundary(one, side) for one in every}))
        most = max(map(len, edges), default=1)
        ranges = [_range(part, side) for ((_, side), _), part in zip(ends, parts, strict=True)]
        columns = [values.index(_values(cuts[place], number)) for (place, _), number in ends]
        signs = [_sign(part, side) for ((_, side), _), part in zip(ends, parts, strict=True)]
        return cls(
            tuple(ends),
            np.array([place for (place, _), _ in ends], dtype=np.intp),
            np.array(columns, dtype=np.intp),
            np.array(signs, dtype=np.float64),
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
        """Sum the events that a flow gains and loses when an end of a cut is moved, in all bins where it has some.

        Args:
            end: which.
            cut: as it is.
            moved: with the end moved.
            near: sums of events by the number of edges of an end below them, shape (ends, 1 + edges, ...).

        Returns:
            Gained and lost, shape (2, ...).
        """
        before, after = dict(_parts(cut)), dict(_parts(moved))
        found = np.zeros((2, *near.shape[2:]))
        for row, (one, number) in enumerate(self.ends):
            if one != end:
                continue
            old, new = (
                int(np.searchsorted(self.edges[row], self.sign[row] * _boundary(bins[number], end[1])))
                for bins in (before, after)
            )
            found[0] += near[row, new + 1 : old + 1].sum(axis=0)
            found[1] += near[row, old + 1 : new + 1].sum(axis=0)
        return found


def _parts(cut: Cut) -> list[tuple[int, Cut]]:
    """Return the plain cuts of a cut, by bin; those of a cut without bins are itself."""
    return list(enumerate(members_of(cut) or (cut,)))


def _values(cut: Cut, number: int) -> Values:
    if isinstance(cut, BinnedCut):
        return Values(cut.observable, cut.binned_in, cut.edges, number)
    return Values(cut.observable)


def _boundary(cut: Cut, side: Side, without: float | None = None) -> float:
    value = cut.lower if side == "lower" else cut.upper
    value = without if value is None else value
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
