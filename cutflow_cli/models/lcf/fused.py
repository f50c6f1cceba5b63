"""The stepper of LCF on a CPU: the compiled kernel, one replica per thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.randomness import Stream, epoch_order, generator
from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.constants import INITIAL_LIMIT, PARALLEL, SEQUENTIAL_AND, SEQUENTIAL_APPLIED, logit
from cutflow_cli.models.lcf.prepare import Prepared
from cutflow_cli.models.lcf.settings import LcfSettings

#: From seed, replica, epoch and number of events to the order of events in that epoch.
Order = Callable[[int, int, int, int], NDArray[np.int32]]


def initial_parameters(features: int, seed: int, replica: int) -> NDArray[np.float64]:
    """Draw what a replica starts from: importance logits one, weights and biases as Keras' Glorot initialiser.

    Returns:
        Shape (features, 5): importance logit, lower weight, lower bias, upper weight, upper bias.
    """
    params = np.ones((features, 5))
    params[:, 1:] = generator(seed, replica, Stream.INITIAL).uniform(-INITIAL_LIMIT, INITIAL_LIMIT, (features, 4))
    return params


def replica_weights(data: Prepared, settings: LcfSettings, seed: int, replica: int) -> NDArray[np.float32]:
    """Return a replica's training weights: everybody's, or its own bootstrap of them (Poisson counts of mean one)."""
    if not settings.bootstrap:
        return data.weight
    counts = generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(data.weight))
    return (data.weight * counts).astype(np.float32)


def mask_rule(settings: LcfSettings) -> int:
    """Return the kernel's code for which events go on to the next feature."""
    if settings.strategy == "parallel":
        return PARALLEL
    return SEQUENTIAL_AND if settings.mask == "published" else SEQUENTIAL_APPLIED


class LcfState:
    """Parameters and optimiser of all replicas, in a form that both paths and checkpoints share.

    Attributes:
        params: shape (replicas, features, 5).
        first: Adam's running mean of the gradient, same shape.
        second: Adam's running mean of its square, same shape.
        unmasked: features that train on all events for want of those kept, shape (replicas, features).
    """

    def __init__(self, features: int, seed: int, replicas: Sequence[int]) -> None:
        self.params = np.stack([initial_parameters(features, seed, replica) for replica in replicas])
        self.first = np.zeros_like(self.params)
        self.second = np.zeros_like(self.params)
        self.unmasked = np.zeros(self.params.shape[:2], dtype=np.bool_)

    def arrays(self) -> Arrays:
        """Return everything by name, copied."""
        return {name: getattr(self, name).copy() for name in ("params", "first", "second", "unmasked")}

    def restore(self, stored: Arrays) -> None:
        """Take values over from a checkpoint."""
        for name in ("params", "first", "second", "unmasked"):
            if stored[name].shape != getattr(self, name).shape:
                msg = f"{name} has another shape"
                raise ValueError(msg)
            getattr(self, name)[...] = stored[name]


class FusedStepper:
    """Trains replicas with the compiled kernel; each replica's result is independent of the others and of threads."""

    def __init__(
        self,
        data: Prepared,
        settings: LcfSettings,
        seed: int,
        replicas: Sequence[int],
        threads: int,
        order: Order = epoch_order,
    ) -> None:
        self._data, self._settings, self._seed, self._order = data, settings, seed, order
        self._replicas = tuple(replicas)
        self._lcf = LcfState(data.u.shape[1], seed, self._replicas)
        self._weights = [replica_weights(data, settings, seed, replica) for replica in self._replicas]
        self._centres = data.standard_centre
        self._rows = kernel.packed(data.u, data.sign)
        self._steps_per_epoch = -(-len(data.u) // settings.batch_size)
        self._loaded = False
        self._pool = ThreadPoolExecutor(max_workers=min(threads, len(self._replicas)))

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        # Two threads that load compiled code for the first time may wait for each other for ever (numba's lock against
        # Python's import locks), so in the first epoch one replica goes ahead of the others.
        ahead = [] if self._loaded else [self._train(0, epoch)]
        self._loaded = True
        losses = self._pool.map(lambda position: self._train(position, epoch), range(len(ahead), len(self._replicas)))
        return {"loss": np.array([*ahead, *losses])}

    def _train(self, position: int, epoch: int) -> float:
        settings, state = self._settings, self._lcf
        rule = mask_rule(settings)
        if rule == SEQUENTIAL_APPLIED:
            state.unmasked[position] = self._starved(position)
        return float(
            kernel.train_epoch(
                self._rows,
                self._weights[position],
                self._order(self._seed, self._replicas[position], epoch, len(self._data.u)),
                settings.batch_size,
                state.params[position],
                state.first[position],
                state.second[position],
                epoch * self._steps_per_epoch,
                self._centres,
                self._data.limits,
                state.unmasked[position],
                rule,
                logit(settings.threshold),
                settings.min_importance,
                settings.learning_rate,
                settings.by_side,
            )
        )

    def _starved(self, position: int) -> NDArray[np.bool_]:
        """Say which features too few effective events of a class reach."""
        params = self._lcf.params[position]
        share, region = np.empty(len(params)), np.empty((len(params), 3))
        kernel.importance(params, share)
        threshold, minimum = logit(self._settings.threshold), self._settings.min_importance
        kernel.regions(params, share, self._centres, threshold, minimum, region, self._settings.by_side)
        left = kernel.effective_events(self._data.u, self._data.sign, self._weights[position], region)
        return np.asarray(left.min(axis=1) < self._settings.min_effective_events)

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return self._lcf.arrays()

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._lcf.restore(state)
