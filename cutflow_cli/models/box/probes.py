"""Boxes that tell how good predictions of the background are, and where a search may begin.

Boxes of many sizes are counted and predicted; the scatter beyond that of the counts is the prediction's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cutflow_cli.models.box.kernel import INSIDE, OUTSIDE
from cutflow_cli.models.box.landscape import LEAST_ERROR, USELESS, Box, Landscape

#: Rates of exchange of signal for background of the boxes looked at, from loose to tight.
EXCHANGE = np.geomspace(0.01, 2, 22)
#: Events that a box must keep, by count or prediction, to tell how good predictions of few are.
_MEASURED = (10.0, 3000.0)
#: With fewer boxes than this it is not known.
_ENOUGH = 5
#: Predictions whose logarithm is less certain than this are not used: the variance is taken to be that of none.
_USED_BELOW = 0.3
#: Parts of a box that are looked at: with fewer and fewer of its cuts.
_PARTS = 24


def independent_boxes(landscape: Landscape) -> tuple[Box, ...]:
    """Return the boxes that are best if observables are independent (`single_best`), from loose to tight."""
    return tuple(single_best(landscape, float(rate)) for rate in EXCHANGE)


def single_best(landscape: Landscape, exchange: float) -> Box:
    """Return the box that is best if observables are independent, for a rate of exchange of ln ε_b for ln ε_s.

    Each observable's region has the largest ln ε_s − exchange · ln ε_b. With exchange rates from small to large these
    boxes run from loose to tight; they are where the search begins.
    """
    box = Box.open(landscape.observables)
    totals = landscape.totals
    for i, places in enumerate(landscape.binned.places):
        sums = np.zeros((4, places + 1))
        for row, weight in enumerate(landscape.weights):
            found = np.bincount(landscape.binned.codes[i], weights=weight, minlength=places + 1)[:places]
            sums[row, 1:] = np.cumsum(found)
        low, high = np.triu_indices(places + 1, 1)
        best = 0.0
        for kind in (INSIDE, OUTSIDE):
            kept = sums[:, high] - sums[:, low]
            if kind == OUTSIDE:
                kept = sums[:, -1:] - kept
            enough = (kept[0] > 1e-3 * totals[0]) & (kept[2] ** 2 > max(landscape.min_effective_events, 3) * kept[3])
            enough &= kept[2] > 0
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = np.log(kept[0] / totals[0]) - exchange * np.log(kept[2] / totals[2])
            gain = np.where(enough, gain, -np.inf)
            at = int(np.argmax(gain))
            if gain[at] > best + 1e-6:
                best, box = float(gain[at]), box.having(i, int(low[at]), int(high[at]), kind)
    return box


def with_measured_error(landscape: Landscape, boxes: Sequence[Box], random: np.random.Generator) -> Landscape:
    """Measure how wrong predictions are, on boxes and parts of them that keep a known number of events.

    The mean of ln²(n/p) less its expectation from counting, over boxes with n counted and p predicted events of which
    one at least is large enough, is the variance of a prediction's logarithm; it is never taken to be less than before.

    Args:
        landscape: with tables.
        boxes: around which to measure.
        random: which cuts are left out.
    """
    if landscape.tables is None:
        return landscape
    per_event, scatter, seen = landscape.tables.per_event, [], set()
    for box in boxes:
        for turn in range(_PARTS):
            part = box
            for i in np.flatnonzero(random.random(landscape.observables) < 0.5 * turn / _PARTS):
                part = part.without(int(i))
            if part.cuts < 2 or part.key in seen:
                continue
            seen.add(part.key)
            predicted, counted = landscape.predicted(part) / per_event, landscape.counted(part)[2] / per_event
            if _MEASURED[0] <= max(predicted, counted) <= _MEASURED[1]:
                scatter.append(np.log((max(counted, 0) + 0.5) / (predicted + 0.5)) ** 2 - 1 / (max(counted, 0) + 1))
    variance = max(landscape.variance, LEAST_ERROR**2)
    if len(scatter) >= _ENOUGH:
        variance = max(float(np.mean(scatter)), variance)
    elif landscape.variance == 0:
        variance = USELESS
    return replace(landscape, variance=variance if variance < _USED_BELOW**2 else USELESS)
