"""How all replicas are trained for an epoch: first with the cross entropy, then with Punzi's loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.optimisers import Adam, Optimiser, PlateauSchedule, Sgd
from cutflow_cli.engine.randomness import epoch_order
from cutflow_cli.models.punzi.backends import Backend
from cutflow_cli.models.punzi.loss import PunziLoss
from cutflow_cli.models.punzi.settings import PunziSettings

Order = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Watched:
    """A split for all replicas of a group.

    Attributes:
        backend: what computes on it.
        events: how many it has.
    """

    backend: Backend
    events: int

    def everything(self, replicas: int) -> Order:
        """Return its rows in their own order, for each replica."""
        return np.tile(np.arange(self.events, dtype=np.int32), (replicas, 1))


class PunziStepper:
    """Trains a group of replicas; epochs count on through both stages.

    The loss of an epoch is its mean over batches, while the parameters change. That of the second stage is divided by
    its value after the first, for each replica, if the settings say so.

    Args:
        networks: to be trained, in place.
        train: the training split.
        validation: the validation split, whose loss is recorded; None for none.
        loss: Punzi's.
        settings: of the training.
        seed: of everything random.
        replicas: their numbers.
    """

    def __init__(
        self,
        networks: Networks,
        train: Watched,
        validation: Watched | None,
        loss: PunziLoss,
        settings: PunziSettings,
        seed: int,
        replicas: Sequence[int],
    ) -> None:
        self.networks, self._train, self._validation = networks, train, validation
        self._loss, self._settings, self._seed, self._replicas = loss, settings, seed, tuple(replicas)
        self._pretrained = torch.zeros_like(networks.values)
        self._unit = np.ones(len(self._replicas))
        self._start(settings.bce_learning_rate)

    def _start(self, rate: float) -> None:
        """Start an optimiser anew."""
        kind: Callable[..., Optimiser] = Adam if self._settings.optimiser == "adam" else Sgd
        self._optimiser = kind(self.networks.values, rate)
        self._schedule = PlateauSchedule(len(self._replicas), self._settings.patience)

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        first = self._settings.bce_epochs
        nothing = np.full(len(self._replicas), np.nan)
        if epoch < first:
            loss = self._cross_entropy_epoch(epoch)
            terms = {"loss": loss, "loss_bce": loss, "loss_punzi": nothing}
        else:
            if epoch == first:
                self._turn_to_punzi()
            mean = self._punzi_epoch(epoch)
            terms = {"loss": mean / self._unit, "loss_bce": nothing, "loss_punzi": mean}
        if self._settings.optimiser == "sgd":
            self._schedule.update(terms["loss"], self._optimiser)
        return {**terms, "validation_loss": self._validation_loss(epoch)}

    def _orders(self, epoch: int) -> Order:
        events = self._train.events
        return np.stack([epoch_order(self._seed, replica, epoch, events) for replica in self._replicas])

    def _cross_entropy_epoch(self, epoch: int) -> NDArray[np.float64]:
        settings, backend, events = self._settings, self._train.backend, self._train.events
        orders, batch = self._orders(epoch), settings.bce_batch_size
        steps = -(-events // batch)
        total = np.zeros(len(self._replicas))
        for step in range(steps):
            order = np.ascontiguousarray(orders[:, step * batch : (step + 1) * batch])
            outputs = backend.outputs(order, 1.0)
            loss, slopes = backend.cross_entropy(outputs, order)
            self._set_rate(settings.bce_learning_rate, epoch + step / steps, settings.bce_epochs)
            self._optimiser.step(backend.gradient(order, slopes, 1.0))
            total += loss.cpu().numpy() * order.shape[1]
        return total / events

    def _turn_to_punzi(self) -> None:
        """Keep the pretrained parameters and measure the loss that they have."""
        self._pretrained.copy_(self.networks.values)
        if self._settings.normalise_loss:
            self._unit = self._punzi(self._train, 1.0)
        self._start(self._settings.learning_rate)

    def _punzi_epoch(self, epoch: int) -> NDArray[np.float64]:
        settings, backend = self._settings, self._train.backend
        done, batches = epoch - settings.bce_epochs, settings.batches(self._train.events)
        orders = self._orders(epoch) if batches > 1 else self._train.everything(len(self._replicas))
        unit = torch.as_tensor(self._unit, device=self.networks.values.device)
        total = np.zeros(len(self._replicas))
        for step, part in enumerate(np.array_split(orders, batches, axis=1)):
            order = np.ascontiguousarray(part)
            sharpness = self._sharpness(done + step / batches)
            outputs = backend.outputs(order, sharpness)
            sums = backend.sums(outputs, order).requires_grad_()
            # The batches may differ by one event; what makes up the whole is exact.
            loss = self._loss(sums, self._train.events / order.shape[1])
            (by_sum,) = torch.autograd.grad((loss / unit).sum(), sums)
            slopes = backend.slopes(outputs, order, by_sum)
            self._set_rate(settings.learning_rate, done + step / batches, settings.epochs)
            self._optimiser.step(backend.gradient(order, slopes, sharpness))
            total += loss.detach().cpu().numpy()
        return total / batches

    def _sharpness(self, done: float) -> float:
        """Return what the logit is multiplied by after so many epochs of Punzi's loss: it grows geometrically."""
        return float(self._settings.sharpness ** min(done / self._settings.epochs, 1.0))

    def _set_rate(self, rate: float, done: float, epochs: int) -> None:
        """Let Adam's rate fall along half a cosine; the plateau rule decides about that of gradient descent."""
        if self._settings.optimiser == "adam":
            self._optimiser.rates[...] = rate * 0.5 * (1 + math.cos(math.pi * done / epochs))

    def _punzi(self, split: Watched, sharpness: float) -> NDArray[np.float64]:
        order = split.everything(len(self._replicas))
        sums = split.backend.sums(split.backend.outputs(order, sharpness), order)
        return self._loss(sums).cpu().numpy()

    def _validation_loss(self, epoch: int) -> NDArray[np.float64]:
        """Return the loss of the current stage on the validation split; NaN without one."""
        split, done = self._validation, epoch + 1 - self._settings.bce_epochs
        if split is None:
            return np.full(len(self._replicas), np.nan)
        if done > 0:
            return self._punzi(split, self._sharpness(done)) / self._unit
        order = split.everything(len(self._replicas))
        return split.backend.cross_entropy(split.backend.outputs(order, 1.0), order)[0].cpu().numpy()

    def results(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the parameters after Punzi's loss and after the pretraining.

        The sharpness is left out: it moves no event across 0.5, and would round scores far from it to 0 and 1, where
        other cuts could not tell them apart.
        """
        return self.networks.values, self._pretrained

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {
            **self.networks.state(),
            **self._optimiser.state(),
            **self._schedule.state(),
            "punzi/pretrained": self._pretrained.cpu().numpy().copy(),
            "punzi/unit": self._unit.copy(),
        }

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self.networks.restore(state)
        self._optimiser.restore(state)
        self._schedule.restore(state)
        self._pretrained.copy_(torch.as_tensor(state["punzi/pretrained"]))
        self._unit = state["punzi/unit"].copy()
