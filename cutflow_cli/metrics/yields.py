"""Expected events: sums of physical, signed weights and their statistical errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cutflow_cli.metrics.estimate import LIMIT_LEVEL, Estimate


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over simulated events.

    Attributes:
        events: number of simulated events; never scaled.
        sumw: sum of weights (expected events).
        sumw2: sum of squared weights.
    """

    events: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.events + other.events, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def scaled(self, factor: float) -> Sums:
        """Multiply every weight by a factor, for example Σw(all splits)/Σw(split)."""
        return Sums(self.events, factor * self.sumw, factor**2 * self.sumw2)

    @property
    def n_eff(self) -> float:
        """Effective number of events, (Σw)²/Σw² (Kish): unweighted events with the same relative error; 0 if none."""
        return self.sumw**2 / self.sumw2 if self.sumw2 > 0 else 0.0

    @property
    def mean_weight(self) -> float:
        """The weight of a typical expected event, Σw²/|Σw|; 0 where the sum of weights is 0."""
        return self.sumw2 / abs(self.sumw) if self.sumw else 0.0


def limit_of_none(weights: Sequence[float]) -> float:
    """Upper limit at 95 % on the yield of processes of which no simulated event passes.

    Σ_p w_p μ_p with exp(−Σ_p μ_p) = 5 % is largest when all of it is in the process of the largest weight, hence
    −ln(0.05) · max_p w_p. It holds for positive weights that differ little within a process.

    Args:
        weights: the typical weight of each process.
    """
    return -math.log1p(-LIMIT_LEVEL) * max(weights)


def expected_events(passed: Sums, what: str, weights: Sequence[float] = ()) -> Estimate:
    """Expected number of events of a class after a selection, Σw ± √Σw².

    √Σw² is the standard deviation of a sum of weights whose number of terms is Poisson distributed, signs included
    (G. Bohm, G. Zech, NIM A 748 (2014) 1). It takes the weights as they are seen: with few events it is itself
    uncertain, and with none it vanishes though the expectation need not; the reason then gives `limit_of_none`.

    Args:
        passed: sums over the events that pass, scaled to the luminosity.
        what: `signal` or `background`, for the reason.
        weights: the typical weight of each process of the class, for the limit.
    """
    if passed.events:
        return Estimate(passed.sumw, math.sqrt(passed.sumw2))
    reason = f"no simulated {what} event passes"
    if any(weights):
        reason += f": its yield is below {limit_of_none(weights):.3g} at {LIMIT_LEVEL:.0%} CL"
    return Estimate(0.0, 0.0, reason)
