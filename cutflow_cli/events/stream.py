"""One split of an events file, read again and again, for samples that are too large to be held in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.events.batch import EventBatch, EventSample
from cutflow_cli.events.load import Sums, cells, select
from cutflow_cli.events.schema import Split
from cutflow_cli.events.splits import uniform
from cutflow_cli.events.table import ROW, EventsFile

#: Sets apart the choice of some events from all other choices by row number.
_CHOICE_STREAM = 0xC401CE


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Some events of a split, in file order.

    Attributes:
        rows: their rows in the file, shape (events,).
        x: features, shape (events, features); float32 unless a feature needs more.
        label: 1 signal, 0 background.
        weight: physical (signed) weights.
        process: positions in the file's list of processes.
        hypothesis: signal mass point, NaN for background; None where there is none.
    """

    rows: NDArray[np.int64]
    x: NDArray[Any]
    label: NDArray[np.int8]
    weight: NDArray[np.float64]
    process: NDArray[np.int32]
    hypothesis: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.label)


class SplitStream:
    """A split of an events file, from which passes are made.

    Args:
        events: the file, opened with the features in the order of the flow.
        split: which of its splits.
    """

    def __init__(self, events: EventsFile, split: Split) -> None:
        self._events, self._split = events, split
        self.features = events.features
        self.dtypes = {name: events.dtypes[name] for name in events.features}
        self.processes = events.processes
        self.path = events.path
        self._wide = any(dtype != "float32" for dtype in self.dtypes.values())
        self._look: Callable[[], None] = lambda: None

    def watched(self, look: Callable[[], None]) -> SplitStream:
        """Return the same split; `look` is called for every batch that is read, and ends a pass by what it raises."""
        other = copy.copy(self)
        other._look = look
        return other

    def whole_batches(self) -> Iterator[tuple[EventBatch, EventBatch]]:
        """Read the file from beginning to end; yield each batch, and what of it is in the split."""
        for batch in read_ahead(self._events.batches((*self.features, ROW))):
            self._look()
            yield batch, self.part(batch)

    def part(self, batch: EventBatch) -> EventBatch:
        """Return what of a batch of the file is in the split."""
        return select(batch, self._split)

    def batches(self) -> Iterator[StreamBatch]:
        """Read the split from beginning to end, a batch decoded while the one before it is used.

        Raises:
            InputError: if the file can't be read.
        """
        for _, batch in self.whole_batches():
            if len(batch):
                yield self.of(batch)

    def of(self, batch: EventBatch) -> StreamBatch:
        """Put the features of a batch side by side."""
        x = np.stack([batch.columns[name] for name in self.features], axis=1, dtype=self.width)
        return StreamBatch(batch.columns[ROW], x, batch.label, batch.weight, batch.process, batch.hypothesis)

    @property
    def width(self) -> type[np.floating[Any]]:
        """Type that holds all features."""
        return np.float64 if self._wide else np.float32

    def columns(self, batch: StreamBatch) -> dict[str, NDArray[Any]]:
        """Return the features of a batch by name, each in one piece of memory: cuts are several times faster so."""
        x = np.asfortranarray(batch.x)
        return {name: x[:, position] for position, name in enumerate(self.features)}


def training_events(events: EventsFile) -> int:
    """Return how many events train or validate, as far as the file says so without being read; else all."""
    if events.folds is not None:
        return events.rows
    sums = [process.splits.get(split) for process in events.metadata.processes for split in ("train", "validation")]
    return sum(one.events for one in sums if one is not None) or events.rows


@dataclass(frozen=True, slots=True)
class Scales:
    """By how much weights are scaled for yields: Σw(all splits)/Σw(this split), by process and mass point."""

    ratios: dict[tuple[int, float | None], float]

    @classmethod
    def of(cls, everything: Sums, here: Sums) -> Scales:
        """Compare sums; a split that can't stand for a process keeps its weights."""
        ratios = {cell: everything[cell] / total if total else 1.0 for cell, total in here.items()}
        return cls({cell: ratio if ratio > 0 else 1.0 for cell, ratio in ratios.items()})

    def apply(self, batch: StreamBatch) -> NDArray[np.float64]:
        """Return the expected events of a batch, as `EventSample.expected`."""
        scale = np.ones(len(batch))
        for cell, rows in cells(batch.process, batch.hypothesis):
            scale[rows] = self.ratios[cell]
        return np.asarray(batch.weight * scale)


class Choice:
    """A seeded choice of so many events of each class, made while they go by.

    Those are taken whose rows have the smallest hashes, so the choice does not depend on how the file is read.

    Args:
        stream: the split.
        size: events of each class; all of them where there are no more.
        seed: another seed, another choice.
    """

    def __init__(self, stream: SplitStream, size: int, seed: int) -> None:
        self._stream, self._size, self._seed = stream, size, seed
        self._limit = [np.inf, np.inf]
        self._kept: list[list[StreamBatch]] = [[], []]
        self._seen = [0, 0]

    def add(self, batch: StreamBatch) -> None:
        """Look at the next events."""
        key = uniform(batch.rows, self._seed + _CHOICE_STREAM)
        for label in (0, 1):
            of_class = batch.label == label
            self._seen[label] += int(np.count_nonzero(of_class))
            chosen = of_class & (key < self._limit[label])
            if chosen.any():
                self._kept[label].append(_taken(batch, chosen))
            if sum(map(len, self._kept[label])) > 2 * self._size:
                self._prune(label)

    def _prune(self, label: int) -> None:
        joined = _joined(self._kept[label])
        key = uniform(joined.rows, self._seed + _CHOICE_STREAM)
        if len(joined) > self._size:
            self._limit[label] = float(np.partition(key, self._size)[self._size])
            joined = _taken(joined, key < self._limit[label])
        self._kept[label] = [joined]

    def sample(self, scales: Scales) -> EventSample:
        """Return the chosen events in file order, weighted so that each class has the sum it would have.

        Args:
            scales: of the split.
        """
        parts, thinned = [], []
        for label in (0, 1):
            if self._kept[label]:
                self._prune(label)
                part = self._kept[label][0]
                parts.append(part)
                thinned.append(np.full(len(part), self._seen[label] / max(len(part), 1)))
        joined = _joined(parts)
        order = np.argsort(joined.rows, kind="stable")
        factor = np.concatenate(thinned)[order]
        joined = _taken(joined, order)
        return EventSample(
            features=self._stream.features,
            x=joined.x,
            dtypes=self._stream.dtypes,
            label=joined.label,
            weight=joined.weight * factor,
            expected=scales.apply(joined) * factor,
            process=joined.process,
            processes=self._stream.processes,
            hypothesis=joined.hypothesis,
        )


def _taken(batch: StreamBatch, rows: NDArray[Any]) -> StreamBatch:
    hypothesis = None if batch.hypothesis is None else batch.hypothesis[rows]
    return StreamBatch(
        batch.rows[rows], batch.x[rows], batch.label[rows], batch.weight[rows], batch.process[rows], hypothesis
    )


def _joined(parts: list[StreamBatch]) -> StreamBatch:
    hypothesis = None
    if parts[0].hypothesis is not None:
        hypothesis = np.concatenate([part.hypothesis for part in parts if part.hypothesis is not None])
    x, rows, label, weight, process = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "rows", "label", "weight", "process")
    )
    return StreamBatch(rows, x, label, weight, process, hypothesis)
