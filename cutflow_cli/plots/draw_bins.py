"""The cuts of a selection against the observable that they are binned in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg
from cutflow_cli.plots.bins import Bins, BinsPanel
from cutflow_cli.plots.draw_boundaries import (
    CLASSES,
    CUT,
    SIDES,
    draw_legend,
    entries,
    header_height,
    limits,
    mark_beyond,
    parts,
    scale,
)
from cutflow_cli.plots.scan import Boundary
from cutflow_cli.plots.style import axis_label, fit, plain

#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 2.6, 1.9
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.78, 0.18, 0.5, 0.1


def draw_bins(bins: Bins) -> Figure:
    """Draw the boundaries on each observable, a step for each bin.

    Events above a solid line and below a dashed one are kept; a gap is a bin that does not cut on that side. Squares
    are bins that keep what is outside of both. Bands are the boundaries' errors over replicas. Behind lie the median
    and the central 68 % of both classes in each bin.
    """
    columns = {1: 2, 2: 2, 4: 2}.get(len(bins.panels), 3 if len(bins.panels) <= 9 else 4)
    rows = math.ceil(len(bins.panels) / columns)
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    shown = entries([(_boundaries(panel), _limits(panel)) for panel in bins.panels], bins.replicas)
    header = header_height(columns, len(shown))
    height = rows * (_ABOVE + _HEIGHT + _BELOW) + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(bins.panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - header - (row + 1) * (_ABOVE + _HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(axes, bins, panel)
        fit(figure, axes.set_xlabel(axis_label(bins.feature), labelpad=2), _WIDTH)
        fit(figure, axes.set_ylabel(axis_label(panel.feature), labelpad=3), _HEIGHT + 0.3)
    title = figure.text(0.5, 1 - 0.08 / height, plain(bins.title), ha="center", va="top", fontsize=11)
    fit(figure, title, width - 0.2)
    draw_legend(figure, shown, columns)
    return figure


def _draw_panel(axes: Axes, bins: Bins, panel: BinsPanel) -> None:
    edges = bins.edges
    for quantiles, (_, style, line) in zip((panel.background, panel.signal), CLASSES, strict=True):
        low, median, high = (_steps(quantiles[:, column]) for column in range(3))
        axes.fill_between(_ends(edges), low, high, lw=0, zorder=0, **style)
        axes.plot(_ends(edges), median, color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8, zorder=1)
    for boundary, (_, style) in zip(_boundaries(panel), SIDES, strict=True):
        _draw_boundary(axes, edges, boundary, style)
    ends = _limits(panel)
    mark_beyond(axes, (edges[1:] + edges[:-1]) / 2, _boundaries(panel), ends)
    axes.set_xlim(edges[0], edges[-1])
    scale(axes, ends)
    if np.isnan(panel.above.values).all() and np.isnan(panel.below.values).all():
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2, "alpha": 0.8}
        axes.text(0.5, 0.5, "never cut on", transform=axes.transAxes, ha="center", va="center", bbox=box)


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


def _boundaries(panel: BinsPanel) -> tuple[Boundary, Boundary]:
    return panel.above, panel.below


def _limits(panel: BinsPanel) -> tuple[float, float] | None:
    return limits(_boundaries(panel), (panel.signal, panel.background))
