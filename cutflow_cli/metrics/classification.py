"""Efficiencies of a selection, with physical, signed weights."""

from __future__ import annotations

import math

from cutflow_cli.metrics.estimate import LIMIT_LEVEL, Estimate
from cutflow_cli.metrics.yields import Sums


def efficiency(passed: Sums, total: Sums) -> Estimate:
    """Weighted share of events that pass, ε = Σ_pass w / Σ w.

    Its variance is ((1−ε)² Σ_pass w² + ε² Σ_fail w²) / (Σw)²: first-order propagation for the independent sums over
    passing and failing events, the weighted binomial error of ROOT's `TH1::Divide` with option B. For unit weights it
    is ε (1−ε) / n. With negative weights ε may leave [0, 1] and the formula still holds, as long as Σw is many times
    its error. Where no event, or every event, passes it vanishes although the efficiency is not known exactly; the
    reason then gives the one-sided Clopper-Pearson limit 1 − 0.05^(1/n) with the effective number of events
    (Σw)²/Σw² for n, exact for unit weights.

    Args:
        passed: sums over the events that pass, a part of `total`.
        total: sums over all events.
    """
    if total.events == 0:
        return Estimate.undefined("there are no events to pass")
    if total.sumw == 0:
        return Estimate.undefined("the weights add up to zero: an efficiency is undefined")
    value = passed.sumw / total.sumw
    failed_sumw2 = max(0.0, total.sumw2 - passed.sumw2)
    variance = ((1 - value) ** 2 * passed.sumw2 + value**2 * failed_sumw2) / total.sumw**2
    limit = none_of(total.n_eff)
    reason = None
    if passed.events == 0:
        reason = f"no simulated event passes: the efficiency is below {limit:.3g} at {LIMIT_LEVEL:.0%} CL"
    elif passed.events == total.events:
        value, variance = 1.0, 0.0  # sums in another order may differ in the last digit
        reason = f"every simulated event passes: the inefficiency is below {limit:.3g} at {LIMIT_LEVEL:.0%} CL"
    return Estimate(value, math.sqrt(variance), reason)


def none_of(trials: float) -> float:
    """Upper limit at 95 % on a probability when none of n trials succeeded, 1 − 0.05^(1/n) (Clopper, Pearson 1934).

    Args:
        trials: their (effective) number n.

    Returns:
        The limit; 1 where there are no trials. About 3/n.
    """
    return -math.expm1(math.log1p(-LIMIT_LEVEL) / trials) if trials > 0 else 1.0


def rejection(background_efficiency: Estimate, trials: float) -> Estimate:
    """Background rejection 1/ε_b, with error σ(ε_b)/ε_b².

    Symmetric only while σ ≪ ε_b: quote the efficiency instead where few background events pass. Undefined at
    ε_b = 0, where the reason gives the lower limit, and for ε_b < 0 (negative weights).

    Args:
        background_efficiency: the efficiency to invert.
        trials: effective number of background events before the selection, for the limit.
    """
    value, error = background_efficiency.value, background_efficiency.error
    if value is None or error is None:
        return Estimate.undefined(background_efficiency.reason or "the background efficiency is undefined")
    if value == 0:
        limit = 1 / none_of(trials)
        text = f"no simulated background event passes: the rejection is above {limit:.3g} at {LIMIT_LEVEL:.0%} CL"
        return Estimate.undefined(text)
    if value < 0:
        return Estimate.undefined("negative weights outweigh the others: the background efficiency is negative")
    return Estimate(1 / value, error / value**2, background_efficiency.reason)


def balanced_accuracy(signal_efficiency: Estimate, background_efficiency: Estimate) -> Estimate:
    """Balanced accuracy of a selection, (1 + ε_s − ε_b) / 2.

    It is the area under the broken line (0, 0), (ε_b, ε_s), (1, 1), since a selection is a score of two values, pass
    and fail; it says how good this one working point is, and is no match for the area under the curve of a score
    (`curves.area`). Errors of the two efficiencies are independent.
    """
    s, b = signal_efficiency, background_efficiency
    if s.value is None or b.value is None or s.error is None or b.error is None:
        return Estimate.undefined(
            s.reason if s.value is None and s.reason else b.reason or "an efficiency is undefined"
        )
    return Estimate((1 + s.value - b.value) / 2, math.hypot(s.error, b.error) / 2)
