"""The stepper of CABIN on a CPU: the compiled kernel, blocks of events shared among threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.models.cabin import kernel
from cutflow_cli.models.cabin.blocks import BlockSums, event_exponential, exponential
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.steppers import by_term, signal_first, stored_beside

#: Beyond this steepness the kernel's exponentials do not cover five standard deviations; torch takes over.
LARGEST_STEEPNESS = kernel.EXPONENT_LIMIT / 5


class FusedStepper:
    """Trains replicas with the compiled kernel by gradient descent; weights are ±1.

    Args:
        data: the training split.
        weights: training weights of each replica, each of shape (events,).
        neurons: what each neuron looks at.
        settings: of the training.
        threads: how many threads may be used; results do not depend on it.
    """

    def __init__(
        self,
        data: Prepared,
        weights: Sequence[NDArray[np.float64]],
        neurons: Neurons,
        settings: CabinSettings,
        threads: int,
    ) -> None:
        self._settings = settings
        order, self._signal_events = signal_first(data)
        z = data.z[order][:, neurons.feature].T
        self._exponential = event_exponential(z, neurons.side[:, None], settings.steepness)
        self._totals = [(float(w[data.signal].sum()), float(w[~data.signal].sum())) for w in weights]
        self._weights = [w[order].astype(np.float32) for w in weights]
        self._signal_blocks = -(-self._signal_events // kernel.BLOCK)
        blocks = self._signal_blocks + -(-(len(order) - self._signal_events) // kernel.BLOCK)
        self._bias = neurons.initial_bias(len(weights), settings.networks)
        self._sums = np.zeros((blocks, settings.networks, 2 + 2 * len(neurons)))
        self._blocks = BlockSums(threads)

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Take one step with every replica."""
        rows = []
        for row in range(len(self._weights)):
            bias = self._bias[row]
            terms, gradient = loss_and_gradient(bias, self.event_sums(row, bias), self._settings)
            self._bias[row] -= self._settings.learning_rate * gradient
            rows.append(terms)
        return by_term(rows)

    def event_sums(self, row: int, bias: NDArray[np.float64]) -> EventSums:
        """Sum over the events of a replica.

        Args:
            row: position of the replica.
            bias: shape (targets, neurons).
        """
        c, entropy = exponential(bias, self._settings.steepness), self._settings.delta > 0
        self._blocks.fill(self._exponential, self._weights[row], self._signal_events, c, self._sums, entropy=entropy)
        signal = self._sums[: self._signal_blocks].sum(axis=0)
        background = self._sums[self._signal_blocks :].sum(axis=0)
        return EventSums.of(signal, background, self._totals[row], entropy=entropy)

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {"bias": self._bias.copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        for own, stored in stored_beside({"bias": self._bias}, state):
            own[...] = stored
