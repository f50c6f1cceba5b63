"""Punzi's loss against numbers computed by hand, against numpy, and against finite differences."""

import math

import numpy as np
import pytest
import torch

from cutflow_cli.metrics.punzi import minimum_signal as reference
from cutflow_cli.models.punzi.loss import PunziLoss, floored, minimum_signal
from cutflow_cli.models.punzi.sums import Layout

#: Two windows of one cell each; slots 5 and 6 are the signals.
LAYOUT = Layout(np.array([0.0, 1.0]), np.array([0, 2]), np.array([1, 3]))
A, B = 3.0, 1.28155


def sums(background, variance, signal):
    """Sums of one replica: cells 0 and 2 hold background, one signal slot for each hypothesis."""
    found = torch.zeros(1, 2, LAYOUT.slots, dtype=torch.float64)
    found[0, 0, [0, 2]] = torch.tensor(background, dtype=torch.float64)
    found[0, 1, [0, 2]] = torch.tensor(variance, dtype=torch.float64)
    found[0, 0, LAYOUT.cells :] = torch.tensor(signal, dtype=torch.float64)
    return found


@pytest.mark.parametrize(
    ("background", "inverse"), [(0, 0.2055), (1, 0.530), (10, 1.164), (100, 3.126)], ids=lambda value: f"{value:g}"
)
def test_the_released_code_s_numbers(background, inverse):
    """As run from the public code at ε = 0.3, L = 50: feichtip/punzinet, with its a = 3 and b = 1.28155."""
    loss = PunziLoss(LAYOUT, 50.0, A, B, "improved")
    value, present = loss.sigma_min(sums([background] * 2, [0, 0], [0.3, 0.3]))
    assert present.all()
    assert value[0].tolist() == pytest.approx([inverse] * 2, rel=5e-4)


def test_equation_9_by_hand():
    """B = 4, ε = 0.5, L = 10: b²/2 = 0.82118…, a√B = 6, root of b² + 24 + 16 is 6.4531…"""
    root = math.sqrt(1.28155**2 + 24 + 16)
    assert root == pytest.approx(6.45309, abs=1e-5)
    expected = (0.821185 + 6 + 0.640775 * root) / 5
    value, _ = PunziLoss(LAYOUT, 10.0, A, B).sigma_min(sums([4, 4], [0, 0], [0.5, 0.25]))
    assert value[0].tolist() == pytest.approx([expected, 2 * expected], rel=1e-6)


def test_the_loss_is_the_arithmetic_mean():
    loss = PunziLoss(LAYOUT, 10.0, A, B)
    value, _ = loss.sigma_min(sums([4, 100], [0, 0], [0.5, 0.25]))
    assert loss(sums([4, 100], [0, 0], [0.5, 0.25])).item() == pytest.approx(value.mean().item())


@pytest.mark.parametrize("form", ["paper", "improved"])
def test_torch_and_numpy_agree(form):
    counts = np.geomspace(1e-3, 1e6, 50)
    found = minimum_signal(torch.as_tensor(counts), 2.0, 1.6, form)
    np.testing.assert_allclose(found.numpy(), reference(counts, 2.0, 1.6, form), rtol=1e-8)


def test_batches_are_scaled_to_the_whole():
    """Half of the events with ε and B times two: the same as all of them."""
    loss = PunziLoss(LAYOUT, 10.0, A, B, floor=30.0)
    whole, half = sums([4, 9], [1, 2], [0.4, 0.2]), sums([2, 4.5], [0.5, 1], [0.2, 0.1])
    assert loss(half, 2.0).item() == pytest.approx(loss(whole).item(), rel=1e-12)
    assert loss(half).item() != pytest.approx(loss(whole).item(), rel=0.01)


def test_a_hypothesis_without_signal_in_the_batch_does_not_count():
    loss = PunziLoss(LAYOUT, 10.0, A, B)
    given = sums([4, 9], [0, 0], [0.5, 0.0]).requires_grad_()
    alone, _ = loss.sigma_min(given)
    value = loss(given)
    assert value.item() == pytest.approx(alone[0, 0].item())
    value.sum().backward()
    assert torch.isfinite(given.grad).all()
    assert given.grad[0, 0, 2] == 0  # nor does its background


def test_no_background_and_negative_background_have_finite_slopes():
    loss = PunziLoss(LAYOUT, 10.0, A, B, floor=5.0)
    given = sums([0, -3], [0, 2], [0.5, 0.5]).requires_grad_()
    loss(given).sum().backward()
    assert torch.isfinite(given.grad).all()


def test_the_floor_by_hand():
    """Two events of weight 3: n = 2. With a floor of 5 they count for 5 × 3; forty of them for themselves."""
    background = torch.tensor([6.0, 120.0], dtype=torch.float64)
    variance = torch.tensor([18.0, 360.0], dtype=torch.float64)
    assert floored(background, variance, 5.0).tolist() == [15.0, 120.0]
    assert floored(background, variance, 0.0).tolist() == [6.0, 120.0]


@pytest.mark.parametrize("form", ["paper", "improved"])
@pytest.mark.parametrize("floor", [0.0, 3.0, 500.0])
def test_gradient_against_finite_differences(form, floor):
    loss = PunziLoss(LAYOUT, 7.0, A, B, form, floor)
    given = sums([4.0, 90.0], [3.0, 200.0], [0.4, 0.15])
    assert torch.autograd.gradcheck(lambda values: loss(values, 1.5), given.requires_grad_())
