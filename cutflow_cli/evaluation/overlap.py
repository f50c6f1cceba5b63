"""The rows of `overlap.parquet`: events that two selections both keep, one of them, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from cutflow_cli.evaluation.detail_rows import CLASSES, KeptBy, OverlapRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.yields import Sums


class OverlapCounter:
    """Counts the events that selections have in common, from a stream of events.

    Args:
        flows: one selection for all signal of each run; with fewer than two there is nothing to count.
        totals: all events, normalised; their scales turn the weights of a split into yields.
        split: the events to count.
    """

    def __init__(self, flows: Sequence[NamedFlow], totals: Normalised, split: Split) -> None:
        self._flows = list(flows) if len(flows) > 1 else []
        self._totals, self._split = totals, split
        # By class, then number, Σw and Σw² of the events that a selection (row) and another (column) keep.
        self._sums = np.zeros((len(CLASSES), 3, len(self._flows), len(self._flows)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(cut.observable for named in self._flows for cut in named.flow.cuts))

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""
        if not self._flows:
            return
        rows = np.flatnonzero(batch.split == SPLITS.index(self._split))
        columns = {name: batch.columns[name][rows] for name in self.columns}
        masks = np.array([named.flow.mask(columns, len(rows)) for named in self._flows])
        kept_by_any = masks.any(axis=0)
        some, kept = rows[kept_by_any], masks[:, kept_by_any].astype(np.float64)
        weight = self._totals.scaled_weights(batch)[some]
        signal = batch.label[some] == 1
        for number, of_class in enumerate((signal, ~signal)):
            for power in range(3):
                self._sums[number, power] += (kept * np.where(of_class, weight**power, 0.0)) @ kept.T

    def rows(self) -> tuple[OverlapRow, ...]:
        """Return a row for each pair of selections, class, and way to keep an event."""
        pairs = combinations(range(len(self._flows)), 2)
        return tuple(
            row for pair in pairs for number, role in enumerate(CLASSES) for row in self._pair(pair, number, role)
        )

    def _pair(self, pair: tuple[int, int], number: int, role: Role) -> Iterator[OverlapRow]:
        whole = self._totals.of_class((), role, self._split, None)
        first, second = pair
        both, one, other = (self._sums[number, :, i, j] for i, j in ((first, second), (first, first), (second, second)))
        every = np.array([whole.total.events, whole.total.sumw, whole.total.sumw2])
        found: dict[KeptBy, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {
            "both": both, "first": one - both, "second": other - both, "neither": every - one - other + both,
        }  # fmt: skip
        for kept_by, (events, sumw, sumw2) in found.items():
            sums = Sums(round(events), float(sumw), max(0.0, float(sumw2))) if round(events) else Sums()
            usable = whole.undefined is None
            share = whole.weighted(lambda sums=sums: efficiency(sums, whole.total))  # type: ignore[misc]
            yield OverlapRow(
                self._flows[first].run, self._flows[second].run, self._split, role, kept_by, sums.events,
                sums.sumw if usable else None, math.sqrt(sums.sumw2) if usable else None, share.value, share.error,
            )  # fmt: skip
