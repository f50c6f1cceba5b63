"""Selections with one cut left out (N−1) or one boundary moved, counted in the pass that counts the selections.

An event that fails exactly one cut passes the selection without it, and may pass it with a boundary moved; one that
fails two can do neither. And of those that fail at most one, a boundary that moves concerns the events between where it
was and where it goes. So a single pass sums events by the cut that they fail alone, and near each boundary by the
interval between its places; what a variant gains and loses are sums over a few of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Additive, Arrays
from cutflow_cli.evaluation.boundaries import Boundaries, fill_values, values_of
from cutflow_cli.evaluation.brief import Brief, Exchange, brief, change_of_asimov
from cutflow_cli.evaluation.cut_sums import AT_ONCE, Summing
from cutflow_cli.evaluation.detail_rows import CLASSES, VariantRow
from cutflow_cli.evaluation.moves import Variant, variants_of
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.split_events import ClassEvents
from cutflow_cli.events.schema import Role, Split
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.yields import Sums


class VariantCounter(Additive):
    """Counts the variants of quoted selections from a stream of events.

    Args:
        flows: consensus selections, rounded.
        totals: all events, normalised; their scales turn the weights of a split into yields.
        split: the events to count.
        dtypes: the types of the columns, to which moved boundaries are rounded.
    """

    def __init__(self, flows: Sequence[NamedFlow], totals: Normalised, split: Split, dtypes: dict[str, str]) -> None:
        self._flows = [named for named in flows if named.flow.cuts]
        self._totals, self._split = totals, split
        self._variants = [variants_of(named.flow, dtypes) for named in self._flows]
        cuts = [*dict.fromkeys(cut for named in self._flows for cut in named.flow.cuts)]
        self._cuts = {cut: row for row, cut in enumerate(cuts)}
        self._columns = tuple(dict.fromkeys(name for cut in cuts for name in cut.columns))
        self._compared = values_of(cuts)
        self._which = [np.array([self._cuts[cut] for cut in named.flow.cuts], dtype=np.intp) for named in self._flows]
        self._boundaries = [
            Boundaries.of(
                named.flow.cuts, [(one.end, one.cut) for one in variants if one.cut is not None], self._compared
            )
            for named, variants in zip(self._flows, self._variants, strict=True)
        ]
        # In double precision a cut on a float32 column is the same, its boundaries being rounded; but twice as slow.
        types = [np.dtype(dtypes[name]) for name in self._columns]
        self._type = np.result_type(np.float32, *types)
        self._summing = Summing.of(totals.tally.sums[0, ..., 0].sum(), len(self._flows))
        self.start()

    def start(self) -> None:
        """Forget all events."""
        size = (len(self._totals.processes), 3)  # number, Σw and Σw²
        self._passed = [np.zeros(size) for _ in self._flows]
        self._alone = [np.zeros((len(which), *size)) for which in self._which]
        self._near = [np.zeros((len(one.cut), one.edges.shape[1] + 1, *size)) for one in self._boundaries]
        self._masks: NDArray[np.uint8] | None = None  # room for a batch, made when there is one
        self._values: NDArray[Any] = np.empty(0, dtype=self._type)

    def sums(self) -> Arrays:
        """Return what passed, what failed one cut alone, and what is near boundaries."""
        return [*self._passed, *self._alone, *self._near]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return self._columns

    def add(self, events: ClassEvents) -> None:
        """Take events of a class."""
        if self._masks is None:
            self._masks = np.empty((len(self._cuts), AT_ONCE), dtype=np.uint8)
            self._values = np.empty((len(self._compared), AT_ONCE), dtype=self._type)
        fill_values(self._values, self._compared, events.columns, len(events))
        for cut, row in self._cuts.items():
            self._masks[row, : len(events)] = events.passing(cut)
        for number, named in enumerate(self._flows):
            mass, given = named.flow.hypothesis, events.hypothesis
            if mass is None or given is None or CLASSES[events.number] == "background":
                self._sum(number, self._masks, self._values, events.process, events.weight)
            else:  # signal of other mass points is not counted
                rows = np.flatnonzero(given == mass)
                self._sum(
                    number, self._masks[:, rows], self._values[:, rows], events.process[rows], events.weight[rows]
                )

    def _sum(
        self,
        number: int,
        masks: NDArray[np.uint8],
        values: NDArray[Any],
        process: NDArray[np.int32],
        weight: NDArray[np.float64],
    ) -> None:
        totals = (self._passed[number], self._alone[number], self._near[number])
        sums = [np.zeros_like(total) for total in totals]
        arrays = self._boundaries[number].arrays(values.dtype)
        self._summing.near(masks, self._which[number], values, *arrays, process, weight, *sums)
        for total, found in zip(totals, sums, strict=True):
            np.add(total, found, out=total)

    def _exchanged(self, number: int) -> NDArray[np.float64]:
        """Return what each variant of a flow gains and loses, shape (variants, 2, processes, 3)."""
        variants = self._variants[number]
        found = np.zeros((len(variants), 2, *self._passed[number].shape))
        for into, variant in zip(found, variants, strict=True):
            if variant.cut is None:
                into[0] = self._alone[number][variant.position - 1]
            else:
                cut, near = self._flows[number].flow.cuts[variant.position - 1], self._near[number]
                into[:] = self._boundaries[number].exchanged(variant.end, cut, variant.cut, near)
        return found

    def background_yields(self) -> list[NDArray[np.float64]]:
        """Return B of each flow as it is and of its variants, each of shape (1 + variants,)."""
        background = self._members("background")
        every = [self._exchanged(number) for number in range(len(self._flows))]
        return [
            passed[background, 1].sum()
            + np.concatenate([[0.0], (exchanged[:, 0] - exchanged[:, 1])[:, background, 1].sum(axis=1)])
            for passed, exchanged in zip(self._passed, every, strict=True)
        ]

    def rows(
        self, options: FigureOptions, shifts: Sequence[NDArray[np.float64]]
    ) -> tuple[tuple[VariantRow, ...], tuple[VariantRow, ...]]:
        """Return the rows of `n_minus_1.parquet` and of `stability.parquet`.

        Args:
            options: how figures of merit are computed.
            shifts: uncertainty of `background_yields` by systematic variations, likewise.
        """
        every = [self._exchanged(number) for number in range(len(self._flows))]
        without: list[VariantRow] = []
        moved: list[VariantRow] = []
        for named, variants, passed, exchanged, (own, *others) in zip(
            self._flows, self._variants, self._passed, every, shifts, strict=True
        ):
            kept = self._kept(named, passed, own)
            as_it_is = brief(*kept, options)
            plain = Variant(0, None)
            without.append(self._row(named, plain, kept, as_it_is, as_it_is, Exchange()))
            moved.append(self._row(named, plain, kept, as_it_is, as_it_is, Exchange()))
            for variant, (gained, lost), shift in zip(variants, exchanged, others, strict=True):
                kept = self._kept(named, passed + gained - lost, shift)
                exchange = Exchange(*(self._squares(one) for one in (gained, lost)))
                into = without if variant.cut is None else moved
                into.append(self._row(named, variant, kept, brief(*kept, options), as_it_is, exchange))
        return tuple(without), tuple(moved)

    def _members(self, role: Role) -> list[int]:
        return [position for position, one in enumerate(self._totals.processes) if one.role == role]

    def _squares(self, sums: NDArray[np.float64]) -> tuple[float, float]:
        signal, background = (float(sums[self._members(role), 2].sum()) for role in CLASSES)
        return signal, background

    def _kept(self, named: NamedFlow, passed: NDArray[np.float64], shift: float) -> tuple[Kept, Kept]:
        found = []
        for role in CLASSES:
            before = self._totals.of_class((), role, self._split, named.flow.hypothesis)
            members = self._members(role)
            # What is subtracted leaves a rest of rounding where nothing is left.
            n, w, w2 = (float(value) for value in passed[members].sum(axis=0))
            own = Sums(round(n), w, w2) if round(n) else Sums()
            yields = tuple((self._totals.processes[p].name, float(passed[p, 1])) for p in members)
            found.append(replace(before, passed=own, yields=yields, shift=shift if role == "background" else 0.0))
        return found[0], found[1]

    def _row(
        self,
        named: NamedFlow,
        variant: Variant,
        kept: tuple[Kept, Kept],
        numbers: Brief,
        as_it_is: Brief,
        exchange: Exchange,
    ) -> VariantRow:
        change = change_of_asimov(as_it_is, numbers, exchange)
        flow = named.flow
        return VariantRow(
            named.run, flow.working_point, self._split, flow.hypothesis, variant.position,
            str(flow.cuts[variant.position - 1]) if variant.position else "", variant.side, variant.move,
            variant.boundary,
            kept[0].passed.events, kept[1].passed.events, numbers.signal.value, numbers.signal.error,
            numbers.background.value, numbers.background.error, numbers.n_eff,
            numbers.asimov.value, numbers.asimov.error, change.value, change.error, numbers.reason,
            variant.binned_in, variant.boundaries,
        )  # fmt: skip
