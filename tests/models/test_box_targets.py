"""Boxes for given signal efficiencies, against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from box_cases import gaussians, landscape_of

from cutflow_cli.models.box.kernel import INSIDE, OFF, OUTSIDE
from cutflow_cli.models.box.landscape import Box
from cutflow_cli.models.box.search import Climber, Found
from cutflow_cli.models.box.targets import at_targets
from cutflow_cli.models.box.trade import Trader, traded

TARGETS = (0.3, 0.6, 0.9)


def every_region(places):
    """All regions of an observable: low, high, kind."""
    yield 0, 0, OFF
    for low in range(places + 1):
        for high in range(low + 1, places + 1):
            if (low, high) != (0, places):
                yield low, high, INSIDE
            if low > 0 and high < places:
                yield low, high, OUTSIDE


def brute_force(landscape, target, price=0.0):
    """The least logarithm of the background of any box on two observables that keeps a share of the signal."""
    places, least = landscape.binned.places.tolist(), math.inf
    for first in every_region(places[0]):
        for second in every_region(places[1]):
            box = Box.open(2).having(0, *first).having(1, *second)
            kept = landscape.kept(box)
            if target * landscape.totals[0] * (1 - 1e-9) <= kept.S and kept.B > 0:
                least = min(least, math.log(kept.B) + price * box.boundaries(landscape.binned.places))
    return least


@pytest.mark.parametrize("smooth", [True, False])
def test_a_trade_keeps_what_it_says(smooth):
    landscape = landscape_of(
        gaussians(3000, missing=0.05, correlation=0.4), smooth=smooth, least=0.0, bins=16, chance=1.0, gain=2e-3
    )
    begin = Box.open(3).having(0, 2, 44, INSIDE).having(2, 2, 4, OUTSIDE)
    for target in (0.2, 0.5, 0.8):
        trader = Trader(landscape, begin, target * landscape.totals[0], 0.01)
        value = trader.descend(random=np.random.default_rng(1))
        assert value == pytest.approx(trader.value(), abs=1e-9)
        assert landscape.counted(trader.box)[0] >= target * landscape.totals[0]


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_the_best_box_of_two_observables_is_found(smooth, chance):
    sample = gaussians(1200, observables=2, correlation=0.5, missing=0.03)
    sample.x[:] = np.clip(np.round(sample.x * 1.5), -3, 3)
    landscape = landscape_of(sample, smooth=smooth, least=1.0, chance=chance)
    assert landscape.binned.places.tolist() == [7, 7]
    for target, found in zip(TARGETS, at_targets(landscape, TARGETS, np.random.default_rng(0)), strict=True):
        least = brute_force(landscape, target)
        assert -found.value == pytest.approx(least, abs=2e-3)
        assert -found.value >= least - 1e-9
        assert 1 <= found.agreeing <= found.starts


def test_where_a_search_ends_no_trade_of_signal_is_better():
    sample = gaussians(1200, observables=2, correlation=0.5, missing=0.03)
    sample.x[:] = np.clip(np.round(sample.x * 1.5), -3, 3)
    landscape = landscape_of(sample, least=1.0, gain=1e-3)
    begin = Box.open(2).having(0, 0, 2, INSIDE)
    climber = Climber(landscape, begin)
    stuck = Found(climber.climb(), climber.box, 1, 1)
    found = traded(landscape, stuck)
    assert found.value >= stuck.value
    S, B = landscape.kept(found.box).S, float(landscape.kept(found.box).B)
    boundaries = found.box.boundaries(landscape.binned.places)
    least = brute_force(landscape, S / landscape.totals[0], price=landscape.min_gain)
    assert math.log(B) + landscape.min_gain * boundaries <= least + 2e-3
    assert traded(landscape, found) == found


def test_a_poor_box_is_bettered_until_neither_a_trade_nor_a_climb_gains():
    landscape = landscape_of(gaussians(6000), gain=2e-3)
    box = at_targets(landscape, (0.3,), np.random.default_rng(0), starts=2, max_cuts=1)[0].box
    found = traded(landscape, Found(landscape.value(box), box, 4, 4))
    assert found.value > landscape.value(box)
    assert found.agreeing == 0


def test_boxes_for_targets_are_tighter_for_less_and_few_cuts_stay_few():
    landscape = landscape_of(gaussians(6000))
    for max_cuts in (None, 2, 1):
        found = at_targets(landscape, TARGETS, np.random.default_rng(0), starts=4, max_cuts=max_cuts)
        backgrounds = [float(landscape.kept(one.box).B) for one in found]
        assert backgrounds == sorted(backgrounds)
        for target, one in zip(TARGETS, found, strict=True):
            kept = landscape.counted(one.box)[0] / landscape.totals[0]
            assert target * (1 - 1e-9) <= kept < target + 0.03
            assert one.box.cuts == (max_cuts or 3)
        again = at_targets(landscape, TARGETS, np.random.default_rng(0), starts=4, max_cuts=max_cuts, threads=2)
        assert [one.box.key for one in again] == [one.box.key for one in found]


def test_a_single_observable_has_a_box_for_each_target():
    landscape = landscape_of(gaussians(4000, observables=1))
    for target, one in zip(TARGETS, at_targets(landscape, TARGETS, np.random.default_rng(0)), strict=True):
        assert target * (1 - 1e-9) <= landscape.counted(one.box)[0] / landscape.totals[0] < target + 0.03
