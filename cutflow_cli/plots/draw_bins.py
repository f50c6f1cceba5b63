"""The cuts of a selection against the observable that they are binned in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure
from cutflow_cli.plots.bins import Bins, BinsPanel
from cutflow_cli.plots.draw_boundaries import (
    CLASSES,
    CUT,
    SIDES,
    draw_grid,
    parts,
)
from cutflow_cli.plots.scan import Boundary
from cutflow_cli.plots.style import axis_label


def draw_bins(bins: Bins) -> Figure:
    """Draw the boundaries on each observable, a step for each bin.

    Events above a solid line and below a dashed one are kept; a gap is a bin that does not cut on that side. Squares
    are bins that keep what is outside of both. Bands are the boundaries' errors over replicas. Behind lie the median
    and the central 68 % of both classes in each bin.
    """
    label, middles = axis_label(bins.feature), (bins.edges[1:] + bins.edges[:-1]) / 2
    return draw_grid(
        bins.title, label, middles, bins.panels, bins.replicas, lambda axes, panel: _draw_panel(axes, bins, panel)
    )


def _draw_panel(axes: Axes, bins: Bins, panel: BinsPanel) -> None:
    edges = bins.edges
    for quantiles, (_, style, line) in zip((panel.background, panel.signal), CLASSES, strict=True):
        low, median, high = (_steps(quantiles[:, column]) for column in range(3))
        axes.fill_between(_ends(edges), low, high, lw=0, zorder=0, **style)
        axes.plot(_ends(edges), median, color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8, zorder=1)
    for boundary, (_, style) in zip((panel.above, panel.below), SIDES, strict=True):
        _draw_boundary(axes, edges, boundary, style)
    axes.set_xlim(edges[0], edges[-1])


def _draw_boundary(axes: Axes, edges: NDArray[np.float64], boundary: Boundary, style: dict[str, Any]) -> None:
    for values, marker in parts(boundary):
        # Level in each bin, with a point in its middle; bins are not joined where one does not cut.
        axes.plot(_ends(edges), _steps(values), color=CUT, ls=style["ls"], lw=1.4, zorder=3)
        axes.plot((edges[1:] + edges[:-1]) / 2, values, color=CUT, zorder=3, **{**style, "ls": ""}, **marker)
        if boundary.errors.any():
            low, high = _steps(values - boundary.errors), _steps(values + boundary.errors)
            axes.fill_between(_ends(edges), low, high, color=CUT, alpha=0.22, lw=0, zorder=2)


def _ends(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return both ends of each bin, bin by bin."""
    return np.stack([edges[:-1], edges[1:]], axis=1).ravel()


def _steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a value of each bin at both of its ends."""
    return np.repeat(values, 2)
