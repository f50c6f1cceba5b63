"""The exact step: boundaries of hard cuts moved one at a time to the best place between two values of the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.figures_of_merit import Yields
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.cut_and_count.profile import B2, S2, B, Profile, S, make_profile
from cutflow_cli.selection.cut import Cut, Region

Array = NDArray[np.float64]
Candidate = tuple[Region, NDArray[np.int64], NDArray[np.int64]]

#: How often all observables are gone through at most; each time something must get better.
SWEEPS = 10
#: Quantiles at which two boundaries are tried where there is none yet.
COARSE = 48
#: A move must raise the objective by so many standard deviations of what the events between two selections add,
#: counting one background event more than there are: a gap in the background is no proof that there is none. On fresh
#: events of mock1 moves worth half a deviation spoil Z by 0.2 to 0.4, those worth three are rare.
WORTH = 3.0
_ROUNDING = 1e-12
_TWO_SIDED = (Region.INSIDE, Region.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Judge:
    """An objective with its guard, of sums of expected events.

    Attributes:
        objective: what to make large.
        totals: Σw of signal and background before any cut.
        min_effective: effective background events that must be kept, unless the objective is additive.
    """

    objective: Objective
    totals: tuple[float, float]
    min_effective: float

    def values(self, kept: Array) -> Array:
        """Return the objective, −∞ where it is undefined or not to be believed.

        Args:
            kept: Σw and Σw² of signal, then of background, shape (4, selections).
        """
        figure = self.objective.values(Yields(kept[S], kept[B], kept[B2], *self.totals, kept[S2]))
        if self.objective.additive or self.min_effective <= 0:
            return figure
        enough = (kept[B] > 0) & (kept[B] ** 2 >= self.min_effective * (1 - 1e-9) * kept[B2])
        return np.asarray(np.where(enough, figure, -np.inf))

    def effective(self, kept: Array) -> float:
        """Return the effective background events, (Σw)²/Σw², of one selection."""
        return float(kept[B] ** 2 / kept[B2]) if kept[B2] > 0 else 0.0

    def slopes(self, kept: Array) -> tuple[float, float]:
        """Return derivatives by S and B, the error of B growing with B; 0 where there is none."""
        found = []
        for row, other in ((S, S2), (B, B2)):
            step = 1e-4 * abs(float(kept[row]))
            if step == 0:
                found.append(0.0)
                continue
            moved = np.stack([kept, kept], axis=1)
            moved[row] += (step, -step)
            moved[other] *= moved[row] / kept[row]
            pair = self.objective.values(Yields(moved[S], moved[B], moved[B2], *self.totals, moved[S2]))
            found.append(float(pair[0] - pair[1]) / (2 * step) if np.isfinite(pair).all() else 0.0)
        return found[0], found[1]


class ExactStep:
    """Improves hard cuts on a training split; what replicas share is done once.

    Args:
        names: of the observables.
        columns: each in its own type, shape (events,).
        label: 1 signal, 0 background.
        allowed: which regions each observable may have; `ALL` is always allowed.
    """

    def __init__(
        self,
        names: Sequence[str],
        columns: Sequence[NDArray[Any]],
        label: NDArray[np.int8],
        allowed: Sequence[frozenset[Region]],
    ) -> None:
        self._names, self._columns, self._allowed = tuple(names), tuple(columns), tuple(allowed)
        self._signal = label == 1
        self._orders = []
        for column in columns:
            order = np.argsort(column, kind="stable")  # missing values come last
            self._orders.append(order[: len(order) - int(np.isnan(column).sum())])

    def sums(self, weight: Array, square: Array) -> Array:
        """Return what each event adds to Σw and Σw² of signal and background, shape (4, events)."""
        signal = self._signal
        return np.stack([weight * signal, square * signal, weight * ~signal, square * ~signal])

    def improve(
        self, cuts: Sequence[Cut], judge: Judge, events: Array, watch: Callable[[], None] = lambda: None
    ) -> list[Cut]:
        """Change one cut at a time to what is best beside the others, until none is worth changing.

        One boundary at a time is moved, added or dropped, or the side of a one-sided cut changed; every place between
        two values is tried, where there is no boundary pairs of some too. In the end boundaries that reject nothing
        are dropped. The objective never falls. A move that raises it by less than the noise of the events
        between (`WORTH`) is not made.

        Args:
            cuts: one for each observable.
            judge: the objective.
            events: of `sums`.
            watch: called now and then; what it raises ends the search.

        Returns:
            The cuts, one for each observable.
        """
        found = list(cuts)
        passed = [cut.passes(column) for cut, column in zip(found, self._columns, strict=True)]
        failed = np.sum([~mask for mask in passed], axis=0)
        waiting = set(range(len(found)))
        for _ in range(SWEEPS):
            changed = False
            for k in range(len(found)):
                if k not in waiting:
                    continue
                watch()
                waiting.discard(k)
                others = failed == ~passed[k]
                better = self._best(k, found[k], judge, events, others)
                if better is None:
                    continue
                found[k], changed = better, True
                failed += passed[k]
                passed[k] = better.passes(self._columns[k])
                failed -= passed[k]
                waiting = set(range(len(found)))  # itself too: a cut of one side may become one of two
            if not changed:
                break
        return self._simplified(found, passed, failed)

    def _simplified(self, cuts: list[Cut], passed: list[NDArray[np.bool_]], failed: NDArray[np.int64]) -> list[Cut]:
        """Drop boundaries that reject no event which the other cuts keep."""
        found = list(cuts)
        for k, cut in enumerate(cuts):
            others = failed == ~passed[k]
            reach, mine = self._columns[k][others], passed[k][others]
            for simpler in _simpler(cut):
                kept = simpler.passes(reach)
                if np.array_equal(kept, mine):
                    found[k] = simpler
                    failed = failed + passed[k]
                    passed[k] = simpler.passes(self._columns[k])
                    failed = failed - passed[k]
                    break
        return found

    def kept(self, cuts: Sequence[Cut], events: Array) -> Array:
        """Return Σw and Σw² of signal and background that cuts keep, shape (4,)."""
        mask = np.ones(events.shape[1], dtype=np.bool_)
        for cut, column in zip(cuts, self._columns, strict=True):
            mask &= cut.passes(column)
        return np.asarray(events[:, mask].sum(axis=1))

    def _best(self, k: int, cut: Cut, judge: Judge, events: Array, others: NDArray[np.bool_]) -> Cut | None:
        """Return the best cut on an observable that is worth the change; None if none is."""
        column = self._columns[k]
        now = events[:, others & cut.passes(column)].sum(axis=1)
        before = judge.values(now[:, None])[0]
        by_signal, by_background = judge.slopes(now)
        one = np.array([0.0, now[B2] / now[B] if now[B] > 0 else 0.0])[:, None] ** 2
        order = self._orders[k][others[self._orders[k]]]
        profile = make_profile(column[order], events[:, order], rising=False)
        defined = before > -np.inf
        best, chosen = _ROUNDING * max(1.0, abs(before)) if defined else -np.inf, None
        for region, first, second in _candidates(cut, profile):
            if not len(first) or (region not in self._allowed[k] and region is not Region.ALL):
                continue
            if region is Region.ALL:
                kept = events[:, others].sum(axis=1)[:, None]
            else:
                kept = profile.kept(region, first, second)
            gain = judge.values(kept)
            if defined:
                change = _between(cut.region, region, now, kept) + one
                gain -= before + WORTH * np.sqrt(by_signal**2 * change[0] + by_background**2 * change[1])
            place = int(np.argmax(gain))
            if gain[place] > best:
                best = float(gain[place])
                chosen = _made(self._names[k], profile, region, int(first[place]), int(second[place]))
        return chosen


def _simpler(cut: Cut) -> Iterator[Cut]:
    """Give what is left of a cut without a boundary, the simplest first."""
    if cut.region is Region.ALL:
        return
    yield Cut(cut.observable, Region.ALL)
    if cut.region in _TWO_SIDED:
        inside = cut.region is Region.INSIDE
        yield Cut(cut.observable, Region.BELOW, None, cut.upper if inside else cut.lower)
        yield Cut(cut.observable, Region.ABOVE, cut.lower if inside else cut.upper)


def _candidates(cut: Cut, profile: Profile) -> Iterator[Candidate]:
    """Give what a cut may become, as positions between the values of a profile."""
    size = len(profile.values)
    inner = np.arange(1, size)
    none = np.zeros(1, dtype=np.int64)
    if cut.region is not Region.ALL:
        yield Region.ALL, none, none
    yield Region.BELOW, inner, inner
    yield Region.ABOVE, inner, inner
    if cut.region is Region.ALL:
        first, second = _coarse_pairs(size)
        for region in _TWO_SIDED:
            yield region, first, second
        return
    low, high = _positions(cut, profile)
    pairs: tuple[tuple[Region, int | None, int | None], ...]
    if cut.region is Region.BELOW:
        pairs = ((Region.INSIDE, None, high), (Region.OUTSIDE, high, None))
    elif cut.region is Region.ABOVE:
        pairs = ((Region.INSIDE, low, None), (Region.OUTSIDE, None, low))
    else:
        pairs = ((cut.region, None, high), (cut.region, low, None))
    for region, held_low, held_high in pairs:
        if held_high is not None:
            free = inner[inner < held_high]
            yield region, free, np.full(len(free), held_high)
        elif held_low is not None:
            free = inner[inner > held_low]
            yield region, np.full(len(free), held_low), free


def _coarse_pairs(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of a few positions: two boundaries at once, which single moves then place exactly."""
    places = np.unique(np.linspace(1, size - 1, COARSE).astype(np.int64)) if size > 2 else np.zeros(0, dtype=np.int64)
    first, second = np.triu_indices(len(places), 1)
    return places[first], places[second]


def _positions(cut: Cut, profile: Profile) -> tuple[int, int]:
    """Return where the boundaries of a cut lie among the values: the first value above each, or at it where kept."""
    keeps_between = cut.region is not Region.OUTSIDE
    low = high = 0
    if cut.lower is not None:
        low = int(np.searchsorted(profile.values, cut.lower, side="right" if keeps_between else "left"))
    if cut.upper is not None:
        high = int(np.searchsorted(profile.values, cut.upper, side="left" if keeps_between else "right"))
    return low, high


def _between(old: Region, new: Region, now: Array, kept: Array) -> Array:
    """Return Σw² of signal and background that one selection keeps and the other does not, shape (2, selections).

    Where one lies within the other that is the difference of what they keep; for a cut that turns to the other side it
    is at most the sum, which is taken.
    """
    apart = {old, new} == {Region.BELOW, Region.ABOVE} or (old is not new and old in _TWO_SIDED and new in _TWO_SIDED)
    squares, mine = kept[[S2, B2]], now[[S2, B2]][:, None]
    return np.asarray(squares + mine if apart else np.abs(squares - mine))


def _made(name: str, profile: Profile, region: Region, first: int, second: int) -> Cut:
    """Make a cut of positions; its boundaries lie midway between values."""
    match region:
        case Region.BELOW:
            return Cut(name, region, None, profile.below(first))
        case Region.ABOVE:
            return Cut(name, region, profile.above(first), None)
        case Region.INSIDE:
            return Cut(name, region, profile.above(first), profile.below(second))
        case Region.OUTSIDE:
            return Cut(name, region, profile.below(first), profile.above(second))
        case _:
            return Cut(name, region)
