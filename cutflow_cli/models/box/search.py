"""The search: one observable after the other, every region of it tried, from many starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box import kernel
from cutflow_cli.models.box.kernel import INSIDE, OFF, OUTSIDE
from cutflow_cli.models.box.landscape import Box, Kept, Landscape
from cutflow_cli.selection.cut import Region

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: What a region is chosen by: from what the regions keep to numbers of which the largest is best.
Wanted = Callable[[Kept], Floats]

#: A move must gain this share, so that rounding can't move a box for ever.
_SMALLEST_GAIN = 1e-7
#: Starts that reach the best within this share agree with it.
AGREES = 1e-3


class Standing:
    """A box, and which of its cuts reject each event; the events of the two classes apart.

    Args:
        landscape: the sample.
        box: where to begin.

    Attributes:
        box: the present box.
        codes: for signal and background, bins of the events, shape (observables, events).
        weights: what each event adds to Σw and Σw², shape (2, events).
        failed: by how many cuts each event is rejected, shape (events,).
    """

    def __init__(self, landscape: Landscape, box: Box) -> None:
        binned, self.box = landscape.binned, box
        rows = [np.flatnonzero(binned.signal), np.flatnonzero(~binned.signal)]
        self._places = binned.places
        self.codes = [np.ascontiguousarray(binned.codes[:, chosen]) for chosen in rows]
        self.weights = [landscape.weights[2 * role : 2 * role + 2, chosen] for role, chosen in enumerate(rows)]
        self.failed = [np.zeros(len(chosen), dtype=np.int16) for chosen in rows]
        for codes, failed in zip(self.codes, self.failed, strict=True):
            kernel.count_failures(codes, self._places, box.low, box.high, box.kind, failed)

    def move(self, i: int, low: int, high: int, kind: int) -> None:
        """Give one observable another region."""
        moved, places = self.box.having(i, low, high, kind), self._places
        for codes, failed in zip(self.codes, self.failed, strict=True):
            for box, sign in ((self.box, -1), (moved, 1)):
                kernel.add_failures(codes[i], places[i], box.low[i], box.high[i], box.kind[i], sign, failed)
        self.box = moved


class Climber:
    """Moves a box uphill; keeps its workspace, so each thread has its own.

    Args:
        landscape: the sample.
        box: where to begin.
        wanted: what is to be large; None for the landscape's objective.
        allowed: which regions each observable may move to, beside none; None for all of them.
    """

    def __init__(
        self,
        landscape: Landscape,
        box: Box,
        wanted: Wanted | None = None,
        allowed: Sequence[frozenset[Region]] | None = None,
    ) -> None:
        self.landscape, self.wanted, self._allowed = landscape, wanted or landscape.figure, allowed
        self._standing = Standing(landscape, box)
        self._widest = int(landscape.binned.places.max())
        self._mine = [np.zeros_like(failed) for failed in self._standing.failed]
        self._out = np.empty((7, (self._widest + 1) * (self._widest + 1)))

    @property
    def box(self) -> Box:
        """The box reached."""
        return self._standing.box

    def _left_by_others(self, i: int) -> list[Floats]:
        """Return Σw and Σw² by place of an observable, of the events of either class that the other cuts keep."""
        box, places, standing, sums = self.box, self.landscape.binned.places, self._standing, []
        for codes, weights, failed, mine in zip(
            standing.codes, standing.weights, standing.failed, self._mine, strict=True
        ):
            mine[:] = 0
            kernel.add_failures(codes[i], places[i], box.low[i], box.high[i], box.kind[i], 1, mine)
            row = np.zeros((2, self._widest + 2))
            kernel.left_by_others(codes[i], failed, mine, weights[0], weights[1], row)
            sums.append(row)
        return sums

    def regions(self, i: int, step: int = 1) -> tuple[Kept, Floats]:
        """Return what every region of one observable keeps, and the regions: low, high and kind, shape (3, regions).

        The first is no cut.
        """
        scape, box = self.landscape, self.box
        signal, background = self._left_by_others(i)
        places, tables = scape.binned.places, scape.tables
        if tables is None:
            base, per_event, pairs, prior = (
                -1.0,
                scape.totals[3] / scape.totals[2],
                np.zeros((1, 1, 1, 1)),
                np.zeros((1, 1)),
            )
            # As with tables, and in trades: of all the background, not of what the other cuts keep.
            events = scape.totals[2] ** 2 / scape.totals[3]
            single = np.zeros((scape.observables, self._widest + 2))
            codes = self._standing.codes[1][i]
            shares = np.bincount(codes, weights=self._standing.weights[1][0], minlength=self._widest + 1)
            single[i, 1:] = shares[: self._widest + 1].cumsum() / scape.totals[2]
        else:
            single, pairs, prior = tables.single, tables.pairs, tables.prior
            events, per_event = tables.events, tables.per_event
            base = kernel.predicted_by_others(single, pairs, prior, places, box.low, box.high, box.kind, i)
        found = kernel.all_regions(
            i, step, places, signal, background, single, pairs, prior, box.low, box.high, box.kind, base, events,
            per_event, scape.variance, scape.chance, box.without(i).boundaries(places), scape.min_effective_events,
            self._out,
        )  # fmt: skip
        out, scale = self._out[:, :found], scape.variance_scale
        return Kept(out[0], out[1] * scale, out[2], out[3] * scale), out[4:7]

    def best_region(self, i: int, step: int = 1) -> tuple[float, tuple[int, int, int]]:
        """Find the best region of one observable, the others held fixed.

        Returns:
            What is wanted of the box with it, less `min_gain` of that for every boundary; low, high and kind.
        """
        kept, regions = self.regions(i, step)
        low, high, kind = regions
        lower = (kind == INSIDE) & (low > 0)
        upper = (kind == INSIDE) & (high < self.landscape.binned.places[i])
        sides = 1 * lower + upper + 2 * (kind == OUTSIDE)
        permitted = self._permitted(i, lower, upper, kind)
        others = self.box.without(i).boundaries(self.landscape.binned.places)
        best, chosen = -np.inf, (0, 0, OFF)
        for count in range(3):
            rows = np.flatnonzero((sides == count) & permitted)
            if not len(rows):
                continue
            mine = Kept(kept.S[rows], kept.S2[rows], kept.B[rows], kept.B2[rows])
            front = undominated(mine)
            values = np.atleast_1d(self.wanted(Kept(mine.S[front], mine.S2[front], mine.B[front], mine.B2[front])))
            at = int(np.argmax(values))
            value = self._priced(float(values[at]), others + count)
            if value > best:
                place = rows[front[at]]
                best, chosen = value, (int(low[place]), int(high[place]), int(kind[place]))
        return best, chosen

    def _permitted(self, i: int, lower: Mask, upper: Mask, kind: Floats) -> Mask:
        """Say which regions of an observable it may have."""
        if self._allowed is None:
            return np.ones(len(kind), dtype=np.bool_)
        allowed = self._allowed[i]
        by_region = {
            Region.ABOVE: lower & ~upper, Region.BELOW: upper & ~lower, Region.INSIDE: lower & upper,
            Region.OUTSIDE: kind == OUTSIDE,
        }  # fmt: skip
        return np.asarray(
            np.any([kind == OFF, *(rows for region, rows in by_region.items() if region in allowed)], axis=0)
        )

    def _priced(self, value: float, boundaries: int) -> float:
        return value - boundaries * self.landscape.min_gain * abs(value) if np.isfinite(value) else value

    def climb(
        self, max_cuts: int | None = None, random: np.random.Generator | None = None, steps: Sequence[int] = (4, 1)
    ) -> float:
        """Improve the box, one observable at a time, until none improves it.

        Args:
            max_cuts: how many observables may be cut on; None for all.
            random: decides the order of the observables; None for theirs.
            steps: between places that are tried, first coarse, then all.

        Returns:
            What is wanted of the box reached, less `min_gain` of that for every boundary.
        """
        observables = self.landscape.observables
        order = np.arange(observables) if random is None else random.permutation(observables)
        raw = float(np.atleast_1d(self.wanted(self.landscape.kept(self.box)))[0])
        now = self._priced(raw, self.box.boundaries(self.landscape.binned.places))
        for step in steps:
            since = 0
            while since < observables:
                for i in order.tolist():
                    since += 1
                    if self.box.kind[i] != OFF or max_cuts is None or self.box.cuts < max_cuts:
                        value, region = self.best_region(i, step)
                        if value > now + _SMALLEST_GAIN * abs(now) or (now == -np.inf and value > now):
                            self._standing.move(i, *region)
                            now, since = value, 0
                    if since >= observables:
                        break
        return now


def undominated(kept: Kept) -> NDArray[np.int64]:
    """Return which selections no other beats in both S and B, the rest of which is never best.

    Every objective is taken to rise with S and to fall with B.
    """
    order = np.argsort(-kept.S)
    B = kept.B[order]
    before = np.minimum.accumulate(np.append(np.inf, B[:-1]))
    return np.asarray(order[before > B])


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search.

    Attributes:
        value: what is wanted of the best box, less what its boundaries must gain.
        box: the best box.
        starts: how many climbs there were.
        agreeing: how many of them reached the best within one in a thousand, of the objective or of the background.
    """

    value: float
    box: Box
    starts: int
    agreeing: int


def search(
    landscape: Landscape,
    begin: Sequence[Box],
    kicks: int,
    random: np.random.Generator,
    *,
    threads: int = 1,
    max_cuts: int | None = None,
    wanted: Wanted | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Found:
    """Climb from many boxes, then from the best with some cuts opened.

    Args:
        landscape: the sample.
        begin: where to begin.
        kicks: how many climbs from the best box with two or three cuts opened.
        random: of orders and kicks.
        threads: how many climbs at a time; makes no difference to the result.
        max_cuts: how many observables may be cut on; None for all.
        wanted: what is to be large; None for the landscape's objective.
        tell: called after each climb; what it raises ends the search.
    """
    results: list[tuple[float, Box]] = []

    def run(boxes: Sequence[Box]) -> None:
        seeds = random.integers(0, 2**63, len(boxes))

        def one(task: tuple[Box, int]) -> tuple[float, Box]:
            box, seed = task
            climber = Climber(landscape, limited(box, max_cuts), wanted)
            return climber.climb(max_cuts, np.random.default_rng(seed)), climber.box

        tasks = list(zip(boxes, seeds.tolist(), strict=True))
        if tasks and not results:
            # Two threads that load compiled code for the first time may wait for each other for ever: one goes ahead.
            results.append(one(tasks.pop(0)))
            tell()
        with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
            for result in pool.map(one, tasks):
                results.append(result)
                tell()

    run(begin)
    for _ in range(0, kicks, 4):
        best = max(results, key=lambda result: result[0])[1]
        run([opened(best, random) for _ in range(4)])
    value, box = max(results, key=lambda result: result[0])
    close = sum(result[0] >= value - AGREES * abs(value) for result in results)
    return Found(value, box, len(results), close)


def limited(box: Box, max_cuts: int | None) -> Box:
    """Leave out cuts, the last ones first, until there are few enough."""
    while max_cuts is not None and box.cuts > max_cuts:
        box = box.without(int(np.flatnonzero(box.kind != OFF)[-1]))
    return box


def opened(box: Box, random: np.random.Generator) -> Box:
    """Leave out two or three cuts by chance."""
    cut_on = np.flatnonzero(box.kind != OFF)
    for i in random.choice(cut_on, min(len(cut_on), int(random.integers(2, 4))), replace=False):
        box = box.without(int(i))
    return box
