"""What passes each stage of a preselection, counted and summed independently of how events are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: Weights that are added up at once. The last digit of a sum depends on it, so it is no matter of chunks.
_TOGETHER = 65_536


@dataclass(slots=True)
class Stage:
    """What passed a stage of the preselection: events, and sums over their generator weights.

    Sums are complete after `settle`, and then the same to the last digit however the events came in chunks.

    Attributes:
        events: number of events.
        sumw: sum of their weights.
        sumw2: sum of the squares.
    """

    events: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0
    _waiting: list[NDArray[np.float64]] = field(default_factory=list, repr=False, compare=False)
    _waiting_events: int = field(default=0, repr=False, compare=False)

    def add(self, weights: NDArray[np.float64]) -> None:
        """Count more events.

        Args:
            weights: shape (events,).
        """
        self.events += len(weights)
        self._waiting.append(weights)
        self._waiting_events += len(weights)
        if self._waiting_events >= _TOGETHER:
            waiting = np.concatenate(self._waiting)
            whole = len(waiting) - len(waiting) % _TOGETHER
            for start in range(0, whole, _TOGETHER):
                self._sum(waiting[start : start + _TOGETHER])
            rest = waiting[whole:].copy()
            self._waiting, self._waiting_events = [rest], len(rest)

    def settle(self) -> None:
        """Add up what waits for more, when there is no more."""
        if self._waiting_events:
            self._sum(np.concatenate(self._waiting))
        self._waiting, self._waiting_events = [], 0

    def _sum(self, weights: NDArray[np.float64]) -> None:
        self.sumw += float(weights.sum())
        self.sumw2 += float((weights**2).sum())


def total(stages: Sequence[Stage]) -> Stage:
    """Add up settled stages of several files, exactly, so that the order of files and shards does not matter."""
    return Stage(
        sum(stage.events for stage in stages),
        math.fsum(stage.sumw for stage in stages),
        math.fsum(stage.sumw2 for stage in stages),
    )
