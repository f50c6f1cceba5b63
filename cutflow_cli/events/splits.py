"""Which events train, which choose thresholds, which give the numbers that are quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError
from cutflow_cli.events.schema import SPLITS


@dataclass(frozen=True, slots=True)
class SplitFractions:
    """Shares of train, validation and test; they sum to one.

    Raises:
        UsageError: if they do not, or if train or test would be empty.
    """

    train: float = 0.6
    validation: float = 0.2
    test: float = 0.2

    def __post_init__(self) -> None:
        values = self.as_tuple()
        if not (min(values) >= 0 and abs(sum(values) - 1) <= 1e-9 and self.train > 0 and self.test > 0):
            shown = "/".join(f"{value:g}" for value in values)
            msg = f"split fractions {shown}: train, validation and test must sum to 1, train and test above 0"
            raise UsageError(msg)

    def as_tuple(self) -> tuple[float, float, float]:
        """Return the shares in the order of `SPLITS`."""
        return self.train, self.validation, self.test

    @classmethod
    def parse(cls, text: str) -> SplitFractions:
        """Read `0.6,0.2,0.2` (or with slashes)."""
        parts = text.replace("/", ",").split(",")
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) != len(SPLITS):
            msg = f"split fractions {text!r}: give three numbers, train,validation,test, such as 0.6,0.2,0.2"
            raise UsageError(msg)
        return cls(*numbers)


#: The golden ratio in 64 bits, SplitMix64's increment.
_ODD = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (the finaliser of SplitMix64, Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_values(columns: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Scramble what tells an event, such as run, luminosity block and event number, into one number.

    Args:
        columns: whole numbers, each of shape (events,).
    """
    key = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        with np.errstate(over="ignore"):
            key = _mix(key + column.astype(np.int64).view(np.uint64) * _ODD + _ODD)
    return key


def hashed_splits(first_row: int, rows: int, fractions: SplitFractions, seed: int) -> NDArray[np.int8]:
    """Assign rows to splits by a hash of row number and seed, the same however the file is read.

    Args:
        first_row: number of the first row in the whole file.
        rows: how many rows follow from there.
        fractions: shares of the splits.
        seed: another seed, another assignment.

    Returns:
        Positions in `SPLITS`, shape (rows,).
    """
    return splits_of(np.arange(first_row, first_row + rows, dtype=np.uint64), fractions, seed)


def splits_of(numbers: NDArray[Any], fractions: SplitFractions, seed: int) -> NDArray[np.int8]:
    """Assign events to splits by a hash of a number of each and the seed.

    Args:
        numbers: rows in the whole file, or what `hash_values` gave; shape (events,).
        fractions: shares of the splits.
        seed: another seed, another assignment.

    Returns:
        Positions in `SPLITS`, shape (events,).
    """
    edges = np.cumsum(fractions.as_tuple())[:-1]
    return np.searchsorted(edges, uniform(numbers, seed), side="right").astype(np.int8)


def uniform(numbers: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Scramble numbers into [0, 1), the same on every machine.

    Args:
        numbers: whole numbers, shape (events,).
        seed: another seed, other values.
    """
    with np.errstate(over="ignore"):
        key = _mix(np.array([seed % 2**64], dtype=np.uint64) + _ODD)
        return np.asarray(_mix(numbers.astype(np.uint64) * _ODD + key).astype(np.float64) / 2.0**64)
