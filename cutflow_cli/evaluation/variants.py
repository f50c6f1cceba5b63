"""Selections with one cut left out (N−1) or one boundary moved, counted in the pass that counts the selections.

An event that fails exactly one cut passes the selection without it, and may pass it with a boundary moved; one that
fails two can do neither. So all variants of a flow are counted on the few events that fail at most one of its cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.brief import Brief, Exchange, brief, change_of_asimov
from cutflow_cli.evaluation.detail_rows import CLASSES, Side, VariantRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, Role, Split
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.selection.cut import Cut

#: Shares of its size by which each boundary is moved.
SHARES = (0.01, 0.05)

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Variant:
    """One change of a flow: a cut of it left out (`cut` is None) or replaced."""

    position: int
    cut: Cut | None
    side: Side | None = None
    move: str | None = None


@dataclass(frozen=True, slots=True)
class _Events:
    """The events of the split: columns, process and scaled weight."""

    columns: dict[str, NDArray[Any]]
    process: NDArray[np.int32]
    weight: NDArray[np.float64]


class VariantCounter:
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
        self._variants = [_variants_of(named, dtypes) for named in self._flows]
        shape = (2, len(totals.processes), 3)  # gained and lost events, number, Σw and Σw²
        self._exchanged = [np.zeros((len(variants), *shape)) for variants in self._variants]
        self._passed = [np.zeros(shape[1:]) for _ in self._flows]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(cut.observable for named in self._flows for cut in named.flow.cuts))

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""
        rows = np.flatnonzero(batch.split == SPLITS.index(self._split))
        weight = self._totals.scaled_weights(batch)[rows]
        events = _Events({name: batch.columns[name][rows] for name in self.columns}, batch.process[rows], weight)
        for number, named in enumerate(self._flows):
            flow = named.flow
            wanted = None
            if flow.hypothesis is not None and batch.hypothesis is not None:  # signal of other mass points is not
                wanted = (batch.label[rows] == 0) | (batch.hypothesis[rows] == flow.hypothesis)
            passing, failing = _nearly_passing(flow.cuts, events, wanted)
            self._passed[number] += self._sums([passing], events)[0]
            gained, lost = _exchanged(flow.cuts, self._variants[number], events, passing, failing)
            self._exchanged[number][:, 0] += self._sums(gained, events)
            self._exchanged[number][:, 1] += self._sums(lost, events)

    def _sums(self, chosen: Sequence[Rows], events: _Events) -> NDArray[np.float64]:
        """Sum some events by process, number, Σw and Σw²; shape (choices, processes, 3)."""
        processes = len(self._totals.processes)
        rows = np.concatenate(chosen)
        place = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen]) * processes + events.process[rows]
        weight = events.weight[rows]
        size = len(chosen) * processes
        found = [np.bincount(place, values, size) for values in (np.ones(len(rows)), weight, weight**2)]
        return np.asarray(np.stack(found, axis=1).reshape(len(chosen), processes, 3))

    def background_yields(self) -> list[NDArray[np.float64]]:
        """Return B of each flow as it is and of its variants, each of shape (1 + variants,)."""
        background = self._members("background")
        return [
            passed[background, 1].sum()
            + np.concatenate([[0.0], (exchanged[:, 0] - exchanged[:, 1])[:, background, 1].sum(axis=1)])
            for passed, exchanged in zip(self._passed, self._exchanged, strict=True)
        ]

    def rows(
        self, options: FigureOptions, shifts: Sequence[NDArray[np.float64]]
    ) -> tuple[tuple[VariantRow, ...], tuple[VariantRow, ...]]:
        """Return the rows of `n_minus_1.parquet` and of `stability.parquet`.

        Args:
            options: how figures of merit are computed.
            shifts: uncertainty of `background_yields` by systematic variations, likewise.
        """
        without: list[VariantRow] = []
        moved: list[VariantRow] = []
        for named, variants, passed, exchanged, (own, *others) in zip(
            self._flows, self._variants, self._passed, self._exchanged, shifts, strict=True
        ):
            kept = self._kept(named, passed, own)
            as_it_is = brief(*kept, options)
            plain = _Variant(0, None)
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
        variant: _Variant,
        kept: tuple[Kept, Kept],
        numbers: Brief,
        as_it_is: Brief,
        exchange: Exchange,
    ) -> VariantRow:
        change = change_of_asimov(as_it_is, numbers, exchange)
        flow, cut = named.flow, variant.cut
        boundary = None if cut is None else cut.lower if variant.side == "lower" else cut.upper
        return VariantRow(
            named.run, flow.working_point, self._split, flow.hypothesis, variant.position,
            str(flow.cuts[variant.position - 1]) if variant.position else "", variant.side, variant.move, boundary,
            kept[0].passed.events, kept[1].passed.events, numbers.signal.value, numbers.signal.error,
            numbers.background.value, numbers.background.error, numbers.n_eff,
            numbers.asimov.value, numbers.asimov.error, change.value, change.error, numbers.reason,
        )  # fmt: skip


def _nearly_passing(cuts: Sequence[Cut], events: _Events, wanted: NDArray[np.bool_] | None) -> tuple[Rows, list[Rows]]:
    """Return the events that pass all cuts, and for each cut those that fail it alone."""
    failed = np.zeros(len(events.weight), dtype=np.int16)
    if wanted is not None:
        failed += np.where(wanted, 0, 2).astype(np.int16)  # as if it failed two cuts
    fails = [~cut.passes(events.columns[cut.observable]) for cut in cuts]
    for one in fails:
        failed += one
    alone = failed == 1
    return np.flatnonzero(failed == 0), [np.flatnonzero(alone & one) for one in fails]


def _exchanged(
    cuts: Sequence[Cut], variants: Sequence[_Variant], events: _Events, passing: Rows, failing: Sequence[Rows]
) -> tuple[list[Rows], list[Rows]]:
    """Return for each variant the events that it keeps beside those of the flow, and those that it keeps no more."""
    inside, outside = ([events.columns[cut.observable][rows] for cut, rows in zip(cuts, those, strict=True)]
                       for those in ([passing] * len(cuts), failing))  # fmt: skip
    gained, lost = [], []
    for variant in variants:
        place = variant.position - 1
        if variant.cut is None:
            gained.append(failing[place])
            lost.append(passing[:0])
            continue
        gained.append(failing[place][variant.cut.passes(outside[place])])
        lost.append(passing[~variant.cut.passes(inside[place])])
    return gained, lost


def _variants_of(named: NamedFlow, dtypes: dict[str, str]) -> list[_Variant]:
    """List what is done to a flow: each cut left out, each of its boundaries moved by its error and by shares of it."""
    found: list[_Variant] = []
    steps = [step for step in named.flow.steps if step.active and step.cut in named.flow.cuts]
    for position, step in enumerate(steps, start=1):
        cut = step.cut
        found.append(_Variant(position, None))
        if not cut.has_boundaries:
            continue
        sides: tuple[tuple[Side, float | None, float | None], ...] = (
            ("lower", cut.lower, step.lower_error),
            ("upper", cut.upper, step.upper_error),
        )
        for side, boundary, error in sides:
            if boundary is None or not np.isfinite(boundary):
                continue
            moves = [("error", error or 0.0), *((f"{share:.0%}".replace("%", " %"), share * abs(boundary))
                     for share in SHARES)]  # fmt: skip
            for name, size in moves:
                for sign, shift in (("-", -size), ("+", size)):
                    if not size:
                        continue
                    there = boundary + shift
                    moved = replace(cut, lower=there) if side == "lower" else replace(cut, upper=there)
                    moved = moved.rounded(dtypes[cut.observable])
                    found.append(_Variant(position, moved, side, sign + name))
    return found
