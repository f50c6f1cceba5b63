"""The compiled kernel against autograd, and autograd against finite differences in double precision."""

import numpy as np
import pytest
import torch
from punzi_cases import peak_sample, peak_settings

from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.models.punzi.backends import FusedBackend, TorchBackend
from cutflow_cli.models.punzi.loss import PunziLoss
from cutflow_cli.models.punzi.prepare import acceptances, prepare
from cutflow_cli.models.punzi.sums import Layout
from cutflow_cli.models.punzi.windows import find_windows

REPLICAS = 3


def case(kind, hidden=(5, 3), counts=None, dtype=torch.float32, events=1500):
    sample, settings = peak_sample(events), peak_settings(hidden=hidden)
    windows = find_windows(sample, settings)
    layout = Layout.of(windows, sample)
    data = prepare(sample, windows, layout, acceptances(sample, windows, {}), "keep", "training")
    scaling = Scaling.measure(data.x, "moments")
    networks = Networks.drawn(settings.architecture(2), scaling, 1, range(REPLICAS), dtype=dtype)
    if counts is not None:
        counts = np.random.default_rng(5).poisson(1.0, (REPLICAS, len(data))).astype(np.float64)
    loss = PunziLoss(layout, 50.0, 3.0, 1.28155, floor=30.0)
    return data, networks, kind(data, networks, layout.slots, counts), loss


def orders(data, batch, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(len(data))[:batch] for _ in range(REPLICAS)]).astype(np.int32)


def punzi_gradient(backend, loss, order, sharpness):
    outputs = backend.outputs(order, sharpness)
    sums = backend.sums(outputs, order).requires_grad_()
    value = loss(sums, 2.0)
    (by_sum,) = torch.autograd.grad(value.sum(), sums)
    gradient = backend.gradient(order, backend.slopes(outputs, order, by_sum), sharpness)
    return value.detach().numpy(), gradient.numpy()


@pytest.mark.parametrize("hidden", [(5, 3), (16, 16), (1,), (4, 9, 7)], ids=str)
@pytest.mark.parametrize("batch", [1, 255, 256, 700])
def test_kernel_outputs_and_cross_entropy_gradients(hidden, batch):
    results = []
    for kind in (TorchBackend, FusedBackend):
        data, _, backend, _ = case(kind, hidden)
        order = orders(data, batch)
        outputs = backend.outputs(order, 1.5)
        loss, slopes = backend.cross_entropy(outputs, order)
        results.append((outputs.numpy(), loss.numpy(), backend.gradient(order, slopes, 1.5).numpy()))
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("counts", [None, True], ids=["plain", "bootstrap"])
@pytest.mark.parametrize("sharpness", [1.0, 7.0])
def test_kernel_gradients_of_punzi_s_loss(counts, sharpness):
    results = []
    for kind in (TorchBackend, FusedBackend):
        data, _, backend, loss = case(kind, counts=counts)
        results.append(punzi_gradient(backend, loss, orders(data, 800), sharpness))
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("sharpness", [1.0, 3.0])
def test_gradient_against_finite_differences(sharpness):
    data, networks, backend, loss = case(TorchBackend, dtype=torch.float64)
    order = orders(data, 600)
    _, gradient = punzi_gradient(backend, loss, order, sharpness)
    for parameter in range(0, networks.architecture.parameters, 5):
        values = []
        for step in (1e-5, -1e-5):
            networks.values[:, parameter] += step
            outputs = backend.outputs(order, sharpness)
            values.append(loss(backend.sums(outputs, order), 2.0).numpy())
            networks.values[:, parameter] -= step
        slope = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(gradient[:, parameter], slope, rtol=1e-4, atol=1e-6 * np.abs(gradient).max())


def test_tanh_and_sigmoid_are_good_to_single_precision():
    """One input, one unit of slope one: outputs over the whole range against numpy in double precision."""
    from cutflow_cli.models.punzi import kernel

    x = np.linspace(-30, 30, 2001, dtype=np.float32)[:, None]
    params = np.array([1.0, 0.0, 3.0, 0.2], dtype=np.float32)
    found = np.empty(len(x), dtype=np.float32)
    order = np.arange(len(x), dtype=np.int32)
    kernel.forward(params, np.array([1, 1, 1]), x, order, np.float32(1.0), found)
    expected = 1 / (1 + np.exp(-(3 * np.tanh(x[:, 0].astype(np.float64)) + 0.2)))
    np.testing.assert_allclose(found, expected, atol=3e-7)


@pytest.mark.parametrize("kind", [TorchBackend, FusedBackend])
def test_doubling_an_event_is_weight_two(kind):
    """In sums, cross entropy and both gradients; only Σw² tells two events from one of twice the weight."""
    from dataclasses import replace

    data, networks, _, loss = case(kind)
    plain = PunziLoss(loss.layout, 50.0, 3.0, 1.28155)
    twice = np.append(np.arange(len(data)), 7)
    weight = data.weight.copy()
    weight[7] *= 2
    entropy = data.cross_entropy_weight.copy()
    entropy[7] *= 2
    heavy = kind(replace(data, weight=weight, cross_entropy_weight=entropy), networks, loss.layout.slots, None)
    double = kind(
        replace(
            data,
            x=data.x[twice],
            label=data.label[twice],
            slot=data.slot[twice],
            weight=data.weight[twice],
            cross_entropy_weight=data.cross_entropy_weight[twice],
        ),
        networks,
        loss.layout.slots,
        None,
    )
    results = []
    for backend, events in ((heavy, len(data)), (double, len(twice))):
        order = np.tile(np.arange(events, dtype=np.int32), (REPLICAS, 1))
        outputs = backend.outputs(order, 1.0)
        entropies, slopes = backend.cross_entropy(outputs, order)
        by_entropy = backend.gradient(order, slopes, 1.0).numpy()
        value, gradient = punzi_gradient(backend, plain, order, 1.0)
        results.append((entropies.numpy() * events, by_entropy * events, value, gradient))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(one).max())
