"""Statistical errors of any function of S and B, by numerical derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

from cutflow_cli.metrics.estimate import Estimate

#: Computes a number from s, b, σ_s and σ_b.
Figure = Callable[[float, float, float, float], float]
#: Relative step of the derivatives: truncation 1e-8, rounding 1e-12.
_STEP = 1e-4


def total_uncertainty(background: Estimate, background_uncertainty: float) -> float:
    """Return σ_B = √(Σw² + (relative × B)²), the statistics of the simulation and the systematic uncertainty.

    Args:
        background: B with its statistical error √Σw².
        background_uncertainty: systematic uncertainty as a fraction of B.
    """
    return math.hypot(background.error or 0.0, background_uncertainty * (background.value or 0.0))


def propagated(
    figure: Figure, signal: Estimate, background: Estimate, background_uncertainty: float = 0.0
) -> tuple[float, float]:
    """Compute a figure of merit and its statistical error to first order, S and B being independent.

    It holds where the figure is smooth over the errors of S and B.

    Args:
        figure: given s, b, σ_s, and σ_b with its systematic part.
        signal: S with its error √Σw².
        background: B with its error √Σw².
        background_uncertainty: systematic uncertainty of B as a fraction of B.

    Returns:
        Value and error; not finite where the figure, or a derivative, is not.
    """
    by_s, by_b = slopes(figure, signal, background, background_uncertainty)
    value = _varied(figure, signal, background, background_uncertainty)(signal.value or 0.0, background.value or 0.0)
    return value, math.hypot(by_s * (signal.error or 0.0), by_b * (background.error or 0.0))


def slopes(
    figure: Figure, signal: Estimate, background: Estimate, background_uncertainty: float = 0.0
) -> tuple[float, float]:
    """Return the derivatives of a figure of merit in S and in B, 0 where S or B has no error.

    As if the simulation were repeated: with S its error varies as √S; with B the statistical part of σ_B varies as √B,
    the systematic part as B. Arguments are those of `propagated`.
    """
    S, sigma_S, B, sigma_B = signal.value or 0.0, signal.error or 0.0, background.value or 0.0, background.error or 0.0
    at = _varied(figure, signal, background, background_uncertainty)
    return _slope(lambda s: at(s, B), S, sigma_S), _slope(lambda b: at(S, b), B, sigma_B)


def _varied(
    figure: Figure, signal: Estimate, background: Estimate, background_uncertainty: float
) -> Callable[[float, float], float]:
    """Make a function of s and b alone, with which their uncertainties vary."""
    S, sigma_S, B, sigma_B = signal.value or 0.0, signal.error or 0.0, background.value or 0.0, background.error or 0.0

    def at(s: float, b: float) -> float:
        statistical_s = sigma_S * math.sqrt(s / S) if S > 0 else sigma_S
        statistical_b = sigma_B * math.sqrt(b / B) if B > 0 else sigma_B
        return figure(s, b, statistical_s, math.hypot(statistical_b, background_uncertainty * b))

    return at


def _slope(along: Callable[[float], float], where: float, error: float) -> float:
    if error == 0:
        return 0.0
    step = _STEP * (abs(where) or error)
    if where == 0:  # a yield does not go below nothing
        return (along(step) - along(0.0)) / step
    return (along(where + step) - along(where - step)) / (2 * step)
