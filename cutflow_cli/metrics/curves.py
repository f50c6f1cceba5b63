"""ROC curves with physical, signed weights: from the scores of a stream of events, or from a few selections.

A curve is what passes each of a series of ever looser selections, none and all events included. Everything quoted of it
is computed from those sums, so that a score with thousands of thresholds, a scan with a dozen working points and a
single selection are treated alike; the last two stand for a broken line through (0, 0), their points and (1, 1), whose
pieces are random choices between two selections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutflow_cli.metrics.classification import none_of, rejection
from cutflow_cli.metrics.estimate import LIMIT_LEVEL, Estimate
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS

#: Signal efficiencies, in per cent, at which the background of curves is compared.
COMPARED_AT = (10, 30, 50, 70, 90)
#: Signal efficiencies, in per cent, at which HEP ML LAB quotes background rejections.
REJECTION_AT = (50, 99)
#: What is quoted of a curve, in the order of the tables, and how people call it.
CURVE_METRICS: dict[str, str] = {
    "auc": "AUC",
    **{f"rejection_at_{share}": f"R{share}" for share in REJECTION_AT},
    **{f"background_efficiency_at_{share}": f"ε_b at ε_s = {share / 100:g}" for share in COMPARED_AT},
    "max_s_over_sqrt_b": "max S/√B",
    "max_s_over_sqrt_s_plus_b": "max S/√(S+B)",
    "max_asimov": "max Asimov Z",
}
#: Where the order of events with (nearly) equal scores could change an area by more than this, its reason says so.
AREA_TOLERANCE = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cumulative:
    """What passes ever looser selections of one class.

    Attributes:
        sumw: sums of weights, scaled to the luminosity; the first is 0, the last that of all events; shape (points,).
        sumw2: sums of squared weights, scaled likewise, shape (points,).
        systematic: systematic uncertainty of `sumw`, shape (points,); None where there is none.
    """

    sumw: Floats
    sumw2: Floats
    systematic: Floats | None = None

    @property
    def relative_systematic(self) -> Floats:
        """`systematic` as a fraction of `sumw`, shape (points,)."""
        if self.systematic is None:
            return np.zeros_like(self.sumw)
        size = np.abs(self.sumw)
        return np.divide(self.systematic, size, out=np.zeros_like(size), where=size > 0)

    @property
    def efficiency(self) -> Floats:
        """Share of the class that passes, shape (points,)."""
        return np.asarray(self.sumw / self.sumw[-1])

    @property
    def error(self) -> Floats:
        """Statistical error of `efficiency`, as in `classification.efficiency`, shape (points,)."""
        share = self.efficiency
        failed = np.maximum(self.sumw2[-1] - self.sumw2, 0.0)
        variance = (1 - share) ** 2 * self.sumw2 + share**2 * failed
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)) / abs(self.sumw[-1]))

    @property
    def n_eff(self) -> Floats:
        """Effective number of events that pass, (Σw)²/Σw², shape (points,)."""
        return np.divide(self.sumw**2, self.sumw2, out=np.zeros_like(self.sumw), where=self.sumw2 > 0)

    def between(self, position: float) -> tuple[float, float]:
        """Return efficiency and error between two points, where a share of the events between them passes."""
        low = min(int(position), len(self.sumw) - 2)
        weights = np.array([1 - (position - low), position - low])
        sumw, sumw2 = weights @ self.sumw[low : low + 2], weights @ self.sumw2[low : low + 2]
        one = Cumulative(np.array([sumw, self.sumw[-1]]), np.array([sumw2, self.sumw2[-1]]))
        return float(one.efficiency[0]), float(one.error[0])

    def reached(self, share: float) -> float:
        """Return the first position, between points too, at which the efficiency reaches a share."""
        # Negative weights may let an efficiency fall for a while.
        rising = np.maximum.accumulate(self.efficiency)
        nearly = share * (1 - 1e-12)  # sums in another order may differ in the last digit
        high = min(max(int(np.searchsorted(rising, nearly, side="left")), 1), len(rising) - 1)
        step = rising[high] - rising[high - 1]
        return high - 1 + (float((share - rising[high - 1]) / step) if step > 0 else 0.0)


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Ever looser selections, from none to all events.

    Attributes:
        thresholds: a point keeps what scores above it; falling, +∞ first and −∞ last, NaN where there is no score.
        signal: what passes of the signal.
        background: what passes of the background.
        continuous: whether it comes from a score, so that between two points lie thresholds rather than random choices.
    """

    thresholds: Floats
    signal: Cumulative
    background: Cumulative
    continuous: bool = True

    def __len__(self) -> int:
        return len(self.thresholds)

    def thinned(self, points: int) -> RocCurve:
        """Leave out points that lie near others, for tables and figures.

        Points are kept about evenly in ε_s and in the logarithm of ε_b, which is where curves are looked at.

        Args:
            points: how many may be left.
        """
        if len(self) <= points:
            return self
        share = np.clip(self.background.efficiency, 1e-9, 1.0)
        along = np.abs(np.diff(self.signal.efficiency)) + np.abs(np.diff(np.log(share))) / -math.log(share[1:].min())
        place = np.append(0.0, np.cumsum(along))
        chosen = np.searchsorted(place, np.linspace(0.0, place[-1], points - 1))
        rows = np.unique(np.append(np.minimum(chosen, len(self) - 1), [0, len(self) - 1]))
        signal, background = (Cumulative(one.sumw[rows], one.sumw2[rows]) for one in (self.signal, self.background))
        return RocCurve(self.thresholds[rows], signal, background, self.continuous)


def polygon(signal: ArrayLike, background: ArrayLike, systematic: ArrayLike | None = None) -> RocCurve:
    """Make the curve of a few selections, the broken line (0, 0), the selections by rising ε_s, (1, 1).

    All points are kept: a hull would choose among them by the fluctuations of the very events that are quoted. Errors
    of what is computed from several points take the selections as nested, as those of a smooth scan nearly are.

    Args:
        signal: Σw and Σw² that pass each selection, then those of all events, shape (selections + 1, 2).
        background: the same for the background.
        systematic: systematic uncertainty of Σw of the background likewise, shape (selections + 1,).
    """
    sums = [np.asarray(one, dtype=np.float64) for one in (signal, background)]
    order = np.append(np.argsort(sums[0][:-1, 0], kind="stable"), len(sums[0]) - 1)
    with_none = [np.vstack([np.zeros((1, 2)), one[order]]) for one in sums]
    of_signal, of_background = (Cumulative(one[:, 0], one[:, 1]) for one in with_none)
    if systematic is not None:
        moved = np.append(0.0, np.asarray(systematic, dtype=np.float64)[order])
        of_background = replace(of_background, systematic=moved)
    return RocCurve(np.full(len(order) + 1, np.nan), of_signal, of_background, continuous=False)


def area(curve: RocCurve) -> Estimate:
    """Area under the curve, ∫ (1 − ε_b) dε_s by trapezoids: P(score of signal > score of background) + ½ P(equal).

    Its error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837) for weighted events: each event's
    placement among the other class, less the area, is what its weight counts for. Where
    the order of equal or nearly equal scores could change it by more than `AREA_TOLERANCE` the reason says so.
    """
    signal, background = (one.sumw[-1] for one in (curve.signal, curve.background))
    s, s2, b, b2 = (np.diff(part) for one in (curve.signal, curve.background) for part in (one.sumw, one.sumw2))
    above = (curve.signal.sumw[1:] - s / 2) / signal  # share of the signal that scores higher than a background event
    below = 1 - (curve.background.sumw[1:] - b / 2) / background
    value = float(s @ below / signal)
    variance = np.maximum(s2, 0) @ (below - value) ** 2 / signal**2
    variance += np.maximum(b2, 0) @ (above - value) ** 2 / background**2
    blurred = float(np.abs(s) @ np.abs(b) / abs(2 * signal * background))
    reason = None
    if curve.continuous and blurred > AREA_TOLERANCE:
        reason = f"many scores are equal or nearly so: their order is worth up to {blurred:.1g} of the area"
    return Estimate(value, math.sqrt(variance), reason)


def background_at(curve: RocCurve, signal_efficiency: float) -> Estimate:
    """Background efficiency at a signal efficiency, interpolated linearly between the points of the curve.

    Its variance is that of ε_b at a fixed threshold, plus that of the threshold: half the change of ε_b between
    ε_s − σ(ε_s) and ε_s + σ(ε_s), squared. With no background event above the threshold the error vanishes although ε_b
    is not known; the reason then gives the limit of `classification.none_of`.

    Args:
        curve: the curve.
        signal_efficiency: between 0 and 1.
    """
    given, wanted = curve.signal, curve.background
    position = given.reached(signal_efficiency)
    value, error = wanted.between(position)
    spread = given.between(position)[1]
    low, high = (
        wanted.between(given.reached(min(max(signal_efficiency + side * spread, 0.0), 1.0)))[0] for side in (-1.0, 1.0)
    )
    reason = None
    if value == 0 and not wanted.sumw2[: math.ceil(position) + 1].any():
        limit = none_of(float(wanted.n_eff[-1]))
        reason = f"no simulated background event passes: the efficiency is below {limit:.3g} at {LIMIT_LEVEL:.0%} CL"
    return Estimate(value, math.hypot(error, (high - low) / 2), reason)


def rejection_at(
    curve: RocCurve, signal_efficiency: float, min_effective_events: float = MIN_EFFECTIVE_EVENTS
) -> Estimate:
    """Background rejection 1/ε_b at a signal efficiency (R50 and R99 of HEP ML LAB are those at 0.5 and 0.99).

    For ε_b → 0 it grows without bound: with fewer effective background events than the least it is undefined, and with
    none the reason gives a limit (`classification.rejection`).

    Args:
        curve: the curve.
        signal_efficiency: between 0 and 1.
        min_effective_events: the least effective number of background events that pass.
    """
    share = background_at(curve, signal_efficiency)
    position = curve.signal.reached(signal_efficiency)
    kept = float(np.interp(position, np.arange(len(curve)), curve.background.n_eff))
    if share.value and kept < min_effective_events:
        what = f"only {kept:.3g} effective background events are left at ε_s = {signal_efficiency:g}"
        return Estimate.undefined(f"{what}, fewer than {min_effective_events:g}: the rejection is not quoted")
    return rejection(share, float(curve.background.n_eff[-1]))
