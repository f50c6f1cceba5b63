"""The orders of events of all replicas, on the device; while it trains, those of the next epoch are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.allotment import usable_threads
from cutflow_cli.engine.randomness import epoch_order

#: From seed, replica, epoch and number of events to the order of events in that epoch.
Draw = Callable[[int, int, int, int], NDArray[np.int32]]


class Orders:
    """Draws the order in which each replica sees the events of an epoch.

    They are drawn on the host for every device (see `randomness`), which for ten replicas takes as long as a GPU takes
    to train on them. So for a GPU several threads draw ahead.

    Args:
        seed: of the training.
        replicas: their numbers.
        events: how many events there are.
        device: where the orders are needed.
        draw: draws one order.
    """

    def __init__(
        self, seed: int, replicas: Sequence[int], events: int, device: torch.device, draw: Draw = epoch_order
    ) -> None:
        self._seed, self._replicas, self._events, self._draw = seed, tuple(replicas), events, draw
        self._device = device
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: tuple[int, list[Future[NDArray[np.int32]]]] = (-1, [])

    def __call__(self, epoch: int) -> torch.Tensor:
        """Return the orders of an epoch, int32 of shape (replicas, events)."""
        if self._device.type == "cpu":
            return torch.from_numpy(np.stack([self._row(replica, epoch) for replica in self._replicas]))
        if self._pool is None:
            self._row(self._replicas[0], epoch)  # compiled code must be loaded before threads use it
            self._pool = ThreadPoolExecutor(max_workers=min(usable_threads(), len(self._replicas)))
        found, rows = self._ahead
        rows = rows if found == epoch else self._submit(self._pool, epoch)
        orders = torch.empty((len(rows), self._events), dtype=torch.int32, device=self._device)
        for position, row in enumerate(rows):
            orders[position].copy_(torch.from_numpy(row.result()))
        self._ahead = epoch + 1, self._submit(self._pool, epoch + 1)
        return orders

    def _row(self, replica: int, epoch: int) -> NDArray[np.int32]:
        return self._draw(self._seed, replica, epoch, self._events)

    def _submit(self, pool: ThreadPoolExecutor, epoch: int) -> list[Future[NDArray[np.int32]]]:
        return [pool.submit(self._row, replica, epoch) for replica in self._replicas]
