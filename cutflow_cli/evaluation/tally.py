"""Events streamed through many selections in one pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.additive import Arrays
from cutflow_cli.evaluation.cut_sums import AT_ONCE, Summing
from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.ranges import RowRange
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SPLITS
from cutflow_cli.executor import HERE, Executor, Told
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: More mass points than any grid has: such a column holds a continuous variable.
MAX_HYPOTHESES = 1000

#: Masks that are held at a time; a flow with more cuts than these needs all of its own.
_MASKS = 256

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
class _Path:
    """The cuts of a selection, and the stages that are counted for it: those that no earlier one has.

    Attributes:
        cuts: in order.
        counted: number of cuts applied, and position in the sums.
    """

    cuts: Prefix
    counted: tuple[tuple[int, int], ...]


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
    paths: tuple[_Path, ...]
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
    paths, prefixes = _lay(flows)
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
    counter = _Counter(once.paths, len(events.processes), str(events.path), summing)
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
        _refuse_too_many(together, self._where)
        sums = np.zeros((len(self.sums), 1 + len(together), *self.sums.shape[2:]))
        sums[:, [0, *(1 + together.index(point) for point in known)]] = self.sums
        self.hypotheses, self.sums = together, sums


def _refuse_too_many(points: Collection[float], where: str) -> None:
    if len(points) > MAX_HYPOTHESES:
        msg = (
            f"{where}: column 'hypothesis' holds more than {MAX_HYPOTHESES} different values; "
            "it must hold the mass points of the signal, not a variable of the event"
        )
        raise InputError(msg)


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


def _group(paths: Sequence[_Path]) -> list[tuple[dict[Cut, int], list[int]]]:
    """Group paths one after the other, such that each group has few cuts: these, numbered, and the paths' positions."""
    groups: list[tuple[dict[Cut, int], list[int]]] = []
    for position, path in enumerate(paths):
        if not groups or len({*groups[-1][0], *path.cuts}) > _MASKS:
            groups.append(({}, []))
        cuts, members = groups[-1]
        for cut in path.cuts:
            cuts.setdefault(cut, len(cuts))
        members.append(position)
    return groups


class _Counter:
    """Sums by depth, hypothesis, process and split, added up batch by batch."""

    def __init__(self, paths: Sequence[_Path], processes: int, where: str, summing: Summing) -> None:
        self.codes: dict[float, int] = {}
        self.not_finite: dict[str, tuple[int, int]] = {}
        self._where, self._summing, self._paths = where, summing, paths
        self._groups = _group(paths)
        self._which = [
            np.array([cuts[cut] for cut in paths[position].cuts], dtype=np.intp)
            for cuts, members in self._groups
            for position in members
        ]
        self._masks = np.empty((max((len(cuts) for cuts, _ in self._groups), default=0), AT_ONCE), dtype=np.uint8)
        self._points = np.array([np.inf])  # mass points, sorted; behind them one that no event has
        # Of each path, and of no cuts at all: by hypothesis, process, split and depth.
        self._found = [np.zeros((1, processes, len(SPLITS), len(path.cuts) + 1, 3)) for path in paths]
        self._before = np.zeros((1, processes, len(SPLITS), 1, 3))

    def add(self, batch: EventBatch) -> None:
        """Count events, `AT_ONCE` at most."""
        for name, values in batch.columns.items():
            self._count_not_finite(name, values)
        cell = batch.process.astype(np.uint32) * np.uint32(len(SPLITS)) + batch.split.astype(np.uint32)
        if batch.hypothesis is not None:
            codes = self._codes(batch.hypothesis)
            cell += codes * np.uint32(np.prod(self._before.shape[1:3]))
        weight = batch.weight.copy()  # what was read can't be written to, for which more would have to be compiled
        self._sum(np.empty(0, dtype=np.intp), cell, weight, self._before)
        for cuts, members in self._groups:
            for cut, row in cuts.items():
                self._masks[row, : len(batch)] = cut.keeps(batch.columns)
            for position in members:
                self._sum(self._which[position], cell, weight, self._found[position])

    def _sum(
        self, which: NDArray[np.intp], cell: NDArray[np.uint32], weight: NDArray[np.float64], total: NDArray[np.float64]
    ) -> None:
        sums = np.zeros((total.size // (3 * total.shape[-2]), *total.shape[-2:]))
        self._summing.by_depth(self._masks, which, cell, weight, sums)
        total += sums.reshape(total.shape)

    def sums(self, stages: int) -> NDArray[np.float64]:
        """Return the sums of each stage, mass points in increasing order."""
        order = [0, *(self.codes[value] for value in sorted(self.codes))]
        sums = np.zeros((stages, *self._before.shape[:3], 3))
        sums[0] = self._before[order][..., 0, :]
        for path, found in zip(self._paths, self._found, strict=True):
            reached = found[order][..., ::-1, :].cumsum(axis=-2)[..., ::-1, :]
            for length, position in path.counted:
                sums[position] = reached[..., length, :]
        return sums

    def _count_not_finite(self, name: str, values: NDArray[Any]) -> None:
        strange = int(np.count_nonzero(~np.isfinite(values)))
        if strange:
            missing, infinite = self.not_finite.get(name, (0, 0))
            absent = int(np.count_nonzero(np.isnan(values)))
            self.not_finite[name] = (missing + absent, infinite + strange - absent)

    def _codes(self, hypothesis: NDArray[np.float64]) -> NDArray[np.uint32]:
        """Number the mass points as they appear; 0 for events without."""
        known = np.flatnonzero(np.isfinite(hypothesis))
        values = hypothesis[known]
        place = np.searchsorted(self._points, values)
        new = np.unique(values[self._points[place] != values])
        if len(new):
            self._learn(new.tolist())
            place = np.searchsorted(self._points, values)
        codes = np.zeros(len(hypothesis), dtype=np.uint32)
        codes[known] = np.array([*map(self.codes.get, self._points[:-1].tolist()), 0], dtype=np.uint32)[place]
        return codes

    def _learn(self, points: list[float]) -> None:
        """Make room for further mass points."""
        for point in points:
            self.codes[point] = len(self.codes) + 1
        _refuse_too_many(self.codes, self._where)
        self._points = np.array([*sorted(self.codes), np.inf])
        grow = ((0, len(points)), *((0, 0),) * 4)
        self._before = np.pad(self._before, grow)
        self._found = [np.pad(found, grow) for found in self._found]
