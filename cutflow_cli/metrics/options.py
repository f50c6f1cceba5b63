"""What the user chooses of the figures of merit that are quoted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.curve_summary import PLACES
from cutflow_cli.metrics.curves import CURVE_METRICS
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.formula import Formula, parse_formula, require_defined
from cutflow_cli.metrics.summary import METRICS
from cutflow_cli.metrics.systematics import BackgroundSystematics, parse_systematics


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """How figures of merit are computed, and which there are beside the usual ones.

    Attributes:
        systematics: of the background, part of σ_B.
        min_effective_events: with fewer effective background events a figure that divides by B is not quoted.
        formulas: the user's own figures.
        punzi_a: significance in Punzi's figures, in standard deviations; None for that of the run, or 3.
        punzi_b: their power, likewise; None for that of the run, or 1.28155 (90 %).
    """

    systematics: BackgroundSystematics = field(default_factory=BackgroundSystematics)
    min_effective_events: float = MIN_EFFECTIVE_EVENTS
    formulas: tuple[Formula, ...] = ()
    punzi_a: float | None = None
    punzi_b: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {
            "background_systematic": {"common": self.systematics.common, "own": dict(self.systematics.own)},
            "min_effective_events": self.min_effective_events,
            "formulas": {one.name: one.text for one in self.formulas},
            "punzi_a": self.punzi_a,
            "punzi_b": self.punzi_b,
        }


def read_options(
    systematics: Sequence[str] = (),
    formulas: Sequence[str] = (),
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
    punzi_a: float | None = None,
    punzi_b: float | None = None,
) -> FigureOptions:
    """Read options as they are written on the command line.

    Raises:
        UsageError: for what can't be understood, a formula's name given twice, or a number out of range.
    """
    if not (math.isfinite(min_effective_events) and min_effective_events >= 0):
        msg = f"--min-effective-events {min_effective_events:g}: give a number of events, 0 or more"
        raise UsageError(msg)
    for option, value in (("--punzi-a", punzi_a), ("--punzi-b", punzi_b)):
        if value is not None and not (math.isfinite(value) and value > 0):
            msg = f"{option} {value:g}: give standard deviations above 0"
            raise UsageError(msg)
    read: list[Formula] = []
    for text in formulas:
        read.append(parse_formula(text, {*METRICS, *CURVE_METRICS, *PLACES, *(one.name for one in read)}))
        require_defined(read[-1])
    return FigureOptions(parse_systematics(systematics), min_effective_events, tuple(read), punzi_a, punzi_b)
