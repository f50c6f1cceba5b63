"""Yields, efficiencies and Z of one selection, and how systematic variations shift them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from cutflow_cli.evaluation.brief import Brief, asimov_under, brief, difference, shift_variance
from cutflow_cli.evaluation.depth_counter import Prefix
from cutflow_cli.evaluation.detail_rows import CLASSES
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.variations import Varied
from cutflow_cli.events.schema import Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.yields import Sums, expected_events

Quantity = Literal["yield", "efficiency", "asimov"]
#: What a number is, and of which process or class; None for Z.
Key = tuple[Quantity, str | None]
Z: Key = ("asimov", None)


@dataclass(frozen=True, slots=True)
class Shifted:
    """Numbers under a variation.

    Attributes:
        values: the numbers.
        shifts: less the nominal ones, with the statistical error of the difference.
    """

    values: dict[Key, Estimate]
    shifts: dict[Key, Estimate]


@dataclass(frozen=True, slots=True)
class _Part:
    """A class, or a process of it."""

    name: str
    role: Role
    position: int | None = None


@dataclass(frozen=True, slots=True)
class SelectionShifts:
    """One selection on one signal.

    Attributes:
        nominal: events without variations, whose σ_B knows none.
        cuts: of the selection.
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal.
        options: how figures of merit are computed.
    """

    nominal: Normalised
    cuts: Prefix
    split: Split
    hypothesis: float | None
    options: FigureOptions

    def brief(self, events: Normalised) -> Brief:
        """Compute S, B and Z of the selection on events that are normalised in some way."""
        signal, background = (events.of_class(self.cuts, role, self.split, self.hypothesis) for role in CLASSES)
        return brief(signal, background, self.options)

    def without(self) -> dict[Key, Estimate]:
        """Compute the numbers without variations."""
        return self._values(self.nominal, {role: self._kept(self.nominal, role) for role in CLASSES})

    def under(self, varied: Varied) -> Shifted:
        """Compute the numbers under a variation.

        Args:
            varied: the events under it.
        """
        nominal = self.without()
        kept = {role: varied.kept(self.cuts, role, self.split, self.hypothesis) for role in CLASSES}
        values = self._values(varied.events, kept)
        shifts: dict[Key, Estimate] = {}
        for part in self._parts():
            of_yield, of_efficiency = self._variances(varied, part)
            variances: dict[Quantity, float | None] = {"yield": of_yield, "efficiency": of_efficiency}
            for quantity, variance in variances.items():
                key = (quantity, part.name)
                shifts[key] = self._shift(values[key], nominal[key], variance)
        changed = [varied.change.of_class(self.cuts, role, self.split, self.hypothesis).passed for role in CLASSES]
        values[Z], shifts[Z] = asimov_under(
            self.brief(self.nominal),
            brief(kept["signal"], kept["background"], self.options),
            (changed[0].sumw2, changed[1].sumw2),
        )
        return Shifted(values, shifts)

    def _values(self, events: Normalised, kept: dict[Role, Kept]) -> dict[Key, Estimate]:
        found: dict[Key, Estimate] = {}
        for part in self._parts():
            passed, total = (self._sums(events, part, prefix) for prefix in (self.cuts, ()))
            weights = kept[part.role].weights if part.position is None else (total.mean_weight,)
            missing = kept[part.role].undefined
            if missing is not None:
                found["yield", part.name] = found["efficiency", part.name] = Estimate.undefined(missing)
                continue
            found["yield", part.name] = expected_events(passed, part.role, weights)
            found["efficiency", part.name] = efficiency(passed, total)
        numbers = brief(kept["signal"], kept["background"], self.options)
        found[Z] = replace(numbers.asimov, reason=numbers.asimov.reason or numbers.reason)
        return found

    def _parts(self) -> Iterator[_Part]:
        """Go through the classes and their processes; a class of one process of its name counts once."""
        for role in CLASSES:
            yield _Part(role, role)
            for position, process in enumerate(self.nominal.processes):
                if process.role == role != process.name:
                    yield _Part(process.name, role, position)

    def _sums(self, events: Normalised, part: _Part, prefix: Prefix) -> Sums:
        if part.position is None:
            return events.of_class(prefix, part.role, self.split, self.hypothesis).passed
        return events.of_process(prefix, part.position, self.split, self.hypothesis)

    def _kept(self, events: Normalised, role: Role) -> Kept:
        return events.of_class(self.cuts, role, self.split, self.hypothesis)

    @staticmethod
    def _shift(value: Estimate, nominal: Estimate, variance: float | None) -> Estimate:
        if value.value is None or nominal.value is None:
            return Estimate.undefined((value.reason if value.value is None else nominal.reason) or "undefined")
        return Estimate(difference(value.value, nominal.value), None if variance is None else math.sqrt(variance))

    def _variances(self, varied: Varied, part: _Part) -> tuple[float, float | None]:
        """Return the variances of the shifts of yield and efficiency, to first order.

        With P of T events that pass, an event that passes moves ε by (1 − ε)/T, one that fails by −ε/T.
        """
        passed, total = (
            [self._sums(events, part, prefix) for events in (varied.events, self.nominal, varied.change)]
            for prefix in (self.cuts, ())
        )
        (under, nominal, change), (all_under, all_nominal, _) = passed, total
        if not all_under.sumw or not all_nominal.sumw:
            return change.sumw2, None
        share, before = under.sumw / all_under.sumw, nominal.sumw / all_nominal.sumw
        squares = [one.sumw2 for one in passed]
        failing = [max(every.sumw2 - one.sumw2, 0.0) for every, one in zip(total, passed, strict=True)]
        return change.sumw2, (
            shift_variance((1 - share) / all_under.sumw, (1 - before) / all_nominal.sumw, *squares)
            + shift_variance(-share / all_under.sumw, -before / all_nominal.sumw, *failing)
        )
