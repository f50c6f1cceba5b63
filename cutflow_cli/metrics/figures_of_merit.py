"""Figures of merit as functions of arrays, to choose a selection by; what is quoted of it is in `summary`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.metrics.punzi import minimum_signal
from cutflow_cli.metrics.significance import asimov_significance

#: What a selection can be chosen by; more is better in all of them.
FIGURES_OF_MERIT: dict[str, str] = {
    "asimov": "Asimov Z",
    "s_over_sqrt_b": "S/√B",
    "s_over_sqrt_s_plus_b": "S/√(S+B)",
    "punzi": "Punzi's ε/S_min",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
}
#: Those that are linear in S and B, so that what one event adds does not depend on the others.
ADDITIVE = frozenset({"balanced_accuracy", "accuracy"})
DEFAULT_FIGURE = "asimov"
#: With fewer effective events than this a number is not known well enough to choose by.
MIN_EFFECTIVE_EVENTS = 10.0

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Yields:
    """What selections keep: arrays that broadcast against each other.

    Attributes:
        S: expected signal events kept.
        B: expected background events kept.
        B_variance: Σw² of the background kept.
        S_total: expected signal events before.
        B_total: expected background events before.
        S_variance: Σw² of the signal kept.
    """

    S: Numbers
    B: Numbers
    B_variance: Numbers
    S_total: Numbers | float
    B_total: Numbers | float
    S_variance: Numbers | float = 0.0


def require_figure(name: str) -> str:
    """Check the name of a figure of merit.

    Raises:
        UsageError: if it is unknown.
    """
    if name not in FIGURES_OF_MERIT:
        msg = f"--fom {name}: no such figure of merit; {nearest(name, FIGURES_OF_MERIT)}"
        raise UsageError(msg)
    return name


def figure_of_merit(name: str, yields: Yields, background_uncertainty: float = 0.0) -> Numbers:
    """Compute a figure of merit for many selections.

    `asimov`: see `significance.asimov_significance`, with σ_B² = Σw² + (relative uncertainty × B)², so that a selection
    is not preferred for few simulated background events. `s_over_sqrt_b` and `s_over_sqrt_s_plus_b`: see
    `significance`. `punzi`: signal efficiency over `punzi.minimum_signal`, the inverse of σ_min L. `balanced_accuracy`:
    (1 + ε_s − ε_b)/2. `accuracy`: (S + B_total − B)/(S_total + B_total), of expected events.

    Args:
        name: a key of `FIGURES_OF_MERIT`.
        yields: what the selections keep.
        background_uncertainty: systematic uncertainty of B for `asimov`, as a fraction of B.

    Returns:
        Of the broadcast shape, −∞ where it is undefined: no signal left, or (where one divides by it) no background.
    """
    require_figure(name)
    S, B, variance = np.broadcast_arrays(*np.atleast_1d(yields.S, yields.B, yields.B_variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        match name:
            case "asimov":
                value = asimov_significance(S, B, np.sqrt(variance + (background_uncertainty * B) ** 2))
            case "s_over_sqrt_b":
                value = np.where(B > 0, S / np.sqrt(B), np.nan)
            case "s_over_sqrt_s_plus_b":
                value = np.where(S + B > 0, S / np.sqrt(S + B), np.nan)
            case "punzi":
                value = S / yields.S_total / minimum_signal(B)
            case "balanced_accuracy":
                value = (1 + S / yields.S_total - B / yields.B_total) / 2
            case _:
                value = (S + yields.B_total - B) / (yields.S_total + yields.B_total)
    useful = np.isfinite(value) & ((S > 0) if name not in ADDITIVE else True)
    return np.asarray(np.where(useful, value, -np.inf))
