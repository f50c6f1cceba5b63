"""Boxes and the moves of the search for the best one, compiled: exact in two faces at a time, counted on events.

A face keeps the events above a threshold of its own coordinate (a feature, or a feature with its sign changed). Each
coordinate is replaced by the rank of its value among the distinct values, so a threshold is an integer and ties move
together. Rank 0 stands for a missing value: threshold 0 keeps everything, any other rejects what is missing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]

#: Gain of the objective below which a move is not made, so that rounding can't move a box for ever.
SMALLEST_GAIN = 1e-9


@jit
def failures(rank: Array, threshold: Array, failed: Array) -> None:
    """Count for each event how many faces reject it.

    Args:
        rank: shape (faces, events).
        threshold: shape (faces,); an event passes with a rank of at least that.
        failed: filled, shape (events,).
    """
    failed[:] = 0
    for j in range(rank.shape[0]):
        t = threshold[j]
        if t > 0:
            row = rank[j]
            for e in range(failed.shape[0]):
                failed[e] += row[e] < t


@jit
def counted(failed: Array, signal: Array, background: Array) -> tuple[float, float]:
    """Sum the weights of both classes over the events that no face rejects."""
    s, b = 0.0, 0.0
    for e in range(failed.shape[0]):
        if failed[e] == 0:
            s += signal[e]
            b += background[e]
    return s, b


@jit
def _reaching(first: Array, second: Array, t1: int, t2: int, failed: Array, reaches: Array) -> None:
    """Mark the events that pass every face but perhaps the two in question."""
    for e in range(failed.shape[0]):
        reaches[e] = failed[e] - (first[e] < t1) - (second[e] < t2) == 0


@jit
def _listed(order: Array, reaches: Array, found: Array) -> int:
    """List the marked events in a given order; without a branch, which would be mispredicted."""
    count = 0
    for i in range(order.shape[0]):
        e = order[i]
        found[count] = e
        count += reaches[e]
    return count


@jit
def _nearest(wish: int, low: int, high: int) -> int:
    """Choose the threshold within a range that keeps the same events, as near to the wish as there is."""
    return min(max(wish, low), high)


@jit
def best_pair(
    a: int,
    b: int,
    rank: Array,
    order: Array,
    failed: Array,
    signal: Array,
    background: Array,
    threshold: Array,
    target: float,
    limit: float,
    pseudo: float,
    penalty: Array,
    wish: Array,
    reaches: Array,
    by_a: Array,
    by_b: Array,
) -> tuple[float, int, int]:
    """Find the best thresholds of two faces, the others held fixed: exact for positive weights.

    For each threshold of face a, in rising order, the tightest of face b that keeps the target falls, so one pass over
    the events in the order of either coordinate visits every pair that can be best. The objective is
    ln(B + pseudo) + penalty of a + penalty of b.

    Args:
        a: a face.
        b: another.
        rank: shape (faces, events).
        order: events by rising rank, shape (faces, events).
        failed: by how many faces each event is rejected now.
        signal: signal weight of each event, zero for background.
        background: background weight of each event, zero for signal.
        threshold: of each face, now.
        target: signal that must be kept.
        limit: background that must not be exceeded.
        pseudo: background added under the logarithm.
        penalty: for each face and threshold, shape (faces, ranks).
        wish: the threshold of least penalty of each face.
        reaches: workspace, bytes of shape (events,).
        by_a: workspace, one longer.
        by_b: workspace, likewise.

    Returns:
        The best objective (infinite if there is none) and both thresholds.
    """
    ra, rb = rank[a], rank[b]
    _reaching(ra, rb, threshold[a], threshold[b], failed, reaches)
    count = _listed(order[a], reaches, by_a)
    _listed(order[b], reaches, by_b)
    s, bg = 0.0, 0.0
    for i in range(count):
        s += signal[by_a[i]]
        bg += background[by_a[i]]
    best, best_a, best_b, pos, top = math.inf, 0, 0, 0, 0
    if s < target:
        return best, best_a, best_b
    # events below pos are rejected by a, those below top by b
    # b as tight as the target allows while a keeps everything
    while top < count:
        value, ds, db, end = rb[by_b[top]], 0.0, 0.0, top
        while end < count and rb[by_b[end]] == value:
            ds += signal[by_b[end]]
            db += background[by_b[end]]
            end += 1
        if s - ds < target:
            break
        s -= ds
        bg -= db
        top = end
    while True:
        ta = ra[by_a[pos - 1]] + 1 if pos > 0 else 0
        ta = _nearest(wish[a], ta, ra[by_a[pos]] if pos < count else ta)
        tb = rb[by_b[top - 1]] + 1 if top > 0 else 0
        tb = _nearest(wish[b], tb, rb[by_b[top]] if top < count else tb)
        if bg <= limit:
            objective = math.log(max(bg, 0.0) + pseudo) + penalty[a, ta] + penalty[b, tb]
            if objective < best:
                best, best_a, best_b = objective, ta, tb
        if pos >= count:
            break
        value = ra[by_a[pos]]
        edge = rb[by_b[top]] if top < count else rb[by_b[count - 1]] + 1
        while pos < count and ra[by_a[pos]] == value:
            e = by_a[pos]
            if rb[e] >= edge:
                s -= signal[e]
                bg -= background[e]
            pos += 1
        while s < target and top > 0:
            level = rb[by_b[top - 1]]
            while top > 0 and rb[by_b[top - 1]] == level:
                e = by_b[top - 1]
                if ra[e] > value:
                    s += signal[e]
                    bg += background[e]
                top -= 1
        if s < target:
            break
    return best, best_a, best_b


@jit
def _move(rank: Array, face: int, threshold: Array, value: int, failed: Array) -> None:
    row, before = rank[face], threshold[face]
    for e in range(row.shape[0]):
        failed[e] += (row[e] < value) - (row[e] < before)
    threshold[face] = value


@jit
def objective_of(
    failed: Array, signal: Array, background: Array, threshold: Array, pseudo: float, penalty: Array
) -> float:
    """Return ln(B + pseudo) + the penalties of all faces."""
    _, b = counted(failed, signal, background)
    total = math.log(max(b, 0.0) + pseudo)
    for j in range(threshold.shape[0]):
        total += penalty[j, threshold[j]]
    return total


@jit
def descend(
    rank: Array,
    order: Array,
    signal: Array,
    background: Array,
    threshold: Array,
    target: float,
    limit: float,
    pseudo: float,
    penalty: Array,
    wish: Array,
    pairs: Array,
) -> float:
    """Improve a box, two faces at a time, until no pair of faces improves it. Changes the thresholds in place.

    Args:
        rank: shape (faces, events).
        order: events by rising rank, shape (faces, events).
        signal: signal weight of each event, zero for background.
        background: background weight of each event, zero for signal.
        threshold: where to begin; the signal kept must reach the target.
        target: signal that must be kept.
        limit: background that must not be exceeded by a move.
        pseudo: background added under the logarithm.
        penalty: for each face and threshold, shape (faces, ranks).
        wish: the threshold of least penalty of each face.
        pairs: the pairs of faces in the order in which to try them, shape (pairs, 2).

    Returns:
        The objective reached; infinite if the start misses the target.
    """
    events = rank.shape[1]
    failed = np.empty(events, dtype=np.int16)
    reaches = np.empty(events, dtype=np.uint8)
    by_a, by_b = np.empty(events + 1, dtype=np.int32), np.empty(events + 1, dtype=np.int32)
    failures(rank, threshold, failed)
    s, _ = counted(failed, signal, background)
    if s < target:
        return math.inf
    now = objective_of(failed, signal, background, threshold, pseudo, penalty)
    since, at = 0, 0
    while since < pairs.shape[0]:
        a, b = pairs[at, 0], pairs[at, 1]
        at = (at + 1) % pairs.shape[0]
        best, ta, tb = best_pair(
            a, b, rank, order, failed, signal, background, threshold, target, limit, pseudo, penalty, wish, reaches,
            by_a, by_b,
        )  # fmt: skip
        for j in range(threshold.shape[0]):
            if j not in (a, b):
                best += penalty[j, threshold[j]]
        since += 1
        if best < now - SMALLEST_GAIN:
            _move(rank, a, threshold, ta, failed)
            _move(rank, b, threshold, tb, failed)
            now, since = best, 0
    return float(now)
