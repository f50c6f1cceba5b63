"""The box of least background that keeps a given share of the signal.

With the share held fixed no observable can be moved alone. So ln ε_s − λ ln ε_b is made large instead, which moves
signal from one observable to another: with λ from small to large the boxes run from loose to tight. Between the two on
either side of the target λ is bisected; what signal the last box has to spare is then spent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.landscape import Box, Kept, Landscape, single_best
from cutflow_cli.models.box.search import Climber, Wanted

Floats = NDArray[np.float64]
#: Rates of exchange to begin with, and bisections of them.
_RATES, _BISECTIONS = 12, 5
#: What a sum of weights may miss the target by, from rounding.
_ROUNDING = 1e-9


def exchange(landscape: Landscape, rate: float) -> Wanted:
    """Return ln ε_s − rate · ln ε_b."""

    def wanted(kept: Kept) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(kept.S / landscape.totals[0]) - rate * np.log(kept.B / landscape.totals[2])
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
    seen: list[tuple[float, float, float, Box]] = []  # rate, ε_s, B, box

    def climbed(rate: float, begin: Box) -> tuple[float, Box]:
        climber = Climber(landscape, begin, exchange(landscape, rate))
        climber.climb(max_cuts)
        tell()
        return note(rate, climber.box), climber.box

    def note(rate: float, box: Box) -> float:
        kept = landscape.kept(box)
        efficiency = float(kept.S / landscape.totals[0])
        seen.append((rate, efficiency, float(kept.B), box))
        return efficiency

    last = Box.open(landscape.observables)
    note(0.0, last)
    for rate in np.geomspace(0.01, 3, _RATES):
        start = single_best(landscape, float(rate))
        if max_cuts is None or start.cuts <= max_cuts:
            climbed(float(rate), start)
        last = climbed(float(rate), last)[1]
    for target in targets:
        loose = max((one for one in seen if one[1] >= target), key=lambda one: one[0])
        tight = min((one for one in seen if one[1] < target), key=lambda one: one[0], default=None)
        if tight is not None:
            low, high, begin = loose[0], max(tight[0], loose[0]), loose[3]
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2
                efficiency, reached = climbed(middle, begin)
                low, high = (middle, high) if efficiency >= target else (low, middle)
                begin = reached if efficiency >= target else begin
        for one in sorted((one for one in seen if one[1] >= target), key=lambda one: one[2])[:3]:
            climber = Climber(landscape, one[3], at_least(landscape, target))
            climber.climb(max_cuts, steps=(1,))
            tell()
            note(one[0], climber.box)
    return [
        min((one for one in seen if one[1] >= target * (1 - _ROUNDING)), key=lambda one: one[2])[3]
        for target in targets
    ]
