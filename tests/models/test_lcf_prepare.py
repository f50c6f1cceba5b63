"""From events to what LCF trains on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lcf_cases import make_sample, mock_sample, unit_prepared

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.models.lcf.prepare import prepare
from cutflow_cli.models.lcf.settings import LcfSettings


def test_published_units_are_mean_and_population_deviation_of_the_finite_values():
    x = np.array([[1.0], [2.0], [6.0], [np.nan], [np.inf]])
    data = unit_prepared(make_sample(x, [1, 0, 1, 0, 1]), {"x1": 2.0})
    assert data.mean.tolist() == [3.0]
    assert data.std[0] == pytest.approx(np.sqrt(14 / 3))
    np.testing.assert_allclose(data.u[:3, 0], np.array([-1.0, 0.0, 4.0]) / data.std[0], rtol=1e-6)
    assert np.isnan(data.u[3, 0])
    assert data.u[4, 0] == np.float32(1e30)  # infinite, but a number
    assert data.sign.tolist() == [-1, 1, -1, 1, -1]
    assert data.u.dtype == data.sign.dtype == data.weight.dtype == np.float32


def test_robust_units_are_median_and_half_the_central_interval():
    rng = np.random.default_rng(0)
    x = rng.normal(5.0, 2.0, (20_000, 1))
    label = np.arange(20_000) % 2
    plain = prepare(make_sample(x, label), LcfSettings())
    assert plain.mean[0] == pytest.approx(5.0, abs=0.06)
    assert plain.std[0] == pytest.approx(1.989, abs=0.06)  # 16 and 84 % of a normal lie at ±0.9945 deviations
    x[::1000] = 1e6
    stretched = prepare(make_sample(x, label), LcfSettings())
    assert stretched.std[0] == pytest.approx(plain.std[0], rel=0.02)
    assert prepare(make_sample(x, label), LcfSettings(scale="moments")).std[0] > 1000


def test_a_feature_with_no_width_between_its_quantiles_takes_moments():
    x = np.zeros((100, 1))
    x[:5] = 10.0
    data = prepare(make_sample(x, np.arange(100) % 2), LcfSettings())
    assert (data.mean[0], data.std[0]) == (0.5, pytest.approx(np.sqrt(4.75)))
    assert np.isfinite(data.u).all()


def test_the_centre_is_the_weighted_mean_of_the_signal_without_its_tails():
    rng = np.random.default_rng(1)
    label = np.arange(4000) % 2
    x = np.where(label == 1, rng.normal(3.0, 1.0, 4000), rng.normal(-3.0, 1.0, 4000))
    weight = rng.uniform(0.1, 2.0, 4000)
    x[1::400] = 1e5  # one signal event in two hundred far away
    x = x.astype(np.float32)
    data = prepare(make_sample(x[:, None], label, weight), LcfSettings())
    assert data.centre[0] == pytest.approx(3.0, abs=0.1)
    signal, w = x[label == 1], weight[label == 1]
    order = np.argsort(signal)
    share = np.cumsum(w[order]) / w.sum()
    first, last = signal[order][np.searchsorted(share, [0.05, 0.95])]
    core = (signal >= first) & (signal <= last)
    assert data.centre[0] == pytest.approx(np.average(signal[core], weights=w[core]), rel=1e-5)


def test_weights_move_the_centre():
    x = np.array([[0.0], [10.0], [-1.0], [11.0]])
    light = prepare(make_sample(x, [1, 1, 0, 0], [1, 1, 1, 1]), LcfSettings()).centre[0]
    heavy = prepare(make_sample(x, [1, 1, 0, 0], [1, 3, 1, 1]), LcfSettings()).centre[0]
    assert (light, heavy) == (5.0, 7.5)


def test_a_centre_found_stays_within_the_data():
    x = np.array([[0.0], [0.0], [1.0], [2.0]])
    data = prepare(make_sample(x, [1, 1, 0, 0]), LcfSettings())  # all signal at the lowest value
    assert 0 < data.centre[0] < 1e-300
    assert (data.u[:2] < 0).all()
    assert (data.u[2:] > 0).all()


def test_a_feature_without_finite_signal_values_is_divided_in_the_middle():
    x = np.array([[np.nan], [np.nan], [1.0], [5.0]])
    assert prepare(make_sample(x, [1, 1, 0, 0]), LcfSettings()).centre[0] == 3.0


@pytest.mark.parametrize("centre", [-1.0, 0.0, 4.0, 4.5, float("inf")])
def test_a_given_centre_must_lie_within_the_data(centre):
    sample = make_sample([[0.0], [1.0], [3.0], [4.0]], [1, 1, 0, 0], features=["mass"])
    with pytest.raises(UsageError, match=r"--center mass=.*: outside its training data, which run from 0 to 4"):
        prepare(sample, LcfSettings(centers={"mass": centre}))


def test_a_centre_for_an_unknown_feature_names_the_nearest():
    with pytest.raises(UsageError, match=r"--center tau12: no such feature; did you mean tau21\?"):
        prepare(make_sample([[0.0], [1.0]], [1, 0], features=["tau21"]), LcfSettings(centers={"tau12": 0.5}))


def test_a_class_without_positive_weight_is_refused():
    with pytest.raises(InputError, match="training weights of the signal sum to -1"):
        prepare(make_sample([[0.0], [1.0]], [1, 0], [-1.0, 1.0]), LcfSettings())


@given(
    st.lists(st.floats(width=32, allow_infinity=False), min_size=4, max_size=12, unique=True),
    st.integers(0, 11),
)
def test_the_sign_of_u_is_that_of_the_raw_difference(values, pick):
    x = np.array(values, dtype=np.float32)
    finite = np.sort(x[np.isfinite(x)].astype(np.float64))
    if len(finite) < 3 or finite.std() == 0:
        return
    centre = float(finite[1:-1][pick % (len(finite) - 2)])
    data = unit_prepared(make_sample(x[:, None], np.arange(len(x)) % 2), {"x1": centre})
    np.testing.assert_array_equal(np.sign(data.u[:, 0]), np.sign(x.astype(np.float64) - centre))


def test_the_sign_survives_differences_that_single_precision_cannot_hold():
    x = np.array([[0.0], [5e-324], [-5e-324], [1e300], [-1e300]])
    with np.errstate(over="ignore"):
        data = prepare(make_sample(x, [1, 1, 0, 0, 1], dtype="float64"), LcfSettings(centers={"x1": 0.0}))
    assert np.sign(data.u[:, 0]).tolist() == [0, 1, -1, 1, -1]
    assert np.isfinite(data.u).all()


def test_raw_inverts_u():
    sample = mock_sample(200, seed=1)
    data = prepare(sample, LcfSettings())
    for feature in range(4):
        back = [data.raw(feature, float(u)) for u in data.u[:, feature]]
        np.testing.assert_allclose(back, sample.x[:, feature], rtol=1e-5, atol=1e-5)


def test_limits_leave_out_tails_in_which_both_classes_weigh_the_same():
    rng = np.random.default_rng(2)
    label = np.r_[np.ones(400), np.zeros(20_000)].astype(int)
    x = np.r_[rng.normal(5.0, 1.0, 400), rng.normal(0.0, 1.0, 20_000)]
    sample = make_sample(x[:, None], label)
    data = prepare(sample, LcfSettings(trim=0.05))
    low, high = (data.raw(0, float(end)) for end in data.limits[0])
    # Each class is half of what counts, and only one of them has events beyond either end.
    assert low == pytest.approx(np.quantile(sample.x[label == 0], 0.1), abs=0.01)
    assert high == pytest.approx(np.quantile(sample.x[label == 1], 0.9), abs=0.05)
    within = (data.u[:, 0] >= data.limits[0, 0]) & (data.u[:, 0] <= data.limits[0, 1])
    assert within[label == 1].mean() == pytest.approx(0.9, abs=0.01)
    assert within[label == 0].mean() == pytest.approx(0.9, abs=0.01)


def test_without_trim_infinite_values_count_too():
    data = prepare(make_sample([[0.0], [1.0], [np.inf], [-np.inf]], [1, 0, 1, 0]), LcfSettings(trim=0.0))
    assert (data.limits[0, 0] <= data.u).all()
    assert (data.limits[0, 1] >= data.u).all()
