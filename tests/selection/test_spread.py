"""The spread of replicas."""

import numpy as np
import pytest

from cutflow_cli.selection.spread import half_interval


@pytest.mark.parametrize("replicas", [8, 10, 16, 100])
def test_it_is_a_standard_deviation_whatever_the_number_of_replicas(replicas):
    values = np.random.default_rng(1).normal(5.0, 2.0, (replicas, 20_000))
    assert half_interval(values).mean() == pytest.approx(2 * 0.9945, rel=0.05)  # Φ⁻¹(0.84) = 0.9945
    usual = np.diff(np.quantile(values, [0.16, 0.84], axis=0), axis=0).mean() / 2
    assert usual < half_interval(values).mean()


def test_of_few_replicas_it_is_half_their_range():
    assert half_interval([1.0, 4.0]) == 1.5
    assert half_interval([3.0, 1.0, 2.0]) == 1.0
    assert half_interval([2.0, 2.0, 2.0, 2.0]) == 0.0
