"""What the figures show, computed and ready to draw: arrays and numbers, nothing of how they look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.binning import Binning
from cutflow_cli.selection.cutflow import LearnedCut


@dataclass(frozen=True, slots=True)
class Shape:
    """One class of events in one panel.

    Attributes:
        sumw: sum of weights per bin, underflow first and overflow last, shape (bins + 2,).
        sumw2: sum of squared weights, likewise.
        events: number of finite values filled.
        non_finite: number of events left out because the value is NaN or infinite.
        share: share of the class's weight that passed the earlier cuts, left-out events included; None where the class
            has no positive sum of weights.
    """

    sumw: NDArray[np.float64]
    sumw2: NDArray[np.float64]
    events: int
    non_finite: int
    share: float | None

    def unit_area(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return fractions of events per bin and their errors √Σw² over Σw, under- and overflow in the edge bins.

        The error of the common normalisation is left out, as it moves all bins together.

        Returns:
            Two arrays of shape (bins,); None if the weights sum to zero or less, so that there is no area to scale.
        """
        total = self.sumw.sum()
        if self.events == 0 or total <= 0:
            return None
        return folded(self.sumw) / total, np.sqrt(folded(self.sumw2)) / total


def folded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add under- and overflow, shape (bins + 2,), to the edge bins, shape (bins,)."""
    shown = values[1:-1].copy()
    shown[0] += values[0]
    shown[-1] += values[-1]
    return shown


@dataclass(frozen=True, slots=True)
class Panel:
    """The distribution of one observable, and the cut on it.

    Attributes:
        feature: the observable.
        step: its step of the flow.
        binning: the bins.
        signal: the signal's shape.
        background: the background's shape.
        earlier: how many applied cuts the events had to pass before (0 in a parallel flow).
    """

    feature: FeatureInfo
    step: LearnedCut
    binning: Binning
    signal: Shape
    background: Shape
    earlier: int


@dataclass(frozen=True, slots=True)
class Distributions:
    """All panels of one run.

    Attributes:
        title: the run, and what the flow was trained for.
        sequential: whether each panel shows the events that the earlier cuts kept.
        panels: one per observable, in the order of the flow.
    """

    title: str
    sequential: bool
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A number per observable and how it varies over replicas.

    Attributes:
        values: shape (observables,), NaN where there is none.
        errors: standard deviation over replicas (ddof 0, as the LCF paper quotes it), shape (observables,), NaN where
            fewer than two replicas have the number; None if that is so for all.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Importances:
    """What each observable is worth to one run.

    Attributes:
        title: the run, and what the flow was trained for.
        features: the observables, in the order of the flow.
        active: whether the flow cuts on each.
        importance: learned importances; None where the method has none.
        threshold: importance at or below which an observable is not cut on; None where the run names none.
        n_minus_1: N−1 losses; None where they were not computed.
        replicas: how many replicas the errors come from.
    """

    title: str
    features: tuple[FeatureInfo, ...]
    active: tuple[bool, ...]
    importance: Spread | None
    threshold: float | None
    n_minus_1: Spread | None
    replicas: int
