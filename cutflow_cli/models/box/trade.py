"""Moves at a given signal: two observables at a time, so that one gives up the signal that the other then keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.kernel import INSIDE, OFF, OUTSIDE
from cutflow_cli.models.box.landscape import Box, Landscape
from cutflow_cli.models.box.search import AGREES, Climber, Found, Standing
from cutflow_cli.models.box.trade_kernel import best_trade, fill_pair

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
#: Regions of the first observable are tried anywhere between so many parts of it.
_PARTS = 12
#: What the logarithm of the background must fall by, or an objective rise by as a share of it, so that rounding can't
#: move a box for ever.
_SMALLEST_GAIN = 1e-7
#: What a sum of weights may miss a signal by, from rounding.
_ROUNDING = 1e-9


class Trader:
    """Lowers the background of a box that keeps a given signal.

    Args:
        landscape: the sample.
        box: where to begin.
        target: signal to be kept, Σw.
        price: what each boundary must take off the logarithm of the background.
    """

    def __init__(self, landscape: Landscape, box: Box, target: float, price: float) -> None:
        self._landscape, self._target, self._price = landscape, target, price
        self._standing = Standing(landscape, box)
        tables = landscape.tables
        width = int(landscape.binned.places.max()) + 2
        self._sums = [np.zeros((rows, width, width)) for rows in (1, 2)]
        none = np.zeros((1, 1, 1, 1))
        self._single = _shares(landscape, width) if tables is None else tables.single
        self._pairs = none if tables is None else tables.pairs
        self._prior = none[0, 0] if tables is None else tables.prior
        self._events = landscape.totals[2] ** 2 / landscape.totals[3] if tables is None else tables.events
        self._per_event = landscape.totals[3] / landscape.totals[2] if tables is None else tables.per_event

    @property
    def box(self) -> Box:
        """The box reached."""
        return self._standing.box

    def value(self) -> float:
        """Return the logarithm of the background with the price of its boundaries; infinite where the signal lacks."""
        kept = self._landscape.kept(self.box)
        if float(kept.S) < self._target or not float(kept.B) > 0:
            return math.inf
        boundaries = self.box.boundaries(self._landscape.binned.places)
        return math.log(float(kept.B)) + self._price * boundaries

    def _trade(self, i: int, j: int, step: int, most: int) -> tuple[float, tuple[int, int], Places]:
        """Find the best regions of two observables, each in turn the one whose regions are tried.

        Returns:
            The logarithm of the background with the price of all boundaries, infinite if nothing keeps the signal; the
            two observables in order; and low, high, kind of either.
        """
        box, places, standing = self.box, self._landscape.binned.places, self._standing
        roles = zip(standing.codes, standing.failed, standing.weights, self._sums, strict=True)
        for codes, failed, weights, out in roles:
            fill_pair(i, j, codes, failed, places, box.low, box.high, box.kind, weights, out)
        signal, background = self._sums
        one = self._best(i, j, signal, background, step, most)
        signal, background = (np.ascontiguousarray(out.transpose(0, 2, 1)) for out in self._sums)
        other = self._best(j, i, signal, background, step, most)
        return (one[0], (i, j), one[1]) if one[0] <= other[0] else (other[0], (j, i), other[1])

    def _best(self, i: int, j: int, signal: Floats, background: Floats, step: int, most: int) -> tuple[float, Places]:
        """Try the regions of one observable; for each the faces of another follow."""
        scape, box, found = self._landscape, self.box, np.zeros(6, dtype=np.int64)
        value = best_trade(
            i, j, self._candidates(i, step), signal[0], background, scape.binned.places, self._single, self._pairs,
            self._prior, box.low, box.high, box.kind, scape.tables is not None, self._events, self._per_event,
            scape.variance, scape.chance, scape.min_effective_events, self._price, self._target, most, found,
        )  # fmt: skip
        return float(value), found

    def descend(
        self,
        max_cuts: int | None = None,
        random: np.random.Generator | None = None,
        steps: Sequence[int] = (4, 1),
    ) -> float:
        """Trade until no two observables gain by it.

        Args:
            max_cuts: how many observables may be cut on; None for all.
            random: decides the order of pairs; None for theirs.
            steps: between places where one boundary is tried, first coarse, then all.

        Returns:
            As `value`.
        """
        observables = self._landscape.observables
        pairs = [(i, j) for i in range(observables) for j in range(i)]
        if random is not None:
            pairs = [pairs[k] for k in random.permutation(len(pairs))]
        now = self.value()
        for step in steps:
            since = 0
            while since < len(pairs):
                for i, j in pairs:
                    since += 1
                    most = 2 if max_cuts is None else min(max_cuts - self.box.without(i).without(j).cuts, 2)
                    value, order, found = self._trade(i, j, step, most)
                    if value < now - _SMALLEST_GAIN:
                        for observable, (low, high, kind) in zip(order, (found[:3], found[3:]), strict=True):
                            self._standing.move(observable, int(low), int(high), int(kind))
                        now, since = value, 0
                    if since >= len(pairs):
                        break
        return now

    def _candidates(self, i: int, step: int) -> Places:
        """List no cut, regions between coarse places, and those that differ in one face from that of the box."""
        places, box = int(self._landscape.binned.places[i]), self.box
        at = np.unique(np.linspace(0, places, min(_PARTS, places) + 1).astype(np.int64))
        first, second = np.triu_indices(len(at), 1)
        rows = [(at[first], at[second], kind) for kind in (INSIDE, OUTSIDE)]
        every = np.unique(np.append(np.arange(0, places + 1, step), places))
        rows += [(np.zeros_like(every), every, INSIDE), (every, np.full_like(every, places), INSIDE)]
        low, high, kind = int(box.low[i]), int(box.high[i]), int(box.kind[i])
        if kind != OFF:
            rows += [(np.full_like(every, low), every, kind), (every, np.full_like(every, high), kind)]
        table = np.concatenate([np.stack([a, b, np.full_like(a, k)], axis=1) for a, b, k in rows])
        low_column, high_column, kinds = table.T
        outermost = (low_column == 0) | (high_column == places)
        whole = (low_column == 0) & (high_column == places)
        valid = (low_column < high_column) & np.where(kinds == OUTSIDE, ~outermost, ~whole)
        return np.concatenate([np.array([[0, 0, OFF]]), table[valid]])


def traded(
    landscape: Landscape, found: Found, max_cuts: int | None = None, tell: Callable[[], None] = lambda: None
) -> Found:
    """Go on from the best box for an objective by trades of signal, and climbs, until neither gains.

    What is returned is better than any box that differs in the region of one observable, and than any that keeps as
    much signal and differs in two, as far as `Trader` tries: the faces of one follow from coarse regions of the other.

    Args:
        landscape: the sample.
        found: by a search for its objective.
        max_cuts: how many observables may be cut on; None for all.
        tell: called after each round; what it raises ends the search.
    """
    while landscape.observables > 1 and math.isfinite(found.value):
        signal = float(landscape.kept(found.box).S) * (1 - _ROUNDING)
        trader = Trader(landscape, found.box, signal, landscape.min_gain)
        trader.descend(max_cuts)
        climber = Climber(landscape, trader.box)
        value = climber.climb(max_cuts)
        tell()
        if not value > found.value + _SMALLEST_GAIN * abs(found.value):
            break
        agree = found.agreeing if value - found.value <= AGREES * abs(value) else 0
        found = replace(found, value=value, box=climber.box, agreeing=agree)
    return found


def _shares(landscape: Landscape, width: int) -> Floats:
    """Return the share of the background below each place, shape (observables, places)."""
    sums = np.zeros((landscape.observables, width))
    for i, codes in enumerate(landscape.binned.codes):
        sums[i, 1:] = np.bincount(codes, weights=landscape.weights[2], minlength=width - 1)[: width - 1].cumsum()
    return np.asarray(sums / landscape.totals[2])
