"""Tidying flows (`flow.tidied`) by events that go by."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from cutflow_cli.events.stream import SplitStream, StreamBatch
from cutflow_cli.models.lcf.flow import NO_SIGNAL, CutCounts, counted, useful
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


class _Tidying:
    """Counts what the cuts of one flow do to the events that reach them.

    In a sequential flow, fewer events reach a cut the more the cuts before it reject. What those do is known after the
    pass only, but all that tidying takes away from them changes nothing for the events that reach them, with one
    exception: a cut that would keep no signal is not applied, so what follows has to be counted again without it.
    """

    def __init__(self, flow: CutFlow, settings: LcfSettings) -> None:
        self._flow, self._sequential = flow, settings.strategy == "sequential"
        self._dropped: set[int] = set()
        self._restart()

    def _restart(self) -> None:
        self._counts = [CutCounts() for _ in self._flow.steps]

    def add(self, batch: StreamBatch, names: tuple[str, ...]) -> None:
        """Take the next events."""
        reach = np.ones(len(batch), dtype=np.bool_)
        signal = batch.label == 1
        for position, step in enumerate(self._flow.steps):
            if not step.active:
                continue
            values = batch.x[:, names.index(step.cut.observable)]
            if self._sequential:
                self._counts[position] += counted(step.cut, values[reach], signal[reach])
                if position not in self._dropped:
                    reach &= step.cut.passes(values)
            else:
                self._counts[position] += counted(step.cut, values, signal)

    def settled(self) -> bool:
        """Say whether all counts are of the events that reach each cut; if not, they start anew."""
        if not self._sequential:
            return True
        for position, step in enumerate(self._flow.steps):
            if position not in self._dropped and step.active and self._judged(position).note == NO_SIGNAL:
                self._dropped.add(position)
                self._restart()
                return False
        return True

    def _judged(self, position: int) -> LearnedCut:
        return useful(self._flow.steps[position], self._counts[position])

    def flow(self) -> CutFlow:
        """Return the tidied flow."""
        steps = [self._judged(i) if step.active else step for i, step in enumerate(self._flow.steps)]
        return replace(self._flow, steps=tuple(steps))


def tidied_by_stream(
    flows: Sequence[CutFlow], stream: SplitStream, settings: LcfSettings, threads: int
) -> list[CutFlow]:
    """Tidy several flows in one pass, or one more for each cut of a sequential flow that keeps no signal.

    Args:
        flows: to tidy.
        stream: the training split.
        settings: of the training.
        threads: how many may be used; results do not depend on it.
    """
    every = [_Tidying(flow, settings) for flow in flows]
    open_ones = every
    with ThreadPoolExecutor(max_workers=threads) as pool:
        while open_ones:
            for batch in stream.batches():
                list(pool.map(lambda one, b=batch: one.add(b, stream.features), open_ones))
            open_ones = [one for one in open_ones if not one.settled()]
    return [one.flow() for one in every]
