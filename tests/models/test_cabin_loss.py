"""Each term of CABIN's loss against numbers worked out by hand, and its gradients three ways."""

import math

import numpy as np
import pytest
import torch
from cabin_cases import (
    gaussian_sample,
    loss_and_gradient_by_kernel,
    loss_and_gradient_by_torch,
    neurons_of,
    prepared,
    terms_by_torch,
)

from cutflow_cli.models.cabin import kernel
from cutflow_cli.models.cabin.loss import TERMS, positions, smoothness
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.settings import PRESETS, TARGETS, CabinSettings

PATHS = pytest.mark.parametrize("path", [loss_and_gradient_by_torch, loss_and_gradient_by_kernel])
#: σ(1) and σ(2), to ten digits.
S1, S2 = 0.7310585786, 0.8807970780


def by_hand():
    """Two signal and two background events on one feature, steepness 1: scores are logistic functions of 0, ±1, ±2."""
    z = np.array([[1.0], [2.0], [-1.0], [0.0]], dtype=np.float32)
    return Prepared(z, np.array([True, True, False, False]), np.array([1.0, 3.0, 2.0, 2.0]), np.zeros(1), np.ones(1))


@PATHS
def test_efficiency_and_background_terms_by_hand(path):
    settings = CabinSettings(targets=(0.5,), alpha=10, beta=0.1, gamma=0, epsilon=0, steepness=1)
    terms, _ = path(by_hand(), Neurons(np.array([0]), np.ones(1)), settings, np.zeros((1, 1)))
    signal = (1 * S1 + 3 * S2) / 4
    background = (2 * (1 - S1) + 2 * 0.5) / 4
    assert terms["loss_efficiency"] == pytest.approx(10 * (0.5 - signal) ** 2, rel=1e-5)
    assert terms["loss_background"] == pytest.approx(0.1 * background, rel=1e-5)
    assert terms["loss_bce"] == terms["loss_cut_size"] == terms["loss_smoothness"] == 0


@PATHS
def test_a_lower_side_and_a_bias_enter_the_score_as_printed(path):
    settings = CabinSettings(targets=(0.5,), alpha=0, beta=1, gamma=0, epsilon=0, steepness=2)
    terms, _ = path(by_hand(), Neurons(np.array([0]), -np.ones(1)), settings, np.array([[-0.5]]))
    background = (2 / (1 + math.exp(-2 * (1 - 0.5))) + 2 / (1 + math.exp(-2 * (0 - 0.5)))) / 4
    assert terms["loss_background"] == pytest.approx(background, rel=1e-5)


@PATHS
def test_cross_entropy_by_hand(path):
    settings = CabinSettings(targets=(0.5,), alpha=0, beta=0, gamma=0, epsilon=0, delta=2, steepness=1)
    terms, _ = path(by_hand(), Neurons(np.array([0]), np.ones(1)), settings, np.zeros((1, 1)))
    weighted = 1 * -math.log(S1) + 3 * -math.log(S2) + 2 * -math.log(S1) + 2 * -math.log(0.5)
    assert terms["loss_bce"] == pytest.approx(2 * weighted / 8, rel=1e-5)


@PATHS
def test_cut_size_by_hand_sums_over_targets_and_averages_over_features(path):
    data, settings = prepared(gaussian_sample(200, 2), targets=(0.3, 0.6), alpha=0, beta=0, epsilon=0, gamma=3)
    terms, _ = path(data, neurons_of(2), settings, np.array([[1.0, 2.0], [0.0, -3.0]]))
    assert terms["loss_cut_size"] == pytest.approx(3 * (1 + 4 + 9) / 2)


@PATHS
def test_smoothness_by_hand(path):
    """Targets 0.1, 0.2, 0.5: the middle lies a quarter of the way, by the midpoint half of it."""
    bias = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    data, settings = prepared(gaussian_sample(200, 2), targets=(0.1, 0.2, 0.5), alpha=0, beta=0, gamma=0, epsilon=4)
    averaged, _ = path(data, neurons_of(2), settings, bias)
    assert averaged["loss_smoothness"] == pytest.approx(4 * (0.5**2 / 4.1 + 0) / 2)
    published = settings.model_copy(update={"smoothing": "published"})
    bias[1] = [1.5, 0.0]
    midpoint, _ = path(data, neurons_of(2), published, bias)
    assert midpoint["loss_smoothness"] == pytest.approx(4 * (0.5**2 / 4.1 + 1 / 0.1) / 2)


def test_the_published_smoothness_sums_over_targets_and_the_default_averages():
    bias = np.random.default_rng(1).normal(size=(6, 3))
    between = np.full(4, 0.5)
    total, slopes = smoothness(bias, between, 0.1, "published")
    mean, gentler = smoothness(bias, between, 0.1, "averaged")
    assert total == pytest.approx(4 * mean)
    np.testing.assert_allclose(slopes, 4 * gentler)


def test_between_says_where_a_target_lies():
    np.testing.assert_allclose(positions((0.1, 0.2, 0.5, 0.6), "averaged"), [0.25, 0.75])
    np.testing.assert_allclose(positions((0.1, 0.2, 0.5, 0.6), "published"), [0.5, 0.5])
    assert len(positions((0.1, 0.2), "averaged")) == 0


def difficult(features=3):
    """Events with missing, infinite and far values, weights of both signs, more than one block of each class."""
    sample = gaussian_sample(2 * kernel.BLOCK + 300, features, seed=4, weighted=True)
    x, weight = sample.x.copy(), sample.weight.copy()
    x[3, 0] = x[8, 1] = np.nan
    x[20, 0], x[21, 1] = 80.0, 20.0
    weight[::17] *= -0.5
    return type(sample)(**{**{f: getattr(sample, f) for f in sample.__dataclass_fields__}, "x": x, "weight": weight})


FULL = {"targets": (0.1, 0.3, 0.7, 0.8), "delta": 0.02, "gamma": 0.1, "steepness": 3.0}


@pytest.mark.parametrize("smoothing", ["averaged", "published"])
def test_autograd_agrees_with_finite_differences(smoothing):
    data, settings = prepared(difficult(), smoothing=smoothing, **FULL)
    bias = np.random.default_rng(3).normal(scale=0.5, size=(4, 3))
    _, gradient = loss_and_gradient_by_torch(data, neurons_of(3), settings, bias)
    for at in np.ndindex(bias.shape):
        step = np.zeros_like(bias)
        step[at] = 1e-5
        up, down = (
            sum(loss_and_gradient_by_torch(data, neurons_of(3), settings, bias + sign * step)[0].values())
            for sign in (1, -1)
        )
        assert gradient[at] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8)


def test_autograd_of_learned_weights_agrees_with_finite_differences():
    data, settings = prepared(gaussian_sample(400, 2), targets=(0.3, 0.6), steepness=3.0)
    rng = np.random.default_rng(5)
    bias = torch.as_tensor(rng.normal(scale=0.5, size=(2, 2)))
    slope = torch.as_tensor(rng.normal(size=(2, 2))).requires_grad_()
    loss = sum(terms_by_torch(data, neurons_of(2), settings, bias, slope=slope).values())
    (gradient,) = torch.autograd.grad(loss, slope)
    for at in np.ndindex(2, 2):
        step = torch.zeros(2, 2, dtype=torch.float64)
        step[at] = 1e-5
        up, down = (
            float(sum(terms_by_torch(data, neurons_of(2), settings, bias, slope=slope.detach() + s * step).values()))
            for s in (1, -1)
        )
        assert float(gradient[at]) == pytest.approx((up - down) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("steepness", [3.0, 15.0])
@pytest.mark.parametrize("smoothing", ["averaged", "published"])
def test_the_kernel_agrees_with_autograd(smoothing, steepness):
    data, settings = prepared(difficult(), **{**FULL, "smoothing": smoothing, "steepness": steepness})
    bias = np.random.default_rng(3).normal(scale=0.5, size=(4, 3))
    expected, expected_gradient = loss_and_gradient_by_torch(data, neurons_of(3), settings, bias)
    terms, gradient = loss_and_gradient_by_kernel(data, neurons_of(3), settings, bias)
    for name in TERMS:
        assert terms[name] == pytest.approx(expected[name], rel=2e-5, abs=1e-8)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=2e-4, atol=2e-6)
    assert terms["loss"] == pytest.approx(sum(expected.values()), rel=1e-4)


def test_the_kernel_agrees_with_torch_for_windows_and_far_signal():
    """Two neurons on one feature, and signal so far out that single precision holds its logarithm but not its score."""
    data, settings = prepared(gaussian_sample(700, 2), targets=(0.4, 0.6), delta=0.01, gamma=0, epsilon=0)
    neurons = Neurons(np.array([0, 0, 1, 1]), np.array([1.0, -1.0, 1.0, -1.0]))
    bias = np.full((2, 4), 0.3)
    expected, _ = loss_and_gradient_by_torch(data, neurons, settings, bias)
    terms, _ = loss_and_gradient_by_kernel(data, neurons, settings, bias)
    assert terms["loss_bce"] == pytest.approx(expected["loss_bce"], rel=1e-5)
    assert terms["loss_background"] == pytest.approx(expected["loss_background"], rel=1e-5)


def test_background_whose_score_is_one_in_single_precision_has_a_finite_slope():
    """The derivative of its cross entropy is a ratio of two numbers that both vanish, and is one."""
    z = np.array([[0.5], [1.5], [-1.0]], dtype=np.float32)  # the score of the second is 1 - 1.7e-10
    data = Prepared(z, np.array([True, False, True]), np.ones(3), np.zeros(1), np.ones(1))
    settings = CabinSettings(targets=(0.5,), alpha=0, beta=0, gamma=0, epsilon=0, delta=1)
    _, gradient = loss_and_gradient_by_kernel(data, Neurons(np.array([0]), np.ones(1)), settings, np.zeros((1, 1)))
    signal = 1 / (1 + math.exp(7.5)) + 1 / (1 + math.exp(-15))
    assert gradient[0, 0] == pytest.approx(15 * (1 - signal) / 3, rel=1e-3)


def test_results_do_not_depend_on_threads():
    data, settings = prepared(difficult(), **FULL)
    bias = np.random.default_rng(3).normal(scale=0.5, size=(4, 3))
    runs = [loss_and_gradient_by_kernel(data, neurons_of(3), settings, bias, threads=n)[1] for n in (1, 2, 5)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@PATHS
def test_an_event_twice_is_an_event_of_weight_two(path):
    sample = gaussian_sample(600, 3)
    data, settings = prepared(sample, **FULL)
    twice = np.concatenate([np.arange(600), np.arange(100)])
    doubled = Prepared(data.z[twice], data.signal[twice], np.ones(700), data.mean, data.std)
    heavy = np.where(np.arange(600) < 100, 2.0, 1.0)
    bias = np.random.default_rng(3).normal(scale=0.5, size=(4, 3))
    first, first_gradient = path(doubled, neurons_of(3), settings, bias)
    second, second_gradient = path(data, neurons_of(3), settings, bias, weight=heavy)
    for name in TERMS:
        assert first[name] == pytest.approx(second[name], rel=1e-5)
    np.testing.assert_allclose(first_gradient, second_gradient, rtol=1e-4, atol=1e-6)


def test_the_presets_are_table_1():
    cabin = CabinSettings(preset="cabin", **PRESETS["cabin"])
    assert (cabin.alpha, cabin.beta, cabin.gamma, cabin.delta, cabin.epsilon) == (10, 0.1, 1e-5, 1e-3, 1)
    assert (cabin.rho, cabin.steepness, cabin.learning_rate, cabin.smoothing) == (0.1, 15, 0.5, "published")
    assert cabin.targets == (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.95) == TARGETS
    assert cabin.exact is False
    assert 100 <= cabin.epochs <= 200
    bce = CabinSettings(preset="cabin-bce", **PRESETS["cabin-bce"])
    assert (bce.alpha, bce.beta, bce.gamma, bce.delta, bce.epsilon) == (0, 0, 0, 1, 0)
    assert bce.single
