"""Counting flows of a scan while events go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.load import Sums, add_sums
from cutflow_cli.events.stream import Scales, SplitStream
from cutflow_cli.models.cabin.working_points import Counted, counted
from cutflow_cli.models.streaming.flows import worth_of
from cutflow_cli.models.streaming.source import Source
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]
Key = tuple[Cut, ...]


class _Split:
    """What flows keep of one split.

    Attributes:
        sums: by the cuts of a flow: signal, background, and the background's sum of squares.
        totals: signal and background before any cut.
        events: of background and signal.
    """

    def __init__(self, stream: SplitStream, scales: Scales | None, threads: int) -> None:
        self._stream, self._scales, self._threads = stream, scales, threads
        self.sums: dict[Key, Array] = {}
        self.totals, self.events = np.zeros(2), np.zeros(2, dtype=np.int64)

    def look(self, keys: Sequence[Key]) -> None:
        """Count flows in one pass, after one that finds the scales where they are not known."""
        scales = self._scales if self._scales is not None else self._found_scales()
        self.sums = {key: np.zeros(3) for key in keys}
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            for batch in self._stream.batches():
                columns, expected, signal = self._stream.columns(batch), scales.apply(batch), batch.label == 1
                parts = np.stack([expected * signal, expected * ~signal, expected**2 * ~signal])
                self.totals += parts[:2].sum(axis=1)
                self.events += np.bincount(batch.label, minlength=2)
                list(pool.map(partial(self._add, columns, parts), keys))

    def _add(self, columns: Mapping[str, NDArray[Any]], parts: Array, cuts: Key) -> None:
        """Add what of some events passes all cuts."""
        kept = np.ones(parts.shape[1], dtype=np.bool_)
        for cut in cuts:
            kept &= cut.passes(columns[cut.observable])
        self.sums[cuts] += parts[:, np.flatnonzero(kept)].sum(axis=1)

    def _found_scales(self) -> Scales:
        everything: Sums = {}
        here: Sums = {}
        for whole, part in self._stream.whole_batches():
            add_sums(everything, whole)
            if len(part):
                add_sums(here, part)
        return Scales.of(everything, here)

    def count(self, flows: Sequence[CutFlow], fom: str) -> Counted:
        return counted(np.stack([self.sums[flow.cuts] for flow in flows]), self.totals.tolist(), fom)


class StreamCounts:
    """Counts flows on splits that are not held in memory.

    Args:
        source: the events.
        scales: of the training split.
        threads: how many may be used; results do not depend on it.
    """

    def __init__(self, source: Source, scales: Scales, threads: int) -> None:
        self._source, self._threads = source, threads
        self._train = _Split(source.train, scales, threads)
        self._validation = _Split(source.validation, None, threads)

    @property
    def validates(self) -> bool:
        """Whether there is a validation split of both classes; known once `look` was called."""
        return bool((self._validation.events > 0).all())

    def look(self, flows: Sequence[CutFlow]) -> None:
        """Count flows in one pass over each split."""
        keys = tuple(dict.fromkeys(flow.cuts for flow in flows))
        self._train.look(keys)
        self._validation.look(keys)

    def count(self, flows: Sequence[CutFlow], fom: str, *, validation: bool) -> Counted:
        """Count hard cuts that were looked at; all NaN on a validation split that is not there."""
        if validation and not self.validates:
            nothing = np.full(len(flows), np.nan)
            return Counted(nothing, nothing, nothing, nothing)
        return (self._validation if validation else self._train).count(flows, fom)

    def with_n_minus_1(self, flows: Sequence[CutFlow]) -> tuple[tuple[CutFlow, ...], tuple[bool, ...]]:
        """Fill in what each cut is worth on train, and say of each flow whether it keeps any signal event there."""
        worths = worth_of(flows, self._source.train, self._threads)
        return tuple(one.filled_in() for one in worths), tuple(bool(one.events[1]) for one in worths)
