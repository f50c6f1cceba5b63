"""Early stopping, for each replica on its own: the parameters of its best epoch are the ones that count."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays


class EarlyStopping:
    """Remembers each replica's best parameters, and when it has gone too long without better ones.

    A replica that has stopped is left alone: what later epochs do to it does not count, so that a replica's result does
    not depend on how long the others train.

    Args:
        values: the parameters, shape (replicas, parameters).
        patience: epochs without a smaller loss after which a replica stops.

    Attributes:
        best: the best parameters, shape (replicas, parameters).
        best_epoch: of each replica, counted from 1; 0 before the first.
        last_epoch: the epoch after which each replica stopped, counted from 1; 0 for one that has not.
    """

    def __init__(self, values: torch.Tensor, patience: int) -> None:
        self._patience = patience
        self._loss = np.full(len(values), np.inf)
        self.best = values.clone()
        self.best_epoch = np.zeros(len(values), dtype=np.int64)
        self.last_epoch = np.zeros(len(values), dtype=np.int64)

    @property
    def finished(self) -> bool:
        """Whether every replica has stopped."""
        return bool((self.last_epoch > 0).all())

    def update(self, epoch: int, loss: NDArray[np.float64], values: torch.Tensor) -> None:
        """Take note of an epoch.

        Args:
            epoch: counted from 1.
            loss: of each replica after it, shape (replicas,).
            values: the parameters then.
        """
        going = self.last_epoch == 0
        better = going & (loss < self._loss)
        self._loss = np.where(better, loss, self._loss)
        self.best_epoch[better] = epoch
        rows = torch.as_tensor(better, device=values.device)
        self.best[rows] = values.detach()[rows]
        self.last_epoch[going & (epoch - self.best_epoch >= self._patience)] = epoch

    def state(self) -> Arrays:
        """Return what the next update depends on."""
        return {
            "stopping/loss": self._loss.copy(),
            "stopping/best": self.best.cpu().numpy().copy(),
            "stopping/best_epoch": self.best_epoch.copy(),
            "stopping/last_epoch": self.last_epoch.copy(),
        }

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._loss[...] = state["stopping/loss"]
        self.best.copy_(torch.as_tensor(state["stopping/best"]))
        self.best_epoch[...] = state["stopping/best_epoch"]
        self.last_epoch[...] = state["stopping/last_epoch"]
