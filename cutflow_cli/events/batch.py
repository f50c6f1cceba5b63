"""Events in memory: a batch as it is read or written, and a sample to train on."""

from __future__ import annotations

from dataclasses import dataclass
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
        split: positions in `SPLITS`.
        hypothesis: signal mass point, NaN for background; None where the file has none.
    """

    columns: dict[str, NDArray[Any]]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    process: NDArray[np.int32]
    split: NDArray[np.int8]
    hypothesis: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True)
class EventSample:
    """Events held in memory to train on.

    Attributes:
        features: names, in the order of the flow.
        x: their values, shape (events, features); float32 unless a feature needs more.
        dtypes: type of each feature's column on disk.
        label: 1 signal, 0 background, shape (events,).
        weight: physical (signed) weights, shape (events,).
        process: positions in `processes`, shape (events,).
        processes: names of the processes.
        hypothesis: signal mass point, NaN for background; None where there is none.
    """

    features: tuple[str, ...]
    x: NDArray[Any]
    dtypes: dict[str, str]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    process: NDArray[np.int32]
    processes: tuple[str, ...]
    hypothesis: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The features by name, each of shape (events,)."""
        return {name: self.x[:, position] for position, name in enumerate(self.features)}
