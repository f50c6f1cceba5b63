"""S, B, S/√B and Z of one stage or variant of a selection, with the difference of two that share events."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.propagation import slopes, total_uncertainty
from cutflow_cli.metrics.significance import asimov, asimov_significance, signal_over_sqrt_background
from cutflow_cli.metrics.summary import Kept, too_few
from cutflow_cli.metrics.yields import expected_events

#: Relative difference of two sums that are the same but for the order of their terms.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Brief:
    """The numbers of a selection that fit into one line.

    Attributes:
        signal: S.
        background: B.
        relative: systematic uncertainty of B as a fraction.
        n_eff: effective number of background events; None where undefined.
        s_over_sqrt_b: S/√B.
        asimov: Asimov Z.
    """

    signal: Estimate
    background: Estimate
    relative: float
    n_eff: float | None
    s_over_sqrt_b: Estimate
    asimov: Estimate

    @property
    def reason(self) -> str | None:
        """Why something is undefined, or what to know of it."""
        numbers = (self.asimov, self.s_over_sqrt_b, self.signal, self.background)
        return next((one.reason for one in numbers if one.reason), None)


def brief(signal: Kept, background: Kept, options: FigureOptions) -> Brief:
    """Compute the numbers, as `metrics.summary.summarise` does.

    Args:
        signal: what the selection keeps of the signal.
        background: what it keeps of the background.
        options: how figures of merit are computed.
    """
    S = signal.weighted(lambda: expected_events(signal.passed, "signal", signal.weights))
    B = background.weighted(lambda: expected_events(background.passed, "background", background.weights))
    usable = background.undefined is None
    relative = background.relative_uncertainty(options.systematics)
    root, z = signal_over_sqrt_background(S, B), asimov(S, B, relative)
    few = too_few(background.passed, options.min_effective_events) if usable else None
    if few is not None:
        root, z = (one if one.value is None else Estimate.undefined(few) for one in (root, z))
    return Brief(S, B, relative, background.passed.n_eff if usable else None, root, z)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Σw² of the events in which two selections differ.

    Attributes:
        gained: those that only the other keeps, of signal and background.
        lost: those that only the first keeps, likewise.
    """

    gained: tuple[float, float] = (0.0, 0.0)
    lost: tuple[float, float] = (0.0, 0.0)


def change_of_asimov(first: Brief, other: Brief, exchange: Exchange) -> Estimate:
    """Return how much larger Z of another selection is, with an error in which common events count only once.

    With the slopes of Z in S and B at both selections: events that both keep move both numbers, and count with the
    difference of the slopes; events that one keeps count with the slope there.

    Args:
        first: a selection.
        other: another of the same events.
        exchange: the events in which they differ.
    """
    numbers = first.asimov.value, other.asimov.value
    if numbers[0] is None or numbers[1] is None:
        return Estimate.undefined("a significance is undefined")
    here, there = (slopes(_asimov, one.signal, one.background, one.relative) for one in (first, other))
    variance = 0.0
    for own, slope, its_slope, gained, lost in zip(
        (first.signal, first.background), here, there, exchange.gained, exchange.lost, strict=True
    ):
        common = max(0.0, (own.error or 0.0) ** 2 - lost)
        variance += (its_slope - slope) ** 2 * common + its_slope**2 * gained + slope**2 * lost
    return Estimate(numbers[1] - numbers[0], math.sqrt(variance))


def asimov_under(nominal: Brief, varied: Brief, squares: tuple[float, float]) -> tuple[Estimate, Estimate]:
    """Return Z with the yields under a variation, and how much larger it is, with statistical errors.

    The statistics of the simulation in σ_B stay those of the nominal events, as a fraction of B: else Z would rise with
    the size of an alternative sample. With the slopes g of Z in a yield without the variation and g' under it, an event
    moves the difference by g'w' − gw (`shift_variance`), to first order.

    Args:
        nominal: the selection.
        varied: the same under the variation.
        squares: Σ(w' − w)² of signal and background; the sum of both variances where events are not the same.
    """
    for one in (varied, nominal):
        if one.asimov.value is None:
            undefined = Estimate.undefined(one.reason or "a significance is undefined")
            return (undefined if one is varied else varied.asimov), undefined
    S, B, own = varied.signal.value or 0.0, varied.background.value or 0.0, nominal.background
    statistics = Estimate(B, B * (own.error or 0.0) / (own.value or 1.0))
    value = _asimov(S, B, 0.0, total_uncertainty(statistics, varied.relative))
    here = slopes(_asimov, nominal.signal, nominal.background, nominal.relative)
    there = slopes(_asimov, varied.signal, statistics, varied.relative)
    variance = error2 = 0.0
    for before, under, slope, its_slope, square in zip(
        (nominal.signal, own), (varied.signal, varied.background), here, there, squares, strict=True
    ):
        sumw2 = (under.error or 0.0) ** 2
        error2 += its_slope**2 * sumw2
        variance += shift_variance(its_slope, slope, sumw2, (before.error or 0.0) ** 2, square)
    shift = difference(value, nominal.asimov.value or 0.0)
    return Estimate(value, math.sqrt(error2)), Estimate(shift, math.sqrt(variance))


def difference(value: float, nominal: float) -> float:
    """Return value − nominal, 0 where they differ by no more than sums of the same in another order do."""
    return 0.0 if abs(value - nominal) <= _ROUNDING * abs(nominal) else value - nominal


def shift_variance(varied: float, nominal: float, varied_sumw2: float, nominal_sumw2: float, change2: float) -> float:
    """Return Σ(a w' − c w)², the variance of the difference of two sums over the same events.

    Written without Σ w w', so that it vanishes where nothing changes; what may be rounding is 0.

    Args:
        varied: a.
        nominal: c.
        varied_sumw2: Σw'².
        nominal_sumw2: Σw².
        change2: Σ(w' − w)²; Σw'² + Σw² for different, independent events.
    """
    found = (varied - nominal) * (varied * varied_sumw2 - nominal * nominal_sumw2) + varied * nominal * change2
    return found if found > _ROUNDING * (varied**2 * varied_sumw2 + nominal**2 * nominal_sumw2) else 0.0


def _asimov(s: float, b: float, _: float, sigma_b: float) -> float:
    return float(asimov_significance(max(s, 0.0), b, sigma_b))
