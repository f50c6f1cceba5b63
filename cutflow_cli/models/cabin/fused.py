"""The stepper of CABIN on a CPU: the compiled kernel, blocks of events shared among threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.models.cabin import kernel
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.settings import CabinSettings

#: Beyond this steepness the kernel's exponentials do not cover five standard deviations; torch takes over.
LARGEST_STEEPNESS = kernel.EXPONENT_LIMIT / 5


class FusedStepper:
    """Trains replicas with the compiled kernel by gradient descent; weights are ±1.

    Args:
        data: the training split.
        weights: training weights of each replica, each of shape (events,).
        neurons: what each neuron looks at.
        settings: of the training.
        replicas: their numbers.
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
        order = np.concatenate([np.flatnonzero(data.signal), np.flatnonzero(~data.signal)])
        self._signal_events = int(data.signal.sum())
        z = data.z[order][:, neurons.feature].T.astype(np.float64) * neurons.side[:, None]
        exponent = np.clip(-settings.steepness * z, -kernel.EXPONENT_LIMIT, kernel.EXPONENT_LIMIT)
        self._exponential = np.exp(np.where(np.isnan(z), np.inf, exponent)).astype(np.float32)
        self._totals = [(float(w[data.signal].sum()), float(w[~data.signal].sum())) for w in weights]
        self._weights = [w[order].astype(np.float32) for w in weights]
        self._signal_blocks = -(-self._signal_events // kernel.BLOCK)
        self._blocks = self._signal_blocks + -(-(len(order) - self._signal_events) // kernel.BLOCK)
        networks = 1 if settings.single else len(settings.targets)
        self._bias = neurons.initial_bias(len(weights), networks)
        self._sums = np.zeros((self._blocks, networks, 2 + 2 * len(neurons)))
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._shares = np.linspace(0, self._blocks, min(threads, self._blocks) + 1).astype(int)
        self._loaded = False

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Take one step with every replica."""
        rows = []
        for row in range(len(self._weights)):
            bias = self._bias[row]
            terms, gradient = loss_and_gradient(bias, self.event_sums(row, bias), self._settings)
            self._bias[row] -= self._settings.learning_rate * gradient
            rows.append(terms)
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def event_sums(self, row: int, bias: NDArray[np.float64]) -> EventSums:
        """Sum over the events of a replica.

        Args:
            row: position of the replica.
            bias: shape (targets, neurons).
        """
        weight, totals = self._weights[row], self._totals[row]
        exponent = np.clip(-self._settings.steepness * bias, -kernel.EXPONENT_LIMIT, kernel.EXPONENT_LIMIT)
        c = np.exp(exponent).astype(np.float32)
        entropy = self._settings.delta > 0

        def fill(first: int, last: int) -> None:
            kernel.event_sums(self._exponential, weight, self._signal_events, first, last, c, entropy, self._sums)

        # Two threads that load compiled code for the first time may wait for each other for ever.
        if self._loaded:
            list(self._pool.map(fill, self._shares[:-1], self._shares[1:]))
        else:
            fill(0, self._blocks)
            self._loaded = True
        signal = self._sums[: self._signal_blocks].sum(axis=0)
        background = self._sums[self._signal_blocks :].sum(axis=0)
        neurons, both, total = bias.shape[1], signal + background, sum(totals)
        slope, middle = slice(1, 1 + neurons), 1 + neurons
        return EventSums(
            signal[:, 0] / totals[0],
            background[:, 0] / totals[1],
            signal[:, slope] / totals[0],
            background[:, slope] / totals[1],
            both[:, middle] / total if entropy else np.zeros(len(bias)),
            both[:, middle + 1 :] / total if entropy else np.zeros_like(bias),
        )

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {"bias": self._bias.copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        if state["bias"].shape != self._bias.shape:
            msg = "bias has another shape"
            raise ValueError(msg)
        self._bias[...] = state["bias"]
