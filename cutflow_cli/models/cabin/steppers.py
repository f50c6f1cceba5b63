"""What the steppers of CABIN share, whatever sums over their events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.models.cabin.prepare import Prepared


class _Shaped(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> tuple[int, ...]: ...


V = TypeVar("V", bound=_Shaped)


def signal_first(data: Prepared) -> tuple[NDArray[np.int64], int]:
    """Return the positions of all events, signal before background, and how many are signal."""
    order = np.concatenate([np.flatnonzero(data.signal), np.flatnonzero(~data.signal)])
    return order, int(data.signal.sum())


def by_term(rows: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Turn the loss terms of each replica into an array of replicas for each term."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def stored_beside(own: Mapping[str, V], state: Arrays) -> Iterator[tuple[V, NDArray[np.float64]]]:
    """Yield what a stepper holds beside what a checkpoint has for it.

    Raises:
        ValueError: if their shapes differ.
    """
    for name, values in own.items():
        if state[name].shape != tuple(values.shape):
            msg = f"{name} has another shape"
            raise ValueError(msg)
        yield values, state[name]
