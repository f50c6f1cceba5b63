"""Compiled: the best regions of two observables together at a given signal, the other cuts held fixed.

Boxes, places and kinds are those of `cutflow_cli.models.box.kernel`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit
from cutflow_cli.models.box.kernel import (
    INSIDE,
    OFF,
    OUTSIDE,
    background_of,
    joint_below,
    pair_factor,
    passing,
    predicted_by_others,
)

Array = NDArray[Any]


@jit
def _fails(code: int, places: int, low: int, high: int, kind: int) -> int:
    """Return 1 if a cut rejects what lies in a bin, else 0."""
    if kind == OFF:
        return 0
    inside = (code >= low) & (code < high)
    return 0 if (inside if kind == INSIDE else (not inside) & (code < places)) else 1


@jit
def fill_pair(
    i: int,
    j: int,
    codes: Array,
    failed: Array,
    places: Array,
    low: Array,
    high: Array,
    kind: Array,
    weights: Array,
    out: Array,
) -> None:
    """Sum by bins of two observables the events that the cuts on all others keep, cumulatively in both.

    Args:
        i: the first observable.
        j: the second.
        codes: bin of each event, shape (observables, events).
        failed: by how many cuts each event is rejected.
        places: number of bins of each observable.
        low: of the box.
        high: of the box.
        kind: of the box.
        weights: what an event adds to each table, shape (tables, events).
        out: filled, shape (tables, places of the first, places of the second).
    """
    out[:] = 0.0
    for e in range(failed.shape[0]):
        if failed[e] > 2:
            continue
        a, b = codes[i, e], codes[j, e]
        mine = _fails(a, places[i], low[i], high[i], kind[i]) + _fails(b, places[j], low[j], high[j], kind[j])
        if failed[e] == mine:
            for row in range(out.shape[0]):
                out[row, a + 1, b + 1] += weights[row, e]
    for row in range(out.shape[0]):
        for k in range(1, out.shape[1]):
            total = 0.0
            for m in range(1, out.shape[2]):
                total += out[row, k, m]
                out[row, k, m] = out[row, k - 1, m] + total


@jit
def _row(table: Array, places: int, low: int, high: int, kind: int, m: int) -> float:
    """Return what a region of the first observable keeps below a place of the second."""
    if kind == OFF:
        whole: float = table[table.shape[0] - 1, m]
        return whole
    inside: float = table[high, m] - table[low, m]
    outside: float = table[places, m] - inside
    return inside if kind == INSIDE else outside


@jit
def _kept(row: Array, places: int, low: int, high: int, kind: int) -> float:
    """Return what a region keeps, of what lies below each place."""
    if kind == OFF:
        whole: float = row[row.shape[0] - 1]
        return whole
    kept: float = passing(row, places, low, high, kind)
    return kept


@jit
def _tightest(row: Array, places: int, low: int, high: int, kind: int, face: int, least: float) -> int:
    """Find the place of one face of a region that keeps least, but enough; −1 if there is none.

    Args:
        row: signal below each place; taken not to fall, which negative weights may break: then what is found may keep
            too little, which is looked at again.
        places: of the observable.
        low: of the region.
        high: of the region.
        kind: of the region.
        face: 0 to move `low`, 1 to move `high`.
        least: signal that must be kept.
    """
    if face == 0:
        a, b = 0, high - 1  # of a window the lower the looser, of an edge cut the higher
    else:
        a, b = low + 1, places
    if b < a:
        return -1
    rising = (face == 1) == (kind == INSIDE)  # whether a larger place keeps more
    loosest = b if rising else a
    if _kept(row, places, loosest if face == 0 else low, loosest if face == 1 else high, kind) < least:
        return -1
    while a < b:
        middle = (a + b) // 2 if rising else (a + b + 1) // 2
        enough = _kept(row, places, middle if face == 0 else low, middle if face == 1 else high, kind) >= least
        if rising:
            if enough:
                b = middle
            else:
                a = middle + 1
        elif enough:
            a = middle
        else:
            b = middle - 1
    return a


@jit
def _sides(places: int, low: int, high: int, kind: int) -> int:
    """Return the number of boundaries of a region."""
    if kind == INSIDE:
        return int(low > 0) + int(high < places)
    return 2 if kind == OUTSIDE else 0


@jit
def _dependence(i: int, share: float, below: Array, kinds: Array, shares: Array, priors: Array,
                places: int, low: int, high: int, kind: int) -> float:  # fmt: skip
    """Return the product of the pair factors of a region with all other cuts."""
    product = 1.0
    if kind == OFF:
        return product
    for f in range(kinds.shape[0]):
        if kinds[f] != OFF:
            joint = passing(below[f], places, low, high, kind)
            product *= pair_factor(joint, share, shares[f], priors[i, f])
    return product


@jit
def _joint(
    table: Array, mine: int, low_i: int, high_i: int, kind_i: int, other: int, low_j: int, high_j: int, kind_j: int
) -> float:
    """Return the share that regions of two observables keep together."""
    inside: float = _row(table, mine, low_i, high_i, kind_i, high_j) - _row(table, mine, low_i, high_i, kind_i, low_j)
    outside: float = _row(table, mine, low_i, high_i, kind_i, other) - inside
    return inside if kind_j == INSIDE else outside


@jit
def _list_faces(places: int, low: int, high: int, kind: int, out: Array) -> int:
    """List regions of which one face is free: one-sided ones, those of the present region if it has two, and no cut.

    Args:
        places: of the observable.
        low: of its region.
        high: of its region.
        kind: of its region.
        out: filled with low, high, kind, and 0 if `low` is free, 1 if `high` is, shape (5, 4).

    Returns:
        How many there are.
    """
    count = 0
    for face in range(2):
        out[count, 0], out[count, 1], out[count, 2], out[count, 3] = 0, places, INSIDE, face
        count += 1
        if _sides(places, low, high, kind) == 2:
            out[count, 0], out[count, 1], out[count, 2], out[count, 3] = low, high, kind, face
            count += 1
    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = 0, places, OFF, 0
    return count + 1


@jit
def _list_shares(
    i: int, j: int, places: Array, single: Array, pairs: Array, low: Array, high: Array, kind: Array, below_i: Array,
    below_j: Array, shares: Array
) -> None:  # fmt: skip
    """Fill the share of each cut, and what lies below each place of two observables and passes it."""
    for f in range(kind.shape[0]):
        if kind[f] != OFF:
            joint_below(pairs[i, f], places[f], low[f], high[f], kind[f], below_i[f])
            joint_below(pairs[j, f], places[f], low[f], high[f], kind[f], below_j[f])
            shares[f] = passing(single[f], places[f], low[f], high[f], kind[f])


@jit
def _share(row: Array, places: int, low: int, high: int, kind: int) -> float:
    """Return the share that a region keeps; no cut keeps all, missing values too."""
    return 1.0 if kind == OFF else passing(row, places, low, high, kind)


@jit
def _face_put(row: Array, places: int, free: Array, least: float, region: Array) -> bool:
    """Put the free face of a region where just enough is kept.

    Args:
        row: signal below each place.
        places: of the observable.
        free: low, high, kind, and which face is free.
        least: signal that must be kept.
        region: filled with low, high, kind.

    Returns:
        Whether there is such a region, which is not another one of fewer faces.
    """
    region[0], region[1], region[2] = free[0], free[1], free[2]
    if free[2] != OFF:
        at = _tightest(row, places, free[0], free[1], free[2], free[3], least)
        if at < 0:
            return False
        region[free[3]] = at
        outermost = (region[0] == 0) + (region[1] == places)
        if free[2] == INSIDE and outermost == 2:
            region[0], region[1], region[2] = 0, places, OFF
        if free[2] == OUTSIDE and outermost > 0:
            return False
    return bool(_kept(row, places, region[0], region[1], region[2]) >= least)


@jit
def best_trade(
    i: int,
    j: int,
    candidates: Array,
    signal: Array,
    background: Array,
    places: Array,
    single: Array,
    pairs: Array,
    pair_prior: Array,
    low: Array,
    high: Array,
    kind: Array,
    smooth: bool,
    events: float,
    per_event: float,
    variance: float,
    chance: float,
    least: float,
    price: float,
    target: float,
    most: int,
    found: Array,
) -> float:
    """Find the regions of two observables that keep enough signal and least background.

    For each candidate of the first, each face of the second is put where enough signal is just kept: those of its
    region, and those of the one-sided ones.

    Args:
        i: the first observable.
        j: the second.
        candidates: regions of the first: low, high, kind, shape (regions, 3).
        signal: cumulative Σw of what the other cuts keep, shape (places of i, places of j).
        background: likewise Σw and Σw², shape (2, places of i, places of j).
        places: number of bins of each observable.
        single: see `Tables`.
        pairs: see `Tables`.
        pair_prior: see `Tables`.
        low: of the box.
        high: of the box.
        kind: of the box.
        smooth: whether the background is predicted too.
        events: effective number of background events.
        per_event: what one weighs.
        variance: of the logarithm of the prediction.
        chance: see `background_of`, for one boundary.
        least: see `Landscape.min_effective_events`.
        price: what a boundary must take off the logarithm of the background.
        target: signal that must be kept.
        most: on how many of the two may be cut.
        found: filled with low, high, kind of either.

    Returns:
        The logarithm of the background, with the price of all boundaries of the box; infinite if there is none.
    """
    observables, mine, other = kind.shape[0], places[i], places[j]
    others = kind.copy()
    others[i], others[j] = OFF, OFF
    below_i, below_j = np.zeros((observables, single.shape[1])), np.zeros((observables, single.shape[1]))
    shares = np.zeros(observables)
    base, boundaries = 1.0, 0
    for f in range(observables):
        boundaries += _sides(places[f], low[f], high[f], others[f])
    if smooth:
        _list_shares(i, j, places, single, pairs, low, high, others, below_i, below_j, shares)
        base = predicted_by_others(single, pairs, pair_prior, places, low, high, others, -1)
    families = np.empty((5, 4), dtype=np.int64)
    count = _list_faces(other, low[j], high[j], kind[j], families)
    s_row, b_row, b2_row = np.zeros(signal.shape[1]), np.zeros(signal.shape[1]), np.zeros(signal.shape[1])
    region, best = np.zeros(3, dtype=np.int64), math.inf
    for c in range(candidates.shape[0]):
        low_i, high_i, kind_i = candidates[c, 0], candidates[c, 1], candidates[c, 2]
        share_i = _share(single[i], mine, low_i, high_i, kind_i)
        if kind_i != OFF and share_i * events < least:
            continue
        end = signal.shape[1] - 1
        if _row(signal, mine, low_i, high_i, kind_i, end) < target:
            continue
        for m in range(signal.shape[1]):
            s_row[m] = _row(signal, mine, low_i, high_i, kind_i, m)
            b_row[m] = _row(background[0], mine, low_i, high_i, kind_i, m)
            b2_row[m] = _row(background[1], mine, low_i, high_i, kind_i, m)
        factor_i = (
            base * share_i * _dependence(i, share_i, below_i, others, shares, pair_prior, mine, low_i, high_i, kind_i)
        )
        for family in range(count):
            if not _face_put(s_row, other, families[family], target, region):
                continue
            low_j, high_j, kind_j = region
            if (kind_i != OFF) + (kind_j != OFF) > most:
                continue
            share_j = _share(single[j], other, low_j, high_j, kind_j)
            if kind_j != OFF and share_j * events < least:
                continue
            predicted = -1.0
            if smooth:
                predicted = (
                    factor_i
                    * share_j
                    * _dependence(j, share_j, below_j, others, shares, pair_prior, other, low_j, high_j, kind_j)
                )
                if OFF not in (kind_i, kind_j):
                    joint = _joint(pairs[i, j], mine, low_i, high_i, kind_i, other, low_j, high_j, kind_j)
                    predicted *= pair_factor(joint, share_i, share_j, pair_prior[i, j])
            all_sides = boundaries + _sides(mine, low_i, high_i, kind_i) + _sides(other, low_j, high_j, kind_j)
            amount, _ = background_of(
                predicted, _kept(b_row, other, low_j, high_j, kind_j), _kept(b2_row, other, low_j, high_j, kind_j),
                events, per_event, variance, chance * all_sides, least,
            )  # fmt: skip
            if amount <= 0:
                continue
            value = math.log(amount) + price * all_sides
            if value < best:
                best = value
                found[0], found[1], found[2] = low_i, high_i, kind_i
                found[3], found[4], found[5] = low_j, high_j, kind_j
    return best
