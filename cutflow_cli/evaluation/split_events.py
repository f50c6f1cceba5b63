"""The events that are quoted, class by class, for the tables that are made of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Arrays, join_all
from cutflow_cli.evaluation.cut_sums import AT_ONCE
from cutflow_cli.evaluation.detail_rows import CLASSES
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, Split
from cutflow_cli.selection.cut import Cut


@dataclass(frozen=True, slots=True)
class ClassEvents:
    """Events of one class and split, `AT_ONCE` at most.

    Attributes:
        number: of the class in `CLASSES`.
        columns: by name, each of shape (events,).
        process: positions in the file's list of processes.
        weight: scaled so that the split stands for the whole sample.
        hypothesis: signal mass point; None where the file has none.
    """

    number: int
    columns: dict[str, NDArray[Any]]
    process: NDArray[np.int32]
    weight: NDArray[np.float64]
    hypothesis: NDArray[np.float64] | None
    _masks: dict[Cut, NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.weight)

    def passing(self, cut: Cut) -> NDArray[np.bool_]:
        """Return whether each event passes a cut, found once for all that ask."""
        if cut not in self._masks:
            self._masks[cut] = cut.keeps(self.columns)
        return self._masks[cut]


class Counter(Protocol):
    """What is given the events."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""

    def add(self, events: ClassEvents) -> None:
        """Take events of a class."""

    def empty(self) -> Counter:
        """Return another one that has seen no events."""

    def sums(self) -> Arrays:
        """Return what it knows of its events."""

    def join(self, later: Arrays) -> None:
        """Take the events that another one has seen, which come after its own."""


class OfSplit:
    """Chooses the events of a split, once for all that count them; a `Listener`.

    Args:
        totals: all events, normalised; their scales turn the weights of a split into yields.
        split: the events to count.
        counters: are given them.
    """

    def __init__(self, totals: Normalised, split: Split, counters: Sequence[Counter]) -> None:
        self._totals, self._split, self._counters = totals, split, counters

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(name for counter in self._counters for name in counter.columns))

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""
        in_split = batch.split == SPLITS.index(self._split)
        for number, role in enumerate(CLASSES):
            rows = np.flatnonzero(in_split & (batch.label == (role == "signal")))
            for start in range(0, len(rows), AT_ONCE):
                events = self._chosen(batch, rows[start : start + AT_ONCE], number)
                for counter in self._counters:
                    counter.add(events)

    def empty(self) -> OfSplit:
        """Return another one, of counters that have seen no events."""
        return OfSplit(self._totals, self._split, [counter.empty() for counter in self._counters])

    def sums(self) -> Arrays:
        """Return the sums of all counters."""
        return [one for counter in self._counters for one in counter.sums()]

    def join(self, later: Arrays) -> None:
        """Give the sums of later events to the counters."""
        join_all(self._counters, later)

    def _chosen(self, batch: EventBatch, rows: NDArray[np.intp], number: int) -> ClassEvents:
        chosen = batch.take(rows, self.columns)
        weight = self._totals.scaled_weights(chosen)
        return ClassEvents(number, chosen.columns, chosen.process, weight, chosen.hypothesis)
