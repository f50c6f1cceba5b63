"""The moves of the box search, against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from box_cases import gaussians, landscape_of, sample_of
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.models.box.flow import box_of, flow_of, in_order, order_of
from cutflow_cli.models.box.kernel import INSIDE, OFF, OUTSIDE
from cutflow_cli.models.box.landscape import Box, Kept
from cutflow_cli.models.box.probes import single_best
from cutflow_cli.models.box.search import Climber, search, undominated
from cutflow_cli.selection.cutflow import CutFlow

BOX = Box.open(3).having(0, 9, 44, INSIDE).having(2, 2, 9, OUTSIDE)


@pytest.mark.parametrize("smooth", [True, False])
def test_every_region_keeps_what_the_box_with_it_keeps(smooth):
    landscape = landscape_of(gaussians(3000, missing=0.05), smooth=smooth, least=0.0, bins=16, chance=1.0)
    for i in range(3):
        kept, regions = Climber(landscape, BOX).regions(i)
        for row in range(0, len(kept.S), 17):
            low, high, kind = (int(number) for number in regions[:, row])
            alone = landscape.kept(BOX.having(i, low, high, kind))
            found = [kept.S[row], kept.S2[row], kept.B[row], kept.B2[row]]
            np.testing.assert_allclose(found, [alone.S, alone.S2, alone.B, alone.B2], rtol=1e-9, atol=1e-9)


def test_a_flow_keeps_event_by_event_what_its_box_keeps():
    rng = np.random.default_rng(5)
    x = np.stack([rng.normal(size=900), rng.integers(0, 6, 900), rng.exponential(size=900)], axis=1).astype(np.float32)
    x[::50, 1] = np.nan
    sample = sample_of(x, rng.integers(0, 2, 900))
    landscape = landscape_of(sample, least=0.0, bins=30)
    places = landscape.binned.places
    boxes = [Box.open(3), Box.open(3).having(1, 2, 4, OUTSIDE), Box.open(3).having(1, 1, int(places[1]), INSIDE)]
    boxes.append(Box.open(3).having(0, 0, 11, INSIDE).having(1, 2, 5, INSIDE).having(2, 3, 12, OUTSIDE))
    for box in boxes:
        flow = flow_of(landscape, sample.features, box, CutFlow(())).rounded(sample.dtypes)
        np.testing.assert_array_equal(flow.mask(sample.columns, len(sample)), landscape.failed(box) == 0)
        assert box_of(landscape.binned, flow).key == box.key


def test_each_cut_adds_more_than_any_that_comes_after_it_would():
    landscape = landscape_of(gaussians(3000, observables=4, correlation=0.5), least=0.0, bins=16)
    box = Box.open(4).having(0, 6, 17, INSIDE).having(1, 9, 17, INSIDE).having(3, 2, 5, OUTSIDE)
    order = order_of(landscape, box)
    assert sorted(order) == [0, 1, 2, 3]
    assert order[-1] == 2, "not cut on"

    def value(cuts):
        begun = Box.open(4)
        for i in cuts:
            begun = begun.having(i, int(box.low[i]), int(box.high[i]), int(box.kind[i]))
        return landscape.value(begun)

    for number in range(3):
        reached = [value([*order[:number], i]) for i in order[number:3]]
        assert reached[0] == max(reached)
    flow = flow_of(landscape, ("a", "b", "c", "d"), box, CutFlow(()))
    assert in_order(flow, order).observables == tuple("abcd"[i] for i in order)


def test_a_climb_ends_where_no_region_of_one_observable_is_better():
    landscape = landscape_of(gaussians(missing=0.02), bins=20)
    climber = Climber(landscape, Box.open(3))
    reached = climber.climb(random=np.random.default_rng(1))
    assert reached == pytest.approx(landscape.value(climber.box))
    for i in range(3):
        value, _ = climber.best_region(i)
        assert value == pytest.approx(reached)
    assert climber.box.cuts == 3


@pytest.mark.parametrize("smooth", [True, False])
def test_too_little_background_counts_as_the_least_that_would_be_known(smooth):
    sample = gaussians(2000)
    tight = Box.open(3).having(0, 0, 12, INSIDE).having(1, 0, 12, INSIDE).having(2, 0, 12, INSIDE)
    free, guarded = (replace(landscape_of(sample, smooth=smooth, least=least), variance=0.25) for least in (0.0, 40.0))
    per_event = free.totals[3] / free.totals[2]
    assert free.kept(tight).B < guarded.kept(tight).B == pytest.approx((36.0 if smooth else 40.0) * per_event)


def test_a_box_of_few_cuts_has_few_and_those_that_gain_nothing_are_left_out():
    sample = gaussians(4000, 4)
    sample.x[:, 3] = np.random.default_rng(3).normal(size=4000)
    landscape = landscape_of(sample, gain=2e-3, chance=1.0)
    begin = [single_best(landscape, rate) for rate in (0.1, 0.5)]
    found = search(landscape, begin, 4, np.random.default_rng(1))
    assert found.box.kind[3] == OFF
    assert found.box.cuts == 3
    assert 1 <= found.agreeing <= found.starts == 6
    two = search(landscape, begin, 4, np.random.default_rng(1), threads=2, max_cuts=2)
    again = search(landscape, begin, 4, np.random.default_rng(1), threads=1, max_cuts=2)
    assert two.box.cuts == 2
    assert two.box.key == again.box.key
    assert landscape.value(two.box) < landscape.value(found.box)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=40))
def test_what_is_undominated_holds_the_best_of_every_rising_objective(pairs):
    S, B = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    front = undominated(Kept(S, S, B, B))
    for slope in (0.1, 1.0, 3.0):
        assert (S - slope * B)[front].max() == (S - slope * B).max()
