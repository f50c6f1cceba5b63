"""The cuts of an efficiency scan against its target efficiencies, as in figure 7 of arXiv:2502.08615."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D
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
from cutflow_cli.plots.scan import Boundary, Scan, ScanPanel
from cutflow_cli.plots.style import axis_label, fit, plain

#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 2.6, 1.9
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.78, 0.18, 0.5, 0.1
_QUOTED = "#555555"


def draw_scan(scan: Scan) -> Figure:
    """Draw the boundaries on each observable against the target signal efficiency.

    Events above a solid line and below a dashed one are kept; a gap is a working point that does not cut on that side.
    Markers are filled and open likewise. Squares are working points that keep what is outside of both, circles all
    others; lines do not join the two.
    Bands are the boundaries' errors over replicas. Behind lie the median and the central 68 % of both classes.
    """
    columns = {1: 2, 2: 2, 4: 2}.get(len(scan.panels), 3 if len(scan.panels) <= 9 else 4)
    rows = math.ceil(len(scan.panels) / columns)
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    quoted = Line2D([], [], color=_QUOTED, ls=":", lw=1.2, label="quoted")
    shown = entries(
        [(_boundaries(panel), _limits(panel)) for panel in scan.panels],
        scan.replicas,
        [] if scan.quoted is None else [quoted],
    )
    header = header_height(columns, len(shown))
    height = rows * (_ABOVE + _HEIGHT + _BELOW) + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(scan.panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - header - (row + 1) * (_ABOVE + _HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(axes, scan, panel)
        axes.set_xlabel("Target signal efficiency", labelpad=2)
        fit(figure, axes.set_ylabel(axis_label(panel.feature), labelpad=3), _HEIGHT + 0.3)
    title = figure.text(0.5, 1 - 0.08 / height, plain(scan.title), ha="center", va="top", fontsize=11)
    fit(figure, title, width - 0.2)
    draw_legend(figure, shown, columns)
    return figure


def _draw_panel(axes: Axes, scan: Scan, panel: ScanPanel) -> None:
    for quantiles, (_, style, line) in zip((panel.background, panel.signal), CLASSES, strict=True):
        if quantiles is not None:
            axes.axhspan(quantiles[0], quantiles[2], lw=0, zorder=0, **style)
            axes.axhline(quantiles[1], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8, zorder=1)
    if scan.quoted is not None:
        axes.axvline(scan.quoted, color=_QUOTED, ls=":", lw=1.2, zorder=1)
    for boundary, (_, style) in zip(_boundaries(panel), SIDES, strict=True):
        _draw_boundary(axes, scan.targets, boundary, style)
    ends = _limits(panel)
    mark_beyond(axes, scan.targets, _boundaries(panel), ends)
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(np.linspace(0, 1, 6))
    scale(axes, ends)
    if np.isnan(panel.above.values).all() and np.isnan(panel.below.values).all():
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2, "alpha": 0.8}
        axes.text(0.5, 0.5, "never cut on", transform=axes.transAxes, ha="center", va="center", bbox=box)


def _draw_boundary(axes: Axes, targets: NDArray[np.float64], boundary: Boundary, style: dict[str, Any]) -> None:
    for values, marker in parts(boundary):
        axes.plot(targets, values, color=CUT, lw=1.4, zorder=3, **style, **marker)
        if boundary.errors.any():
            low, high = values - boundary.errors, values + boundary.errors
            axes.fill_between(targets, low, high, color=CUT, alpha=0.22, lw=0, zorder=2)


def _boundaries(panel: ScanPanel) -> tuple[Boundary, Boundary]:
    return panel.above, panel.below


def _limits(panel: ScanPanel) -> tuple[float, float] | None:
    return limits(_boundaries(panel), [one for one in (panel.signal, panel.background) if one is not None])
