"""What rounding costs: the selection as learned and as rounded, counted on the same events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutflow_cli.evaluation.additive import Additive, Arrays
from cutflow_cli.evaluation.brief import Brief, Exchange, brief, change_of_asimov
from cutflow_cli.evaluation.normalise import Normalised, normalise
from cutflow_cli.evaluation.numbers import with_errors
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, Split
from cutflow_cli.export.run_events import ROLES, RunEvents
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Spent:
    """What the search for round boundaries spent on the events that it decided on.

    Attributes:
        fom: the figure of merit.
        split: the events.
        before: its value as learned.
        after: its value as rounded.
        allowed: share of it that rounding may cost.
    """

    fom: str
    split: Split
    before: float
    after: float
    allowed: float

    def __str__(self) -> str:
        lost = (self.before - self.after) / self.before
        change = f"{lost:.2%} lost" if lost > 0 else "nothing lost"
        return (
            f"chosen on split {self.split}: {self.fom} {self.before:.4g} → {self.after:.4g}, {change} of the "
            f"{self.allowed:.2%} allowed"
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """S, B and Z of a selection as learned and as rounded.

    Attributes:
        path: the events file.
        split: the events counted.
        before: the numbers as learned.
        after: the numbers as rounded.
        change: of Asimov Z; in its error, events that both keep hardly count.
        spent: what was decided on other events; None where boundaries had a distance as limit.
    """

    path: str
    split: Split
    before: Brief
    after: Brief
    change: Estimate
    spent: Spent | None = None

    @property
    def rows(self) -> tuple[tuple[str, str, str, str], ...]:
        """What a table shows: quantity, as learned, as rounded, change."""
        numbers = (
            ("S", self.before.signal, self.after.signal, None),
            ("B", self.before.background, self.after.background, None),
            ("Asimov Z", self.before.asimov, self.after.asimov, self.change),
        )
        return tuple((name, _number(one), _number(other), _change(one, other, by)) for name, one, other, by in numbers)

    def __str__(self) -> str:
        rows = ", ".join(f"{name} {before} → {after} ({change})" for name, before, after, change in self.rows)
        chosen = "" if self.spent is None else f"; {self.spent}"
        return f"cost of rounding on split {self.split} of {self.path}: {rows}{chosen}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        found: dict[str, Any] = {"data": self.path, "split": self.split}
        for name in ("signal", "background", "asimov"):
            before, after = getattr(self.before, name), getattr(self.after, name)
            found[name] = {
                "before": before.value, "before_error": before.error, "after": after.value, "after_error": after.error,
            }  # fmt: skip
        found["asimov"] |= {"change": self.change.value, "change_error": self.change.error}
        found["reason"] = self.after.asimov.reason or self.before.asimov.reason
        if self.spent is not None:
            spent = self.spent
            found["chosen"] = {
                "split": spent.split, "fom": spent.fom, "before": spent.before, "after": spent.after,
                "allowed_loss": spent.allowed,
            }  # fmt: skip
        return found


def rounding_costs(
    opened: RunEvents,
    learned: Sequence[CutFlow],
    rounded: Sequence[CutFlow],
    split: Split = "test",
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Cost, ...]:
    """Count selections as learned and as rounded, in one pass over the events.

    Args:
        opened: events of the run.
        learned: selections of the run.
        rounded: the same with other boundaries.
        split: the events to count.
        progress: called with the share done and a few words.

    Raises:
        InputError: if the split holds no signal or no background, or has none of a selection's hypothesis.
    """
    events, totals = opened.events, opened.totals()
    for flow in learned:
        opened.require(totals, split, flow)
    pairs = [tuple(map(opened.on_columns, pair)) for pair in zip(learned, rounded, strict=True)]
    exchanges = _Exchanges(pairs, totals, split)
    counted = tally(events, [flow for pair in pairs for flow in pair], progress=progress, listeners=[exchanges])
    normalised = normalise(counted, events.metadata.processes)
    costs = []
    for pair, exchange in zip(pairs, exchanges.found(), strict=True):
        before, after = (_brief(normalised, flow, split) for flow in pair)
        costs.append(Cost(str(events.path), split, before, after, change_of_asimov(before, after, exchange)))
    return tuple(costs)


def _brief(events: Normalised, flow: CutFlow, split: Split) -> Brief:
    signal, background = (events.of_class(flow.cuts, role, split, flow.hypothesis) for role in ROLES)
    return brief(signal, background, FigureOptions())


class _Exchanges(Additive):
    """Sums the squared weights of the events in which pairs of selections differ, in the pass that counts them."""

    def __init__(self, pairs: Sequence[tuple[CutFlow, ...]], totals: Normalised, split: Split) -> None:
        self._pairs, self._totals, self._split = pairs, totals, split
        self.start()

    def start(self) -> None:
        """Forget all events."""
        self._squares = np.zeros((len(self._pairs), 2, 2))  # gained and lost, signal and background

    def sums(self) -> Arrays:
        """Return the sums."""
        return [self._squares]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(name for pair in self._pairs for flow in pair for name in flow.columns))

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""
        rows = np.flatnonzero(batch.split == SPLITS.index(self._split))
        columns = {name: batch.columns[name][rows] for name in self.columns}
        square, label = self._totals.scaled_weights(batch)[rows] ** 2, batch.label[rows]
        for number, (learned, rounded) in enumerate(self._pairs):
            usable = np.ones(len(rows), dtype=np.bool_)
            if learned.hypothesis is not None and batch.hypothesis is not None:
                usable = (label == 0) | (batch.hypothesis[rows] == learned.hypothesis)
            kept, other = (flow.mask(columns, len(rows)) & usable for flow in (learned, rounded))
            for column, part in enumerate((other & ~kept, kept & ~other)):
                by_label = np.bincount(label[part], square[part], 2)
                self._squares[number, column] += by_label[::-1]

    def found(self) -> list[Exchange]:
        """Return what was exchanged between each pair."""
        return [Exchange((g[0], g[1]), (lost[0], lost[1])) for g, lost in self._squares.tolist()]


def _number(one: Estimate) -> str:
    return "–" if one.value is None else with_errors(one.value, one.error)


def _change(before: Estimate, after: Estimate, change: Estimate | None) -> str:
    """Write a change, with its error where that is known; what is undefined gives its reason."""
    if before.value is None or after.value is None:
        return after.reason or before.reason or "not defined"
    difference = after.value - before.value
    share = f"{difference / abs(before.value):+.2%}".replace("-", "−") if before.value else f"{difference:+.3g}"
    if change is None or change.value is None or not change.error:
        return share
    return f"{'+' if difference >= 0 else '−'}{with_errors(abs(difference), change.error)}, {share}"
