"""Punzi's σ_min as a loss (EPJ C 82 (2022) 121, eq. 9 to 12): sums of outputs stand for counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cutflow_cli.metrics.punzi import Form
from cutflow_cli.models.punzi.sums import Layout

#: Keeps the slope of a square root finite at zero; no background of interest is as small.
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class PunziLoss:
    """The mean of σ_min over the trained hypotheses.

    Attributes:
        layout: of the slots.
        luminosity: in fb⁻¹, for σ_min in fb; 1 for σ_min in produced events.
        a: significance in standard deviations.
        b: standard deviations of the power.
        form: see `metrics.punzi.minimum_signal`.
        floor: effective events that B counts for at least; 0 for none.
    """

    layout: Layout
    luminosity: float
    a: float
    b: float
    form: Form = "paper"
    floor: float = 0.0

    def __call__(self, sums: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        """Compute the loss (eq. 12).

        Args:
            sums: of each slot, Σ output·weight and Σ output·weight², float64, shape (replicas, 2, slots). Weights are
                expected events for background, and shares of the generated events for signal.
            scale: what the sums are multiplied by: the number of batches, where they are those of one.

        Returns:
            Shape (replicas,). A hypothesis of which no signal event is in the batch does not count.
        """
        sigma, present = self.sigma_min(sums, scale)
        return torch.where(present, sigma, 0.0).sum(dim=-1) / present.sum(dim=-1).clamp_min(1)

    def sigma_min(self, sums: torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return σ_min of each hypothesis (eq. 9) and where it is defined, both of shape (replicas, hypotheses)."""
        background, signal = self.layout.totals(sums * scale)
        count = floored(background[..., 0, :], background[..., 1, :], self.floor)
        efficiency = signal[..., 0, :]
        present = efficiency > 0
        safe = torch.where(present, efficiency, 1.0)
        return minimum_signal(count, self.a, self.b, self.form) / (safe * self.luminosity), present


def floored(background: torch.Tensor, variance: torch.Tensor, floor: float) -> torch.Tensor:
    """Let B count for no fewer than `floor` effective events.

    With an effective weight of w = V/B per event and n = B/w effective events it is w·max(n, floor): what was left
    of B by a few events is replaced by what so many of their kind would be. It follows from the simulation alone, so it
    says nothing of processes that were not simulated.

    Args:
        background: B = Σw.
        variance: V = Σw².
        floor: 0 for B as it is.
    """
    count = background.clamp_min(0.0)
    if floor == 0:
        return count
    some = count > 0
    weight = torch.where(some, variance / torch.where(some, count, 1.0), 0.0)
    return torch.maximum(count, floor * weight)


def minimum_signal(background: torch.Tensor, a: float, b: float, form: Form) -> torch.Tensor:
    """Compute what `metrics.punzi.minimum_signal` does, differentiably."""
    constant = b**2 / 2 if form == "paper" else a**2 / 8 + 9 * b**2 / 13
    root = a * torch.sqrt(background + _TINY)
    return constant + root + b / 2 * torch.sqrt(b**2 + 4 * root + 4 * background)
