"""The rows of `overlap.parquet`: events that two selections both keep, one of them, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Additive, Arrays
from cutflow_cli.evaluation.detail_rows import CLASSES, KeptBy, OverlapRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.split_events import ClassEvents
from cutflow_cli.events.schema import Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.yields import Sums

#: Events are summed by the set of selections that keep them, of two times so many selections at a time.
_HALF = 6


class OverlapCounter(Additive):
    """Counts the events that selections have in common, from a stream of events.

    Args:
        flows: one selection for all signal of each run; with fewer than two there is nothing to count.
        totals: all events, normalised; their scales turn the weights of a split into yields.
        split: the events to count.
    """

    def __init__(self, flows: Sequence[NamedFlow], totals: Normalised, split: Split) -> None:
        self._flows = list(flows) if len(flows) > 1 else []
        self._totals, self._split = totals, split
        parts = [range(len(self._flows))[start : start + _HALF] for start in range(0, len(self._flows), _HALF)]
        self._together = [(*one, *other) for one, other in combinations([*parts, ()] if len(parts) == 1 else parts, 2)]
        self.start()

    def start(self) -> None:
        """Forget all events."""
        # Number, Σw and Σw² of each class, by the set of those selections which keep an event: a bit for each.
        self._sums = [np.zeros((len(CLASSES), 3, 2 ** len(those))) for those in self._together]

    def sums(self) -> Arrays:
        """Return them."""
        return self._sums

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(name for named in self._flows for name in named.flow.columns))

    def add(self, events: ClassEvents) -> None:
        """Take events of a class."""
        kept = [_joined([events.passing(cut) for cut in named.flow.cuts], len(events)) for named in self._flows]
        for those, sums in zip(self._together, self._sums, strict=True):
            chosen = np.zeros(len(events), dtype=np.uint16)
            for bit, position in enumerate(those):
                chosen |= kept[position].astype(np.uint16) << np.uint16(bit)
            for power, values in enumerate((None, events.weight, events.weight**2)):
                sums[events.number, power] += np.bincount(chosen, values, sums.shape[-1])

    def rows(self) -> tuple[OverlapRow, ...]:
        """Return a row for each pair of selections, class, and way to keep an event."""
        pairs = combinations(range(len(self._flows)), 2)
        shared = self._shared()
        return tuple(
            row
            for pair in pairs
            for number, role in enumerate(CLASSES)
            for row in self._pair(pair, shared[number], role)
        )

    def _shared(self) -> NDArray[np.float64]:
        """Sum what a selection (row) and another (column) both keep, by class; number, Σw and Σw²."""
        found = np.zeros((len(CLASSES), 3, len(self._flows), len(self._flows)))
        for those, sums in zip(self._together, self._sums, strict=True):
            holds = (np.arange(sums.shape[-1]) >> np.arange(len(those))[:, None] & 1).astype(np.float64)
            found[..., np.array(those)[:, None], those] = (holds * sums[..., None, :]) @ holds.T
        return found

    def _pair(self, pair: tuple[int, int], shared: NDArray[np.float64], role: Role) -> Iterator[OverlapRow]:
        whole = self._totals.of_class((), role, self._split, None)
        first, second = pair
        both, one, other = (shared[:, i, j] for i, j in ((first, second), (first, first), (second, second)))
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


def _joined(masks: Sequence[NDArray[np.bool_]], events: int) -> NDArray[np.bool_]:
    """Say which events pass all of some cuts."""
    kept = np.ones(events, dtype=np.bool_)
    for mask in masks:
        kept &= mask
    return kept
