"""Expected events: errors against repeated simulations, limits where none passes."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.metrics.yields import Sums, expected_events, limit_of_none


def test_error_is_the_scatter_of_repeated_simulations():
    rng = np.random.default_rng(7)
    values, errors = [], []
    for _ in range(3000):
        weights = rng.normal(1.0, 1.5, rng.poisson(80))  # a fifth of them negative
        found = expected_events(Sums(len(weights), float(weights.sum()), float((weights**2).sum())), "signal")
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.05)


def test_sums_add_and_scale():
    both = Sums(2, 3.0, 5.0) + Sums(1, -1.0, 1.0)
    assert both == Sums(3, 2.0, 6.0)
    assert both.scaled(2.0) == Sums(3, 4.0, 24.0)
    assert both.scaled(-7.0).n_eff == pytest.approx(both.n_eff)
    assert Sums(4, 8.0, 16.0).n_eff == 4
    assert Sums().n_eff == 0
    assert Sums(4, 8.0, 16.0).mean_weight == 2
    assert Sums().mean_weight == 0


def test_none_passing_gives_the_limit_of_the_heaviest_process():
    found = expected_events(Sums(), "background", [0.1, 20.0])
    assert (found.value, found.error) == (0, 0)
    assert found.reason == "no simulated background event passes: its yield is below 59.9 at 95% CL"  # 2.996 * 20


def test_limit_covers():
    # just above the limit, fewer than 5 % of samples see nothing, however the processes share it; at it, 5 % may
    weights = [1.0, 20.0, 5.0]
    limit = limit_of_none(weights)
    for shares in np.random.default_rng(2).dirichlet([0.3] * 3, 50):
        assert np.exp(-np.sum(1.0001 * limit * shares / weights)) < 0.05
    assert np.exp(-limit / 20) == pytest.approx(0.05)
