"""Events streamed through many selections in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SPLITS
from cutflow_cli.events.table import EventsFile
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: More mass points than any grid has: such a column holds a continuous variable.
MAX_HYPOTHESES = 1000

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


class Listener(Protocol):
    """What else is made of the events of the same pass."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""


@dataclass(slots=True)
class _Stage:
    """A stage of one or more selections and those that follow it: selections share what they have in common."""

    position: int
    children: dict[Cut, _Stage] = field(default_factory=dict)


def tally(
    events: EventsFile,
    flows: Iterable[CutFlow],
    rows: int = ROW_GROUP_EVENTS,
    progress: Callable[[float, str], None] | None = None,
    listeners: Sequence[Listener] = (),
) -> Tally:
    """Apply all flows to all events in one pass over the file.

    Each different stage is evaluated once per batch, only on the events that reached it; a cut that several stages
    share is evaluated once for all.

    Args:
        events: opened with the features that the flows cut on.
        flows: with boundaries rounded to the columns' types.
        rows: events per batch at most; the result does not depend on it beyond rounding.
        progress: called with the share done and a few words.
        listeners: given each batch too.

    Raises:
        InputError: if the events lack a feature or the file is damaged.
    """
    root, prefixes = _plant(flows)
    observables = [cut.observable for prefix in prefixes for cut in prefix]
    columns = tuple(dict.fromkeys((*observables, *(name for one in listeners for name in one.columns))))
    shared = {cut for cut, uses in Counter(prefix[-1] for prefix in prefixes if prefix).items() if uses > 1}
    counter = _Counter(len(prefixes), len(events.processes), str(events.path), shared)
    done = 0
    for batch in events.batches(columns, rows):
        counter.add(batch, root)
        for listener in listeners:
            listener.add(batch)
        done += len(batch)
        if progress is not None:
            progress(done / max(events.rows, 1), f"{done} of {events.rows} events")
    order = sorted(counter.codes)
    sums = counter.sums[:, [0, *(counter.codes[value] for value in order)]]
    return Tally(prefixes, tuple(order), sums, counter.not_finite)


def _plant(flows: Iterable[CutFlow]) -> tuple[_Stage, dict[Prefix, int]]:
    """Arrange the stages of all flows as a tree, in which flows that begin alike share a trunk."""
    root = _Stage(0)
    prefixes: dict[Prefix, int] = {(): 0}
    for flow in flows:
        stage = root
        for length, cut in enumerate(flow.cuts, start=1):
            if cut not in stage.children:
                stage.children[cut] = _Stage(len(prefixes))
                prefixes[flow.cuts[:length]] = len(prefixes)
            stage = stage.children[cut]
    return root, prefixes


class _Counter:
    """Sums by stage, hypothesis, process and split, added up batch by batch."""

    def __init__(self, stages: int, processes: int, where: str, shared: set[Cut]) -> None:
        self.codes: dict[float, int] = {}
        self.not_finite: dict[str, tuple[int, int]] = {}
        self.sums = np.zeros((stages, 1, processes, len(SPLITS), 3))
        self._where = where
        self._shared = shared  # the masks of others are made where they are needed, lest thousands are held

    def add(self, batch: EventBatch, root: _Stage) -> None:
        processes = self.sums.shape[2]
        cell = batch.process.astype(np.int64) * len(SPLITS) + batch.split
        if batch.hypothesis is not None:
            cell += self._codes(batch.hypothesis) * processes * len(SPLITS)
        for name, values in batch.columns.items():
            self._count_not_finite(name, values)
        masks: dict[Cut, NDArray[np.bool_]] = {}

        def visit(stage: _Stage, passing: NDArray[np.intp]) -> None:
            self._count(stage.position, cell[passing], batch.weight[passing])
            for cut, child in stage.children.items():
                values = batch.columns[cut.observable]
                if cut not in self._shared:
                    visit(child, passing[cut.passes(values[passing])])
                    continue
                if cut not in masks:
                    masks[cut] = cut.passes(values)
                visit(child, passing[masks[cut][passing]])

        visit(root, np.arange(len(batch)))

    def _count(self, position: int, cell: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        into = self.sums[position]
        cells = into[..., 0].size
        for column, values in enumerate((None, weight, weight**2)):
            into[..., column] += np.bincount(cell, weights=values, minlength=cells).reshape(into.shape[:-1])

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
