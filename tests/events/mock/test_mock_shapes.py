"""Correlated distributions: quantiles and correlations come out as they went in."""

from statistics import NormalDist

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cutflow_cli.events.mock import slepton, zprime_shapes
from cutflow_cli.events.mock.shapes import LEVELS, SCORES, CorrelatedShapes, Shape

LAWS = {
    "slepton": slepton._SIGNAL,
    "WW": slepton._WW,
    "signal": zprime_shapes.SIGNAL,
    **{f"{i}.{j}": part.law for i, parts in enumerate(zprime_shapes.BACKGROUNDS) for j, part in enumerate(parts)},
}
OPEN = Shape(1.0, None, tuple(1.0 + np.exp(np.asarray(SCORES))))
CLOSED = Shape(0.0, 1.0, tuple(1 / (1 + np.exp(-np.asarray(SCORES)))))


def test_scores_belong_to_the_levels():
    assert pytest.approx([NormalDist().inv_cdf(level) for level in LEVELS], abs=1e-6) == SCORES


def test_exact_where_the_law_is_straight():
    """A shifted log-normal and a logit-normal distribution are straight lines in the coordinates used, tails too."""
    score = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(OPEN.at(score), 1 + np.exp(score), rtol=1e-9)
    np.testing.assert_allclose(CLOSED.at(score), 1 / (1 + np.exp(-score)), rtol=1e-9)


@given(score=st.floats(-8, 8), step=st.floats(1e-3, 1))
def test_values_rise_and_stay_within_bounds(score, step):
    for law in LAWS.values():
        for shape in law.shapes.values():
            low, high = shape.at(np.array([score, score + step]))
            assert shape.low <= low <= high
            assert shape.high is None or high <= shape.high


@pytest.mark.parametrize("name", LAWS)
def test_tables_are_sound(name):
    law = LAWS[name]
    assert np.linalg.eigvalsh(law.matrix).min() > 0.01
    np.testing.assert_array_equal(law.matrix, law.matrix.T)
    assert law.matrix.shape == (len(law.shapes),) * 2
    for shape in law.shapes.values():
        assert len(shape.quantiles) == len(LEVELS)
        assert np.all(np.diff(shape.quantiles) > 0)
        np.testing.assert_allclose(shape.at(np.asarray(SCORES)), shape.quantiles, rtol=1e-6, atol=1e-9)


def test_shares_cover_the_intervals():
    for parts in zprime_shapes.BACKGROUNDS:
        shares = [share for part in parts for share in part.shares]
        assert len(shares) == zprime_shapes.ZPRIME_STRATA
        assert sum(shares) == pytest.approx(1.0, abs=0.01)


def test_draws_have_the_quantiles_and_correlations():
    law = CorrelatedShapes({"a": OPEN, "b": CLOSED}, ((-0.6,),))
    drawn = law.draw(np.random.default_rng(1), 100_000)
    np.testing.assert_allclose(np.quantile(drawn["a"], LEVELS[2:-2]), OPEN.quantiles[2:-2], rtol=0.03)
    np.testing.assert_allclose(np.quantile(drawn["b"], LEVELS[2:-2]), CLOSED.quantiles[2:-2], rtol=0.03)
    scores = np.log(drawn["a"] - 1), np.log(drawn["b"] / (1 - drawn["b"]))
    assert np.corrcoef(*scores)[0, 1] == pytest.approx(-0.6, abs=0.015)


def test_a_given_first_score_is_used():
    law = CorrelatedShapes({"a": OPEN, "b": CLOSED}, ((0.5,),))
    first = np.linspace(-2, 2, 11)
    drawn = law.draw(np.random.default_rng(1), 11, first)
    np.testing.assert_allclose(drawn["a"], OPEN.at(first))
