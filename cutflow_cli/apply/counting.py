"""What passes each step of a cut flow, summed chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def depths(masks: Sequence[Mask], events: int) -> NDArray[Any]:
    """Count for each event the conditions that it passes before the first that it fails.

    An event's depth says at once which steps of a cut flow it reaches, so that it is summed once for each flow rather
    than once for each step.

    Args:
        masks: of the conditions in order, each of shape (events,).
        events: the number of events.

    Returns:
        Unsigned integers of shape (events,), as narrow as they can be.
    """
    depth: NDArray[Any] = np.zeros(events, dtype=np.uint8 if len(masks) < 256 else np.uint32)
    if not masks:
        return depth
    alive = masks[0].copy()
    depth += alive.view(np.uint8)
    for mask in masks[1:]:
        alive &= mask
        depth += alive.view(np.uint8)
    return depth


class StepSums:
    """Events, Σw and Σw² by step of a flow and group of events.

    Args:
        steps: number of conditions of the flow.
        groups: number of groups, such as processes.
    """

    def __init__(self, steps: int, groups: int) -> None:
        self._shape = (steps + 1, groups)
        self._last = np.zeros((*self._shape, 3))  # of events whose last step this is

    def add(
        self,
        depth: NDArray[Any],
        group: NDArray[np.integer[Any]] | None,
        weight: NDArray[np.float64] | None,
        square: NDArray[np.float64] | None = None,
    ) -> None:
        """Add events.

        Args:
            depth: of each event, as `depths` gives it.
            group: of each event; None if all are of the first. One beyond the last is for events that do not count.
            weight: of each event; None for 1.
            square: of the weight, for a caller that has many flows of the same events.
        """
        steps, groups = self._shape
        cells = steps * groups
        # Events of no group come behind all cells and are cut off.
        kind = np.dtype(np.uint8 if cells + steps <= 256 else np.intp)  # narrow arithmetic is fast arithmetic
        if group is not None:
            depth = depth + group.astype(kind) * kind.type(steps)
        key = depth.astype(np.intp)
        sums = [np.bincount(key, minlength=cells)[:cells]]
        if weight is None:
            sums *= 3
        else:
            square = weight * weight if square is None else square
            sums += [np.bincount(key, weights=values, minlength=cells)[:cells] for values in (weight, square)]
        for column, values in enumerate(sums):
            self._last[..., column] += values.reshape(groups, steps).T

    @property
    def passing(self) -> NDArray[np.float64]:
        """Sums over the events that reach each step: shape (1 + steps, groups, 3), the first before any cut."""
        return np.flip(np.cumsum(np.flip(self._last, axis=0), axis=0), axis=0)
