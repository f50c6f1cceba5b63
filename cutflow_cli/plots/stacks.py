"""Expected events of each process against an observable: before any cut, and after all cuts but the one on it (N−1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.plots.arrays import folded
from cutflow_cli.plots.binning import Binning
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import LearnedCut

#: What a lower panel shows: S/√B of each bin, or of the selection as a boundary is moved.
Lower = Literal["bins", "boundaries"]
MovedName = Literal["lower", "upper", "bins"]
#: More background processes than this can't be told apart; the smallest are put together.
MOST_PROCESSES = 9


@dataclass(frozen=True, slots=True)
class Counts:
    """Expected events of some processes in bins, and how well the simulation knows them.

    Attributes:
        events: simulated events per bin, underflow first and overflow last, shape (bins + 2,).
        sumw: Σw, at the luminosity of the events, likewise.
        sumw2: Σw², likewise.
    """

    events: NDArray[np.float64]
    sumw: NDArray[np.float64]
    sumw2: NDArray[np.float64]

    @classmethod
    def nothing(cls, bins: int) -> Counts:
        """Make one without events."""
        return cls(np.zeros(bins + 2), np.zeros(bins + 2), np.zeros(bins + 2))

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.events + other.events, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def sums(self, bins: NDArray[np.bool_] | slice = slice(None)) -> Sums:
        """Add up some bins, shape (bins + 2,)."""
        return Sums(int(self.events[bins].sum()), float(self.sumw[bins].sum()), float(self.sumw2[bins].sum()))

    def shown(self, *, fold: bool = True) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return Σw and √Σw² per bin, shape (bins,).

        Args:
            fold: whether the edge bins hold under- and overflow.
        """
        if not fold:
            return self.sumw[1:-1].copy(), np.sqrt(self.sumw2[1:-1])
        return folded(self.sumw), np.sqrt(folded(self.sumw2))


@dataclass(frozen=True, slots=True)
class Moved:
    """S/√B against where a boundary is, or of each bin.

    Attributes:
        name: `lower` or `upper` boundary; `bins`.
        places: in the observable's unit, rising, shape (places,).
        values: shape (places,), NaN where undefined.
        errors: statistical, likewise.
    """

    name: MovedName
    places: NDArray[np.float64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StackPanel:
    """One observable.

    Attributes:
        feature: the observable.
        step: the step of the flow that cuts on it.
        cut: its cut as it lies on the axis; one that keeps everything where none is applied.
        binning: the bins; the boundaries of the cut are edges where they lie in the range.
        logit: whether the axis is that of the logit of a score.
        processes: what each background process has, the order being that of `Stack.processes`.
        signal: what all signal has.
        missing: simulated events left out as the value is missing; they pass no boundary.
        moved: S/√B, for the lower panel.
        few: why S/√B is undefined somewhere, in words; None where it is defined everywhere.
        heading: which events are shown, where that differs from panel to panel; None where not.
        own: S/√B of the whole selection, where `moved` is of one boundary in place of those of bins; None otherwise.
    """

    feature: FeatureInfo
    step: LearnedCut
    cut: Cut
    binning: Binning
    logit: bool
    processes: tuple[Counts, ...]
    signal: Counts
    missing: int
    moved: tuple[Moved, ...]
    few: str | None
    heading: str | None = None
    own: Estimate | None = None

    def heights(self, counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return Σw and √Σw² per bin of some of its counts, as they are drawn; shape (bins,)."""
        return counts.shown(fold=not self.binning.cut_down)

    @property
    def background(self) -> Counts:
        """All background processes together."""
        return sum(self.processes, Counts.nothing(len(self.signal.sumw) - 2))


@dataclass(frozen=True, slots=True)
class Stack:
    """The panels of one run.

    Attributes:
        title: the run.
        shown: which events, in words.
        processes: names of the background processes, the largest first; the last may be several.
        panels: one for each observable.
        lower: what the lower panels show.
        least: effective background events below which S/√B is not quoted.
        kept: S and B of the whole selection, as in the cut flow; None where panels are of several selections.
        notes: what a reader must know.
    """

    title: str
    shown: str
    processes: tuple[str, ...]
    panels: tuple[StackPanel, ...]
    lower: Lower
    least: float
    kept: tuple[Estimate, Estimate] | None
    notes: tuple[str, ...] = ()
