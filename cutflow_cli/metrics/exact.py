"""Discovery significances from exact tail probabilities: the exact Asimov significance and Z_Bi.

Both take the background from an auxiliary Poisson count m = b²/σ² in a region τ = b/σ² times as large, as
`significance.asimov_significance` does, and turn the probability p that background alone gives n events or more into
standard deviations, Z = Φ⁻¹(1−p). They differ in the n that stands for all experiments.

Neither is zero without signal: p is not 1/2 at the n of background alone, since what is known of B is skewed and n is
whole. For many events and relative uncertainty u = σ/b the offset is about +u/3 for the exact Asimov significance and
−(2/3)u for Z_Bi, if σ ≫ √b; −1/(3√b) for both at σ = 0. Below one standard deviation, where the offset is more than a
tenth of the value, the value says too little of the signal and selections must not be ranked by it: there
`exact_asimov` and `binomial` are undefined. From one standard deviation on, the offset is part of the test that is
published (Cousins, Linnemann and Tucker list Z_Bi = 1.66 for 4 events on 1 ± 0.45).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.propagation import Figure, propagated, total_uncertainty
from cutflow_cli.metrics.significance import no_background, numbers, undefined

#: Below this probability, and thus beyond Z = 33, its logarithm is computed from a series.
_TINY = 1e-250
#: Share of a value that it may have without signal already.
_OFFSET_SHARE = 0.1
#: From this Z on the offset is not asked for.
_ONE_SIGMA = 1.0
#: Terms of a series are added until they are smaller than this share of the sum.
_PRECISION = 1e-15


def exact_asimov_significance(s: float, b: float, sigma_b: float = 0.0) -> float:
    """Exact Asimov significance for a discovery, Z^A of Bhattiprolu, Martin and Wells (EPJ C 81 (2021) 123).

    arXiv:2009.07249: the probability of at least n events from background alone, exact for all counts, continued to the
    mean n = s + b + σ²/b of the experiments with signal, where b + σ²/b = (m+1)/τ is the mean background given m. For
    σ = 0 it is p = P(s+b, b), the regularised lower incomplete gamma function; else p = I_{1/(1+τ)}(n, m+1). Unlike the
    median it does not fall with more data on a known background. For many events it tends to
    `significance.asimov_significance`. For b → 0 at σ = 0 it grows without bound, like √(2 s ln(1/b)); where σ comes
    from weights w of simulated events, σ² = w b, it stays finite and says little. It stops being valid for s ≪ σ:
    at s = 0 it is about +σ/(3b) for σ ≫ √b, not zero, and rises with σ, as that mean does.

    Args:
        s: expected signal events, at least 0.
        b: expected background events, above 0.
        sigma_b: absolute uncertainty of b, in events.

    Returns:
        Z; NaN for b ≤ 0 or s < 0.
    """
    if not (b > 0 and s >= 0):
        return math.nan
    return _significance(s + b + sigma_b**2 / b, b, sigma_b)


def binomial_significance(s: float, b: float, sigma_b: float) -> float:
    """Z_Bi for the expected count n = s + b: the binomial test of the ratio of two Poisson means.

    Cousins, Linnemann and Tucker, NIM A 595 (2008) 480 (arXiv:physics/0702156), after Linnemann
    (physics/0312059): p = I_{1/(1+τ)}(n, m+1). A frequentist test that covers for all counts, too conservative for few.
    For σ → 0 it is the Poisson significance of n on a known b, and b → 0 is as in `exact_asimov_significance`. It stops
    being valid for s ≪ σ: at s = 0 it is about −2σ/(3b) for σ ≫ √b, since the median of what is expected lies below its
    mean.

    Args:
        s: expected signal events, at least 0.
        b: expected background events, above 0.
        sigma_b: absolute uncertainty of b, in events.

    Returns:
        Z; NaN for b ≤ 0 or s < 0.
    """
    if not (b > 0 and s >= 0):
        return math.nan
    return _significance(s + b, b, sigma_b)


def exact_asimov(signal: Estimate, background: Estimate, background_uncertainty: float = 0.0) -> Estimate:
    """`exact_asimov_significance` of measured S and B, with σ_B and its statistical error as in `asimov`.

    Undefined also where it is mostly its value without signal, as the module says.

    Args:
        signal: S with its error.
        background: B with its statistical error √Σw².
        background_uncertainty: systematic uncertainty of B as a fraction of B.
    """
    return _estimate(exact_asimov_significance, "the exact Asimov significance", signal, background,
                     background_uncertainty)  # fmt: skip


def binomial(signal: Estimate, background: Estimate, background_uncertainty: float = 0.0) -> Estimate:
    """`binomial_significance` of measured S and B, with σ_B and its statistical error as in `asimov`.

    Undefined also where it is mostly its value without signal, as the module says.

    Args:
        signal: S with its error.
        background: B with its statistical error √Σw².
        background_uncertainty: systematic uncertainty of B as a fraction of B.
    """
    return _estimate(binomial_significance, "Z_Bi", signal, background, background_uncertainty)


def _estimate(
    significance: Callable[[float, float, float], float],
    what: str,
    signal: Estimate,
    background: Estimate,
    background_uncertainty: float,
) -> Estimate:
    if (missing := undefined(signal, background)) is not None:
        return missing
    (S, _), (B, _) = numbers(signal), numbers(background)
    if B <= 0:
        return Estimate.undefined(no_background(background, what))
    if S < 0:
        return Estimate.undefined(f"the expected signal is negative: {what} is undefined")
    figure: Figure = lambda s, b, _, sigma_b: significance(max(s, 0.0), b, sigma_b)  # noqa: E731
    value, error = propagated(figure, signal, background, background_uncertainty)
    offset = significance(0.0, B, total_uncertainty(background, background_uncertainty))
    if value < _ONE_SIGMA and abs(offset) > _OFFSET_SHARE * abs(value):
        return Estimate.undefined(
            f"{what} is {offset:.3g} at S = 0 already (what is known of B is skewed), {value:.3g} here: "
            "it says too little of S"
        )
    return Estimate(value, error, signal.reason)


def _significance(n: float, b: float, sigma_b: float) -> float:
    """Return the standard deviations of at least n events, n ≥ b, where b ± σ are expected."""
    from scipy import special  # here, since most that imports this package needs no special functions

    r = sigma_b**2 / b
    m = b / r if r > 0 else math.inf
    p = float(special.gammainc(n, b) if math.isinf(m) else special.betainc(n, m + 1, r / (1 + r)))
    if p > _TINY:
        return float(-special.ndtri(p))
    log_p = _log_gamma_tail(n, b) if math.isinf(m) else _log_beta_tail(n, m + 1, r / (1 + r))
    return float(-special.ndtri_exp(log_p))


def _log_gamma_tail(n: float, b: float) -> float:
    """Return ln P(n, b) far below n: the series Σ_k b^k Γ(n+1)/Γ(n+1+k) times e^−b b^n/Γ(n+1)."""
    return n * math.log(b) - b - math.lgamma(n + 1) + math.log(_series(lambda k: b / (n + k)))


def _log_beta_tail(a: float, c: float, x: float) -> float:
    """Return ln I_x(a, c) far below its mean: x^a (1−x)^c / (a B(a, c)) times ₂F₁(a+c, 1; a+1; x)."""
    from scipy import special

    front = a * math.log(x) + c * math.log1p(-x) - math.log(a) - float(special.betaln(a, c))
    return front + math.log(_series(lambda k: x * (a + c + k - 1) / (a + k)))


def _series(ratio: Callable[[int], float]) -> float:
    """Sum the series 1 + ratio(1) + ratio(1) ratio(2) + … of falling terms."""
    total = term = 1.0
    k = 0
    while term > _PRECISION * total:
        k += 1
        term *= ratio(k)
        total += term
    return total
