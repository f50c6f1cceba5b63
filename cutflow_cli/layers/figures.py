"""Soft counts, and the figures of merit of `cutflow_cli.metrics` as differentiable functions of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cutflow_cli.layers.formula import formula_value
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.metrics.punzi import POWER, SIGNIFICANCE

#: Below this |x| the series of `_relative_excess` is used, as in `metrics.significance`.
_SERIES_BELOW = 0.1
_SERIES_TERMS = 18


class SoftCounts(NamedTuple):
    """What masks keep, each of the shape of the mask without its events.

    Attributes:
        S: expected signal events, Σ w m.
        B: expected background events.
        B_variance: Σ w² m of the background: what Σw² is expected to be if an event is kept with probability m.
            (Σ w² m² would be smaller: many events of small m would feign statistics that no hard selection has.)
        S_variance: the same of the signal.
        S_total: expected signal events with m = 1.
        B_total: likewise of the background.
    """

    S: Tensor
    B: Tensor
    B_variance: Tensor
    S_variance: Tensor
    S_total: Tensor
    B_total: Tensor


def soft_counts(mask: Tensor, weight: Tensor, label: Tensor) -> SoftCounts:
    """Sum weights that a mask, soft or hard, keeps.

    With a hard mask these are the sums that every table of cutflow shows.

    Args:
        mask: between 0 and 1, shape (..., events).
        weight: expected events that each event stands for, signed, of a shape that broadcasts with the mask's. Sums
            have its precision: give float64 where there are many events.
        label: 1 signal, 0 background, shape (events,).
    """
    signal = label == 1
    nothing = torch.zeros((), dtype=weight.dtype, device=weight.device)
    of_signal, of_background = torch.where(signal, weight, nothing), torch.where(signal, nothing, weight)
    kept = mask.to(weight.dtype)
    S, B = (kept * of_signal), (kept * of_background)
    B_squares, S_squares = ((kept * part**2).sum(-1) for part in (of_background, of_signal))
    return SoftCounts(S.sum(-1), B.sum(-1), B_squares, S_squares, of_signal.sum(-1), of_background.sum(-1))


def asimov(s: Tensor, b: Tensor, sigma_b: Tensor | float = 0.0) -> Tensor:
    """Median discovery significance with background uncertainty, differentiable everywhere.

    `metrics.significance.asimov_significance` (Cowan 2012, eq. 20; its validity is stated there). With r = σ²/b,
    b̂ = b + s r/(1+r) and g(x) = [(1+x) ln(1+x) − x]/x², which is 1/2 at 0, it is

        Z = s/(1+r) √(2 [g(s/((1+r) b̂)) + r g(−s r/((1+r) b̂))]/b̂),

    which has no square root of a difference: at s = 0 its derivative is 1/√(b+σ²), and it loses no digits for small s
    or σ. Where s is negative, as soft sums of signed weights may be, it goes on as s/√(b+σ²).

    Args:
        s: expected signal events.
        b: expected background events.
        sigma_b: absolute uncertainty of b.

    Returns:
        Z, of the broadcast shape; −∞, without a gradient, for b ≤ 0.
    """
    defined = b > 0
    safe = torch.where(defined, b, torch.ones_like(b))
    r = torch.as_tensor(sigma_b, dtype=b.dtype, device=b.device) ** 2 / safe
    positive = s.clamp_min(0)
    estimate = safe + positive * r / (1 + r)
    x = positive / ((1 + r) * estimate)
    rest = _relative_excess(x) + r * _relative_excess(-x * r)
    z = s / (1 + r) * torch.sqrt(2 * rest / estimate)
    return torch.where(defined, z, torch.full_like(z, -torch.inf))


def _relative_excess(x: Tensor) -> Tensor:
    """((1+x) ln(1+x) − x)/x² for x > −1, by its series Σ_{k≥2} (−x)^(k−2)/(k(k−1)) near 0."""
    near = x.abs() < _SERIES_BELOW
    small, other = torch.where(near, x, torch.zeros_like(x)), torch.where(near, torch.ones_like(x), x)
    series = torch.zeros_like(x)
    for k in range(_SERIES_TERMS, 1, -1):
        series = 1 / (k * (k - 1)) - small * series
    return torch.where(near, series, ((1 + 1 / other) * torch.log1p(other) - 1) / other)  # x² might overflow


def minimum_signal(b: Tensor) -> Tensor:
    """Punzi's smallest number of signal events that is seen: `metrics.punzi.minimum_signal` with its defaults."""
    root = SIGNIFICANCE * _root(b)
    return POWER**2 / 2 + root + POWER / 2 * torch.sqrt(POWER**2 + 4 * root + 4 * b.clamp_min(0))


def _root(b: Tensor) -> Tensor:
    """√b, 0 without a gradient where b ≤ 0."""
    positive = b > 0
    return torch.where(positive, torch.sqrt(torch.where(positive, b, torch.ones_like(b))), torch.zeros_like(b))


def background_error(counts: SoftCounts, background_systematic: float) -> Tensor:
    """σ_B = √(Σw² + (systematic × B)²); 0 without a gradient where both vanish."""
    return _root(counts.B_variance + (background_systematic * counts.B) ** 2)


def figure_of_counts(objective: Objective, counts: SoftCounts) -> Tensor:
    """Compute an objective, as `Objective.values` does, with gradients.

    Args:
        objective: named or a formula, with its systematic uncertainty.
        counts: what masks keep.

    Returns:
        Of the shape of the counts; −∞, without a gradient, where the figure divides by a background that is not
        positive. Unlike there it is not cut off where no signal is left, so that a gradient leads back.
    """
    S, B, sigma_b = counts.S, counts.B, background_error(counts, objective.background_systematic)
    if objective.formula is not None:
        return formula_value(objective.formula.node, S, B, _root(counts.S_variance), sigma_b)
    match objective.name:
        case "asimov":
            return asimov(S, B, sigma_b)
        case "s_over_sqrt_b":
            return _over_root(S, B)
        case "s_over_sqrt_s_plus_b":
            return _over_root(S, S + B)
        case "punzi":
            return S / counts.S_total / minimum_signal(B)
        case "balanced_accuracy":
            return (1 + S / counts.S_total - B / counts.B_total) / 2
        case _:  # accuracy, the last of FIGURES_OF_MERIT
            return (S + counts.B_total - B) / (counts.S_total + counts.B_total)


def _over_root(s: Tensor, b: Tensor) -> Tensor:
    root = _root(b)
    value = s / torch.where(root > 0, root, torch.ones_like(root))
    return torch.where(root > 0, value, torch.full_like(value, -torch.inf))
