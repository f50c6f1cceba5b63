"""Units of a network's inputs."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cutflow_cli.engine.scaling import TAIL, Scaling

X = np.random.default_rng(1).normal([3.0, -200.0, 1e-3], [2.0, 50.0, 1e-4], (500, 3))


@pytest.mark.parametrize(("unit", "reference"), [("moments", StandardScaler()), ("min-max", MinMaxScaler())])
def test_units_are_those_of_scikit_learn(unit, reference):
    np.testing.assert_allclose(Scaling.measure(X, unit).apply(X), reference.fit_transform(X), rtol=1e-6, atol=1e-6)


def test_no_unit_leaves_features_as_they_are():
    np.testing.assert_array_equal(Scaling.measure(X, "none").apply(X), X.astype(np.float32))


def test_robust_units_ignore_a_far_tail_and_keep_its_order():
    x = np.linspace(-1.0, 1.0, 1001)
    x[-3:] = 1e3, 1e6, 1e9
    scaling = Scaling.measure(x[:, None], "robust")
    u = scaling.apply(x[:, None])[:, 0]
    assert scaling.shift[0] == pytest.approx(0.0, abs=0.01)
    assert scaling.scale[0] == pytest.approx(0.68, abs=0.01)
    assert (np.diff(u) > 0).all()
    assert u[-1] < 120


def test_the_compressed_tail_joins_smoothly():
    scaling = Scaling(np.zeros(1), np.ones(1), TAIL)
    step = 1e-3
    u = scaling.apply(np.array([[-TAIL - step], [-TAIL], [-TAIL + step], [TAIL + step], [2 * TAIL]])).ravel()
    np.testing.assert_allclose(np.diff(u[:3]) / step, 1.0, atol=2e-3)
    assert u[3] == pytest.approx(TAIL + step, abs=1e-6)
    assert u[4] == pytest.approx(TAIL * (1 + np.log(2)), rel=1e-6)


def test_values_that_are_not_finite_do_not_count_and_stay_missing():
    x = np.array([[1.0], [2.0], [3.0], [np.nan], [np.inf]])
    scaling = Scaling.measure(x, "moments")
    assert scaling.shift[0] == 2.0
    assert scaling.scale[0] == pytest.approx(np.std([1, 2, 3]))
    np.testing.assert_array_equal(np.isnan(scaling.apply(x))[:, 0], [False, False, False, True, True])


@pytest.mark.parametrize("unit", ["robust", "moments", "min-max", "none"])
def test_features_without_width_are_no_division_by_zero(unit):
    x = np.column_stack([np.full(10, 4.0), np.full(10, np.nan)])
    scaling = Scaling.measure(x, unit)
    np.testing.assert_array_equal(scaling.scale, 1.0)
    assert np.isfinite(scaling.apply(x[:, :1])[:, 0]).all()


def test_robust_units_of_a_feature_that_is_mostly_one_value_are_its_moments():
    x = np.zeros((100, 1))
    x[0] = 10.0
    assert Scaling.measure(x, "robust").scale[0] == pytest.approx(x.std())


def test_scaling_is_computed_in_double_precision():
    x = np.array([[1e9], [1e9 + 1], [1e9 + 2]])
    np.testing.assert_allclose(Scaling.measure(x, "min-max").apply(x)[:, 0], [0, 0.5, 1], atol=1e-6)
