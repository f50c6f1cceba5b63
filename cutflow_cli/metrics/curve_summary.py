"""What is quoted of a curve: areas and points on it, and the largest figures of merit over its thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cutflow_cli.metrics.curves import (
    COMPARED_AT,
    CURVE_METRICS,
    REJECTION_AT,
    Cumulative,
    Floats,
    RocCurve,
    area,
    background_at,
    rejection_at,
)
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT, MIN_EFFECTIVE_EVENTS, Yields, figure_of_merit
from cutflow_cli.metrics.formula import Formula
from cutflow_cli.metrics.significance import asimov, signal_over_sqrt_all, signal_over_sqrt_background

#: Figures of merit whose maximum over thresholds is quoted.
MAXIMISED = ("s_over_sqrt_b", "s_over_sqrt_s_plus_b", "asimov")
#: What is said beside each maximum of where it is reached.
_PLACE = ("threshold", "signal_efficiency")
_NO_SCORE = "the curve is of selections, not of a score: it has no thresholds"


@dataclass(frozen=True, slots=True)
class Maximum:
    """The largest figure of merit over the points of a curve.

    It is the maximum of a number that fluctuates, chosen on the very events that it is quoted on, hence biased upwards:
    the more thresholds and the fewer events, the more. Its error is that of the figure of merit at a fixed threshold
    and knows nothing of the choice. The number to quote is that of the working point, whose threshold was chosen on
    other events (validation); this one says how much a better threshold could have given at most.

    Attributes:
        figure: the maximum, with the statistical error at its point; undefined where no point qualifies.
        position: of its point on the curve; None likewise.
        threshold: events that score above it are kept; undefined for a curve without scores.
        signal_efficiency: there.
    """

    figure: Estimate
    position: int | None
    threshold: Estimate
    signal_efficiency: Estimate

    @classmethod
    def none(cls, reason: str) -> Maximum:
        """Say why there is no maximum."""
        undefined = Estimate.undefined(reason)
        return cls(undefined, None, undefined, undefined)


def best_point(curve: RocCurve, figure: str | Formula, min_effective_events: float = MIN_EFFECTIVE_EVENTS) -> Maximum:
    """Find the largest figure of merit over the points of a curve; see `Maximum` for what it is worth.

    Args:
        curve: the curve.
        figure: one of `MAXIMISED`, or a formula of the user; the systematic uncertainty of the curve's background is
            part of their σ_B.
        min_effective_events: effective background events that a point must keep; not asked of a formula in which the
            background does not appear.
    """
    S, B = curve.signal, curve.background
    values, name = _values(curve, figure), figure.name if isinstance(figure, Formula) else FIGURES_OF_MERIT[figure]
    allowed = np.isfinite(values) & ((S.sumw2 > 0) | (B.sumw2 > 0))  # a threshold that keeps nothing selects nothing
    if not isinstance(figure, Formula) or figure.of_background:
        allowed &= B.n_eff >= min_effective_events
        if not allowed.any():
            what = f"keeps {min_effective_events:g} effective background events"
            return Maximum.none(f"no point of the curve {what}, so {name} has no maximum")
    if not allowed.any():
        return Maximum.none(f"{name} is not finite at any point of the curve")
    best = int(np.argmax(np.where(allowed, values, -np.inf)))
    share = Estimate(float(S.efficiency[best]), float(S.error[best]))
    threshold = Estimate.undefined(_NO_SCORE)
    if curve.continuous:
        threshold = Estimate(float(curve.thresholds[best])) if math.isfinite(curve.thresholds[best]) else threshold
    found = _estimate(curve, figure, best)
    return Maximum(Estimate(found.value, found.error, found.reason or _place(threshold, share)), best, threshold, share)


def _values(curve: RocCurve, figure: str | Formula) -> Floats:
    """Compute a figure of merit at all points; where it is undefined it is not finite."""
    S, B = curve.signal, curve.background
    variance = B.sumw2 + _systematic_variance(B)
    if isinstance(figure, Formula):
        return figure.values(S.sumw, B.sumw, np.sqrt(S.sumw2), np.sqrt(variance))
    return figure_of_merit(figure, Yields(S.sumw, B.sumw, variance, S.sumw[-1], B.sumw[-1]))


def _estimate(curve: RocCurve, figure: str | Formula, position: int) -> Estimate:
    """Compute a figure of merit at one point with its error."""
    S, B = curve.signal, curve.background
    s, b = (Estimate(float(one.sumw[position]), math.sqrt(one.sumw2[position])) for one in (S, B))
    relative = float(B.relative_systematic[position])
    if isinstance(figure, Formula):
        return figure.estimate(s, b, relative)
    if figure == "asimov":
        return asimov(s, b, relative)
    return signal_over_sqrt_background(s, b) if figure == "s_over_sqrt_b" else signal_over_sqrt_all(s, b)


def _place(threshold: Estimate, share: Estimate) -> str:
    """Say where a maximum is reached."""
    at = f"ε_s = {share.value:.3g}"
    if threshold.value is None:
        return f"at {at}"
    shown = f"{threshold.value:.4g}" if threshold.value < 0.9999 else f"{threshold.value:.9g}"
    return f"at a score above {shown}, {at}"


def _systematic_variance(background: Cumulative) -> Floats:
    return np.zeros_like(background.sumw) if background.systematic is None else background.systematic**2


def maximum_name(figure: str | Formula) -> str:
    """Return what tables call the maximum of a figure of merit."""
    return f"max {figure.name}" if isinstance(figure, Formula) else f"max_{figure}"


def _place_names(figure: str | Formula) -> tuple[str, ...]:
    """Return what tables call the threshold and the signal efficiency at which a maximum is reached.

    A formula has a word of the language or no space in its name, so that these are never the names of another.
    """
    name = maximum_name(figure)
    if isinstance(figure, Formula):
        return tuple(f"{name} at {what.replace('_', ' ')}" for what in _PLACE)
    return tuple(f"{name}_{what}" for what in _PLACE)


#: Names of the numbers that say where the maxima of `MAXIMISED` are reached.
PLACES = tuple(name for figure in MAXIMISED for name in _place_names(figure))


def shown_metrics(formulas: Sequence[str] = ()) -> dict[str, str]:
    """Return what tables show of a curve, in order, and how people call it.

    Args:
        formulas: names of the user's figures of merit.
    """
    return CURVE_METRICS | {f"max {name}": f"max {name}" for name in formulas}


def curve_metrics(formulas: Sequence[Formula] = ()) -> tuple[str, ...]:
    """Return the names of all numbers of a curve: those shown, and where the maxima are reached."""
    of_formulas = tuple(name for one in formulas for name in _place_names(one))
    return (*shown_metrics([one.name for one in formulas]), *PLACES, *of_formulas)


def summarise_curve(
    curve: RocCurve, min_effective_events: float = MIN_EFFECTIVE_EVENTS, formulas: Sequence[Formula] = ()
) -> dict[str, Estimate]:
    """Compute all of `curve_metrics`.

    Args:
        curve: the curve.
        min_effective_events: effective background events that must be left to quote a rejection or a maximum.
        formulas: the user's figures of merit.
    """
    found = {"auc": area(curve)}
    found |= {f"rejection_at_{share}": rejection_at(curve, share / 100, min_effective_events) for share in REJECTION_AT}
    found |= {f"background_efficiency_at_{share}": background_at(curve, share / 100) for share in COMPARED_AT}
    figures: tuple[str | Formula, ...] = (*MAXIMISED, *formulas)
    for figure in figures:
        found |= dict(_maximum(curve, figure, min_effective_events))
    return {name: found[name] for name in curve_metrics(formulas)}


def _maximum(curve: RocCurve, figure: str | Formula, min_effective_events: float) -> Iterator[tuple[str, Estimate]]:
    best = best_point(curve, figure, min_effective_events)
    yield maximum_name(figure), best.figure
    yield from zip(_place_names(figure), (best.threshold, best.signal_efficiency), strict=True)
