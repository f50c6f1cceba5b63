"""The events of a file as they are under a systematic variation, laid out so that one tally counts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Arrays
from cutflow_cli.evaluation.tally import Listener
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.ranges import RowRange
from cutflow_cli.events.schema import SPLITS, WEIGHT, Split, VariationInfo
from cutflow_cli.events.table import EventsFile


@dataclass(frozen=True, slots=True)
class VariedEvents:
    """Events under a variation, and how they differ from those without.

    There are twice as many processes: process p holds its events with their weights w' under the variation, process
    p + (number of processes) those of them whose weight it changes, with w' − w. An alternative sample belongs to no
    split; its events are put into one, for the tally knows no others.

    Attributes:
        events: the file.
        variation: one of its variations.
        home: the split that events of alternative samples are put into.
        hypotheses: the mass points of the file without variations, sorted; other values are taken for none.
    """

    events: EventsFile
    variation: VariationInfo
    home: Split
    hypotheses: tuple[float, ...] = ()

    @property
    def path(self) -> Path:
        """The file, for messages."""
        return self.events.path

    @property
    def rows(self) -> int:
        """Number of events that are read, about."""
        return self.events.rows

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes, then of what changes of each."""
        names = self.events.processes
        return (*names, *(f"change of {name}" for name in names))

    def ranges(self) -> tuple[RowRange, ...]:
        """Return the parts that can be read apart from each other."""
        return self.events.ranges()

    def batches(self, columns: Sequence[str], rows: int, *, part: RowRange) -> Iterator[EventBatch]:
        """Read the events of a part, and after each batch of them how they differ."""
        for read in self.events.batches((*columns, WEIGHT), rows, variation=self.variation.name, part=part):
            nominal = read.columns[WEIGHT].astype(np.float64, copy=False)
            alternative = read.split == len(SPLITS)
            under = replace(
                read,
                columns={name: read.columns[name] for name in columns},
                split=np.where(alternative, SPLITS.index(self.home), read.split).astype(np.int8),
                hypothesis=self._known(read.hypothesis),
            )
            yield under
            change = read.weight - nominal
            changed = np.flatnonzero(~alternative & (change != 0))
            if len(changed):
                yield self._change(under, changed, change[changed])

    def _known(self, hypothesis: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if hypothesis is None:
            return None
        return np.where(np.isin(hypothesis, self.hypotheses), hypothesis, np.nan)

    def _change(self, batch: EventBatch, rows: NDArray[np.intp], change: NDArray[np.float64]) -> EventBatch:
        return EventBatch(
            {name: values[rows] for name, values in batch.columns.items()},
            batch.label[rows],
            change,
            (batch.process[rows] + len(self.events.processes)).astype(np.int32),
            batch.split[rows],
            None if batch.hypothesis is None else batch.hypothesis[rows],
        )


class Unchanged:
    """Gives the events under a variation to a listener, without the differences; itself a `Listener`.

    Args:
        listener: is given the events.
        processes: number of processes of the file.
    """

    def __init__(self, listener: Listener, processes: int) -> None:
        self._listener, self._processes = listener, processes

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return self._listener.columns

    def add(self, batch: EventBatch) -> None:
        """Take a batch, of events or of differences."""
        if len(batch) and batch.process[0] < self._processes:
            self._listener.add(batch)

    def empty(self) -> Unchanged:
        """Return another one that has seen no events."""
        return Unchanged(self._listener.empty(), self._processes)

    def sums(self) -> Arrays:
        """Return the listener's."""
        return self._listener.sums()

    def join(self, later: Arrays) -> None:
        """Give the sums of later events to the listener."""
        self._listener.join(later)
