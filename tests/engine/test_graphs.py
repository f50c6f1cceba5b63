"""Steps on a CPU, where they are merely taken, and on CUDA, where they are recorded; orders of events for them."""

import threading

import numpy as np
import pytest
import torch

from cutflow_cli.engine import graphs
from cutflow_cli.engine.graphs import Step
from cutflow_cli.engine.orders import Orders
from cutflow_cli.engine.randomness import epoch_order

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recording", [True, False])
def test_every_call_counts_whatever_the_shape(device, recording, monkeypatch):
    monkeypatch.setattr(graphs, "RECORDING", recording)
    total = torch.zeros(2, device=device)
    calls = []

    def add(values, factor):
        calls.append(len(values))
        total.add_((values * factor).sum(dim=0))

    step = Step(add, device)
    for number in range(6):
        step(torch.full((3, 2), float(number), device=device), torch.tensor(2.0, device=device))
        step(torch.ones((1, 2), device=device), torch.tensor(float(number), device=device))
    assert total.tolist() == [3 * 2 * 15 + 15.0] * 2
    # On CUDA a shape's first call is taken, the second recorded, the others replayed.
    assert calls == ([3, 1] * 2 if device == "cuda" and recording else [3, 1] * 6)


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_are_recorded_too(device):
    values = torch.tensor([3.0, -1.0], device=device)

    def descend(rate):
        leaf = values.detach().requires_grad_()
        (gradient,) = torch.autograd.grad((leaf**2).sum(), leaf)
        values.sub_(rate * gradient)

    step = Step(descend, device)
    for _ in range(5):
        step(torch.tensor(0.25, device=device))
    torch.testing.assert_close(values.cpu(), torch.tensor([3.0, -1.0]) / 2**5)


@pytest.mark.parametrize("device", DEVICES)
def test_orders_are_those_of_each_replica_and_epoch(device):
    orders = Orders(5, range(2, 5), 40, torch.device(device))
    for epoch in (0, 1, 2, 7, 1):  # also after going back to a checkpoint
        found = orders(epoch)
        assert found.dtype == torch.int32
        expected = np.stack([epoch_order(5, replica, epoch, 40) for replica in range(2, 5)])
        np.testing.assert_array_equal(found.cpu().numpy(), expected)


@pytest.mark.parametrize("device", DEVICES)
def test_compiled_code_is_loaded_before_threads_draw_with_it(device):
    threads = []

    def draw(seed, replica, epoch, events):
        threads.append(threading.current_thread() is threading.main_thread())
        return epoch_order(seed, replica, epoch, events)

    Orders(1, range(3), 10, torch.device(device), draw)(0)
    assert threads[0]
