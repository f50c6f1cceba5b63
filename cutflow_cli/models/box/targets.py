"""The box of least background that keeps a given share of the signal.

With the share held fixed no observable can be moved alone, but two can: one gives up the signal that the other then
keeps (`trade`). Such moves begin at the box without cuts, at boxes that would be best if observables were independent,
and at the best so far with some cuts opened; what is best at one target is a start for the next, tighter one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.landscape import Box, Kept, Landscape
from cutflow_cli.models.box.probes import single_best
from cutflow_cli.models.box.search import AGREES, Climber, Found, limited, opened
from cutflow_cli.models.box.trade import Trader

Floats = NDArray[np.float64]
#: Rates of exchange of ln ε_s for ln ε_b of the boxes to begin with, of which the tightest that keep enough are taken.
_RATES, _SINGLES = np.geomspace(0.01, 3, 12), 3
#: What a sum of weights may miss the target by, from rounding.
_ROUNDING = 1e-9


def at_targets(
    landscape: Landscape,
    targets: Sequence[float],
    random: np.random.Generator,
    *,
    starts: int = 12,
    threads: int = 1,
    max_cuts: int | None = None,
    tell: Callable[[], None] = lambda: None,
) -> list[Found]:
    """Find a box for each target.

    Args:
        landscape: the sample.
        targets: signal efficiencies, rising.
        random: of orders, and of the cuts that are opened.
        starts: how often each search is begun, at least.
        threads: how many targets at a time; makes no difference to the result.
        max_cuts: how many observables may be cut on; None for all.
        tell: called after each descent; what it raises ends the search.

    Returns:
        For each target what was found, with background that does not fall as targets rise; its value is the negative
        logarithm of the background, less the price of the boundaries.
    """
    singles = [limited(single_best(landscape, float(rate)), max_cuts) for rate in _RATES]
    seeds = random.integers(0, 2**63, len(targets)).tolist()

    def one(task: tuple[float, int]) -> list[tuple[float, Box]]:
        target, seed = task
        return _descents(landscape, target, singles, starts, max_cuts, np.random.default_rng(seed), tell)

    if threads > 1 and targets:
        # Two threads that load compiled code for the first time may wait for each other for ever, so it is loaded here.
        _descent(landscape, targets[-1], Box.open(landscape.observables), max_cuts, None)
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        reached = list(pool.map(one, zip(targets, seeds, strict=True)))
    found: list[Found] = []
    for target, results in zip(reversed(targets), reversed(reached), strict=True):
        if found:
            results.append(_descent(landscape, target, found[-1].box, max_cuts, None))
            tell()
        least, box = min(results, key=lambda one: one[0])
        found.append(Found(-least, box, len(results), sum(value <= least + AGREES for value, _ in results)))
    return found[::-1]


def _descents(
    landscape: Landscape,
    target: float,
    singles: Sequence[Box],
    starts: int,
    max_cuts: int | None,
    random: np.random.Generator,
    tell: Callable[[], None],
) -> list[tuple[float, Box]]:
    """Descend from many boxes: values and boxes reached."""
    enough = [box for box in singles if _signal(landscape, target) <= landscape.kept(box).S]
    results: list[tuple[float, Box]] = []
    begin = [Box.open(landscape.observables), *enough[-_SINGLES:]]
    for number in range(max(starts, len(begin))):
        start = begin[number] if number < len(begin) else opened(min(results, key=lambda one: one[0])[1], random)
        results.append(_descent(landscape, target, start, max_cuts, random))
        tell()
    return results


def _descent(
    landscape: Landscape, target: float, start: Box, max_cuts: int | None, random: np.random.Generator | None
) -> tuple[float, Box]:
    signal = _signal(landscape, target)
    if landscape.observables == 1:
        start = _single(landscape, start, signal)
    trader = Trader(landscape, start, signal, landscape.min_gain)
    return trader.descend(max_cuts, random), trader.box


def _signal(landscape: Landscape, target: float) -> float:
    return float(target * landscape.totals[0] * (1 - _ROUNDING))


def _single(landscape: Landscape, start: Box, signal: float) -> Box:
    """Move a cut for which there is no other to trade with."""

    def wanted(kept: Kept) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where((signal <= kept.S) & (kept.B > 0), -np.log(kept.B), -np.inf))

    climber = Climber(landscape, start, wanted)
    climber.climb()
    return climber.box
