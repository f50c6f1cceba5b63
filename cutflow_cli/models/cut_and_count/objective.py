"""The figure of merit as a function of what a selection keeps, and how good a set of selections can be at most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.figures_of_merit import ADDITIVE, Yields, figure_of_merit
from cutflow_cli.models.cut_and_count.profile import B2, S2, B, S

Numbers = NDArray[np.float64]
#: Figures that divide by the background, so that without any they are undefined.
_OVER_BACKGROUND = frozenset({"asimov", "s_over_sqrt_b"})
#: Effective events are compared with what is needed up to this share: sums are differences of sums.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure of merit with its guards.

    Attributes:
        fom: its name.
        total: Σw and Σw² of signal and background before any cut, shape (4,).
        background_uncertainty: of `asimov`, as a fraction of B.
        min_effective_events: effective events, (Σw)²/Σw², that must be kept of signal and of background. With negative
            weights a sum of less than one effective event is smaller than its error and counts as unknown even where
            this is 0.
        lightest: the least weight of a background event, signs and zeros aside.
        least_signal: expected signal events that must be kept, unless the figure is additive.
    """

    fom: str
    total: Numbers
    background_uncertainty: float = 0.0
    min_effective_events: float = 0.0
    lightest: float = 0.0
    least_signal: float = 0.0

    @property
    def additive(self) -> bool:
        """Whether the figure is linear in S and B, with no guard."""
        return self.fom in ADDITIVE

    @property
    def slopes(self) -> tuple[float, float]:
        """What an additive figure gains for each unit of S, and loses for each unit of B."""
        if self.fom == "accuracy":
            return 1 / float(self.total[S] + self.total[B]), 1 / float(self.total[S] + self.total[B])
        return 0.5 / float(self.total[S]), 0.5 / float(self.total[B])

    def unguarded(self, kept: Numbers) -> Numbers:
        """Return the figure of selections, −∞ where undefined.

        Args:
            kept: what they keep, shape (4, selections).
        """
        yields = Yields(kept[S], kept[B], kept[B2], float(self.total[S]), float(self.total[B]))
        return figure_of_merit(self.fom, yields, self.background_uncertainty)

    def values(self, kept: Numbers, above: float = -np.inf) -> Numbers:
        """Return the figure of selections, −∞ where undefined or where they keep too few effective events.

        Args:
            kept: what they keep, shape (4, selections).
            above: what is of interest; −∞ may stand for what is certainly no more.
        """
        if self.additive:
            return self.unguarded(kept)
        least = self._least_effective
        enough = (kept[B] ** 2 >= least * kept[B2]) & (kept[S] ** 2 >= least * kept[S2]) & (kept[B] >= 0)
        enough &= kept[S] >= self.least_signal
        if self.min_effective_events > 0:
            enough &= kept[B] > 0
        chosen = np.flatnonzero(enough & (self._ceiling(kept) > above))
        figure = np.full(kept.shape[1], -np.inf)
        figure[chosen] = self.unguarded(kept[:, chosen])
        return figure

    def _ceiling(self, kept: Numbers) -> Numbers | float:
        """Return what soon shows where Asimov's significance is not worth computing: it is below S/√(B+σ²)."""
        if self.fom != "asimov":
            return np.inf
        variance = kept[B] + kept[B2] + (self.background_uncertainty * kept[B]) ** 2
        return np.asarray(kept[S] / np.sqrt(np.maximum(variance, np.finfo(float).tiny)))

    @property
    def _least_effective(self) -> float:
        return max(self.min_effective_events, 1.0) * (1 - _TOLERANCE)

    def bound(self, low: Numbers, high: Numbers, above: float) -> Numbers:
        """Return what `values` can't exceed for selections that keep between `low` and `high`.

        All figures rise with S and fall with B, so that the best corner bounds the rest. Asimov's significance falls
        with the variance of B. It falls with B too where the relative error of B is fixed, or its variance per event,
        but may rise where its absolute error is and S > B; so the corner has the least relative error, or the variance
        of the lightest events if that is more (ΣwB² ≥ w Σ|wB| ≥ w B with w the lightest). The guards tighten it:
        N effective events are at least N events (Cauchy-Schwarz), hence ΣwB² ≥ N w², and B ≥ √(N ΣwB²).

        Args:
            low: least sums kept, shape (4, sets of selections).
            high: greatest sums kept.
            above: what is of interest; −∞ stands for what is no more.
        """
        least = self._least_effective
        alive = (high[S] > 0) & (high[B] >= 0) & (high[S] >= self.least_signal)
        alive &= (high[S] ** 2 >= least * low[S2]) & (high[B] ** 2 >= least * low[B2])
        some = self.min_effective_events > 0 or self.fom in _OVER_BACKGROUND  # no background at all won't do
        if some:
            alive &= high[B] > 0
        variance = np.maximum(low[B2], least * self.lightest**2 if some else 0.0)
        background = np.maximum(np.maximum(low[B], 0.0), np.sqrt(least * variance))
        corner = np.stack([high[S], high[S2], background, variance])
        chosen = np.flatnonzero(alive & (self._ceiling(corner) > above))
        corner = corner[:, chosen]
        if self.fom == "asimov":
            least_relative = corner[B2] * np.minimum(corner[B] / high[B, chosen], 1.0) ** 2
            corner[B2] = np.maximum(least_relative, self.lightest * corner[B])
        figure = np.full(len(alive), -np.inf)
        figure[chosen] = self.unguarded(corner)
        return figure
