"""What predicts the background of a box."""

from __future__ import annotations

import math

import numpy as np
import pytest
from box_cases import gaussians, landscape_of
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.models.box import kernel
from cutflow_cli.models.box.kernel import INSIDE, OUTSIDE
from cutflow_cli.models.box.landscape import USELESS, Box
from cutflow_cli.models.box.probes import with_measured_error


@given(prediction=st.floats(1e-6, 1e5), counted=st.integers(0, 10_000), variance=st.floats(1e-4, 20.0))
def test_prediction_and_count_are_combined_at_the_mode_of_the_posterior(prediction, counted, variance):
    found = kernel.posterior(prediction, float(counted), variance)
    x = math.log(found)
    assert x + variance * found == pytest.approx(math.log(prediction) + variance * counted, rel=1e-6, abs=1e-6)
    low, high = sorted((prediction, max(counted, 1e-9)))
    assert low * (1 - 1e-6) <= found <= high * (1 + 1e-6)


def test_a_sure_prediction_decides_and_an_unsure_one_leaves_it_to_the_count():
    assert kernel.posterior(3.0, 50.0, 1e-6) == pytest.approx(3.0, rel=1e-3)
    assert kernel.posterior(3.0, 50.0, 100.0) == pytest.approx(50.0, rel=1e-2)
    assert kernel.posterior(0.02, 21.0, 1.2) > 15  # 21 events can't be talked away


def test_two_cuts_are_predicted_exactly_and_independent_ones_as_a_product():
    sample = gaussians(20_000, 3, missing=0.05, correlation=1.0)
    landscape = landscape_of(sample)
    box = Box.open(3).having(0, 10, 40, INSIDE).having(2, 12, 25, OUTSIDE)
    counted = landscape.counted(box)[2]
    tables = landscape.tables
    kernel_prior = tables.prior[0, 2] * tables.events
    assert kernel_prior < 20  # they are correlated, which is seen
    assert landscape.predicted(box) == pytest.approx(counted, rel=0.02)
    apart = landscape_of(gaussians(20_000, 3))
    three = box.having(1, 8, 30, INSIDE)
    shares = [apart.counted(Box.open(3).having(i, int(three.low[i]), int(three.high[i]), int(three.kind[i])))[2]
              / apart.totals[2] for i in range(3)]  # fmt: skip
    assert apart.tables.prior[0, 1] * apart.tables.events > 1000
    assert apart.predicted(three) == pytest.approx(np.prod(shares) * apart.totals[2], rel=0.02)


def test_tables_hold_the_shares_below_every_pair_of_places():
    sample = gaussians(3000, 2, missing=0.1)
    landscape = landscape_of(sample, bins=20)
    binned, tables = landscape.binned, landscape.tables
    weight, background = landscape.weights[2], ~binned.signal
    for first, second in ((0, 3), (5, 7), (11, int(binned.places[1]))):
        below = (binned.codes[0] < first) & (binned.codes[1] < second) & background
        assert tables.pairs[0, 1, first, second] == pytest.approx(weight[below].sum() / tables.total, abs=1e-12)
        assert tables.pairs[1, 0, second, first] == tables.pairs[0, 1, first, second]
    assert tables.events == pytest.approx(weight.sum() ** 2 / (weight[background] ** 2).sum())


def test_the_error_of_predictions_is_small_for_independent_observables_and_large_for_repeated_ones():
    random = np.random.default_rng(2)
    boxes = [Box.open(4).having(0, 0, n, INSIDE).having(1, 0, n, INSIDE).having(2, 0, n, INSIDE).having(3, 0, n, INSIDE)
             for n in range(8, 30, 2)]  # fmt: skip
    sure = with_measured_error(landscape_of(gaussians(20_000, 4)), boxes, random)
    again = gaussians(20_000, 4)
    again.x[:, 1] = again.x[:, 2] = again.x[:, 3] = again.x[:, 0]
    unsure = with_measured_error(landscape_of(again), boxes, random)
    assert math.sqrt(sure.variance) < 0.15
    assert unsure.variance == USELESS
