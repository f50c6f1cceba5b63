"""Efficiencies and their errors: closed forms, and repeated simulations with signed weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.metrics.classification import balanced_accuracy, efficiency, none_of, rejection
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums


def sums_of(weights):
    return Sums(len(weights), float(np.sum(weights)), float(np.sum(weights**2)))


def test_unit_weights_give_the_binomial_error():
    found = efficiency(Sums(30, 30, 30), Sums(120, 120, 120))
    assert found.value == 0.25
    assert found.error == pytest.approx(math.sqrt(0.25 * 0.75 / 120), rel=1e-14)
    assert found.reason is None


def test_weighted_error_by_hand():
    # pass: 1, 3; fail: 2.  eps = 2/3; variance = ((1/3)^2 * 10 + (2/3)^2 * 4) / 36
    found = efficiency(Sums(2, 4, 10), Sums(3, 6, 14))
    assert found.value == pytest.approx(2 / 3)
    assert found.error == pytest.approx(math.sqrt((10 / 9 + 16 / 9) / 36), rel=1e-14)


@pytest.mark.parametrize("negative_share", [0.0, 0.2])
def test_weighted_error_is_the_scatter_of_repeated_simulations(negative_share):
    rng = np.random.default_rng(11)
    values, errors = [], []
    for _ in range(2000):
        n = rng.poisson(500)
        weights = rng.exponential(2.0, n) * np.where(rng.random(n) < negative_share, -1.0, 1.0)
        kept = rng.random(n) < 0.3
        found = efficiency(sums_of(weights[kept]), sums_of(weights))
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.06)


def test_nothing_and_everything_have_no_spread_but_a_limit():
    none, everything = efficiency(Sums(), Sums(50, 50, 50)), efficiency(Sums(50, 50, 50), Sums(50, 50, 50))
    assert (none.value, none.error) == (0, 0)
    assert (everything.value, everything.error) == (1, 0)
    assert none.reason == "no simulated event passes: the efficiency is below 0.0582 at 95% CL"
    assert everything.reason == "every simulated event passes: the inefficiency is below 0.0582 at 95% CL"


def test_limit_is_clopper_pearson():
    # probability of seeing none of n at the limit is 5 %
    assert (1 - none_of(50)) ** 50 == pytest.approx(0.05, rel=1e-12)
    assert none_of(0) == 1
    assert none_of(1e6) == pytest.approx(-math.log(0.05) / 1e6, rel=1e-5)


def test_undefined_efficiencies_say_why():
    assert efficiency(Sums(), Sums()).reason == "there are no events to pass"
    assert "add up to zero" in efficiency(Sums(1, 1.0, 1.0), Sums(2, 0.0, 2.0)).reason


def test_rejection():
    found = rejection(Estimate(0.04, 0.002), 1e4)
    assert found.value == 25
    assert found.error == pytest.approx(0.002 / 0.04**2)
    nothing = rejection(Estimate(0.0, 0.0), 100)
    assert nothing.value is None
    assert nothing.reason == "no simulated background event passes: the rejection is above 33.9 at 95% CL"
    assert "negative" in rejection(Estimate(-0.1, 0.1), 100).reason
    assert rejection(Estimate.undefined("why"), 100).reason == "why"


def test_area_is_that_of_the_broken_line():
    s, b = 0.8, 0.1
    trapezoids = 0.5 * b * s + (1 - b) * (s + 1) / 2
    found = balanced_accuracy(Estimate(s, 0.03), Estimate(b, 0.04))
    assert found.value == pytest.approx(trapezoids)
    assert found.error == pytest.approx(0.025)
    assert balanced_accuracy(Estimate(0.5, 0.1), Estimate.undefined("why")).reason == "why"


def test_area_is_the_chance_to_rank_a_pair_rightly():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 500)
    score = (rng.random(500) < np.where(label, 0.7, 0.2)).astype(int)
    weight = rng.exponential(1, 500)
    parts = {(role, kept): sums_of(weight[(label == role) & (score >= kept)]) for role in (0, 1) for kept in (0, 1)}
    found = balanced_accuracy(*(efficiency(parts[role, 1], parts[role, 0]) for role in (1, 0)))
    signal, background = label == 1, label == 0
    ranked = np.sign(score[signal][:, None] - score[background][None, :]) / 2 + 0.5  # ties count one half
    pairs = weight[signal][:, None] * weight[background][None, :]
    assert found.value == pytest.approx((ranked * pairs).sum() / pairs.sum(), rel=1e-12)
