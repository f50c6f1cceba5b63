"""Small samples for CABIN, and calls of its two paths that look alike."""

from __future__ import annotations

import numpy as np
import torch
from lcf_cases import make_sample

from cutflow_cli.models.cabin.fused import FusedStepper
from cutflow_cli.models.cabin.prepare import Neurons, prepare
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.torch_path import TorchStepper, cut_loss, event_loss


def gaussian_sample(events=1200, features=3, seed=0, weighted=False):
    """Signal above background in every feature but the last, where it is below; correlated, with a noisy feature."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    shift = np.linspace(1.4, 0.5, features)
    shift[-1] *= -1
    common = rng.normal(size=(events, 1))
    x = rng.normal(size=(events, features)) + 0.4 * common + label[:, None] * shift
    weight = rng.uniform(0.2, 2.0, events) if weighted else None
    return make_sample(x * 10 + 50, label, weight)


def neurons_of(features):
    side = np.ones(features)
    side[-1] = -1.0
    return Neurons(np.arange(features), side)


def prepared(sample, **chosen):
    settings = CabinSettings(**chosen)
    return prepare(sample, settings), settings


def terms_by_torch(data, neurons, settings, bias, weight=None, slope=None):
    """Every term of the loss in float64, as tensors that remember `bias` and `slope` if those require gradients."""
    z = np.asarray(data.z[:, neurons.feature], dtype=np.float64)
    weight = data.weight if weight is None else weight
    slope = torch.as_tensor(neurons.side).expand(bias.shape) if slope is None else slope
    targets = None if settings.single else torch.as_tensor(np.array(settings.targets))
    events = event_loss(
        slope, bias, torch.as_tensor(np.nan_to_num(z)), torch.as_tensor(np.isnan(z)),
        torch.as_tensor(data.signal.astype(np.float64)), torch.as_tensor(weight), targets, settings,
    )  # fmt: skip
    return {**events, **cut_loss(bias, settings)}


def loss_and_gradient_by_torch(data, neurons, settings, bias, weight=None):
    tensor = torch.as_tensor(bias).clone().requires_grad_()
    terms = terms_by_torch(data, neurons, settings, tensor, weight)
    loss = sum(terms.values())
    (gradient,) = torch.autograd.grad(loss, tensor)
    return {name: float(value.detach()) for name, value in terms.items()}, gradient.numpy()


def loss_and_gradient_by_kernel(data, neurons, settings, bias, weight=None, threads=1):
    """The kernel's terms, and its gradient read off one step with the learning rate of one."""
    weight = data.weight if weight is None else weight
    stepper = FusedStepper(data, [weight], neurons, settings.model_copy(update={"learning_rate": 1.0}), threads)
    stepper.restore({"bias": bias[None]})
    terms = stepper.run_epoch(0)
    return {name: float(value[0]) for name, value in terms.items()}, bias - stepper.state()["bias"][0]


def stepper_of(kind, data, neurons, settings, weights=None, threads=1):
    weights = [data.weight] if weights is None else weights
    if kind == "torch":
        return TorchStepper(data, weights, neurons, settings, "cpu", torch.float64)
    return FusedStepper(data, weights, neurons, settings, threads)
