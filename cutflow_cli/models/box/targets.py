"""The box of least background that keeps a given share of the signal.

With the share held fixed no observable can be moved alone. So ln ε_s − λ ln ε_b and ε_s − μ ε_b are made large instead,
which moves signal from one observable to another: as λ or μ grows the boxes run from loose to tight. The first has few
boxes to offer where one observable does most, the second where little background is left. Between the two boxes on
either side of a target the rate is bisected; what signal the last box has to spare is then spent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.landscape import Box, Kept, Landscape, single_best
from cutflow_cli.models.box.search import Climber, Wanted

Floats = NDArray[np.float64]
#: Rates of exchange to begin with, of logarithms and of efficiencies, and bisections between two of them.
_RATES = (np.geomspace(0.01, 3, 12), np.geomspace(0.05, 3000, 12))
_BISECTIONS = 5
#: What a sum of weights may miss the target by, from rounding.
_ROUNDING = 1e-9


def exchange(landscape: Landscape, rate: float, *, logarithms: bool) -> Wanted:
    """Return ln ε_s − rate · ln ε_b, or ε_s − rate · ε_b."""

    def wanted(kept: Kept) -> Floats:
        s, b = kept.S / landscape.totals[0], kept.B / landscape.totals[2]
        if not logarithms:
            return np.asarray(s - rate * b)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(s) - rate * np.log(b)
        return np.asarray(np.where(np.isfinite(value), value, -np.inf))

    return wanted


def at_least(landscape: Landscape, target: float) -> Wanted:
    """Return −ln ε_b where the target is kept, −∞ elsewhere."""

    def wanted(kept: Kept) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -np.log(kept.B / landscape.totals[2])
        enough = target * landscape.totals[0] * (1 - _ROUNDING) <= kept.S
        return np.asarray(np.where(enough & np.isfinite(value), value, -np.inf))

    return wanted


def at_targets(
    landscape: Landscape,
    targets: Sequence[float],
    max_cuts: int | None = None,
    tell: Callable[[], None] = lambda: None,
) -> list[Box]:
    """Find a box for each target.

    Args:
        landscape: the sample.
        targets: signal efficiencies, rising.
        max_cuts: how many observables may be cut on; None for all.
        tell: called after each climb; what it raises ends the search.

    Returns:
        For each target the box of least background among all that were seen and keep it.
    """
    path = _Path(landscape, max_cuts, tell)
    for target in targets:
        for logarithms in (True, False):
            path.bisect(target, logarithms=logarithms)
        path.spend(target)
    return [path.best(target) for target in targets]


class _Path:
    """Boxes from loose to tight, and all others that were seen on the way."""

    def __init__(self, landscape: Landscape, max_cuts: int | None, tell: Callable[[], None]) -> None:
        self._landscape, self._max_cuts, self._tell = landscape, max_cuts, tell
        self._seen: list[tuple[float, float, Box]] = []  # ε_s, B, box
        self._rates: dict[bool, list[tuple[float, float, Box]]] = {}  # rate, ε_s, box
        for logarithms, rates in zip((True, False), _RATES, strict=True):
            last = Box.open(landscape.observables)
            self._rates[logarithms] = [(0.0, self._note(last), last)]
            for rate in (*rates, *rates[::-1]):  # there and back: what is reached depends on where one comes from
                last = self._climb(float(rate), last, logarithms=logarithms)[1]
            for rate in rates if logarithms else ():
                start = single_best(landscape, float(rate))
                if max_cuts is None or start.cuts <= max_cuts:
                    self._climb(float(rate), start, logarithms=True)

    def _note(self, box: Box) -> float:
        kept = self._landscape.kept(box)
        self._seen.append((float(kept.S / self._landscape.totals[0]), float(kept.B), box))
        return self._seen[-1][0]

    def _climb(self, rate: float, begin: Box, *, logarithms: bool) -> tuple[float, Box]:
        climber = Climber(self._landscape, begin, exchange(self._landscape, rate, logarithms=logarithms))
        climber.climb(self._max_cuts)
        self._tell()
        efficiency = self._note(climber.box)
        self._rates[logarithms].append((rate, efficiency, climber.box))
        return efficiency, climber.box

    def bisect(self, target: float, *, logarithms: bool) -> None:
        """Look for boxes near a target."""
        rates = self._rates[logarithms]
        low, _, begin = max((one for one in rates if one[1] >= target), key=lambda one: one[0])
        high = min((one[0] for one in rates if one[1] < target and one[0] > low), default=low)
        for _ in range(_BISECTIONS if high > low else 0):
            middle = (low + high) / 2
            efficiency, reached = self._climb(middle, begin, logarithms=logarithms)
            low, high = (middle, high) if efficiency >= target else (low, middle)
            begin = reached if efficiency >= target else begin

    def _enough(self, target: float) -> list[tuple[float, float, Box]]:
        return [one for one in self._seen if one[0] >= target * (1 - _ROUNDING)]

    def spend(self, target: float) -> None:
        """Tighten the boxes that have little signal to spare, and those of least background."""
        enough = self._enough(target)
        near = sorted(enough, key=lambda one: one[0])[:3]
        for _, _, box in [*near, *sorted(enough, key=lambda one: one[1])[:3]]:
            climber = Climber(self._landscape, box, at_least(self._landscape, target))
            climber.climb(self._max_cuts, steps=(1,))
            self._tell()
            self._note(climber.box)

    def best(self, target: float) -> Box:
        """Return the box of least background that keeps a target."""
        return min(self._enough(target), key=lambda one: one[1])[2]
