"""Gradients of LCF: autograd against finite differences, the compiled kernel against autograd."""

from dataclasses import replace

import numpy as np
import pytest
from lcf_calls import fused_step, torch_gradient, torch_loss
from lcf_cases import make_sample, mock_sample, random_parameters, unit_prepared

from cutflow_cli.models.lcf.constants import (
    BETA1,
    BETA2,
    EPSILON,
    LOGIT_CLIP,
    PARALLEL,
    SEQUENTIAL_AND,
    SEQUENTIAL_APPLIED,
)

RULES = pytest.mark.parametrize("rule", [PARALLEL, SEQUENTIAL_AND, SEQUENTIAL_APPLIED], ids=["par", "and", "applied"])


def difficult():
    """A sample with all that may go wrong: weights of both signs, missing and infinite values, events at a centre."""
    sample = mock_sample(400, seed=8)
    x = sample.x.copy()
    x[5, 0] = x[17, 2] = x[40, 3] = np.nan
    x[6, 1], x[7, 1], x[8, 3] = np.inf, -np.inf, np.inf
    x[9, 0] = x[10, 0] = -2.0
    data = unit_prepared(
        make_sample(x, sample.label, features=sample.features), {"left": -2.0, "right": 2.0, "middle": 0, "edge": 0}
    )
    assert (data.u[[9, 10], 0] == 0).all()
    weight = np.random.default_rng(2).uniform(-0.2, 2.0, len(x)).astype(np.float32)
    return data, weight


def moderate(seed):
    """Parameters whose cuts all keep part of the events: directions as published, slopes and offsets random."""
    rng = np.random.default_rng(seed)
    directions = np.array([[-1, -1], [1, 1], [1, -1], [-1, 1]])
    params = rng.normal(1.0, 0.2, (4, 5))
    params[:, [1, 3]] = directions * rng.uniform(3.0, 8.0, (4, 2))
    params[:, [2, 4]] = rng.normal(0.5, 0.2, (4, 2))
    return params


@RULES
@pytest.mark.parametrize("seed", range(3))
def test_autograd_against_finite_differences(rule, seed):
    data, weight = difficult()
    params = moderate(seed) if seed else random_parameters(4, seed, scale=1.0)
    gradient = torch_gradient(data, params, rule, weight=weight)
    step = 1e-6
    for i in range(4):
        for j in range(5):
            ahead, behind = params.copy(), params.copy()
            ahead[i, j] += step
            behind[i, j] -= step
            slope = [float(torch_loss(data, p, rule, weight=weight)) for p in (ahead, behind)]
            assert gradient[i, j] == pytest.approx((slope[0] - slope[1]) / (2 * step), rel=1e-5, abs=1e-9)


@RULES
@pytest.mark.parametrize("seed", range(4))
def test_kernel_against_autograd(rule, seed):
    data, weight = difficult()
    params = moderate(seed) if seed else random_parameters(4, seed)
    expected = torch_gradient(data, params, rule, weight=weight)
    _, gradient, _ = fused_step(data, params, rule, weight=weight)
    np.testing.assert_allclose(gradient, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-3


def test_masks_pass_no_gradient_to_the_cuts_that_made_them():
    data, weight = difficult()
    params = moderate(1)
    for rule in (SEQUENTIAL_AND, SEQUENTIAL_APPLIED):
        alone = torch_gradient(data, params, PARALLEL, weight=weight)
        masked = torch_gradient(data, params, rule, weight=weight)
        # The first feature sees all events and must not feel how it masks the others.
        np.testing.assert_allclose(masked[0, 1:], alone[0, 1:], rtol=1e-12)
        assert not np.allclose(masked[1:, 1:], alone[1:, 1:])


def test_a_logit_beyond_the_clip_has_no_gradient_and_one_before_it_has():
    data = unit_prepared(make_sample([[-1.0], [1.0]], [1, 0]), {"x1": 0.0})
    for excess, expected in ((-0.01, True), (0.01, False)):
        bias = LOGIT_CLIP + excess
        params = np.array([[1.0, 0.0, -bias, 0.0, bias]])  # both wrong, by as much as the clip allows or more
        for gradient in (torch_gradient(data, params, PARALLEL), fused_step(data, params, PARALLEL)[1]):
            assert (np.abs(gradient[0, [2, 4]]) > 0.2).all() == expected
            assert expected or not gradient.any()


def test_an_infinite_value_has_a_side_but_no_gradient():
    data = unit_prepared(make_sample([[-1.0], [1.0], [np.inf], [-np.inf]], [1, 0, 1, 0]), {"x1": 0.0})
    assert np.isfinite(data.u).all()
    params = np.array([[1.0, 0.8, 0.1, -0.7, 0.2]])
    expected = torch_gradient(data, params, PARALLEL, weight=np.array([1, 1, 0, 0]))
    for gradient in (torch_gradient(data, params, PARALLEL), fused_step(data, params, PARALLEL)[1]):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_importance_weight_and_slope_trade_against_each_other():
    # The loss knows w_i s_i alone, so its gradient along the direction that keeps the products is zero.
    data, weight = difficult()
    params = moderate(3)
    gradient = torch_gradient(data, params, PARALLEL, weight=weight)
    share = np.exp(params[:, 0]) / np.exp(params[:, 0]).sum()
    for j in range(4):
        along = (np.arange(4) == j) - share[j]  # d log s_i / d k_j
        moved = gradient[j, 0] - (gradient[:, [1, 3]] * params[:, [1, 3]] * along[:, None]).sum()
        assert moved == pytest.approx(0.0, abs=1e-12)


def keras_adam(params, gradients, rate):
    """Adam as Keras 3 has it, written from its formulas: epsilon beside the root of the uncorrected second moment."""
    first = second = np.zeros_like(params)
    for step, gradient in enumerate(gradients, start=1):
        first = BETA1 * first + (1 - BETA1) * gradient
        second = BETA2 * second + (1 - BETA2) * gradient**2
        params = params - rate * np.sqrt(1 - BETA2**step) / (1 - BETA1**step) * first / (np.sqrt(second) + EPSILON)
    return params


def test_adam_against_its_formulas():
    data, weight = difficult()
    params, batch, rate = moderate(2), 100, 0.01
    pieces = [slice(start, start + batch) for start in range(0, 400, batch)]
    expected, gradients = params, []
    for piece in pieces:
        part = replace(data, u=data.u[piece], sign=data.sign[piece], weight=data.weight[piece])
        gradients.append(torch_gradient(part, expected, PARALLEL, weight=weight[piece]))
        expected = keras_adam(params, gradients, rate)
    _, _, trained = fused_step(data, params, PARALLEL, weight=weight, batch=batch, rate=rate)
    assert np.abs(trained - params).max() > 3 * rate
    np.testing.assert_allclose(trained, expected, atol=1e-5)


def test_the_first_step_of_adam_is_nearly_the_learning_rate():
    data, weight = difficult()
    params = moderate(2)
    gradient = torch_gradient(data, params, PARALLEL, weight=weight)
    _, _, trained = fused_step(data, params, PARALLEL, weight=weight, rate=0.01)
    root = np.sqrt(1 - BETA2) * np.abs(gradient)
    expected = -0.01 * np.sign(gradient) * root / (root + EPSILON)
    np.testing.assert_allclose(trained - params, expected, rtol=1e-4)
