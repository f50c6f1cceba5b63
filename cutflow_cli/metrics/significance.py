"""Figures of merit of a counting experiment: S/√B, S/√(S+B) and the median discovery significance.

S and B are expected events with their statistical errors. Statistical errors of the figures of merit are propagated
to first order, with S and B independent (they come from different simulated events).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutflow_cli.metrics.estimate import Estimate

#: Below this |x| the series of `_excess` is used; above it the closed form loses at most two digits.
_SERIES_BELOW = 0.1
_SERIES_TERMS = 18
#: Relative step of the numerical derivative in B: truncation 1e-8, rounding 1e-11.
_STEP = 1e-4


def signal_over_sqrt_background(signal: Estimate, background: Estimate) -> Estimate:
    """S/√B, as the LCF paper quotes it (arXiv:2503.22498, with L = 3000 fb⁻¹).

    The Gaussian limit of the median discovery significance for S ≪ B, B ≫ 1 and B known exactly; for small B it
    overstates the significance without bound (Cowan, Cranmer, Gross, Vitells, EPJ C 71 (2011) 1554, section 5.1).
    Its variance is σ_S²/B + S² σ_B²/(4 B³). Undefined for B ≤ 0.
    """
    if (missing := undefined(signal, background)) is not None:
        return missing
    (S, sigma_S), (B, sigma_B) = numbers(signal), numbers(background)
    if B <= 0:
        return Estimate.undefined(no_background(background, "S/√B"))
    value = S / math.sqrt(B)
    return Estimate(value, math.hypot(sigma_S / math.sqrt(B), value * sigma_B / (2 * B)), signal.reason)


def signal_over_sqrt_all(signal: Estimate, background: Estimate) -> Estimate:
    """S/√(S+B), the inverse relative error of a measured signal yield in the Gaussian limit.

    Its derivatives are (S + 2B) / (2 (S+B)^{3/2}) in S and −S / (2 (S+B)^{3/2}) in B. At B = 0 it is √S, which is a
    statement about the sample's size when no simulated background passes: the reason says so. Undefined for S+B ≤ 0.
    """
    if (missing := undefined(signal, background)) is not None:
        return missing
    (S, sigma_S), (B, sigma_B) = numbers(signal), numbers(background)
    if S + B <= 0:
        why = signal.reason if S == 0 and B == 0 else "the expected number of events is negative"
        return Estimate.undefined(f"{why or 'nothing is expected'}; S/√(S+B) is undefined")
    root = math.sqrt(S + B)
    error = math.hypot((S + 2 * B) * sigma_S, S * sigma_B) / (2 * root**3)
    return Estimate(S / root, error, signal.reason or background.reason)


def signal_over_background(signal: Estimate, background: Estimate) -> Estimate:
    """S/B, the purity of what is kept in the form S/(S+B) = 1/(1 + B/S); no significance.

    It says which relative uncertainty of B a signal can be seen through: with σ_B = r B a significance never exceeds
    about (S/B)/r, whatever the luminosity. Its variance is σ_S²/B² + S² σ_B²/B⁴. Undefined for B ≤ 0; for B → 0 it
    grows as 1/B.
    """
    if (missing := undefined(signal, background)) is not None:
        return missing
    (S, sigma_S), (B, sigma_B) = numbers(signal), numbers(background)
    if B <= 0:
        return Estimate.undefined(no_background(background, "S/B"))
    return Estimate(S / B, math.hypot(sigma_S, S * sigma_B / B) / B, signal.reason)


def asimov(signal: Estimate, background: Estimate, background_uncertainty: float = 0.0) -> Estimate:
    """Median discovery significance Z_A, with σ_B = MC statistics ⊕ a relative uncertainty.

    See `asimov_significance`. The statistical error propagates the errors of S and B to first order, as if the
    simulation were repeated: with B, σ_B varies too, its statistical part √Σw² as √B and its relative part as B.
    Undefined for B ≤ 0 (with no background simulated, neither B nor σ_B is known) and for S < 0.

    Args:
        signal: S with its error.
        background: B with its statistical error √Σw².
        background_uncertainty: systematic uncertainty of B as a fraction of B.
    """
    if (missing := undefined(signal, background)) is not None:
        return missing
    (S, sigma_S), (B, sigma_B) = numbers(signal), numbers(background)
    if B <= 0:
        return Estimate.undefined(no_background(background, "the Asimov significance"))
    if S < 0:
        return Estimate.undefined("the expected signal is negative: the Asimov significance is undefined")

    def z(s: float, b: float) -> float:
        return float(asimov_significance(s, b, math.hypot(sigma_B * math.sqrt(b / B), background_uncertainty * b)))

    value = z(S, B)
    variance_over_b = (sigma_B**2 + (background_uncertainty * B) ** 2) / B
    if value == 0:
        by_s = 1 / math.sqrt(B * (1 + variance_over_b))
    else:  # d(Z²/2)/dS = ln((S+B)(B+σ²)/(B²+(S+B)σ²)); the other terms cancel
        by_s = math.log1p(S / (B * (1 + variance_over_b) + S * variance_over_b)) / value
    by_b = (z(S, B * (1 + _STEP)) - z(S, B * (1 - _STEP))) / (2 * _STEP * B)
    return Estimate(value, math.hypot(by_s * sigma_S, by_b * sigma_B), signal.reason)


def asimov_significance(s: ArrayLike, b: ArrayLike, sigma_b: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Median discovery significance of a counting experiment whose background has uncertainty σ_b.

    G. Cowan, "Discovery sensitivity for a counting experiment with background uncertainty" (2012), eq. 20; for σ_b = 0
    √(2((s+b) ln(1+s/b) − s)), eq. 97 of Cowan, Cranmer, Gross, Vitells, EPJ C 71 (2011) 1554. The background is
    measured by an auxiliary Poisson count m = b²/σ² of scale τ = b/σ². For small s/b it tends to s/√(b+σ²).

    Here it is written with the conditional estimate b̂ = b + s r/(1+r), r = σ²/b, as the sum of two positive terms,
    Z²/2 = b̂ [ h(s/((1+r) b̂)) + h(−s r/((1+r) b̂)) / r ] with h(x) = (1+x) ln(1+x) − x, which is the same and loses
    no digits for small s/b or σ. The Asimov value approximates the median well down to b of about one. Where σ_b
    exceeds b the auxiliary count is below one event and the value means little: at fixed σ_b it falls as b → 0.

    Args:
        s: expected signal events, at least 0.
        b: expected background events, above 0.
        sigma_b: absolute uncertainty of b, in events.

    Returns:
        Z_A, of the broadcast shape; NaN for b ≤ 0 or s < 0.
    """
    s, b, sigma_b = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (s, b, sigma_b)))
    valid = (b > 0) & (s >= 0)
    safe_s, safe_b = np.where(valid, s, 0.0), np.where(valid, b, 1.0)
    r = sigma_b**2 / safe_b
    shift = safe_s / (1 + r)  # how far s + b lies above the conditional estimate of b
    estimate = safe_b + shift * r
    auxiliary = np.divide(_excess(-shift * r / estimate), r, out=np.zeros_like(r), where=r > 0)
    half_z2 = estimate * (_excess(shift / estimate) + auxiliary)
    return np.where(valid, np.sqrt(2 * half_z2), np.nan)


def _excess(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1+x) ln(1+x) − x for x ≥ −1, by its series Σ_{k≥2} (−x)^k / (k(k−1)) where the closed form would cancel."""
    small = np.where(np.abs(x) < _SERIES_BELOW, x, 0.0)
    series = np.zeros_like(small)
    for k in range(_SERIES_TERMS, 1, -1):
        series = 1 / (k * (k - 1)) - small * series
    above = np.maximum(x, np.nextafter(-1.0, 0.0))  # (1+x) ln(1+x) tends to 0 at −1
    return np.where(np.abs(x) < _SERIES_BELOW, small**2 * series, (1 + above) * np.log1p(above) - x)


def undefined(signal: Estimate, background: Estimate) -> Estimate | None:
    """Return why a figure of merit is undefined where a yield is; None where both are known."""
    for part in (signal, background):
        if part.value is None or part.error is None:
            return Estimate.undefined(part.reason or "a yield is undefined")
    return None


def numbers(part: Estimate) -> tuple[float, float]:
    """Return value and error of an estimate that has both."""
    assert part.value is not None
    assert part.error is not None
    return part.value, part.error


def no_background(background: Estimate, what: str) -> str:
    """Say why something that one divides by B for is undefined: nothing passes, or weights are negative."""
    if background.value == 0:
        return f"{background.reason or 'no background is expected'}; {what} is undefined"
    return f"negative weights outweigh the others, B = {background.value:.3g}; {what} is undefined"
