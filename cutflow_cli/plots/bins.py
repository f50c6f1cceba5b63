"""The cuts of a selection in bins of an observable, against that observable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.learned import feature_of, flow_title, main_flow, replicas_of
from cutflow_cli.plots.sampling import quantiles_of
from cutflow_cli.plots.scan import LEVELS, Boundary, boundaries_of
from cutflow_cli.runs import Run
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


@dataclass(frozen=True, slots=True)
class BinsPanel:
    """The cuts on one observable.

    Attributes:
        feature: the observable.
        above: boundaries above which events are kept, bin by bin.
        below: boundaries below which events are kept; where these are the lower ones, what lies between is removed.
        signal: 16, 50 and 84 % quantiles of the signal in each bin, shape (bins, 3); NaN where it has none.
        background: those of the background.
    """

    feature: FeatureInfo
    above: Boundary
    below: Boundary
    signal: NDArray[np.float64]
    background: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bins:
    """The cuts of one selection.

    Attributes:
        title: the run and the working point.
        feature: the observable of the bins.
        edges: of the bins.
        panels: one for each observable that is cut on, in the order of the flow.
        replicas: how many replicas the bands come from.
    """

    title: str
    feature: FeatureInfo
    edges: NDArray[np.float64]
    panels: tuple[BinsPanel, ...]
    replicas: int


def binned_columns(run: Run) -> tuple[str, ...]:
    """Return the columns that the figure shows; none of a run whose cuts are not in bins."""
    flow = main_flow(run)
    cuts = () if flow is None else _binned(flow)
    return tuple(dict.fromkeys(name for step in cuts for name in step.cut.columns))


def bins_of(run: Run, samples: Sequence[EventBatch]) -> Bins | None:
    """Collect the cuts of the quoted selection; None for a run whose cuts are not in bins.

    Args:
        run: the run.
        samples: of both classes, with `binned_columns`.
    """
    flow = main_flow(run)
    steps = () if flow is None else _binned(flow)
    if flow is None or not steps:
        return None
    first = steps[0].cut
    assert isinstance(first, BinnedCut)
    return Bins(
        flow_title(run, flow),
        feature_of(run, first.binned_in),
        np.array(first.edges),
        tuple(_panel(run, step, samples) for step in steps),
        len(replicas_of(run, flow)) if flow.kind == "consensus" else 1,
    )


def _binned(flow: CutFlow) -> tuple[LearnedCut, ...]:
    """Return the steps in bins of the flow's first binning, without the one on the bins' own observable."""
    return tuple(
        step
        for step in flow.steps
        if isinstance(step.cut, BinnedCut)
        and not step.cut.is_range
        and (step.cut.binned_in, step.cut.edges) == flow.binnings[0]
    )


def _panel(run: Run, step: LearnedCut, samples: Sequence[EventBatch]) -> BinsPanel:
    cut = step.cut
    assert isinstance(cut, BinnedCut)
    above, below = boundaries_of([one if one.active else None for one in step.bins])
    background, signal = (_quantiles(samples, cut, label) for label in (0, 1))
    return BinsPanel(
        feature_of(run, cut.observable),
        above,
        below,
        signal,
        background,
    )


def _quantiles(samples: Sequence[EventBatch], cut: BinnedCut, label: int) -> NDArray[np.float64]:
    """Return quantiles of a class in each bin, shape (bins, 3)."""
    found = np.full((len(cut.members), len(LEVELS)), np.nan)
    for batch in samples:
        where = cut.bin_of(batch.columns[cut.binned_in])
        for number in range(len(found)):
            rows = (where == number) & (batch.label == label)
            known = quantiles_of(batch.columns[cut.observable][rows], batch.weight[rows], LEVELS)
            if known is not None:
                found[number] = known
    return found
