"""Bins are chosen so that outliers do not squash a distribution and nothing is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cutflow_cli.plots.binning import MAX_BINS, Binning, choose_binning, weighted_quantiles


def one_class(values, weights=None):
    values = np.asarray(values, dtype=np.float64)
    return [(values, np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64))]


def test_weighted_quantiles_of_unit_weights_are_order_statistics():
    values = np.array([30.0, 10.0, 20.0, 40.0])
    assert weighted_quantiles(values, np.ones(4), [0.25, 0.5, 0.51, 1.0]).tolist() == [10, 20, 30, 40]


def test_weighted_quantiles_count_weights_whatever_their_sign():
    values = np.array([1.0, 2.0, 3.0])
    assert weighted_quantiles(values, np.array([1.0, -8.0, 1.0]), [0.05, 0.5, 0.95]).tolist() == [1, 2, 3]
    assert weighted_quantiles(values, np.zeros(3), [0.5]).tolist() == [2]


def test_outliers_do_not_set_the_range():
    values = np.concatenate([np.random.default_rng(1).normal(100, 10, 20_000), [1e9, -1e9, np.inf, np.nan]])
    edges = choose_binning(one_class(values)).edges
    assert 60 < edges[0] < 80
    assert 120 < edges[-1] < 140
    assert 20 <= len(edges) - 1 <= 1.3 * MAX_BINS


def test_both_classes_are_seen():
    rng = np.random.default_rng(1)
    classes = one_class(rng.normal(0, 1, 5000)) + one_class(rng.normal(50, 1, 5000))
    edges = choose_binning(classes).edges
    assert edges[0] < -2
    assert edges[-1] > 52


def test_edges_are_round_numbers():
    binning = choose_binning(one_class(np.random.default_rng(1).uniform(0, 97.3, 10_000)))
    assert binning.width == 2.5
    np.testing.assert_array_equal(np.mod(binning.edges, 2.5), 0)


def test_counts_get_half_integer_edges():
    binning = choose_binning(one_class(np.random.default_rng(1).poisson(4, 10_000)))
    assert binning.width == 1
    np.testing.assert_array_equal(np.mod(binning.edges, 1), 0.5)


def test_near_boundaries_are_included_and_far_ones_not():
    values = np.random.default_rng(1).uniform(0, 10, 5000)
    edges = choose_binning(one_class(values), [13.0, 1e5]).edges
    assert 13 <= edges[-1] < 16


def test_a_crowded_positive_observable_gets_logarithmic_bins():
    rng = np.random.default_rng(1)
    crowded = choose_binning(one_class(np.exp(rng.normal(3, 2, 5000))))
    assert crowded.logarithmic
    assert crowded.width is None
    ratios = crowded.edges[1:] / crowded.edges[:-1]
    np.testing.assert_allclose(ratios, ratios[0])
    assert not choose_binning(one_class(rng.exponential(1, 5000) - 0.1)).logarithmic, "a logarithm needs values > 0"


@pytest.mark.parametrize("value", [0.0, -3.0, 1e30, 1e-30])
def test_a_constant_is_in_the_middle_of_a_bin(value):
    edges = choose_binning(one_class(np.full(10, value))).edges
    position = int(np.searchsorted(edges, value)) - 1
    assert position == (len(edges) - 2) // 2
    assert edges[position] < value < edges[position + 1]


def test_without_finite_values_there_are_still_bins():
    assert choose_binning(one_class([np.nan, np.inf])).edges.tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert choose_binning([]).edges[-1] == 1


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_edges_always_ascend_and_are_few(values):
    binning = choose_binning(one_class(values))
    assert isinstance(binning, Binning)
    assert np.isfinite(binning.edges).all()
    assert (np.diff(binning.edges) > 0).all()
    assert 2 <= len(binning.edges) <= 3 * MAX_BINS
