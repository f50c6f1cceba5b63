"""Exact quantiles of columns that do not fit into memory.

Numbers are sorted by their bits: with the sign dealt with, floating-point numbers are in the order of the integers that
their bits spell. The wanted rank is found 16 bits at a time, each time counting, in one pass over the events, how many
numbers begin with the bits known so far and continue with each of the 65 536 possibilities (radix selection; D. Knuth,
The Art of Computer Programming 3, §5.2.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_DIGIT = 16
#: Passes over the events: one counts, the others find 16 bits each.
PASSES = 1 + 64 // _DIGIT
_SIGN = np.uint64(1) << np.uint64(63)

Columns = Mapping[str, NDArray[np.floating]]


def quantiles(
    passes: Callable[[], Iterable[Columns]], names: Iterable[str], shares: tuple[float, ...]
) -> dict[str, tuple[float, ...]]:
    """Find quantiles of columns, missing and infinite values left out.

    Between two numbers a quantile is interpolated linearly, as numpy's default does (R. Hyndman and Y. Fan, "Sample
    quantiles in statistical packages", American Statistician 50 (1996) 361, definition 7).

    Args:
        passes: called for each pass over the events; yields the columns of some events at a time, float32 or float64.
        names: which columns.
        shares: which quantiles, from 0 to 1.

    Returns:
        The quantiles of each column; NaN where it has no finite value.
    """
    names = tuple(names)
    totals = dict.fromkeys(names, 0)
    for columns in passes():
        for name in names:
            totals[name] += int(np.count_nonzero(np.isfinite(columns[name])))
    searches: dict[tuple[str, int], _Search] = {}
    for name in names:
        for share in shares if totals[name] else ():
            for rank in _ranks(share, totals[name])[:2]:
                searches.setdefault((name, rank), _Search(rank))
    for level in range(64 // _DIGIT):
        for columns in passes():
            for name in names:
                mine = [search for (of, _), search in searches.items() if of == name]
                _count(_sortable(columns[name]), mine, level)
        for search in searches.values():
            search.settle()
    return {name: tuple(_interpolated(searches, name, share, totals[name]) for share in shares) for name in names}


def _ranks(share: float, total: int) -> tuple[int, int, float]:
    """Return the ranks of the numbers on both sides of a quantile, and how far it lies from the first."""
    place = share * (total - 1)
    return math.floor(place), math.ceil(place), place - math.floor(place)


def _interpolated(searches: Mapping[tuple[str, int], _Search], name: str, share: float, total: int) -> float:
    if not total:
        return math.nan
    low, high, fraction = _ranks(share, total)
    first, second = searches[name, low].number(), searches[name, high].number()
    step = second - first
    if not math.isfinite(step):  # from one end of the numbers to the other
        return first * (1 - fraction) + second * fraction
    # From the nearer side, as numpy does, so that the result is the same to the last digit.
    return first + step * fraction if fraction < 0.5 else second - step * (1 - fraction)


def _sortable(values: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Return the bits of finite numbers, so turned that they sort as the numbers do."""
    finite = values[np.isfinite(values)].astype(np.float64) + 0.0  # one zero, not two
    bits = finite.view(np.uint64)
    return np.asarray(np.where(bits & _SIGN, ~bits, bits | _SIGN))


def _count(keys: NDArray[np.uint64], searches: Sequence[_Search], level: int) -> None:
    """Count how numbers go on behind the prefixes that are searched for, once where searches still share one."""
    known, shift = np.uint64(64 - _DIGIT * level), np.uint64(64 - _DIGIT * (level + 1))
    for prefix in {int(search.prefix) for search in searches}:
        begin = keys[(keys >> known) == (np.uint64(prefix) >> known)] if level else keys
        digits = ((begin >> shift) & np.uint64(0xFFFF)).astype(np.int64)
        counts = np.bincount(digits, minlength=1 << _DIGIT)
        for search in searches:
            if int(search.prefix) == prefix:
                search.counts = counts if search.counts is None else search.counts + counts


@dataclass(slots=True)
class _Search:
    """The search for the number of one rank.

    Attributes:
        rank: among the numbers that begin with `prefix`, from 0.
        prefix: the bits known so far, as the leading bits.
        known: how many these are.
        counts: of numbers that begin with the prefix, by how they go on; None if none were counted yet.
    """

    rank: int
    prefix: np.uint64 = field(default_factory=lambda: np.uint64(0))
    known: int = 0
    counts: NDArray[np.int64] | None = None

    def settle(self) -> None:
        """Take the digit in which the rank lies."""
        assert self.counts is not None
        cumulative = np.cumsum(self.counts)
        digit = int(np.searchsorted(cumulative, self.rank, side="right"))
        self.rank -= int(cumulative[digit - 1]) if digit else 0
        self.known += _DIGIT
        self.prefix |= np.uint64(digit) << np.uint64(64 - self.known)
        self.counts = None

    def number(self) -> float:
        """Return the number found."""
        key = self.prefix
        bits = key ^ _SIGN if key & _SIGN else ~key
        return float(np.array([bits], dtype=np.uint64).view(np.float64)[0])
