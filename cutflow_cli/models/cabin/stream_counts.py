"""Counting flows of a scan while events go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.stream import Scales, StreamBatch
from cutflow_cli.models.cabin.working_points import Counted, counted
from cutflow_cli.models.streaming.flows import Worth
from cutflow_cli.models.streaming.source import Source
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Key = tuple[Cut, ...]


class _Split:
    """What flows keep of one split.

    Attributes:
        sums: by the cuts of a flow: signal, background, and the background's sum of squares.
        totals: signal and background before any cut.
        events: of background and signal.
    """

    def __init__(self, scales: Scales, keys: Sequence[Key]) -> None:
        self._scales = scales
        self.sums: dict[Key, Array] = {key: np.zeros(3) for key in keys}
        self.totals, self.events = np.zeros(2), np.zeros(2, dtype=np.int64)

    def tasks(self, batch: StreamBatch, columns: Columns) -> Iterator[Callable[[], None]]:
        """Take the next events; return what remains to be done, in any order."""
        expected, signal = self._scales.apply(batch), batch.label == 1
        parts = np.stack([expected * signal, expected * ~signal, expected**2 * ~signal])
        self.totals += parts[:2].sum(axis=1)
        self.events += np.bincount(batch.label, minlength=2)
        return (partial(self._add, columns, parts, key) for key in self.sums)

    def _add(self, columns: Columns, parts: Array, cuts: Key) -> None:
        """Add what of some events passes all cuts."""
        kept = np.ones(parts.shape[1], dtype=np.bool_)
        for cut in cuts:
            kept &= cut.passes(columns[cut.observable])
        self.sums[cuts] += parts[:, np.flatnonzero(kept)].sum(axis=1)

    def count(self, flows: Sequence[CutFlow], fom: str) -> Counted:
        return counted(np.stack([self.sums[flow.cuts] for flow in flows]), self.totals.tolist(), fom)


class StreamCounts:
    """Counts flows on splits that are not held in memory, both of them in the same pass over their file.

    Args:
        source: the events.
        train: scales of the training split.
        validation: scales of the validation split.
        threads: how many may be used; results do not depend on it.
    """

    def __init__(self, source: Source, train: Scales, validation: Scales, threads: int) -> None:
        self._source, self._threads = source, threads
        self._scales = train, validation
        self._train, self._validation = (_Split(scales, ()) for scales in self._scales)
        self._worth: dict[CutFlow, Worth] = {}

    @property
    def validates(self) -> bool:
        """Whether there is a validation split of both classes; known once `look` was called."""
        return bool((self._validation.events > 0).all())

    def look(self, flows: Sequence[CutFlow], worth: Sequence[CutFlow]) -> None:
        """Count flows, and what each cut of those in `worth` is worth on train, in one pass over the file."""
        keys = tuple(dict.fromkeys(flow.cuts for flow in flows))
        self._train, self._validation = (_Split(scales, keys) for scales in self._scales)
        self._worth = {flow: Worth(flow) for flow in worth}
        train, validation = self._source.train, self._source.validation
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            for whole, trains in train.whole_batches():
                if len(trains):
                    batch = train.of(trains)
                    columns = train.columns(batch)
                    worths = (partial(one.add, columns, batch.label, batch.weight) for one in self._worth.values())
                    _do(pool, (*worths, *self._train.tasks(batch, columns)))
                validates = validation.part(whole)
                if len(validates):
                    batch = validation.of(validates)
                    _do(pool, self._validation.tasks(batch, validation.columns(batch)))

    def count(self, flows: Sequence[CutFlow], fom: str, *, validation: bool) -> Counted:
        """Count hard cuts that were looked at; all NaN on a validation split that is not there."""
        if validation and not self.validates:
            nothing = np.full(len(flows), np.nan)
            return Counted(nothing, nothing, nothing, nothing)
        return (self._validation if validation else self._train).count(flows, fom)

    def with_n_minus_1(self, flows: Sequence[CutFlow]) -> tuple[tuple[CutFlow, ...], tuple[bool, ...]]:
        """Fill in what each cut is worth on train, and say of each flow whether it keeps any signal event there."""
        worths = [self._worth[flow] for flow in flows]
        return tuple(one.filled_in() for one in worths), tuple(bool(one.events[1]) for one in worths)


def _do(pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], None]]) -> None:
    """Do all of some tasks."""
    list(pool.map(lambda task: task(), tasks))
