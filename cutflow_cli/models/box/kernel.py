"""The compiled loops of the box search.

A box is three arrays, of an entry for each observable: `low` and `high`, places between bins, and `kind`: 0 for no cut,
1 keeps the bins low ≤ k < high, 2 keeps those below low and from high on. Missing values pass no cut.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]

OFF, INSIDE, OUTSIDE = 0, 1, 2
#: Events by which Σw²/Σw of what is kept is drawn towards that of all.
PRIOR_EVENTS = 5.0
#: Least share that is told from zero.
TINY = 1e-300


@jit
def fill_tables(codes: Array, share: Array, single: Array, pairs: Array) -> None:
    """Fill cumulative distributions; see `cutflow_cli.models.box.tables.Tables`."""
    observables, events = codes.shape
    for i in range(observables):
        for e in range(events):
            single[i, codes[i, e] + 1] += share[e]
        for k in range(1, single.shape[1]):
            single[i, k] += single[i, k - 1]
        for j in range(i + 1, observables):
            table = pairs[i, j]
            for e in range(events):
                table[codes[i, e] + 1, codes[j, e] + 1] += share[e]
            for k in range(1, table.shape[0]):
                for m in range(1, table.shape[1]):
                    table[k, m] += table[k - 1, m] + table[k, m - 1] - table[k - 1, m - 1]
            for k in range(table.shape[0]):
                for m in range(table.shape[1]):
                    pairs[j, i, m, k] = table[k, m]


@jit
def count_failures(codes: Array, places: Array, low: Array, high: Array, kind: Array, failed: Array) -> None:
    """Count for each event the cuts that reject it."""
    failed[:] = 0
    for i in range(codes.shape[0]):
        add_failures(codes[i], places[i], low[i], high[i], kind[i], 1, failed)


@jit
def add_failures(code: Array, places: int, low: int, high: int, kind: int, sign: int, failed: Array) -> None:
    """Add what one cut rejects to the counts of failures, or take it away."""
    if kind == OFF:
        return
    for e in range(failed.shape[0]):
        inside = (code[e] >= low) & (code[e] < high)
        passes = inside if kind == INSIDE else (not inside) & (code[e] < places)
        if not passes:
            failed[e] += sign


@jit
def left_by_others(code: Array, failed: Array, mine: Array, first: Array, second: Array, sums: Array) -> None:
    """Sum by bins of one observable the events that all other cuts keep, cumulatively.

    Args:
        code: bin of each event, shape (events,).
        failed: by how many cuts it is rejected.
        mine: 1 if that of this observable does.
        first: what it adds to the first row, shape (events,).
        second: what it adds to the second.
        sums: filled, shape (2, places).
    """
    sums[:] = 0.0
    for e in range(code.shape[0]):
        if failed[e] == mine[e]:
            sums[0, code[e] + 1] += first[e]
            sums[1, code[e] + 1] += second[e]
    for k in range(1, sums.shape[1]):
        sums[0, k] += sums[0, k - 1]
        sums[1, k] += sums[1, k - 1]


@jit
def passing(single: Array, places: int, low: int, high: int, kind: int) -> float:
    """Return the share that a cut keeps."""
    inside: float = single[high] - single[low]
    outside: float = single[places] - inside
    return inside if kind == INSIDE else outside


@jit
def joint_below(table: Array, places: int, low: int, high: int, kind: int, below: Array) -> None:
    """Fill the share below each place of the first observable that a cut on the second keeps."""
    for k in range(below.shape[0]):
        inside = table[k, high] - table[k, low]
        below[k] = inside if kind == INSIDE else table[k, places] - inside


@jit
def pair_factor(joint: float, first: float, second: float, prior: float) -> float:
    """Return p_ij / (p_i p_j), drawn towards one as by so large a share of events; negative weights count as none."""
    return max((max(joint, 0.0) + prior) / (max(first * second, 0.0) + prior), 1e-3)


@jit
def predicted_by_others(
    single: Array, pairs: Array, prior: Array, places: Array, low: Array, high: Array, kind: Array, without: int
) -> float:
    """Predict the share that all cuts but one keep; see `cutflow_cli.models.box.tables`."""
    share = 1.0
    below = np.zeros(single.shape[1])
    for i in range(kind.shape[0]):
        if kind[i] == OFF or i == without:
            continue
        mine = passing(single[i], places[i], low[i], high[i], kind[i])
        share *= max(mine, TINY)
        for j in range(i):
            if kind[j] == OFF or j == without:
                continue
            joint_below(pairs[i, j], places[j], low[j], high[j], kind[j], below)
            joint = passing(below, places[i], low[i], high[i], kind[i])
            other = passing(single[j], places[j], low[j], high[j], kind[j])
            share *= pair_factor(joint, mine, other, prior[i, j])
    return share


@jit
def posterior(predicted: float, counted: float, variance: float) -> float:
    """Combine a prediction with a count, both in events: the mode of ln n for a Poisson count with a log-normal prior.

    It solves x + v eˣ = ln(prediction) + v · count by Newton's method, v the variance of the prediction's logarithm.
    """
    right = math.log(max(predicted, TINY)) + variance * max(counted, 0.0)
    x = math.log(max(counted, 0.5)) if variance * max(counted, 0.5) > 1 else math.log(max(predicted, 1e-12))
    x = min(x, right)
    for _ in range(50):
        grown = variance * math.exp(x)
        step = (right - x - grown) / (1.0 + grown)
        x += step
        if abs(step) < 1e-9:
            break
    return math.exp(x)


@jit
def background_of(
    share: float,
    counted: float,
    squares: float,
    events: float,
    per_event: float,
    variance: float,
    chance: float,
    least: float,
) -> tuple[float, float]:
    """Combine prediction and count to Σw and Σw² of the background.

    A boundary that is put where it rejects most has, on average, some event more on its far side than one on fresh
    events would: of the order of n^⅓ for n events kept, since it may lie anywhere between the n^⅔ of them by which the
    objective changes less than it fluctuates (Kim and Pollard, Ann. Statist. 18 (1990) 191). As far as the count
    decides (its weight in the logarithm is n v/(1 + n v)), so many are added. Where
    less is known than wanted the background counts as so many events that it would be, rather than being forbidden:
    else it would pay to let background in.

    Args:
        share: predicted; negative for no prediction, events counted alone.
        counted: Σw.
        squares: Σw².
        events: effective number of background events before any cut.
        per_event: what one weighs.
        variance: of the logarithm of the prediction.
        chance: boundaries, times the share of n^⅓ events that one rejects by chance.
        least: events' worth that must be known: n events counted, and 1/v of a prediction.
    """
    if share < 0:
        extra = chance * max(counted / per_event, 1.0) ** (1.0 / 3.0)
        amount = max(counted + extra * per_event, least * per_event)
        return amount, max(squares + extra * per_event * per_event, amount * per_event)
    found = posterior(share * events, counted / per_event, variance)
    found += chance * max(found, 1.0) ** (1.0 / 3.0) * found * variance / (1.0 + found * variance)
    amount = per_event * max(found, min(least, 1.0), least - 1.0 / variance)
    prior = PRIOR_EVENTS * per_event
    return amount, amount * (max(squares, 0.0) + prior * per_event) / (max(counted, 0.0) + prior)


@jit
def all_regions(
    i: int,
    step: int,
    places: Array,
    signal: Array,
    background: Array,
    single: Array,
    pairs: Array,
    pair_prior: Array,
    low: Array,
    high: Array,
    kind: Array,
    base: float,
    events: float,
    per_event: float,
    variance: float,
    chance: float,
    boundaries: int,
    least: float,
    out: Array,
) -> int:
    """List every region of one observable with what it keeps, the other cuts held fixed; the first is no cut.

    Args:
        i: the observable.
        step: only every so many places.
        places: number of bins of each observable.
        signal: cumulative Σw and Σw² of the signal that the other cuts keep, shape (2, places).
        background: the same of the background.
        single: see `Tables`.
        pairs: see `Tables`.
        pair_prior: see `Tables`.
        low: of the box.
        high: of the box.
        kind: of the box.
        base: predicted share that the other cuts keep; negative for no prediction, events counted alone.
        events: effective number of background events.
        per_event: what one weighs.
        variance: of the logarithm of the prediction.
        chance: see `background_of`, for one boundary.
        boundaries: of the other cuts.
        least: see `Landscape.min_effective_events`.
        out: filled with S, Σw² of S, B, Σw² of B, low, high, kind, shape (7, regions).

    Returns:
        How many there are.
    """
    factors, mine = 0, places[i]
    below = np.zeros((kind.shape[0], single.shape[1]))
    shares = np.zeros(kind.shape[0])
    others = np.zeros(kind.shape[0], dtype=np.int64)
    for j in range(kind.shape[0]):
        if base >= 0 and kind[j] != OFF and j != i:
            others[factors] = j
            joint_below(pairs[i, j], places[j], low[j], high[j], kind[j], below[factors])
            shares[factors] = passing(single[j], places[j], low[j], high[j], kind[j])
            factors += 1
    end = signal.shape[1] - 1  # beyond missing values
    out[0, 0], out[1, 0] = signal[0, end], signal[1, end]
    out[2, 0], out[3, 0] = background_of(
        base, background[0, end], background[1, end], events, per_event, variance, chance * boundaries, least
    )
    out[4, 0], out[5, 0], out[6, 0] = 0, 0, OFF
    found = 1
    for first in range(0, mine, step):
        last = first
        while last < mine:
            last = min(last + step, mine)
            for shape in (INSIDE, OUTSIDE):
                outermost = first == 0 or last == mine
                if (shape == OUTSIDE and outermost) or (shape == INSIDE and first == 0 and last == mine):
                    continue
                share = passing(single[i], mine, first, last, shape)
                kept = passing(signal[0], mine, first, last, shape)
                if share * events < least or kept <= 0:
                    continue
                predicted = base * share if base >= 0 else -1.0
                for f in range(factors):
                    joint = passing(below[f], mine, first, last, shape)
                    predicted *= pair_factor(joint, share, shares[f], pair_prior[i, others[f]])
                counted = passing(background[0], mine, first, last, shape)
                squares = passing(background[1], mine, first, last, shape)
                out[0, found], out[1, found] = kept, passing(signal[1], mine, first, last, shape)
                extra = chance * (boundaries + (2 if not outermost or shape == OUTSIDE else 1))
                amount, squares = background_of(predicted, counted, squares, events, per_event, variance, extra, least)
                out[2, found], out[3, found] = amount, squares
                out[4, found], out[5, found], out[6, found] = first, last, shape
                found += 1
    return found
