"""How all replicas are trained for an epoch: first with the cross entropy, then with Punzi's loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.graphs import Step
from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.optimisers import Adam, Optimiser, PlateauSchedule, Sgd
from cutflow_cli.engine.orders import Orders
from cutflow_cli.models.punzi.backends import Backend
from cutflow_cli.models.punzi.loss import PunziLoss
from cutflow_cli.models.punzi.settings import PunziSettings


@dataclass(frozen=True, slots=True)
class Watched:
    """A split for all replicas of a group.

    Attributes:
        backend: what computes on it.
        events: how many it has.
    """

    backend: Backend
    events: int

    def everything(self, networks: Networks) -> torch.Tensor:
        """Return its rows in their own order, for each replica."""
        return torch.arange(self.events, dtype=torch.int32, device=networks.values.device).repeat(len(networks), 1)


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
        self._loss, self._settings = loss, settings
        device = networks.values.device
        self._orders = Orders(seed, replicas, train.events, device)
        self._pretrained = torch.zeros_like(networks.values)
        self._unit = np.ones(len(networks))
        self._total = torch.zeros(len(networks), dtype=torch.float64, device=device)
        self._start(settings.bce_learning_rate)

    def _start(self, rate: float) -> None:
        """Start an optimiser anew, and with it the steps that use it."""
        kind: Callable[..., Optimiser] = Adam if self._settings.optimiser == "adam" else Sgd
        self._optimiser = kind(self.networks.values, rate)
        self._schedule = PlateauSchedule(len(self.networks), self._settings.patience)
        self._entropy_step = Step(self._cross_entropy_batch, self.networks.values.device)
        self._punzi_step = Step(self._punzi_batch, self.networks.values.device)

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        first = self._settings.bce_epochs
        nothing = np.full(len(self.networks), np.nan)
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

    def _cross_entropy_epoch(self, epoch: int) -> NDArray[np.float64]:
        settings, events = self._settings, self._train.events
        orders, batch = self._orders(epoch), settings.bce_batch_size
        steps = -(-events // batch)
        columns = self._columns(settings.bce_learning_rate, epoch, steps, settings.bce_epochs)
        self._total.zero_()
        for step, column in enumerate(columns):
            self._entropy_step(orders[:, step * batch : (step + 1) * batch].contiguous(), column)
        return (self._total / events).cpu().numpy()

    def _cross_entropy_batch(self, order: torch.Tensor, column: torch.Tensor) -> None:
        backend = self._train.backend
        outputs = backend.outputs(order, 1.0)
        loss, slopes = backend.cross_entropy(outputs, order)
        self._optimiser.move(backend.gradient(order, slopes, 1.0), column)
        self._total += loss * order.shape[1]

    def _turn_to_punzi(self) -> None:
        """Keep the pretrained parameters and measure the loss that they have."""
        self._pretrained.copy_(self.networks.values)
        if self._settings.normalise_loss:
            self._unit = self._punzi(self._train, 1.0)
        self._start(self._settings.learning_rate)

    def _punzi_epoch(self, epoch: int) -> NDArray[np.float64]:
        settings = self._settings
        done, batches = epoch - settings.bce_epochs, settings.batches(self._train.events)
        orders = self._orders(epoch) if batches > 1 else self._train.everything(self.networks)
        device = self.networks.values.device
        unit = torch.as_tensor(self._unit, device=device)
        sharpness = torch.tensor([self._sharpness(done + step / batches) for step in range(batches)], device=device)
        columns = self._columns(settings.learning_rate, done, batches, settings.epochs)
        self._total.zero_()
        for order, sharp, column in zip(orders.tensor_split(batches, dim=1), sharpness, columns, strict=True):
            self._punzi_step(order.contiguous(), sharp, column, unit)
        return (self._total / batches).cpu().numpy()

    def _punzi_batch(
        self, order: torch.Tensor, sharpness: torch.Tensor, column: torch.Tensor, unit: torch.Tensor
    ) -> None:
        backend = self._train.backend
        outputs = backend.outputs(order, sharpness)
        sums = backend.sums(outputs, order).requires_grad_()
        # The batches may differ by one event; what makes up the whole is exact.
        loss = self._loss(sums, self._train.events / order.shape[1])
        (by_sum,) = torch.autograd.grad((loss / unit).sum(), sums)
        slopes = backend.slopes(outputs, order, by_sum)
        self._optimiser.move(backend.gradient(order, slopes, sharpness), column)
        self._total += loss.detach()

    def _sharpness(self, done: float) -> float:
        """Return what the logit is multiplied by after so many epochs of Punzi's loss: it grows geometrically."""
        return float(self._settings.sharpness ** min(done / self._settings.epochs, 1.0))

    def _columns(self, rate: float, done: int, steps: int, epochs: int) -> torch.Tensor:
        """Return what the optimiser needs for an epoch's steps (`Optimiser.columns`).

        Adam's rate falls along half a cosine; the plateau rule decides about that of gradient descent.
        """
        if self._settings.optimiser == "sgd":
            return self._optimiser.columns(np.tile(self._optimiser.rates, (steps, 1)))
        passed = [done + step / steps for step in range(steps)]
        rates = np.array([rate * 0.5 * (1 + math.cos(math.pi * one / epochs)) for one in passed])
        self._optimiser.rates[...] = rates[-1]
        return self._optimiser.columns(np.tile(rates[:, None], (1, len(self.networks))))

    def _punzi(self, split: Watched, sharpness: float) -> NDArray[np.float64]:
        order = split.everything(self.networks)
        with torch.no_grad():
            sums = split.backend.sums(split.backend.outputs(order, sharpness), order)
            return self._loss(sums).cpu().numpy()

    def _validation_loss(self, epoch: int) -> NDArray[np.float64]:
        """Return the loss of the current stage on the validation split; NaN without one."""
        split, done = self._validation, epoch + 1 - self._settings.bce_epochs
        if split is None:
            return np.full(len(self.networks), np.nan)
        if done > 0:
            return self._punzi(split, self._sharpness(done)) / self._unit
        order = split.everything(self.networks)
        with torch.no_grad():
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
