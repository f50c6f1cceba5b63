"""A quick search for boxes on coarse thresholds, compiled: where the exact search is worth starting.

Each face has a threshold for every share of the signal only, so the events that reach two faces fill a small histogram,
and all pairs of thresholds follow from it. Signal and background are summed from events, so a coarse box that keeps the
target keeps it on events too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]

#: Coarse thresholds of a face, at equal shares of the signal.
BINS = 96


@jit
def _fill(first: Array, second: Array, t1: int, t2: int, failed: Array, signal: Array, background: Array,
          s: Array, b: Array) -> None:  # fmt: skip
    """Fill histograms of the events that pass every face but perhaps the two in question."""
    s[:] = 0.0
    b[:] = 0.0
    for e in range(failed.shape[0]):
        if failed[e] - (first[e] < t1) - (second[e] < t2) == 0:
            s[first[e], second[e]] += signal[e]
            b[first[e], second[e]] += background[e]


@jit
def _best_pair(s: Array, b: Array, target: float, pseudo: float) -> tuple[float, int, int]:
    """Find the best pair of thresholds: for rising t1 the tightest t2 that keeps the target falls."""
    bins = s.shape[0]
    column_s, column_b = np.zeros(bins), np.zeros(bins)  # over the rows that t1 keeps
    for i in range(bins):
        for k in range(bins):
            column_s[k] += s[i, k]
            column_b[k] += b[i, k]
    kept, left = column_s.sum(), column_b.sum()
    best, best1, best2, t2 = math.inf, 0, 0, 0
    if kept < target:
        return best, best1, best2
    while t2 < bins - 1 and kept - column_s[t2] >= target:
        kept -= column_s[t2]
        left -= column_b[t2]
        t2 += 1
    for t1 in range(bins):
        objective = math.log(max(left, 0.0) + pseudo)
        if objective < best:
            best, best1, best2 = objective, t1, t2
        for k in range(bins):
            column_s[k] -= s[t1, k]
            column_b[k] -= b[t1, k]
        for k in range(t2, bins):
            kept -= s[t1, k]
            left -= b[t1, k]
        while kept < target and t2 > 0:
            t2 -= 1
            kept += column_s[t2]
            left += column_b[t2]
        if kept < target:
            break
    return best, best1, best2


@jit
def descend(
    bins: Array, signal: Array, background: Array, threshold: Array, target: float, pseudo: float, pairs: Array
) -> float:
    """Improve a coarse box, two faces at a time, until no pair of faces improves it. Changes the thresholds in place.

    Args:
        bins: coarse bin of each event in each face, shape (faces, events).
        signal: signal weight of each event, zero for background.
        background: background weight of each event, zero for signal.
        threshold: first bin kept, of each face; faces are opened, first to last, until the target is kept.
        target: signal that must be kept.
        pseudo: background added under the logarithm.
        pairs: the pairs of faces in the order in which to try them, shape (pairs, 2).

    Returns:
        ln(B + pseudo) of the box.
    """
    faces, events = bins.shape
    failed = np.zeros(events, dtype=np.int16)
    s, b = np.zeros((BINS, BINS)), np.zeros((BINS, BINS))
    for opened in range(faces + 1):
        failed[:] = 0
        if opened > 0:
            threshold[opened - 1] = 0
        for j in range(faces):
            for e in range(events):
                failed[e] += bins[j, e] < threshold[j]
        kept, left = 0.0, 0.0
        for e in range(events):
            if failed[e] == 0:
                kept += signal[e]
                left += background[e]
        if kept >= target:
            break
    now = math.log(max(left, 0.0) + pseudo)
    since, at = 0, 0
    while since < pairs.shape[0]:
        i, k = pairs[at, 0], pairs[at, 1]
        at = (at + 1) % pairs.shape[0]
        since += 1
        _fill(bins[i], bins[k], threshold[i], threshold[k], failed, signal, background, s, b)
        best, ti, tk = _best_pair(s, b, target, pseudo)
        if best < now - 1e-9:
            for e in range(events):
                failed[e] += (bins[i, e] < ti) - (bins[i, e] < threshold[i])
                failed[e] += (bins[k, e] < tk) - (bins[k, e] < threshold[k])
            threshold[i], threshold[k] = ti, tk
            now, since = best, 0
    return now
