"""What each cut of a flow is worth, counted while events go by (`models.flows` does the same in memory)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.stream import SplitStream
from cutflow_cli.models.flows import concerns_of
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]


@dataclass(slots=True)
class Worth:
    """What a flow keeps, and what it would keep without each of its cuts; counts of parts of a sample add up.

    Attributes:
        flow: the flow.
        total: Σw of background and signal, shape (2,).
        kept: Σw of what passes every cut, shape (2,).
        alone: Σw of what fails one cut alone, shape (cuts, 2).
        events: number of events that pass every cut, shape (2,).
    """

    flow: CutFlow
    total: Array = field(default_factory=lambda: np.zeros(2))
    kept: Array = field(default_factory=lambda: np.zeros(2))
    alone: Array = field(default_factory=lambda: np.zeros((0, 2)))
    events: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, dtype=np.int64))

    def __post_init__(self) -> None:
        self.alone = np.zeros((len(self.flow.cuts), 2))

    def add(self, columns: dict[str, NDArray[np.floating]], label: NDArray[np.int8], weight: Array) -> None:
        """Take the next events."""
        self.total += np.bincount(label, weights=weight, minlength=2)
        masks = self.flow.step_masks(columns)
        failed = np.zeros(len(label), dtype=np.uint16)
        for mask in masks:
            failed += ~mask
        passed = np.flatnonzero(failed == 0)
        self.kept += np.bincount(label[passed], weights=weight[passed], minlength=2)
        self.events += np.bincount(label[passed], minlength=2)
        once = np.flatnonzero(failed == 1)
        for number, mask in enumerate(masks):
            mine = once[~mask[once]]
            self.alone[number] += np.bincount(label[mine], weights=weight[mine], minlength=2)

    def filled_in(self) -> CutFlow:
        """Return the flow with what each applied cut is worth, as `models.flows.with_n_minus_1`."""
        if not (self.total > 0).all():
            return self.flow
        numbers = {cut.observable: number for number, cut in enumerate(self.flow.cuts)}
        whole = self._balanced_error(self.kept)
        steps = [
            replace(
                step, n_minus_1_loss=self._balanced_error(self.kept + self.alone[numbers[step.cut.observable]]) - whole
            )
            if step.active and step.cut.observable in numbers
            else step
            for step in self.flow.steps
        ]
        return replace(self.flow, steps=tuple(steps))

    def concerns(self) -> tuple[str, ...]:
        """Say in words what a user should look at, as `models.flows.concerns`."""
        return concerns_of(self.flow, keeps_background=bool(self.events[0]), keeps_signal=bool(self.events[1]))

    def _balanced_error(self, kept: Array) -> float:
        efficiency = kept / self.total
        return float(1 - efficiency[1] + efficiency[0]) / 2


def worth_of(flows: Sequence[CutFlow], stream: SplitStream, threads: int) -> tuple[Worth, ...]:
    """Count several flows in one pass.

    Args:
        flows: to count.
        stream: the training split.
        threads: how many may be used; results do not depend on it.
    """
    found = tuple(Worth(flow) for flow in flows)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for batch in stream.batches():
            columns = stream.columns(batch)
            list(pool.map(lambda one, b=batch, c=columns: one.add(c, b.label, b.weight), found))
    return found
