"""Boundaries rounded to values that one would publish: 68 GeV rather than 68.34 ± 0.41 GeV.

A boundary becomes the roundest number within its error: a multiple of 1, 5 or 2 times a power of ten, with as few
digits as there is room for, as data are quoted to the digits that their errors bear (Particle Data Group, Review of
Particle Physics, introduction, section 5.3). What rounding costs is found by evaluating the rounded flow, which is a
`CutFlow` like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import numpy as np

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.export.digits import shortest
from cutflow_cli.metrics.figures_of_merit import DEFAULT_FIGURE, require_figure
from cutflow_cli.selection.binned import BinnedCut, bin_title
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

Side = Literal["lower", "upper"]
SIDES: tuple[Side, ...] = ("lower", "upper")
#: Steps of numbers within a power of ten, the roundest first.
STEPS = (Decimal(10), Decimal(5), Decimal(2))
_MOST_DECADES = 40  #: from the size of a boundary down to its error; doubles have 16 digits


@dataclass(frozen=True, slots=True)
class Rounding:
    """How far boundaries may move when they are rounded.

    Attributes:
        within: as a fraction of each boundary; None for its own error.
        loss: share of a figure of merit that rounding may cost in all, instead of a distance (`round_to_loss`).
        fom: that figure of merit, a key of `FIGURES_OF_MERIT`.

    Raises:
        UsageError: if a share is not between 0 and 1, both are given, or the figure of merit is unknown.
    """

    within: float | None = None
    loss: float | None = None
    fom: str = DEFAULT_FIGURE

    def __post_init__(self) -> None:
        if self.within is not None and self.loss is not None:
            msg = "--round-within and --round-loss exclude each other: a boundary moves by a distance, or for a price"
            raise UsageError(msg)
        _require_share(self.within, "--round-within", "a fraction of each boundary is needed, such as 0.01")
        _require_share(self.loss, "--round-loss", "a fraction of the figure of merit is needed, such as 0.01")
        require_figure(self.fom)


def _require_share(share: float | None, option: str, what: str) -> None:
    if share is not None and not 0 < share < 1:
        msg = f"{option} {share:g}: {what}, between 0 and 1"
        raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class Rounded:
    """One boundary that was rounded.

    Attributes:
        observable: the name of the feature.
        side: which boundary.
        before: the boundary as learned.
        after: the rounded one, as the column's type holds it.
        within: how far it was allowed to move; None where what it costs was the limit.
        dtype: type of the column.
    """

    observable: str
    side: Side
    before: float
    after: float
    within: float | None = None
    dtype: str = "float64"

    def __str__(self) -> str:
        before, after = shortest(self.before, self.dtype), shortest(self.after, self.dtype)
        limit = "" if self.within is None else f" (within {self.within:.2g})"
        return f"{self.observable}, {self.side} boundary: {before} → {after}{limit}"


def rounded_flow(
    flow: CutFlow, dtypes: Mapping[str, str], within: float | None = None
) -> tuple[CutFlow, tuple[Rounded, ...]]:
    """Round the boundaries of the applied cuts of a flow.

    Args:
        flow: with boundaries that are rounded to their columns' types.
        dtypes: the type of each observable's column; to it rounded numbers are rounded again.
        within: how far a boundary may move, as a fraction of itself; None for its own error, over the replicas.

    Returns:
        The flow with rounded boundaries, all else as it was, errors too; and what was rounded, in the flow's order.
        A boundary stays as it is if it is not known how far it may move, if it is as round as that already, or if the
        two of a cut would meet.

    Raises:
        UsageError: if the fraction is not between 0 and 1.
        InputError: if an observable has no type.
    """
    _require_share(within, "--round-within", "a fraction of each boundary is needed, such as 0.01")
    steps: list[LearnedCut] = []
    found: list[Rounded] = []
    for step in flow.steps:
        new, what = _rounded_step(step, _dtype(step.cut, dtypes), within) if step.active else (step, ())
        steps.append(new)
        found.extend(what)
    return replace(flow, steps=tuple(steps)), tuple(found)


def _dtype(cut: Cut, dtypes: Mapping[str, str]) -> str:
    if cut.observable not in dtypes:
        msg = f"the selection cuts on {cut.observable!r}, whose type is not known; {nearest(cut.observable, dtypes)}"
        raise InputError(msg)
    return dtypes[cut.observable]


def _rounded_step(step: LearnedCut, dtype: str, within: float | None) -> tuple[LearnedCut, tuple[Rounded, ...]]:
    found: list[Rounded] = []
    cut = step.cut
    if isinstance(cut, BinnedCut):
        bins: list[LearnedCut] = []
        for number, one in enumerate(step.bins):
            new, what = _rounded_step(one, dtype, within) if one.active else (one, ())
            bins.append(new)
            where = f"{cut.observable} for {cut.binned_in} {bin_title(cut.edges, number)}"
            found += [replace(rounded, observable=where) for rounded in what]
        together = LearnedCut.from_bins(cut.binned_in, cut.edges, tuple(bins))
        return replace(step, cut=together.cut, bins=together.bins), tuple(found)
    for side in SIDES:
        before: float | None = getattr(step.cut, side)
        error: float | None = getattr(step, f"{side}_error")
        if before is None or (within is None and error is None):
            continue

        def allowed(value: float, error: float = error or 0.0) -> float:
            return error if within is None else abs(value) * within

        after = roundest(before, allowed, dtype)
        if after != before:
            found.append(Rounded(cut.observable, side, before, after, allowed(before), dtype))
            cut = replace(cut, lower=after) if side == "lower" else replace(cut, upper=after)
    return (step, ()) if crossed(step.cut, cut) else (replace(step, cut=cut), tuple(found))


def roundest(value: float, allowed: Callable[[float], float], dtype: str) -> float:
    """Return the roundest number that is as near to a value as it must be, and would not be rounded once more.

    A multiple of the largest step 10ⁿ, 5·10ⁿ⁻¹ or 2·10ⁿ⁻¹ that has one there, and of several the nearest.

    Args:
        value: any number.
        allowed: given a number, how far the result may be from it.
        dtype: type of the column; the result is one of its numbers and the distance holds after that.

    Returns:
        The value itself where it is round enough: a multiple of one of the steps that are not much smaller than the
        distance. Hence what was rounded once is not rounded again.
    """
    within = allowed(value)
    if _is_round(value, within, dtype):
        return value
    candidates = _candidates(value, within, dtype)
    return next((number for number in candidates if _is_round(number, allowed(number), dtype)), value)


def _is_round(value: float, within: float, dtype: str) -> bool:
    """Whether a number is as round as is asked for."""
    if not (math.isfinite(value) and math.isfinite(within) and within > 0):
        return True
    exact = Decimal(shortest(value, dtype))
    return any(exact % step == 0 for step in _steps(exact, within))


def _candidates(value: float, within: float, dtype: str) -> Iterator[float]:
    """Yield round numbers within a distance, the roundest first, of each step the nearest."""
    exact = Decimal(shortest(value, dtype))
    for step in _steps(exact, within):
        number = nearest_multiple(exact, step, dtype)
        if math.isfinite(number) and abs(number - value) <= within:
            yield number


def nearest_multiple(exact: Decimal, step: Decimal, dtype: str) -> float:
    """Return the multiple of a step that is nearest to a number, as a column's type holds it; never −0."""
    number = float((exact / step).to_integral_value() * step)
    with np.errstate(over="ignore", under="ignore"):
        return (float(np.float32(number)) if dtype == "float32" else number) + 0.0


def _steps(exact: Decimal, within: float) -> Iterator[Decimal]:
    """Yield steps from the size of a number down to the first of which a multiple is always within the distance."""
    top = max(abs(exact), Decimal(within)).adjusted() + 1
    for power in range(top, top - _MOST_DECADES, -1):
        for digit in STEPS:
            step = digit.scaleb(power - 1)
            yield step
            if step <= 2 * Decimal(within):
                return


def crossed(before: Cut, after: Cut) -> bool:
    """Whether two boundaries that were apart have met, or changed places."""
    if before.lower is None or before.upper is None or after.lower is None or after.upper is None:
        return False
    if before.lower == before.upper:
        return after.lower != after.upper
    return (before.lower < before.upper) != (after.lower < after.upper) or after.lower == after.upper
