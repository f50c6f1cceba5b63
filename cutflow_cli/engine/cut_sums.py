"""Compiled counterparts of `cutflow_cli.evaluation.cut_sums`, which says what they do; numbers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit


@jit
def sum_by_depth(
    masks: NDArray[np.uint8],
    which: NDArray[np.intp],
    cell: NDArray[Any],
    weight: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Sum events by cell and depth; see `cutflow_cli.evaluation.cut_sums.sum_by_depth`."""
    events = len(weight)
    alive = np.ones(events, dtype=np.uint8)
    depth = np.zeros(events, dtype=np.uint16)
    for row in which:
        mask = masks[row]
        for event in range(events):
            alive[event] &= mask[event]
            depth[event] += alive[event]
    for event in range(events):
        into = sums[cell[event], depth[event]]
        value = weight[event]
        into[0] += 1.0
        into[1] += value
        into[2] += value * value


@jit
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
    """Sum events that fail at most one cut; see `cutflow_cli.evaluation.cut_sums.sum_near`."""
    events, cuts = len(weight), len(which)
    one = np.uint8(1)
    some = np.zeros(events, dtype=np.uint8)  # whether it fails a cut
    more = np.zeros(events, dtype=np.uint8)  # whether it fails two or more
    culprit = np.zeros(events, dtype=np.uint16)  # of an event that fails one cut its number, from 1
    for number in range(cuts):
        mask = masks[which[number]]
        for event in range(events):
            fails = one - mask[event]
            more[event] |= some[event] & fails
            some[event] |= fails
            culprit[event] += fails * np.uint16(number + 1)
    sums = np.zeros((cuts + 2, *passed.shape))
    for event in range(events):
        into = sums[cuts + 1 if more[event] else culprit[event], process[event]]
        value = weight[event]
        into[0] += 1.0
        into[1] += value
        into[2] += value * value
    passed += sums[0]
    alone += sums[1:-1]
    # Few events are near a boundary: they are marked by loops without branches, and looked for eight at a time.
    close = np.zeros((events + 7) // 8 * 8, dtype=np.uint8)
    eights = close.view(np.uint64)
    last = edges.shape[1] - 1
    for end in range(len(cut)):
        mask = masks[which[cut[end]]]
        here, turn, lowest, highest = values[column[end]], sign[end], edges[end, 0], edges[end, last]
        for event in range(events):
            at = turn * here[event]
            others = (one - more[event]) & (one - (some[event] & mask[event]))  # all other cuts are passed
            close[event] = np.uint8(at >= lowest) & np.uint8(at <= highest) & others
        for eight in range(len(eights)):
            if eights[eight] == 0:
                continue
            for event in range(8 * eight, min(8 * eight + 8, events)):
                at = turn * here[event]
                if not close[event] or at < floor[end] or at >= ceiling[end]:
                    continue
                interval = 0
                while interval <= last and edges[end, interval] < at:
                    interval += 1
                into = near[end, interval, process[event]]
                value = weight[event]
                into[0] += 1.0
                into[1] += value
                into[2] += value * value
