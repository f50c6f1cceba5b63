"""How all replicas of a multilayer perceptron are trained for an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import pad

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.early_stopping import EarlyStopping
from cutflow_cli.engine.network import LANES, Networks
from cutflow_cli.engine.optimisers import Adam, Optimiser, PlateauSchedule, Rmsprop, Sgd
from cutflow_cli.engine.randomness import Stream, epoch_order, generator
from cutflow_cli.models.mlp.prepare import Prepared
from cutflow_cli.models.mlp.settings import MlpSettings

_OPTIMISERS = {"adam": Adam, "rmsprop": Rmsprop, "sgd": Sgd}


class Events:
    """One split on the device, for all replicas, and after it `LANES` events of weight zero to fill up steps with.

    Args:
        data: events and weights.
        networks: which scale the features.

    Attributes:
        inputs: scaled features, shape (events + LANES, features).
        label: 1 signal, 0 background, shape (events + LANES,).
        weight: training weights, shape (1, events + LANES).
    """

    def __init__(self, data: Prepared, networks: Networks) -> None:
        self._events = len(data.weight)
        self.inputs = pad(networks.inputs(data.sample.x), (0, 0, 0, LANES))
        self.label = pad(torch.as_tensor(data.sample.label), (0, LANES)).to(self.inputs)
        self.weight = pad(torch.as_tensor(data.weight[None]), (0, LANES)).to(self.inputs)

    def __len__(self) -> int:
        return self._events

    def loss(
        self, networks: Networks, start: int, stop: int, weight: torch.Tensor, order: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Sum the weighted cross entropy over some events, for each replica.

        Args:
            networks: to be judged.
            start: position of the first event, in steps of `LANES` without an order.
            stop: position after the last.
            weight: as `weight` above, for all replicas or each.
            order: the order in which each replica sees them, shape (replicas, events); None for their own.
        """
        missing = (start - stop) % LANES
        if order is None:
            rows = slice(start, stop + missing)
            inputs, label, weight = self.inputs[rows], self.label[rows], weight[:, rows]
        else:
            index = pad(order[:, start:stop].long(), (0, missing), value=self._events)
            inputs, label = self.inputs[index], self.label[index]
            weight = weight[0, index] if len(weight) == 1 else weight.gather(1, index)
        logits = networks.logits(inputs)
        return cross_entropy(logits, label.expand_as(logits), weight.expand_as(logits), reduction="none").sum(dim=1)


class MlpStepper:
    """Trains all replicas in one pass, each with its own initial values, shuffles and, if wanted, bootstrap.

    The loss of a batch is Σ w · BCE / events, with weights of mean one; what the history holds is its mean over the
    batches of an epoch, while the parameters change, as in Keras.

    Args:
        networks: to be trained.
        train: the training split.
        validation: the validation split, whose loss is recorded; None for none.
        settings: of the training.
        patience: for early stopping on the validation loss; 0 for none.
        seed: of everything random.
        replicas: their numbers.
    """

    def __init__(
        self,
        networks: Networks,
        train: Events,
        validation: Events | None,
        settings: MlpSettings,
        patience: int,
        seed: int,
        replicas: Sequence[int],
    ) -> None:
        self.networks, self._settings, self._seed, self._replicas = networks, settings, seed, tuple(replicas)
        self._train, self._validation, self._weight = train, validation, train.weight
        if settings.bootstrap:
            counts = [generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(train)) for replica in replicas]
            self._weight = train.weight * pad(torch.as_tensor(np.stack(counts)), (0, LANES)).to(train.weight)
        self._optimiser: Optimiser = _OPTIMISERS[settings.optimiser](networks.values, settings.learning_rate)
        self._schedule = PlateauSchedule(len(networks), settings.halve_after) if settings.halve_after else None
        self._stopping = EarlyStopping(networks.values, patience) if patience else None
        self._block = networks.block

    @property
    def finished(self) -> bool:
        """Whether every replica has stopped early."""
        return self._stopping is not None and self._stopping.finished

    @property
    def best_epoch(self) -> NDArray[np.int64]:
        """Epoch of each replica with the smallest validation loss, from 1; 0 without early stopping."""
        return np.zeros(len(self.networks), np.int64) if self._stopping is None else self._stopping.best_epoch

    @property
    def last_epoch(self) -> NDArray[np.int64]:
        """Epoch in which each replica stopped early, from 1; 0 if it did not."""
        return np.zeros(len(self.networks), np.int64) if self._stopping is None else self._stopping.last_epoch

    def result(self) -> torch.Tensor:
        """Return the parameters that count, shape (replicas, parameters)."""
        return self.networks.values if self._stopping is None else self._stopping.best

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        events = len(self._train)
        batch = self._settings.batch(events)
        order = None
        if batch < events:
            orders = [epoch_order(self._seed, replica, epoch, events) for replica in self._replicas]
            order = torch.as_tensor(np.stack(orders), device=self.networks.values.device)
        total = torch.zeros(len(self._replicas), dtype=torch.float64, device=self.networks.values.device)
        for start in range(0, events, batch):
            total += self._step(start, min(start + batch, events), order)
        terms = {"loss": (total / events).cpu().numpy()}
        if self._validation is not None:
            terms["validation_loss"] = self._validation_loss(self._validation)
        watched = terms.get("validation_loss", terms["loss"])
        if self._schedule is not None:
            self._schedule.update(watched, self._optimiser)
        if self._stopping is not None:
            self._stopping.update(epoch + 1, watched, self.networks.values)
            self._optimiser.rates[self._stopping.last_epoch > 0] = 0.0
        return terms

    def _step(self, start: int, stop: int, order: torch.Tensor | None) -> torch.Tensor:
        """Take one step on a batch; return the sum of its loss, before the step."""
        gradient = torch.zeros_like(self.networks.values)
        total = torch.zeros(len(gradient), dtype=torch.float64, device=gradient.device)
        for first in range(start, stop, self._block):
            loss = self._train.loss(self.networks, first, min(first + self._block, stop), self._weight, order)
            gradient += self.networks.gradient(loss / (stop - start))
            total += loss.detach()
        self._optimiser.step(gradient)
        return total

    def _validation_loss(self, events: Events) -> NDArray[np.float64]:
        total = torch.zeros(len(self._replicas), dtype=torch.float64, device=self.networks.values.device)
        with torch.no_grad():
            for start in range(0, len(events), self._block):
                total += events.loss(self.networks, start, min(start + self._block, len(events)), events.weight)
        return np.asarray((total / len(events)).cpu().numpy())

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        state = {**self.networks.state(), **self._optimiser.state()}
        for part in (self._schedule, self._stopping):
            state.update({} if part is None else part.state())
        return state

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self.networks.restore(state)
        self._optimiser.restore(state)
        for part in (self._schedule, self._stopping):
            if part is not None:
                part.restore(state)
