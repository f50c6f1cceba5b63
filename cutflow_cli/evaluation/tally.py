"""Events streamed through many selections in one pass."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SPLITS
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: More mass points than any grid has: such a column holds a continuous variable.
MAX_HYPOTHESES = 1000

#: Failed events are dropped where fewer than one in so many passes: to drop them costs as much as some cuts.
_FEW = 4

Prefix = tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What passed each stage of each selection.

    Attributes:
        prefixes: for each stage (the cuts applied so far, in order) its position in `sums`; `()` is before any cut.
        hypotheses: signal mass points in increasing order; position h + 1 in `sums`, where 0 is for events without.
        sums: number of events, Σw and Σw², shape (stages, 1 + hypotheses, processes, splits, 3); not scaled.
        not_finite: number of missing (NaN) and of infinite values of each observable that has some, in all splits.
    """

    prefixes: dict[Prefix, int]
    hypotheses: tuple[float, ...]
    sums: NDArray[np.float64]
    not_finite: dict[str, tuple[int, int]] = field(default_factory=dict)


class EventSource(Protocol):
    """Events to count: a file (`EventsFile`), or what is made of one."""

    @property
    def path(self) -> Path:
        """The file, for messages."""

    @property
    def rows(self) -> int:
        """Number of events."""

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes, in the order that batches count them in."""

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[EventBatch]:
        """Read the events from beginning to end, so many at a time at most."""


class Listener(Protocol):
    """What else is made of the events of the same pass."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""


@dataclass(frozen=True, slots=True)
class _Path:
    """The cuts of a selection, and the stages that are counted for it: those that no earlier one has.

    Attributes:
        cuts: in order.
        counted: number of cuts applied, and position in the sums.
    """

    cuts: Prefix
    counted: tuple[tuple[int, int], ...]


def tally(
    events: EventSource,
    flows: Iterable[CutFlow],
    rows: int = ROW_GROUP_EVENTS,
    progress: Callable[[float, str], None] | None = None,
    listeners: Sequence[Listener] = (),
) -> Tally:
    """Apply all flows to all events in one pass over the file.

    For each event it is found how many of a flow's cuts it passes one after the other; the events of each such depth
    are summed, and a stage is what is as deep or deeper. A cut that several flows share is evaluated once for all, and
    events that failed are dropped where few are left.

    Args:
        events: opened with the features that the flows cut on.
        flows: with boundaries rounded to the columns' types.
        rows: events per batch at most; the result does not depend on it beyond rounding.
        progress: called with the share done and a few words.
        listeners: given each batch too.

    Raises:
        InputError: if the events lack a feature or the file is damaged.
    """
    paths, prefixes = _lay(flows)
    observables = [cut.observable for prefix in prefixes for cut in prefix]
    columns = tuple(dict.fromkeys((*observables, *(name for one in listeners for name in one.columns))))
    shared = {cut for cut, uses in Counter(cut for path in paths for cut in path.cuts).items() if uses > 1}
    counter = _Counter(len(prefixes), len(events.processes), str(events.path), shared)
    done = 0
    for batch in events.batches(columns, rows):
        counter.add(batch, paths)
        for listener in listeners:
            listener.add(batch)
        done += len(batch)
        if progress is not None:
            progress(done / max(events.rows, 1), f"{done} of {events.rows} events")
    order = sorted(counter.codes)
    sums = counter.sums[:, [0, *(counter.codes[value] for value in order)]]
    return Tally(prefixes, tuple(order), sums, counter.not_finite)


def _lay(flows: Iterable[CutFlow]) -> tuple[list[_Path], dict[Prefix, int]]:
    """Number the stages of all flows; those that begin alike share what they have in common."""
    prefixes: dict[Prefix, int] = {(): 0}
    paths: list[_Path] = []
    for flow in flows:
        known = len(prefixes)
        positions = [prefixes.setdefault(flow.cuts[:n], len(prefixes)) for n in range(1, len(flow.cuts) + 1)]
        counted = tuple((n, position) for n, position in enumerate(positions, start=1) if position >= known)
        if counted:
            paths.append(_Path(flow.cuts, counted))
    return paths, prefixes


@dataclass(frozen=True, slots=True)
class _Events:
    """What is counted of events: their cell, weight and its square."""

    cell: NDArray[np.int64]
    weight: NDArray[np.float64]
    square: NDArray[np.float64]

    def chosen(self, rows: NDArray[Any]) -> _Events:
        return _Events(self.cell[rows], self.weight[rows], self.square[rows])


class _Counter:
    """Sums by stage, hypothesis, process and split, added up batch by batch."""

    def __init__(self, stages: int, processes: int, where: str, shared: set[Cut]) -> None:
        self.codes: dict[float, int] = {}
        self.not_finite: dict[str, tuple[int, int]] = {}
        self.sums = np.zeros((stages, 1, processes, len(SPLITS), 3))
        self._where = where
        self._shared = shared  # the masks of others are made where they are needed, lest thousands are held

    def add(self, batch: EventBatch, paths: Sequence[_Path]) -> None:
        processes = self.sums.shape[2]
        cell = batch.process.astype(np.int64) * len(SPLITS) + batch.split
        if batch.hypothesis is not None:
            cell += self._codes(batch.hypothesis) * processes * len(SPLITS)
        for name, values in batch.columns.items():
            self._count_not_finite(name, values)
        events = _Events(cell, batch.weight, batch.weight**2)
        self.sums[0] += self._by_cell(events, 1)[..., 0, :]
        masks: dict[Cut, NDArray[np.bool_]] = {}
        for path in paths:
            self._follow(path, batch, events, masks)

    def _follow(self, path: _Path, batch: EventBatch, events: _Events, masks: dict[Cut, NDArray[np.bool_]]) -> None:
        """Count the events of each depth of a path."""
        depth = np.zeros(len(batch), dtype=np.int64)
        alive = np.ones(len(batch), dtype=np.bool_)
        rows: NDArray[np.intp] | None = None
        levels = len(path.cuts) + 1
        found = np.zeros((*self.sums.shape[1:-1], levels, 3))
        for cut in path.cuts:
            alive &= self._passes(cut, batch, rows, masks)
            depth += alive
            if np.count_nonzero(alive) * _FEW < len(alive):
                lost = np.flatnonzero(~alive & (depth > 0))
                found += self._by_cell(events.chosen(lost), levels, depth[lost])
                kept = np.flatnonzero(alive)
                rows = kept if rows is None else rows[kept]
                events, depth, alive = events.chosen(kept), depth[kept], alive[kept]
        found += self._by_cell(events, levels, depth)
        reached = found[..., ::-1, :].cumsum(axis=-2)[..., ::-1, :]
        for length, position in path.counted:
            self.sums[position] += reached[..., length, :]

    def _passes(
        self, cut: Cut, batch: EventBatch, rows: NDArray[np.intp] | None, masks: dict[Cut, NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        values = batch.columns[cut.observable]
        if cut not in self._shared:
            return cut.passes(values if rows is None else values[rows])
        if cut not in masks:
            masks[cut] = cut.passes(values)
        return masks[cut] if rows is None else masks[cut][rows]

    def _by_cell(self, events: _Events, levels: int, depth: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Sum events by hypothesis, process, split and depth; number, Σw and Σw² last."""
        shape = (*self.sums.shape[1:-1], levels)
        place = events.cell if depth is None else events.cell * levels + depth
        cells = math.prod(shape)
        sums = [
            np.bincount(place, weights=values, minlength=cells).reshape(shape)
            for values in (None, events.weight, events.square)
        ]
        return np.stack(sums, axis=-1).astype(np.float64, copy=False)

    def _count_not_finite(self, name: str, values: NDArray[Any]) -> None:
        strange = int(np.count_nonzero(~np.isfinite(values)))
        if strange:
            missing, infinite = self.not_finite.get(name, (0, 0))
            absent = int(np.count_nonzero(np.isnan(values)))
            self.not_finite[name] = (missing + absent, infinite + strange - absent)

    def _codes(self, hypothesis: NDArray[np.float64]) -> NDArray[np.int64]:
        """Number the mass points as they appear; 0 for events without."""
        known = np.isfinite(hypothesis)
        values, inverse = np.unique(hypothesis[known], return_inverse=True)
        for value in values.tolist():
            self.codes.setdefault(value, len(self.codes) + 1)
        if len(self.codes) > MAX_HYPOTHESES:
            msg = (
                f"{self._where}: column 'hypothesis' holds more than {MAX_HYPOTHESES} different values; "
                "it must hold the mass points of the signal, not a variable of the event"
            )
            raise InputError(msg)
        grow = len(self.codes) + 1 - self.sums.shape[1]
        if grow:
            self.sums = np.pad(self.sums, ((0, 0), (0, grow), (0, 0), (0, 0), (0, 0)))
        codes = np.zeros(len(hypothesis), dtype=np.int64)
        codes[known] = np.array([self.codes[value] for value in values.tolist()], dtype=np.int64)[inverse]
        return codes
