"""Events in memory: a batch as it is read or written, and a sample to train on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Consecutive events, column by column.

    Attributes:
        columns: features and spectators by name, each of shape (events,).
        label: 1 signal, 0 background.
        weight: expected events at the stated luminosity.
        process: positions in the file's list of processes.
        split: positions in `SPLITS`; the number after them for events of alternative samples, which belong to none.
        hypothesis: signal mass point, NaN for background; None where the file has none.
        variations: expected events under systematic variations, by name; only when a file is written.
    """

    columns: dict[str, NDArray[Any]]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    process: NDArray[np.int32]
    split: NDArray[np.int8]
    hypothesis: NDArray[np.float64] | None = None
    variations: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)

    def part(self, start: int, stop: int) -> EventBatch:
        """Return the events of a range, without copying them."""
        return self._chosen(slice(start, stop), self.columns)

    def take(self, rows: NDArray[Any], columns: Iterable[str] | None = None) -> EventBatch:
        """Return some of the events.

        Args:
            rows: a mask of shape (events,), or positions.
            columns: which columns to keep; None for all.
        """
        return self._chosen(rows, self.columns if columns is None else columns)

    def _chosen(self, rows: NDArray[Any] | slice, columns: Iterable[str]) -> EventBatch:
        return EventBatch(
            {name: self.columns[name][rows] for name in columns},
            self.label[rows],
            self.weight[rows],
            self.process[rows],
            self.split[rows],
            None if self.hypothesis is None else self.hypothesis[rows],
            {name: values[rows] for name, values in self.variations.items()},
        )


@dataclass(frozen=True, slots=True)
class EventSample:
    """Events held in memory to train on.

    Attributes:
        features: names, in the order of the flow.
        x: their values, shape (events, features); float32 unless a feature needs more.
        dtypes: type of each feature's column on disk.
        label: 1 signal, 0 background, shape (events,).
        weight: physical (signed) weights, shape (events,); a loss takes them through `models.weights`.
        expected: the same, scaled per process and mass point by Σw(all splits)/Σw(this split), shape (events,): summed
            over events they are yields at the stated luminosity, whichever part of the file this is.
        process: positions in `processes`, shape (events,).
        processes: names of the processes.
        hypothesis: signal mass point, NaN for background; None where there is none.
        spectators: other columns that were asked for, each of shape (events,).
    """

    features: tuple[str, ...]
    x: NDArray[Any]
    dtypes: dict[str, str]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    expected: NDArray[np.float64]
    process: NDArray[np.int32]
    processes: tuple[str, ...]
    hypothesis: NDArray[np.float64] | None = None
    spectators: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[Any]) -> EventSample:
        """Return some of the events.

        Args:
            rows: a mask of shape (events,), or positions. Scales stay those of the whole sample.
        """
        return replace(
            self,
            x=self.x[rows],
            label=self.label[rows],
            weight=self.weight[rows],
            expected=self.expected[rows],
            process=self.process[rows],
            hypothesis=None if self.hypothesis is None else self.hypothesis[rows],
            spectators={name: values[rows] for name, values in self.spectators.items()},
        )

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The features by name, and the spectators, each of shape (events,)."""
        features = {name: self.x[:, position] for position, name in enumerate(self.features)}
        return {**self.spectators, **features}
