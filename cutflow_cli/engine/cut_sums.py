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
    values: NDArray[np.float64],
    cut: NDArray[np.intp],
    column: NDArray[np.intp],
    sign: NDArray[np.float64],
    floor: NDArray[np.float64],
    ceiling: NDArray[np.float64],
    edges: NDArray[np.float64],
    process: NDArray[np.int32],
    weight: NDArray[np.float64],
    passed: NDArray[np.float64],
    alone: NDArray[np.float64],
    near: NDArray[np.float64],
) -> None:
    """Sum events that fail at most one cut; see `cutflow_cli.evaluation.cut_sums.sum_near`."""
    events = len(weight)
    failed = np.zeros(events, dtype=np.uint16)
    for row in which:
        mask = masks[row]
        for event in range(events):
            failed[event] += 1 - mask[event]
    last = edges.shape[1] - 1
    for event in range(events):
        if failed[event] > 1:
            continue
        culprit = -1
        if failed[event] == 1:
            culprit = 0
            while masks[which[culprit], event]:
                culprit += 1
        own = process[event]
        value = weight[event]
        into = alone[culprit, own] if culprit >= 0 else passed[own]
        into[0] += 1.0
        into[1] += value
        into[2] += value * value
        for side in range(len(cut)):
            if culprit >= 0 and cut[side] != culprit:
                continue
            at = sign[side] * values[column[side], event]
            if not edges[side, 0] <= at <= edges[side, last] or not floor[side] <= at < ceiling[side]:
                continue
            interval = 0
            while interval <= last and edges[side, interval] < at:
                interval += 1
            into = near[side, interval, own]
            into[0] += 1.0
            into[1] += value
            into[2] += value * value
