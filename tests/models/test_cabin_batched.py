"""The sums over events of all replicas at once, on a CPU: against autograd, and the kernel over whole trainings."""

import numpy as np
import pytest
import torch
from cabin_cases import gaussian_sample, neurons_of, prepared, terms_by_torch
from test_cabin_loss import FULL, difficult

from cutflow_cli.models.cabin import batched
from cutflow_cli.models.cabin.batched import BatchedStepper
from cutflow_cli.models.cabin.fused import FusedStepper
from cutflow_cli.models.cabin.loss import TERMS
from cutflow_cli.models.cabin.torch_path import TorchStepper


def one_step(data, settings, neurons, bias, slope, weights):
    """Loss terms of every replica, and gradients by bias and slope, read off one step with the learning rate of one."""
    settings = settings.model_copy(update={"learning_rate": 1.0})
    stepper = BatchedStepper(data, weights, neurons, settings, "cpu", torch.float64)
    state = {"bias": bias, "slope": slope} if settings.learn_weights else {"bias": bias}
    stepper.restore(state)
    terms = stepper.run_epoch(0)
    after = stepper.state()
    return terms, {name: values - after[name] for name, values in state.items()}


@pytest.mark.parametrize("largest", [1 << 25, 5000], ids=["one pass", "several"])
@pytest.mark.parametrize("chosen", [{}, {"delta": 0.0}, {"learn_weights": True}, {"smoothing": "published"}], ids=str)
def test_terms_and_gradients_are_those_of_autograd(chosen, largest, monkeypatch):
    monkeypatch.setattr(batched, "LARGEST_PASS", largest)
    data, settings = prepared(difficult(), **{**FULL, **chosen})
    rng = np.random.default_rng(7)
    bias, slope = rng.normal(scale=0.5, size=(2, 4, 3)), rng.normal(size=(2, 4, 3))
    neurons = neurons_of(3)
    if not settings.learn_weights:
        slope[...] = neurons.side
    weights = [data.weight, data.weight * rng.poisson(1.0, len(data.weight))]
    terms, gradients = one_step(data, settings, neurons, bias, slope, weights)
    for row in range(2):
        leaves = {"bias": torch.tensor(bias[row]).requires_grad_(), "slope": torch.tensor(slope[row]).requires_grad_()}
        expected = terms_by_torch(data, neurons, settings, leaves["bias"], weights[row], leaves["slope"])
        sum(expected.values()).backward()
        for name in TERMS:
            assert terms[name][row] == pytest.approx(float(expected[name].detach()), rel=1e-9, abs=1e-12)
        for name, found in gradients.items():
            np.testing.assert_allclose(found[row], leaves[name].grad.numpy(), rtol=1e-8, atol=1e-11)
            assert np.abs(found[row]).max() > 1e-3


@pytest.mark.parametrize("chosen", [{}, {"preset": "cabin-bce", "alpha": 0, "beta": 0, "epsilon": 0, "delta": 1.0}])
def test_a_training_is_that_of_the_kernel(chosen):
    data, settings = prepared(gaussian_sample(1500, weighted=True), targets=(0.2, 0.5, 0.8), **chosen)
    weights = [data.weight, data.weight[::-1].copy()]
    ours = BatchedStepper(data, weights, neurons_of(3), settings, "cpu")
    kernel = FusedStepper(data, weights, neurons_of(3), settings, 1)
    for epoch in range(30):
        found, expected = ours.run_epoch(epoch), kernel.run_epoch(epoch)
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.state()["bias"], kernel.state()["bias"], atol=1e-3)
    assert np.abs(ours.state()["bias"]).max() > 0.1


def test_learned_weights_are_those_of_torch_and_a_state_is_gone_on_from():
    data, settings = prepared(gaussian_sample(900), targets=(0.3, 0.6), learn_weights=True)
    neurons = neurons_of(3)
    ours, reference = (kind(data, [data.weight], neurons, settings, "cpu") for kind in (BatchedStepper, TorchStepper))
    for epoch in range(20):
        if epoch == 10:
            state = ours.state()
        ours.run_epoch(epoch)
        reference.run_epoch(epoch)
    for name, values in ours.state().items():
        np.testing.assert_allclose(values, reference.state()[name], atol=1e-3)
    again = BatchedStepper(data, [data.weight], neurons, settings, "cpu")
    again.restore(state)
    for epoch in range(10, 20):
        again.run_epoch(epoch)
    np.testing.assert_array_equal(again.state()["slope"], ours.state()["slope"])
    with pytest.raises(ValueError, match="bias has another shape"):
        again.restore({"bias": np.zeros((1, 3, 3)), "slope": np.zeros((1, 2, 3))})
