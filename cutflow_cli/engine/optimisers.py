"""Optimisers of stacked parameters, with a learning rate for each replica, and a schedule that lowers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays

_BETA1, _BETA2 = 0.9, 0.999
_RHO = 0.9
#: Learning rates are not lowered by less than this, as in torch.
_LEAST = 1e-8


class Optimiser(Protocol):
    """Changes parameters of shape (replicas, parameters) in place.

    Attributes:
        rates: learning rate of each replica, shape (replicas,).
    """

    rates: NDArray[np.float64]

    def step(self, gradient: torch.Tensor) -> None:
        """Take one step against a gradient of shape (replicas, parameters)."""

    def columns(self, rates: NDArray[np.float64]) -> torch.Tensor:
        """Count some steps as taken, and return what `move` needs for them.

        Args:
            rates: learning rates of each step, shape (steps, replicas).

        Returns:
            A row for each step, shape (steps, replicas, 1), on the device.
        """

    def move(self, gradient: torch.Tensor, column: torch.Tensor) -> None:
        """Take one of those steps, without a word from the host.

        Args:
            gradient: shape (replicas, parameters).
            column: the step's row, shape (replicas, 1).
        """

    def state(self) -> Arrays:
        """Return what the next step depends on."""

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""


class _Stepwise(ABC):
    """What optimisers have in common: a step is one row of `columns` and a `move`."""

    rates: NDArray[np.float64]
    _values: torch.Tensor

    def step(self, gradient: torch.Tensor) -> None:
        """Take one step against a gradient of shape (replicas, parameters)."""
        self.move(gradient, self.columns(self.rates[None])[0])

    def columns(self, rates: NDArray[np.float64]) -> torch.Tensor:
        """See `Optimiser`."""
        return torch.as_tensor(rates[..., None]).to(self._values)

    @abstractmethod
    def move(self, gradient: torch.Tensor, column: torch.Tensor) -> None:
        """See `Optimiser`."""


class Sgd(_Stepwise):
    """Plain gradient descent: p ← p - rate · g.

    Args:
        values: the parameters, shape (replicas, parameters).
        rate: learning rate, one for all replicas or one each.
    """

    def __init__(self, values: torch.Tensor, rate: float | Sequence[float]) -> None:
        self._values = values
        self.rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), len(values)).copy()

    def move(self, gradient: torch.Tensor, column: torch.Tensor) -> None:
        """See `Optimiser`."""
        self._values.sub_(column * gradient)

    def state(self) -> Arrays:
        """Return what the next step depends on."""
        return {"optimiser/rates": self.rates.copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self.rates[...] = state["optimiser/rates"]


class Adam(_Stepwise):
    """Adam (Kingma & Ba 2015) as Keras has it, with ε beside the uncorrected root of the second moment.

    Torch's own divides by the corrected root plus ε; the two differ only where gradients are as small as ε.

    Args:
        values: the parameters, shape (replicas, parameters).
        rate: learning rate, one for all replicas or one each.
        epsilon: ε; Keras' default.
    """

    def __init__(self, values: torch.Tensor, rate: float | Sequence[float], epsilon: float = 1e-7) -> None:
        self._values, self._epsilon = values, epsilon
        self.rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), len(values)).copy()
        self._first, self._second = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    def columns(self, rates: NDArray[np.float64]) -> torch.Tensor:
        """See `Optimiser`."""
        rows = []
        for row in rates:
            self._steps += 1
            rows.append(row * np.sqrt(1 - _BETA2**self._steps) / (1 - _BETA1**self._steps))
        return super().columns(np.stack(rows))

    def move(self, gradient: torch.Tensor, column: torch.Tensor) -> None:
        """See `Optimiser`."""
        self._first.lerp_(gradient, 1 - _BETA1)
        self._second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        move = self._first / self._second.sqrt().add_(self._epsilon)
        self._values.sub_(move.mul_(column))

    def state(self) -> Arrays:
        """Return what the next step depends on."""
        moments = {"first": self._first, "second": self._second}
        return {
            "optimiser/rates": self.rates.copy(),
            "optimiser/steps": np.array(self._steps),
            **{f"optimiser/{name}": values.cpu().numpy().copy() for name, values in moments.items()},
        }

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self.rates[...] = state["optimiser/rates"]
        self._steps = int(state["optimiser/steps"])
        self._first.copy_(torch.as_tensor(state["optimiser/first"]))
        self._second.copy_(torch.as_tensor(state["optimiser/second"]))


class Rmsprop(_Stepwise):
    """RMSprop (Hinton 2012) as Keras has it, with ε below the root; the default optimiser of Keras' `compile`.

    Args:
        values: the parameters, shape (replicas, parameters).
        rate: learning rate, one for all replicas or one each.
        epsilon: ε; Keras' default.
    """

    def __init__(self, values: torch.Tensor, rate: float | Sequence[float], epsilon: float = 1e-7) -> None:
        self._values, self._epsilon = values, epsilon
        self.rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), len(values)).copy()
        self._second = torch.zeros_like(values)

    def move(self, gradient: torch.Tensor, column: torch.Tensor) -> None:
        """See `Optimiser`."""
        self._second.mul_(_RHO).addcmul_(gradient, gradient, value=1 - _RHO)
        move = gradient / (self._second + self._epsilon).sqrt_()
        self._values.sub_(move.mul_(column))

    def state(self) -> Arrays:
        """Return what the next step depends on."""
        return {"optimiser/rates": self.rates.copy(), "optimiser/second": self._second.cpu().numpy().copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self.rates[...] = state["optimiser/rates"]
        self._second.copy_(torch.as_tensor(state["optimiser/second"]))


class PlateauSchedule:
    """Lowers a replica's learning rate when its loss has stopped falling, as torch's ReduceLROnPlateau.

    Args:
        replicas: how many.
        patience: epochs without gain that are borne; the next one lowers the rate.
        factor: by which it is multiplied.
        gain: share by which a loss must fall below the best one to count as a gain; losses are positive.
    """

    def __init__(self, replicas: int, patience: int = 10, factor: float = 0.5, gain: float = 1e-4) -> None:
        self._patience, self._factor, self._gain = patience, factor, gain
        self._best = np.full(replicas, np.inf)
        self._waited = np.zeros(replicas, dtype=np.int64)

    def update(self, loss: NDArray[np.float64], optimiser: Optimiser) -> None:
        """Take note of an epoch's loss, shape (replicas,), and lower the rates of the replicas that are due."""
        better = loss < self._best * (1 - self._gain)
        self._best = np.where(better, loss, self._best)
        self._waited = np.where(better, 0, self._waited + 1)
        due = self._waited > self._patience
        lowered = optimiser.rates * self._factor
        optimiser.rates[...] = np.where(due & (optimiser.rates - lowered > _LEAST), lowered, optimiser.rates)
        self._waited[due] = 0

    def state(self) -> Arrays:
        """Return what the next update depends on."""
        return {"schedule/best": self._best.copy(), "schedule/waited": self._waited.copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._best[...] = state["schedule/best"]
        self._waited[...] = state["schedule/waited"]
