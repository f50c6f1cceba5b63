"""The loss of an efficiency scan (arXiv:2502.08615, equations 5, 6 and 8) and its gradient, from sums over events.

Per sub-network, with target efficiency t: α(t − ε_s)² + β ε_b + γ/m Σ b² + δ BCE, and over neighbouring targets ε times
the smoothness. Efficiencies are weighted sums of scores over weighted numbers of events; the sum of scores is close to
the number of events that pass for a steep logistic function only (n = 15), so the efficiency of the cuts themselves is
counted elsewhere, after training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cabin.settings import CabinSettings

Array = NDArray[np.float64]

#: Boundaries farther out than this, in standard deviations, count as here where working points are compared: hardly an
#: event lies beyond, so moving them there changes nothing.
OUTSKIRTS = -3.0
#: The terms of the loss, as columns of the history.
TERMS = ("loss_efficiency", "loss_background", "loss_cut_size", "loss_bce", "loss_smoothness")


@dataclass(frozen=True, slots=True)
class EventSums:
    """Weighted sums over the events of one replica, divided by the sums of weights; q_j = 1 − σ_j.

    Attributes:
        signal: ε_s, the mean score of the signal, shape (targets,).
        background: ε_b, likewise.
        signal_slope: mean of score times q_j over the signal, shape (targets, neurons).
        background_slope: the same for the background.
        entropy: mean binary cross entropy, shape (targets,); zero where it was not asked for.
        entropy_slope: mean over both classes of −dBCE/dlog(score) times q_j, shape (targets, neurons).
    """

    signal: Array
    background: Array
    signal_slope: Array
    background_slope: Array
    entropy: Array
    entropy_slope: Array

    @classmethod
    def of(cls, signal: Array, background: Array, totals: tuple[float, float], *, entropy: bool) -> EventSums:
        """Divide sums by sums of weights.

        Args:
            signal: sums over the signal as the kernel orders them, shape (targets, 2 + 2 neurons).
            background: the same over the background.
            totals: sums of weights of signal and background.
            entropy: whether the cross entropy counts.
        """
        middle = signal.shape[1] // 2
        both, total = signal + background, sum(totals)
        return cls(
            signal[:, 0] / totals[0],
            background[:, 0] / totals[1],
            signal[:, 1:middle] / totals[0],
            background[:, 1:middle] / totals[1],
            both[:, middle] / total if entropy else np.zeros(len(both)),
            both[:, middle + 1 :] / total if entropy else np.zeros((len(both), middle - 1)),
        )


def positions(targets: tuple[float, ...], smoothing: str) -> Array:
    """Say where between its neighbours each inner target lies: 0 at the lower, 1 at the higher.

    Equation 8 has the midpoint, ½, which is right for equal distances; `averaged` interpolates linearly.

    Returns:
        Shape (targets − 2,), empty for fewer than three targets.
    """
    t = np.array(targets)
    if len(t) < 3:
        return np.empty(0)
    if smoothing == "published":
        return np.full(len(t) - 2, 0.5)
    return np.asarray((t[1:-1] - t[:-2]) / (t[2:] - t[:-2]))


def smoothness_terms(b: Array, position: Array, rho: float) -> Array:
    """Return (b − b̄)² / ((Δb)² + ρ) of each inner target and neuron (equation 8).

    Args:
        b: biases, shape (…, targets, neurons).
        position: what `positions` gives.
        rho: what keeps it finite where the neighbours are equal.

    Returns:
        Shape (…, targets − 2, neurons).
    """
    low, high = b[..., :-2, :], b[..., 2:, :]
    away = b[..., 1:-1, :] - low - position[:, None] * (high - low)
    return np.asarray(away**2 / ((high - low) ** 2 + rho))


def smoothness(b: Array, position: Array, rho: float, smoothing: str) -> tuple[float, Array]:
    """Return the smoothness term, without ε, and its derivative by every bias.

    It averages over neurons; over inner targets it averages, or as `published` sums.

    Args:
        b: biases, shape (targets, neurons).
        position: what `positions` gives.
        rho: see `smoothness_terms`.
        smoothing: `averaged` or `published`.
    """
    gradient = np.zeros_like(b)
    if not len(position):
        return 0.0, gradient
    scale = 1 / b.shape[1] / (1 if smoothing == "published" else len(position))
    u = position[:, None]
    spread = b[2:] - b[:-2]
    away = b[1:-1] - b[:-2] - u * spread
    size = spread**2 + rho
    by_away = 2 * away / size * scale
    by_spread = -2 * (away / size) ** 2 * spread * scale
    gradient[1:-1] += by_away
    gradient[:-2] -= (1 - u) * by_away + by_spread
    gradient[2:] += by_spread - u * by_away
    return float((away**2 / size).sum() * scale), gradient


def loss_and_gradient(
    b: Array,
    sums: EventSums,
    settings: CabinSettings,
    targets: Array | None = None,
    between: Array | None = None,
) -> tuple[dict[str, float], Array]:
    """Put the loss of one replica together, each term summed over the targets.

    Args:
        b: biases, shape (targets, neurons).
        sums: over the events.
        settings: of the training.
        targets: signal efficiency of each row; None for the settings' own.
        between: what `positions` gives of the rows; None for that of the targets.

    Returns:
        `loss` and its terms, and the derivative of the loss by every bias, shape (targets, neurons).
    """
    wanted = np.array(settings.targets) if targets is None else targets
    miss = np.zeros(len(b)) if settings.single else wanted - sums.signal
    smooth, smooth_gradient = 0.0, np.zeros_like(b)
    if settings.epsilon:
        position = positions(settings.targets, settings.smoothing) if between is None else between
        smooth, smooth_gradient = smoothness(b, position, settings.rho, settings.smoothing)
    terms = {
        "loss_efficiency": settings.alpha * float((miss**2).sum()),
        "loss_background": settings.beta * float(sums.background.sum()),
        "loss_cut_size": settings.gamma * float((b**2).mean(axis=1).sum()),
        "loss_bce": settings.delta * float(sums.entropy.sum()),
        "loss_smoothness": settings.epsilon * smooth,
    }
    by_score = settings.beta * sums.background_slope - 2 * settings.alpha * miss[:, None] * sums.signal_slope
    gradient = settings.steepness * (by_score - settings.delta * sums.entropy_slope)
    gradient += 2 * settings.gamma / b.shape[1] * b + settings.epsilon * smooth_gradient
    return {"loss": sum(terms.values()), **terms}, gradient
