"""Events streamed through many selections in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Arrays
from cutflow_cli.evaluation.cut_sums import AT_ONCE, Summing
from cutflow_cli.evaluation.depth_counter import CountedPath, DepthCounter, Prefix, lay, refuse_too_many_hypotheses
from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.ranges import RowRange
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SPLITS
from cutflow_cli.executor import HERE, Executor, Told
from cutflow_cli.selection.cutflow import CutFlow


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

    def ranges(self) -> tuple[RowRange, ...]:
        """Return the parts that can be read apart from each other, in their order."""

    def batches(self, columns: Sequence[str], rows: int, *, part: RowRange) -> Iterator[EventBatch]:
        """Read the events of a part from beginning to end, so many at a time at most."""


class Listener(Protocol):
    """What else is made of the events of the same pass, in sums that can be added up."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""

    def empty(self) -> Listener:
        """Return another one that has seen no events."""

    def sums(self) -> Arrays:
        """Return what it knows of its events."""

    def join(self, later: Arrays) -> None:
        """Take the events that another one has seen, which come after its own."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """What is counted in one pass over the events.

    Attributes:
        events: the events.
        paths: the selections.
        stages: how many there are, in all selections.
        columns: to be read.
        rows: events per batch at most.
        listeners: given each batch too; those of a part are made after these.
    """

    events: EventSource
    paths: tuple[CountedPath, ...]
    stages: int
    columns: tuple[str, ...]
    rows: int
    listeners: tuple[Listener, ...]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted in a part of the events; see `Tally`."""

    hypotheses: tuple[float, ...]
    sums: NDArray[np.float64]
    not_finite: dict[str, tuple[int, int]]
    heard: tuple[Arrays, ...]


def tally(
    events: EventSource,
    flows: Iterable[CutFlow],
    rows: int = ROW_GROUP_EVENTS,
    progress: Callable[[float, str], None] | None = None,
    listeners: Sequence[Listener] = (),
    executor: Executor = HERE,
) -> Tally:
    """Apply all flows to all events in one pass over the file.

    For each event it is found how many of a flow's cuts it passes one after the other; the events of each such depth
    are summed, and a stage is what is as deep or deeper. Cuts that flows share are evaluated once for many of them, and
    a batch is decoded while the one before it is counted. Events are added up in their order, some `AT_ONCE` of a batch
    at a time, these sums in theirs, and those of the file's ranges (`EventSource.ranges`) in theirs: who counts the
    ranges makes no difference at all, batches or ranges of another size move the last digits of sums of weights.

    Args:
        events: opened with the features that the flows cut on.
        flows: with boundaries rounded to the columns' types.
        rows: events per batch at most; the result does not depend on it beyond rounding.
        progress: called with the share done and a few words.
        listeners: given each batch too.
        executor: counts the ranges.

    Raises:
        InputError: if the events lack a feature or the file is damaged.
    """
    paths, prefixes = lay(flows)
    observables = [name for prefix in prefixes for cut in prefix for name in cut.columns]
    columns = tuple(dict.fromkeys((*observables, *(name for one in listeners for name in one.columns))))
    once = _Pass(events, tuple(paths), len(prefixes), columns, rows, tuple(listeners))
    done = 0

    def told(further: int) -> None:
        nonlocal done
        done += further
        if progress is not None:
            progress(done / max(events.rows, 1), f"{done} of {events.rows} events")

    parts = events.ranges()
    joined = _Joined(len(prefixes), len(events.processes), str(events.path))
    for counted in executor.map(_count, once, parts, [part.rows for part in parts], told):
        joined.add(counted)
        for listener, heard in zip(listeners, counted.heard, strict=True):
            listener.join(heard)
    return Tally(prefixes, tuple(joined.hypotheses), joined.sums, joined.not_finite)


def _count(once: _Pass, part: RowRange, told: Told) -> _Counted:
    """Count the events of a part."""
    events, listeners = once.events, [listener.empty() for listener in once.listeners]
    summing = Summing.of(events.rows, len(once.paths))
    counter = DepthCounter(once.paths, len(events.processes), str(events.path), summing)
    for batch in read_ahead(events.batches(once.columns, once.rows, part=part)):
        for start in range(0, len(batch), AT_ONCE):
            counter.add(batch.part(start, start + AT_ONCE))
        for listener in listeners:
            listener.add(batch)
        told(len(batch))
    heard = tuple(listener.sums() for listener in listeners)
    return _Counted(tuple(sorted(counter.codes)), counter.sums(once.stages), counter.not_finite, heard)


class _Joined:
    """The sums of parts, added up in their order."""

    def __init__(self, stages: int, processes: int, where: str) -> None:
        self.hypotheses: list[float] = []
        self.sums = np.zeros((stages, 1, processes, len(SPLITS), 3))
        self.not_finite: dict[str, tuple[int, int]] = {}
        self._where = where

    def add(self, counted: _Counted) -> None:
        """Take a part."""
        self._make_room(counted.hypotheses)
        columns = [0, *(1 + self.hypotheses.index(point) for point in counted.hypotheses)]
        self.sums[:, columns] += counted.sums
        for name, (missing, infinite) in counted.not_finite.items():
            before = self.not_finite.get(name, (0, 0))
            self.not_finite[name] = (before[0] + missing, before[1] + infinite)

    def _make_room(self, points: Sequence[float]) -> None:
        """Make room for further mass points, which stay sorted."""
        known = self.hypotheses
        together = sorted({*known, *points})
        if together == known:
            return
        refuse_too_many_hypotheses(together, self._where)
        sums = np.zeros((len(self.sums), 1 + len(together), *self.sums.shape[2:]))
        sums[:, [0, *(1 + together.index(point) for point in known)]] = self.sums
        self.hypotheses, self.sums = together, sums
