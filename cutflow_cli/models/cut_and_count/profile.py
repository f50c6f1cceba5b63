"""What a boundary anywhere on one observable would keep: sums of weights up to each of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.selection.cut import Region

Array = NDArray[Any]
#: Rows of all sums here: Σw and Σw² of the signal, Σw and Σw² of the background.
S, S2, B, B2 = range(4)


@dataclass(frozen=True, slots=True)
class Profile:
    """One observable of a sample, its values sorted and those that are equal taken together.

    A *position* k, from 0 to the number of distinct values, stands for a boundary below which the first k values lie.

    Attributes:
        values: distinct values of the column's type, rising, missing ones left out, shape (values,).
        sums: sums over the events of the first k values, shape (4, values + 1).
        rising: whether no weight is negative, so that no sum falls.
    """

    values: Array
    sums: NDArray[np.float64]
    rising: bool

    @property
    def total(self) -> NDArray[np.float64]:
        """Sums over all events that have a value, shape (4, 1)."""
        return self.sums[:, -1:]

    def kept(self, region: Region, first: Array, second: Array) -> NDArray[np.float64]:
        """Return the sums of what a region keeps.

        What is rejected is never subtracted from the whole to get what an outer part keeps, so that where no event is
        kept the sums are exactly zero.

        Args:
            region: below position `first`, above it, inside `first` to `second`, or outside.
            first: positions.
            second: positions of the same shape, read for two-sided regions alone.

        Returns:
            Shape (4, positions).
        """
        match region:
            case Region.BELOW:
                return self.sums[:, first]
            case Region.ABOVE:
                return self.total - self.sums[:, first]
            case Region.INSIDE:
                return self.sums[:, second] - self.sums[:, first]
            case Region.OUTSIDE:
                return self.sums[:, first] + (self.total - self.sums[:, second])
            case _:
                return np.broadcast_to(self.total, (4, len(first)))

    def below(self, position: int) -> float:
        """Return a boundary t with `x < t` for exactly the first `position` values, midway if the type has such."""
        low, high = self.values[position - 1], self.values[position]
        middle = _middle(low, high)
        return middle if middle > low else float(high)

    def above(self, position: int) -> float:
        """Return a boundary t with `x > t` for exactly the values from `position` on."""
        low, high = self.values[position - 1], self.values[position]
        middle = _middle(low, high)
        return middle if middle < high else float(low)


def _middle(low: np.floating[Any], high: np.floating[Any]) -> float:
    """Return the middle of two values as a number of their type."""
    if np.isneginf(low) and np.isposinf(high):
        return 0.0
    middle = float(low) / 2 + float(high) / 2
    if not low <= middle <= high:  # halves of subnormal numbers round away
        middle = float(low)
    return float(low.dtype.type(middle))


def make_profile(values: Array, weights: NDArray[np.float64], *, rising: bool) -> Profile:
    """Make the profile of one observable.

    Args:
        values: rising, none missing, shape (events,).
        weights: Σw and Σw² of each event in the same order, for signal and background, shape (4, events).
        rising: whether no weight is negative.
    """
    last = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=last[:-1])
    positions = np.flatnonzero(last)
    sums = np.zeros((4, len(positions) + 1))
    for row, weight in enumerate(weights):
        sums[row, 1:] = np.cumsum(weight)[positions]
    return Profile(values[positions], sums, rising)
