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
from cutflow_cli.engine.graphs import Step
from cutflow_cli.engine.network import LANES, Networks
from cutflow_cli.engine.optimisers import Adam, Optimiser, PlateauSchedule, Rmsprop, Sgd
from cutflow_cli.engine.orders import Orders
from cutflow_cli.engine.randomness import Stream, generator
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

    def loss(self, networks: Networks, rows: slice | torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Sum the weighted cross entropy over some events, for each replica.

        Args:
            networks: to be judged.
            rows: which events: all from a start, a multiple of `LANES`, to a stop, or those of each replica, integers
                of shape (replicas, some).
            weight: as `weight` above, for all replicas or each.
        """
        if isinstance(rows, slice):
            rows = slice(rows.start, rows.stop + (rows.start - rows.stop) % LANES)
            inputs, label, weight = self.inputs[rows], self.label[rows], weight[:, rows]
        else:
            index = pad(rows.long(), (0, -rows.shape[1] % LANES), value=self._events)
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
        self.networks, self._settings, self._replicas = networks, settings, tuple(replicas)
        self._train, self._validation, self._weight = train, validation, train.weight
        if settings.bootstrap:
            counts = [generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(train)) for replica in replicas]
            self._weight = train.weight * pad(torch.as_tensor(np.stack(counts)), (0, LANES)).to(train.weight)
        self._optimiser: Optimiser = _OPTIMISERS[settings.optimiser](networks.values, settings.learning_rate)
        self._schedule = PlateauSchedule(len(networks), settings.halve_after) if settings.halve_after else None
        self._stopping = EarlyStopping(networks.values, patience) if patience else None
        self._block = networks.block
        self._orders = Orders(seed, replicas, len(train), networks.values.device)
        self._total = torch.zeros(len(networks), dtype=torch.float64, device=networks.values.device)
        self._whole = Step(self._whole_step, networks.values.device)
        self._batch = Step(self._batch_step, networks.values.device)

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
        starts = range(0, events, batch)
        columns = self._optimiser.columns(np.tile(self._optimiser.rates, (len(starts), 1)))
        self._total.zero_()
        if batch == events:
            self._whole(columns[0])
        else:
            orders = self._orders(epoch)
            for start, column in zip(starts, columns, strict=True):
                self._batch(orders[:, start : start + batch], column)
        terms = {"loss": (self._total / events).cpu().numpy()}
        if self._validation is not None:
            terms["validation_loss"] = self._validation_loss(self._validation)
        watched = terms.get("validation_loss", terms["loss"])
        if self._schedule is not None:
            self._schedule.update(watched, self._optimiser)
        if self._stopping is not None:
            self._stopping.update(epoch + 1, watched, self.networks.values)
            self._optimiser.rates[self._stopping.last_epoch > 0] = 0.0
        return terms

    def _whole_step(self, column: torch.Tensor) -> None:
        """Take one step on all events."""
        self._descend([slice(*rows) for rows in self._blocks(len(self._train))], len(self._train), column)

    def _batch_step(self, order: torch.Tensor, column: torch.Tensor) -> None:
        """Take one step on a batch, shape (replicas, events)."""
        self._descend([order[:, slice(*rows)] for rows in self._blocks(order.shape[1])], order.shape[1], column)

    def _blocks(self, events: int) -> list[tuple[int, int]]:
        return [(first, min(first + self._block, events)) for first in range(0, events, self._block)]

    def _descend(self, blocks: Sequence[slice | torch.Tensor], events: int, column: torch.Tensor) -> None:
        """Take one step, and add the sum of the loss before it.

        Args:
            blocks: events that are taken at once, see `Events.loss`.
            events: how many there are in all.
            column: see `Optimiser.move`.
        """
        gradient = torch.zeros_like(self.networks.values)
        total = torch.zeros_like(self._total)
        for rows in blocks:
            loss = self._train.loss(self.networks, rows, self._weight)
            gradient += self.networks.gradient(loss / events)
            total += loss.detach()
        self._optimiser.move(gradient, column)
        self._total += total

    def _validation_loss(self, events: Events) -> NDArray[np.float64]:
        total = torch.zeros_like(self._total)
        with torch.no_grad():
            for rows in self._blocks(len(events)):
                total += events.loss(self.networks, slice(*rows), events.weight)
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
