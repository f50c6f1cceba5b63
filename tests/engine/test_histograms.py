"""Fine histograms: quantiles as numpy's within a bin, exact where values repeat, whatever the scale or the outliers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cutflow_cli.engine.histograms import BINS, HIGHEST, LOWEST, MISSING, Histogram, equal_parts

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


def filled(values, origin, unit, weight=None, stratum=None) -> Histogram:
    values = np.asarray(values)
    histogram = Histogram.empty(2, origin, unit)
    weight = np.ones(len(values)) if weight is None else weight
    stratum = np.zeros(len(values), dtype=np.int8) if stratum is None else stratum
    histogram.fill(values, stratum, weight)
    return histogram


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_are_those_of_numpy_within_a_bin(dtype):
    values = np.random.default_rng(2).normal(500.0, 3.0, 100_000).astype(dtype)
    histogram = filled(values, 500.0, 3.0)
    shares = (0.0, 0.05, 0.16, 0.5, 0.84, 0.999, 1.0)
    found = histogram.quantiles(histogram.counts[0, :BINS], shares)
    np.testing.assert_allclose(found, np.quantile(values, shares), atol=3.0 * 5e-3)
    np.testing.assert_allclose(found[2:5], np.quantile(values, shares[2:5]), atol=3.0 * 5e-4)
    assert (found[0], found[-1]) == (values.min(), values.max())


def test_whole_numbers_are_exact_and_outliers_move_nothing():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.integers(0, 9, 9999).astype(float), [1e25]])
    histogram = filled(values, 4.0, 2.0)
    shares = (0.05, 0.16, 0.5, 0.84, 0.95)
    found = histogram.quantiles(histogram.counts[0, :BINS], shares)
    np.testing.assert_array_equal(found, np.quantile(values, shares, method="inverted_cdf"))


@given(arrays(np.float32, st.integers(1, 60), elements=FINITE), st.floats(0.0, 1.0))
def test_no_quantile_leaves_the_data_or_their_order(values, share):
    histogram = filled(values, 0.0, 1.0)
    mass = histogram.counts[0, :BINS]
    low, middle, high = histogram.quantiles(mass, (share / 2, share, 1.0))
    assert values.min() <= low <= middle <= high <= values.max()
    assert histogram.counts.sum() == len(values)


def test_missing_and_infinite_values_are_counted_beside():
    histogram = filled([np.nan, 1.0, -np.inf, np.inf, np.nan], 0.0, 1.0, np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert histogram.sums[0, [MISSING, LOWEST, HIGHEST]].tolist() == [6.0, 3.0, 4.0]
    assert histogram.squares[0, [MISSING, LOWEST, HIGHEST]].tolist() == [26.0, 9.0, 16.0]
    assert histogram.counts[0, :BINS].sum() == 1
    assert np.isnan(Histogram.empty(1, 0.0, 1.0).quantiles(np.zeros(BINS), (0.5,))).all()


def test_equal_parts_follow_the_distribution_to_half_a_point():
    rng = np.random.default_rng(4)
    values = rng.exponential(2.0, 50_000)
    weight = rng.uniform(0.0, 2.0, 50_000)
    points = equal_parts(filled(values, 1.4, 1.6, weight), filled(values, 1.4, 1.6, weight).sums[0], 1000)
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order]) / weight.sum()
    at = np.interp(points, values[order], cumulative)
    np.testing.assert_allclose(at, (np.arange(1000) + 0.5) / 1000, atol=2e-4)


def test_equal_parts_hold_their_share_of_what_is_missing():
    values = np.array([np.nan] * 3 + [-np.inf] + [2.0] * 4 + [np.inf] * 2)
    histogram = filled(values, 0.0, 1.0)
    points = equal_parts(histogram, histogram.sums[0], 20)
    assert np.isnan(points).sum() == 6
    assert points[6:].tolist() == [-np.inf] * 2 + [2.0] * 8 + [np.inf] * 4
    assert len(equal_parts(histogram, histogram.sums[1], 20)) == 0
