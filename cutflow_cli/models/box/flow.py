"""From boxes to cut flows, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.binning import Binned
from cutflow_cli.models.box.kernel import OFF, OUTSIDE
from cutflow_cli.models.box.landscape import Box, Landscape
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

UNUSED = "no region of it adds enough to the objective"


def cut_of(name: str, edges: NDArray[Any], low: int, high: int, kind: int) -> Cut:
    """Return the cut of one observable of a box.

    Args:
        name: of the observable.
        edges: its boundaries; place k lies at number k − 1.
        low: place of the lower boundary, 0 for none.
        high: place of the upper, more than there are for none.
        kind: of the region.
    """
    if kind == OFF:
        return Cut(name, Region.ALL)
    lower = float(edges[low - 1]) if low > 0 else None
    upper = float(edges[high - 1]) if high <= len(edges) else None
    if kind == OUTSIDE:
        return Cut(name, Region.OUTSIDE, lower, upper)
    if lower is None:
        return Cut(name, Region.BELOW, None, upper)
    return Cut(name, Region.ABOVE, lower) if upper is None else Cut(name, Region.INSIDE, lower, upper)


def flow_of(landscape: Landscape, names: tuple[str, ...], box: Box, template: CutFlow) -> CutFlow:
    """Return the cut flow of a box, each cut with its share of the objective's gain.

    The importance of a cut is its share of what the objective loses without it, summed over cuts.

    Args:
        landscape: the sample.
        names: of the observables.
        box: the box.
        template: what it was searched for.
    """
    whole = landscape.value(box)
    losses = np.zeros(len(names))
    for i in np.flatnonzero(box.kind != OFF).tolist():
        without = landscape.value(box.without(i))
        losses[i] = max(whole - without, 0.0) if np.isfinite(without) else max(whole, 0.0)
    total = losses.sum()
    steps = []
    for i, name in enumerate(names):
        cut = cut_of(name, landscape.binned.edges[i], int(box.low[i]), int(box.high[i]), int(box.kind[i]))
        active = cut.region is not Region.ALL
        share = float(losses[i] / total) if total > 0 else None
        steps.append(LearnedCut(cut, active=active, importance=share, note=None if active else UNUSED))
    return replace(template, steps=tuple(steps))


def order_of(landscape: Landscape, box: Box) -> tuple[int, ...]:
    """Return in which order cuts gain most: each as it stands in the box, what adds most to the objective first.

    Among cuts that all leave the objective undefined the one that keeps least background for its signal goes first;
    observables without a cut stay in their order, behind.

    Args:
        landscape: the sample.
        box: whose cuts are put in order.
    """
    left, order, begun = np.flatnonzero(box.kind != OFF).tolist(), [], Box.open(landscape.observables)
    while left:
        tried = {i: begun.having(i, int(box.low[i]), int(box.high[i]), int(box.kind[i])) for i in left}

        def worth(i: int, tried: dict[int, Box] = tried) -> tuple[float, float, int]:
            kept = landscape.kept(tried[i])
            value = landscape.value(tried[i])
            return value if np.isfinite(value) else -np.inf, float(kept.S) / max(float(kept.B), 1e-300), -i

        first = max(left, key=worth)
        left.remove(first)
        order.append(first)
        begun = tried[first]
    return (*order, *np.flatnonzero(box.kind == OFF).tolist())


def in_order(flow: CutFlow, order: Sequence[int]) -> CutFlow:
    """Return a flow with its steps in another order.

    Args:
        flow: the flow.
        order: the positions of its steps, as they are to follow each other.
    """
    return replace(flow, steps=tuple(flow.steps[i] for i in order))


def box_of(binned: Binned, flow: CutFlow) -> Box:
    """Return the box whose boundaries are nearest to those of a flow."""
    box = Box.open(len(binned.edges))
    for i, step in enumerate(flow.steps):
        edges, cut = binned.edges[i], step.cut
        if not step.active or cut.region is Region.ALL or not len(edges):
            continue
        low = 0 if cut.lower is None else _nearest(edges, cut.lower)
        high = len(edges) + 1 if cut.upper is None else _nearest(edges, cut.upper)
        box = box.having(i, low, max(high, low), OUTSIDE if cut.region is Region.OUTSIDE else 1)
    return box


def _nearest(edges: NDArray[Any], value: float) -> int:
    return 1 + int(np.argmin(np.abs(edges.astype(np.float64) - value)))
