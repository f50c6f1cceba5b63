"""The events of a file as they are under a systematic variation, laid out so that one tally counts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.tally import Listener
from cutflow_cli.events.batch import EventBatch
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
        listeners: what is given the events under the variation, without the differences.
    """

    events: EventsFile
    variation: VariationInfo
    home: Split
    hypotheses: tuple[float, ...] = ()
    listeners: Sequence[Listener] = ()

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

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[EventBatch]:
        """Read the events, and after each batch of them how they differ."""
        wanted = tuple(dict.fromkeys((*columns, *(name for one in self.listeners for name in one.columns))))
        for read in self.events.batches((*wanted, WEIGHT), rows, variation=self.variation.name):
            nominal = read.columns[WEIGHT].astype(np.float64, copy=False)
            alternative = read.split == len(SPLITS)
            under = replace(
                read,
                columns={name: read.columns[name] for name in wanted},
                split=np.where(alternative, SPLITS.index(self.home), read.split).astype(np.int8),
                hypothesis=self._known(read.hypothesis),
            )
            for listener in self.listeners:
                listener.add(under)
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
