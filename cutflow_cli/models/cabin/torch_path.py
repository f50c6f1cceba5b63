"""The stepper of CABIN in torch: for learned weights, and the reference that the other two are tested against.

The loss is written as the paper writes it and differentiated by autograd. Replicas are trained one after the other;
sub-networks share a pass as far as memory allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.models.cabin.loss import positions
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.steppers import by_term, stored_beside

#: Logistic functions (events × neurons × sub-networks) held at once, which is what memory depends on.
LARGEST_PASS = 1 << 25


def event_loss(
    slope: torch.Tensor,
    bias: torch.Tensor,
    z: torch.Tensor,
    missing: torch.Tensor,
    signal: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor | None,
    settings: CabinSettings,
) -> dict[str, torch.Tensor]:
    """Compute the terms that depend on events, for some sub-networks of one replica.

    Args:
        slope: w of each neuron, shape (targets, neurons).
        bias: b, same shape.
        z: standardised features as the neurons see them, missing values zero, shape (events, neurons).
        missing: where they are missing, same shape, or a single False.
        signal: 1 for signal, 0 for background, shape (events,).
        weight: training weights, shape (events,).
        targets: target efficiencies, shape (targets,); None for a network without.
        settings: of the training.

    Returns:
        Each term summed over these sub-networks.
    """
    argument = settings.steepness * (slope[:, None, :] * z + bias[:, None, :])
    passing = torch.sigmoid(argument).masked_fill(missing, 0.0)
    score = passing.prod(dim=-1)
    w_signal, w_background = weight * signal, weight * (1 - signal)
    efficiency = (score * w_signal).sum(dim=1) / w_signal.sum()
    background = (score * w_background).sum(dim=1) / w_background.sum()
    terms = {"loss_background": settings.beta * background.sum()}
    terms["loss_efficiency"] = (
        bias.new_zeros(()) if targets is None else settings.alpha * ((targets - efficiency) ** 2).sum()
    )
    if settings.delta:
        entropy = torch.nn.functional.binary_cross_entropy(score, signal.expand_as(score), reduction="none")
        terms["loss_bce"] = settings.delta * ((entropy * weight).sum(dim=1) / weight.sum()).sum()
    else:
        terms["loss_bce"] = bias.new_zeros(())
    return terms


def cut_loss(bias: torch.Tensor, settings: CabinSettings) -> dict[str, torch.Tensor]:
    """Compute the terms that depend on the biases alone (equations 6 and 8), shape (targets, neurons)."""
    terms = {"loss_cut_size": settings.gamma * (bias**2).mean(dim=1).sum(), "loss_smoothness": bias.new_zeros(())}
    if settings.epsilon and len(bias) > 2:
        position = torch.as_tensor(positions(settings.targets, settings.smoothing), dtype=bias.dtype).to(bias.device)
        low, high = bias[:-2], bias[2:]
        away = bias[1:-1] - low - position[:, None] * (high - low)
        term = (away**2 / ((high - low) ** 2 + settings.rho)).mean(dim=1)
        total = term.sum() if settings.smoothing == "published" else term.mean()
        terms["loss_smoothness"] = settings.epsilon * total
    return terms


class TorchStepper:
    """Trains replicas by gradient descent with autograd, on any torch device.

    Args:
        data: the training split.
        weights: training weights of each replica, each of shape (events,).
        neurons: what each neuron looks at, and the side that it starts with.
        settings: of the training.
        device: where to train.
        dtype: precision of everything.
    """

    def __init__(
        self,
        data: Prepared,
        weights: Sequence[NDArray[np.float64]],
        neurons: Neurons,
        settings: CabinSettings,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._settings = settings

        def make(values: NDArray[np.floating]) -> torch.Tensor:
            return torch.as_tensor(values, dtype=dtype, device=torch.device(device))

        z = np.ascontiguousarray(data.z[:, neurons.feature])
        missing = np.isnan(z)
        self._missing = torch.as_tensor(missing if missing.any() else np.False_, device=torch.device(device))
        self._z = make(np.nan_to_num(z, nan=0.0))
        self._signal = make(data.signal.astype(np.float64))
        self._weights = [make(w) for w in weights]
        self._bias = make(neurons.initial_bias(len(weights), settings.networks))
        self._slope = make(neurons.side).expand(self._bias.shape).clone()
        self._targets = None if settings.single else make(np.array(settings.targets))
        self._chunk = max(1, LARGEST_PASS // max(1, z.size))

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Take one step with every replica."""
        rows = [self._step(replica) for replica in range(len(self._weights))]
        return by_term(rows)

    def _step(self, replica: int) -> dict[str, float]:
        bias = self._bias[replica].detach().requires_grad_()
        slope = self._slope[replica].detach().requires_grad_(self._settings.learn_weights)
        terms = {name: float(value.detach()) for name, value in self._backward(bias, slope, replica).items()}
        rate = self._settings.learning_rate
        assert bias.grad is not None  # every term depends on it
        self._bias[replica] -= rate * bias.grad
        if slope.grad is not None:
            self._slope[replica] -= rate * slope.grad
        return {"loss": sum(terms.values()), **terms}

    def _backward(self, bias: torch.Tensor, slope: torch.Tensor, replica: int) -> dict[str, torch.Tensor]:
        """Add the gradient of every term to its leaves; return the terms."""
        totals = cut_loss(bias, self._settings)
        sum(totals.values(), bias.new_zeros(())).backward()  # type: ignore[no-untyped-call]
        for start in range(0, len(bias), self._chunk):
            part = slice(start, start + self._chunk)
            terms = event_loss(
                slope[part],
                bias[part],
                self._z,
                self._missing,
                self._signal,
                self._weights[replica],
                None if self._targets is None else self._targets[part],
                self._settings,
            )
            sum(terms.values(), bias.new_zeros(())).backward()  # type: ignore[no-untyped-call]
            for name, value in terms.items():
                totals[name] = totals.get(name, 0.0) + value.detach()
        return totals

    @property
    def _learned(self) -> dict[str, torch.Tensor]:
        return {"bias": self._bias, "slope": self._slope} if self._settings.learn_weights else {"bias": self._bias}

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {name: values.double().cpu().numpy() for name, values in self._learned.items()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        for own, stored in stored_beside(self._learned, state):
            own.copy_(torch.as_tensor(stored))
