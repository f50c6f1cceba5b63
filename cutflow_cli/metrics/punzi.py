"""Punzi's smallest detectable cross section (G. Punzi, PHYSTAT 2003, arXiv:physics/0308063; EPJ C 82 (2022) 121)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: `paper` is eq. 9 of EPJ C 82:121; `improved` what its released code computes, Punzi's own expression for all B.
Form = Literal["paper", "improved"]
#: One-sided significances of the publication: 3 σ for a discovery, 90 % for its power.
SIGNIFICANCE = 3.0
POWER = 1.28155


def minimum_signal(
    background: ArrayLike, a: float = SIGNIFICANCE, b: float = POWER, form: Form = "paper"
) -> NDArray[np.float64]:
    """Smallest number of signal events that is seen with `a` sigmas in a share of experiments given by `b`.

    `paper`: b²/2 + a√B + (b/2) √(b² + 4a√B + 4B), the numerator of eq. 9 of EPJ C 82:121, which takes
    the Poisson distributions of B and S+B for Gaussians: valid for B ≫ 1, and too small for B below a few, where
    it tends to b². `improved`: a²/8 + 9b²/13 + a√B + (b/2) √(b² + 4a√B + 4B), fitted by Punzi to exact Poisson
    intervals for all B. B is taken as known; negative B counts as none.

    Args:
        background: expected background events.
        a: significance of the discovery in standard deviations, one-sided.
        b: standard deviations of the power, one-sided: 1.28155 for 90 %.
        form: which of the two.
    """
    count = np.maximum(np.asarray(background, dtype=np.float64), 0.0)
    root = a * np.sqrt(count)
    constant = b**2 / 2 if form == "paper" else a**2 / 8 + 9 * b**2 / 13
    return np.asarray(constant + root + b / 2 * np.sqrt(b**2 + 4 * root + 4 * count))


def simple_figure(efficiency: ArrayLike, background: ArrayLike, a: float = SIGNIFICANCE) -> NDArray[np.float64]:
    """Punzi's simple figure of merit ε/(a/2 + √B) (arXiv:physics/0308063, eq. 7).

    What ε / `minimum_signal` is proportional to for b = a: to be maximised by a search that knows no cross section. It
    takes Poisson for Gaussian distributions and B as known. For B → 0 it tends to 2ε/a, so that it prefers no tiny
    background to none; negative B counts as none.

    Args:
        efficiency: of the signal; only ratios of the figure mean something.
        background: expected background events.
        a: significance of the discovery in standard deviations, one-sided.
    """
    count = np.maximum(np.asarray(background, dtype=np.float64), 0.0)
    return np.asarray(np.asarray(efficiency, dtype=np.float64) / (a / 2 + np.sqrt(count)))


def sigma_min(
    efficiency: ArrayLike,
    background: ArrayLike,
    luminosity: float,
    a: float = SIGNIFICANCE,
    b: float = POWER,
    form: Form = "paper",
) -> NDArray[np.float64]:
    """Smallest detectable cross section, eq. 9 of EPJ C 82:121: `minimum_signal` / (ε L).

    Args:
        efficiency: of the signal, from generated to selected events.
        background: expected background events at the luminosity.
        luminosity: in any unit; the result is in its inverse (fb for fb⁻¹).
        a: see `minimum_signal`.
        b: see `minimum_signal`.
        form: see `minimum_signal`.

    Returns:
        Of the broadcast shape; infinite where the efficiency is not positive.
    """
    share = np.asarray(efficiency, dtype=np.float64)
    signal = minimum_signal(background, a, b, form)
    safe = np.where(share > 0, share, 1.0)
    return np.where(share > 0, signal / (safe * luminosity), np.inf)
