"""Optimisers of stacked parameters against torch's own."""

import numpy as np
import pytest
import torch

from cutflow_cli.engine.optimisers import Adam, PlateauSchedule, Rmsprop, Sgd

RATES = [0.1, 0.03]


def descend(values, steps, take):
    """Walk down a valley that differs by replica; `take` is told the gradient."""
    scale = torch.tensor([[1.0, 10.0, 0.1], [3.0, 0.5, 2.0]], dtype=values.dtype)
    for _ in range(steps):
        take((values.detach() - 1.0) * scale)


def ours(kind, steps):
    values = torch.zeros(2, 3, dtype=torch.float64)
    descend(values, steps, kind(values, RATES).step)
    return values


def theirs(kind, steps, **options):
    values = torch.zeros(2, 3, dtype=torch.float64)
    rows = [row.clone().requires_grad_() for row in values]
    optimisers = [kind([row], lr=rate, **options) for row, rate in zip(rows, RATES, strict=True)]

    def take(gradient):
        for row, part, optimiser in zip(rows, gradient, optimisers, strict=True):
            row.grad = part
            optimiser.step()
        with torch.no_grad():
            values.copy_(torch.stack(rows))

    descend(values, steps, take)
    return values


def test_descent_is_torchs_at_each_replicas_rate():
    torch.testing.assert_close(ours(Sgd, 20), theirs(torch.optim.SGD, 20))


def test_adam_is_torchs_but_for_epsilon():
    torch.testing.assert_close(ours(Adam, 30), theirs(torch.optim.Adam, 30, eps=1e-7), rtol=1e-4, atol=1e-5)


def test_rmsprop_is_torchs_but_for_epsilon():
    reference = theirs(torch.optim.RMSprop, 30, alpha=0.9, eps=1e-7)
    torch.testing.assert_close(ours(Rmsprop, 30), reference, rtol=1e-4, atol=1e-5)


def test_rmsprops_first_step_by_hand():
    values = torch.zeros(1, 2, dtype=torch.float64)
    Rmsprop(values, 0.01, epsilon=1e-3).step(torch.tensor([[2.0, 1e-2]], dtype=torch.float64))
    expected = [-0.01 * g / np.sqrt(0.1 * g**2 + 1e-3) for g in (2.0, 1e-2)]
    np.testing.assert_allclose(values.numpy()[0], expected, rtol=1e-12)


def test_adams_first_step_by_hand():
    values = torch.zeros(1, 2, dtype=torch.float64)
    Adam(values, 0.01, epsilon=1e-3).step(torch.tensor([[2.0, 1e-2]], dtype=torch.float64))
    rate = 0.01 * np.sqrt(1 - 0.999) / (1 - 0.9)
    expected = [-rate * 0.1 * g / (np.sqrt(0.001) * g + 1e-3) for g in (2.0, 1e-2)]
    np.testing.assert_allclose(values.numpy()[0], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [Sgd, Adam, Rmsprop])
def test_going_on_from_a_state_is_going_on(kind):
    values = torch.zeros(2, 3)
    optimiser = kind(values, RATES)
    descend(values, 7, optimiser.step)
    stored, at = optimiser.state(), values.clone()
    descend(values, 5, optimiser.step)
    again = kind(at, 1.0)
    again.restore(stored)
    descend(at, 5, again.step)
    torch.testing.assert_close(at, values, rtol=0, atol=0)


@pytest.mark.parametrize("patience", [1, 2, 10])
def test_the_plateau_schedule_is_torchs(patience):
    rng = np.random.default_rng(patience)
    losses = 1 / (1 + np.arange(60)[:, None] / [0.5, 5]) + rng.normal(0, 0.03, (60, 2))
    optimiser = Sgd(torch.zeros(2, 1), RATES)
    schedule = PlateauSchedule(2, patience)
    references = [torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate) for rate in RATES]
    theirs = [torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=patience) for o in references]
    for row in losses:
        schedule.update(row, optimiser)
        for reference, loss in zip(theirs, row, strict=True):
            reference.step(loss)
        assert optimiser.rates.tolist() == [reference.param_groups[0]["lr"] for reference in references]
    assert (optimiser.rates < RATES).any()


def test_a_schedule_goes_on_from_its_state():
    optimiser, schedule = Sgd(torch.zeros(1, 1), 1.0), PlateauSchedule(1, patience=2)
    for loss in (1.0, 1.0, 1.0):
        schedule.update(np.array([loss]), optimiser)
    again = PlateauSchedule(1, patience=2)
    again.restore(schedule.state())
    again.update(np.array([1.0]), optimiser)
    assert optimiser.rates.tolist() == [0.5]
