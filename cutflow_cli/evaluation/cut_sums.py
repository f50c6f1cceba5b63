"""The sums of an evaluation's pass over the events: by depth in a cut flow, and near each of its boundaries.

Each function adds onto arrays that it is given, whose last axis is number of events, Σw and Σw². Within a call events
are added up in their order, here as in the compiled counterparts (`cutflow_cli.engine.cut_sums`), so that both give
the same numbers to the last digit if they begin with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.apply.counting import depths

#: Events that are summed at once: their columns and masks stay in the processor's cache.
AT_ONCE = 32_768

#: Events times flows from which compiled sums save more time than it takes to load them (one or two seconds).
COMPILED_FROM = 100_000_000


@dataclass(frozen=True, slots=True)
class Summing:
    """The functions to use: `sum_by_depth` and `sum_near`, or what was compiled of them."""

    by_depth: Callable[..., None]
    near: Callable[..., None]

    @classmethod
    def of(cls, events: float, flows: int) -> Summing:
        """Choose by the amount of work.

        Args:
            events: number of events.
            flows: number of flows.
        """
        return _summing(compiled=events * flows >= COMPILED_FROM)

    def __reduce__(self) -> tuple[Callable[[bool], Summing], tuple[bool]]:
        """Say which, on the way to another process, rather than send compiled functions."""
        return _summing, (self.by_depth is not sum_by_depth,)


def _summing(compiled: bool) -> Summing:
    if not compiled:
        return Summing(sum_by_depth, sum_near)
    from cutflow_cli.engine import cut_sums

    return Summing(cut_sums.sum_by_depth, cut_sums.sum_near)


def sum_by_depth(
    masks: NDArray[np.uint8],
    which: NDArray[np.intp],
    cell: NDArray[np.uint32],
    weight: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Sum events by cell and by the number of cuts that they pass before the first that they fail.

    Args:
        masks: of cuts, 1 for events that pass; shape (masks, events or more).
        which: the masks of the flow's cuts, in order; shape (cuts,).
        cell: of each event, such as its process; shape (events,).
        weight: of each event, shape (events,).
        sums: added onto, shape (cells, 1 + cuts, 3).
    """
    events = len(weight)
    depth = depths([masks[row, :events].view(np.bool_) for row in which], events)
    _add(sums, cell.astype(np.intp) * (len(which) + 1) + depth, weight)


def sum_near(
    masks: NDArray[np.uint8],
    which: NDArray[np.intp],
    values: NDArray[Any],
    cut: NDArray[np.intp],
    column: NDArray[np.intp],
    sign: NDArray[Any],
    floor: NDArray[Any],
    ceiling: NDArray[Any],
    edges: NDArray[Any],
    process: NDArray[np.int32],
    weight: NDArray[np.float64],
    passed: NDArray[np.float64],
    alone: NDArray[np.float64],
    near: NDArray[np.float64],
) -> None:
    """Sum events that fail at most one cut of a flow: all that can pass when one is left out or moved.

    Args:
        masks: of cuts, 1 for events that pass; shape (masks, events or more).
        which: the masks of the flow's cuts, in order; shape (cuts,).
        values: in the type of the boundaries, shape (columns, events or more).
        cut: see `cutflow_cli.evaluation.boundaries`, as the five that follow.
        column: likewise.
        sign: likewise.
        floor: likewise.
        ceiling: likewise.
        edges: likewise.
        process: of each event, shape (events,).
        weight: of each event, shape (events,).
        passed: added onto, events that pass all cuts; shape (processes, 3).
        alone: added onto, events that fail one cut alone; shape (cuts, processes, 3).
        near: added onto, those of both between the first and the last edge of an end, by the number of edges below;
            shape (ends, 1 + edges, processes, 3).
    """
    events = len(weight)
    mine = masks[which, :events]
    failed = len(which) - mine.sum(axis=0, dtype=np.int64)
    rows = np.flatnonzero(failed == 0)
    _add(passed, process[rows].astype(np.intp), weight[rows])
    fails = [np.flatnonzero((failed == 1) & (one == 0)) for one in mine]
    for into, rows in zip(alone, fails, strict=True):
        _add(into, process[rows].astype(np.intp), weight[rows])
    for end in range(len(cut)):
        at = sign[end] * values[column[end], :events]
        inside = (at >= edges[end, 0]) & (at <= edges[end, -1]) & (at >= floor[end]) & (at < ceiling[end])
        rows = np.flatnonzero(inside & ((failed == 0) | ((failed == 1) & (mine[cut[end]] == 0))))
        interval = np.searchsorted(edges[end], at[rows], side="left")
        _add(near[end], interval * near.shape[2] + process[rows], weight[rows])


def _add(sums: NDArray[np.float64], place: NDArray[np.intp], weight: NDArray[np.float64]) -> None:
    """Add events onto sums of shape (..., 3); their place is that in all axes but the last."""
    cells = sums.size // 3
    for position, values in enumerate((None, weight, weight**2)):
        found = np.bincount(place, weights=values, minlength=cells)
        sums[..., position] += found.reshape(sums.shape[:-1])
