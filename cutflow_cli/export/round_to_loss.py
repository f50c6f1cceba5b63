"""The roundest boundaries that cost no more than a share of the figure of merit.

Boundaries are made rounder one after another, greedily: of all that can take one more step without the selection losing
more than is allowed, the one goes first after which the figure of merit is highest. Each step is decided by counting
the whole selection again on the validation events; the test events, on which the cost is quoted, decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import SPLITS, Split
from cutflow_cli.export.digits import shortest
from cutflow_cli.export.rounding import SIDES, STEPS, Rounded, Rounding, Side, crossed, nearest_multiple
from cutflow_cli.export.rounding_cost import Spent
from cutflow_cli.export.run_events import RunEvents
from cutflow_cli.metrics.figures_of_merit import (
    ADDITIVE,
    FIGURES_OF_MERIT,
    MIN_EFFECTIVE_EVENTS,
    Yields,
    figure_of_merit,
)
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: The events that decide.
DECIDES: Split = "validation"
_DECADES = 5  #: from the coarsest step to the finest: a boundary keeps five digits at most


class NothingToLoseError(InputError):
    """The selection as learned has no figure of merit on the events that decide."""


@dataclass(frozen=True, slots=True)
class _Events:
    """The validation events, shape (events,) each.

    Attributes:
        columns: what the selection cuts on.
        weight: expected events, the split scaled to the whole sample.
        signal: whether it is signal.
    """

    columns: dict[str, NDArray[Any]]
    weight: NDArray[np.float64]
    signal: NDArray[np.bool_]


@dataclass(slots=True)
class _Boundary:
    """A boundary and the numbers that it may become.

    Attributes:
        step: position in the flow.
        side: which boundary.
        numbers: rounder and rounder; what it is now is before them all.
    """

    step: int
    side: Side
    numbers: list[float]


@dataclass(frozen=True, slots=True)
class _Move:
    """A boundary made rounder, and the figure of merit after it."""

    figure: float
    boundary: _Boundary
    position: int
    cut: Cut


def round_to_loss(opened: RunEvents, flow: CutFlow, rounding: Rounding) -> tuple[CutFlow, tuple[Rounded, ...], Spent]:
    """Round the boundaries of the applied cuts of a flow, as far as the figure of merit allows.

    Args:
        opened: events of the run; those of its validation split decide.
        flow: with boundaries rounded to their columns' types.
        rounding: what may be lost, and of which figure of merit.

    Returns:
        The flow with rounded boundaries, what was rounded, and what it costs on the validation events.

    Raises:
        InputError: if the validation split can't decide: no events of a class, or none of the flow's hypothesis.
        NothingToLoseError: if the selection as learned has no figure of merit on it.
        UsageError: if its cuts are in bins of an observable.
    """
    assert rounding.loss is not None
    if flow.binnings:
        msg = "--round-loss: moves one boundary at a time, which cuts in bins have not; use --round or --round-within"
        raise UsageError(msg)
    search = _Search(opened, flow, rounding.fom)
    before = search.figure
    if not np.isfinite(before) or before <= 0:
        msg = (
            f"{opened.events.path}: the selection as learned (working point {flow.working_point}) has no "
            f"{FIGURES_OF_MERIT[rounding.fom]} on split {DECIDES} that could be lost; use --round or --round-within"
        )
        raise NothingToLoseError(msg)
    search.run(before * (1 - rounding.loss))
    steps = tuple(
        replace(step, cut=replace(step.cut, lower=cut.lower, upper=cut.upper))
        for step, cut in zip(flow.steps, search.cuts, strict=True)
    )
    rounded = replace(flow, steps=steps)
    spent = Spent(FIGURES_OF_MERIT[rounding.fom], DECIDES, before, search.figure, rounding.loss)
    return rounded, tuple(_changes(flow, rounded, opened.events.dtypes, search.cuts)), spent


class _Search:
    """A flow on its way to rounder boundaries.

    Attributes:
        cuts: of all steps, inactive ones too, in columns of the events.
        figure: the figure of merit now.
    """

    def __init__(self, opened: RunEvents, flow: CutFlow, fom: str) -> None:
        self._fom = fom
        on_columns = opened.on_columns(flow)
        self.cuts = [step.cut for step in on_columns.steps]
        self._active = [number for number, step in enumerate(flow.steps) if step.applied]
        self._start = list(self.cuts)
        self._dtypes = opened.events.dtypes
        self._events = _load(opened, on_columns)
        self._totals = self._sums(np.ones(len(self._events.weight), dtype=np.bool_))
        self._least = 0.0
        kept = self._kept()
        if fom not in ADDITIVE and self._effective(kept) >= MIN_EFFECTIVE_EVENTS:
            self._least = MIN_EFFECTIVE_EVENTS
        self.figure = self._figure(self._sums(kept))

    def run(self, floor: float) -> None:
        """Make boundaries rounder until every further step would take the figure of merit below the floor."""
        boundaries = [one for number in self._active for one in self._boundaries(number)]
        while moves := [move for move in (self._next(one, floor) for one in boundaries) if move is not None]:
            best = max(moves, key=lambda move: move.figure)
            self.cuts[best.boundary.step], self.figure = best.cut, best.figure
            del best.boundary.numbers[: best.position + 1]

    def _boundaries(self, number: int) -> Iterator[_Boundary]:
        cut = self.cuts[number]
        for side in SIDES:
            value: float | None = getattr(cut, side)
            if value is not None and np.isfinite(value):
                column = self._events.columns[cut.observable]
                yield _Boundary(number, side, rounder(value, _width(column), self._dtypes[cut.observable]))

    def _next(self, boundary: _Boundary, floor: float) -> _Move | None:
        """Find the next rounder number of a boundary that does not cost too much."""
        if not boundary.numbers:
            return None
        cut, start = self.cuts[boundary.step], self._start[boundary.step]
        rows = np.flatnonzero(self._kept(without=boundary.step))
        values = self._events.columns[cut.observable][rows]
        for position, number in enumerate(boundary.numbers):
            moved = replace(cut, lower=number) if boundary.side == "lower" else replace(cut, upper=number)
            if crossed(start, moved):
                continue
            kept = rows[moved.passes(values)]
            if self._effective(kept) < self._least:
                continue
            figure = self._figure(self._sums(kept))
            if figure >= floor:
                return _Move(figure, boundary, position, moved)
        return None

    def _kept(self, without: int | None = None) -> NDArray[np.bool_]:
        mask = np.ones(len(self._events.weight), dtype=np.bool_)
        for number in self._active:
            if number != without:
                mask &= self.cuts[number].passes(self._events.columns[self.cuts[number].observable])
        return mask

    def _sums(self, kept: NDArray[Any]) -> tuple[float, float, float]:
        """Return S, B and Σw² of the background."""
        weight, signal = self._events.weight[kept], self._events.signal[kept]
        background = weight[~signal]
        return float(weight[signal].sum()), float(background.sum()), float((background**2).sum())

    def _effective(self, kept: NDArray[Any]) -> float:
        _, B, variance = self._sums(kept)
        return B**2 / variance if variance else 0.0

    def _figure(self, sums: tuple[float, float, float]) -> float:
        S, B, variance = (np.array(value) for value in sums)
        found = figure_of_merit(self._fom, Yields(S, B, variance, self._totals[0], self._totals[1]))
        return float(found.reshape(-1)[0])


def rounder(value: float, width: float, dtype: str) -> list[float]:
    """Return the numbers that a boundary may become, each rounder than the one before.

    Multiples of 1, 2 and 5 times powers of ten that are nearest to it. The coarsest step has the size of the boundary,
    so that one digit is left, or that of the observable's spread: there a boundary may become 0.

    Args:
        value: a finite boundary.
        width: spread of the observable's values.
        dtype: type of the column.
    """
    exact = Decimal(shortest(value, dtype))
    size = max(abs(exact), Decimal(width) if np.isfinite(width) else Decimal(0))
    if not size:
        return []
    found: list[float] = []
    for power in range(size.adjusted(), size.adjusted() - _DECADES, -1):
        for step in (Decimal(1), *STEPS[1:]):
            unit = step.scaleb(power if step == 1 else power - 1)
            number = nearest_multiple(exact, unit, dtype)
            if number == value:
                return found[::-1]
            if np.isfinite(number) and number not in found:
                found.append(number)
    return found[::-1]


def _width(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0
    low, high = np.quantile(finite.astype(np.float64), [0.16, 0.84])
    return float(high - low) / 2


def _load(opened: RunEvents, flow: CutFlow) -> _Events:
    """Hold the validation events in memory: what is cut on, and weights.

    Raises:
        InputError: if there are none of a class, or they can't stand for the whole sample.
    """
    events = opened.events
    totals = opened.totals()
    opened.require(totals, DECIDES, flow)
    names = tuple(dict.fromkeys(cut.observable for cut in flow.cuts))
    parts: list[tuple[dict[str, NDArray[Any]], NDArray[np.float64], NDArray[np.bool_]]] = []
    for batch in events.batches(names):
        chosen = batch.split == SPLITS.index(DECIDES)
        if flow.hypothesis is not None and batch.hypothesis is not None:
            chosen &= (batch.label == 0) | (batch.hypothesis == flow.hypothesis)
        columns = {name: batch.columns[name][chosen] for name in names}
        parts.append((columns, totals.scaled_weights(batch)[chosen], batch.label[chosen] == 1))
    weight, signal = (np.concatenate([part[position] for part in parts]) for position in (1, 2))
    if not np.isfinite(weight).all():
        msg = f"{events.path}: split {DECIDES!r} can't decide on rounding, its weights can't stand for the whole sample"
        raise InputError(f"{msg}; use --round or --round-within")
    return _Events({name: np.concatenate([part[0][name] for part in parts]) for name in names}, weight, signal)


def _changes(before: CutFlow, after: CutFlow, dtypes: dict[str, str], on_columns: Sequence[Cut]) -> Iterator[Rounded]:
    for old, new, cut in zip(before.steps, after.steps, on_columns, strict=True):
        for side in SIDES:
            value, other = getattr(old.cut, side), getattr(new.cut, side)
            if value != other:
                yield Rounded(old.cut.observable, side, value, other, None, dtypes[cut.observable])
