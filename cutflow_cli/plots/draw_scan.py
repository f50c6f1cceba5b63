"""The cuts of an efficiency scan against its target efficiencies, as in figure 7 of arXiv:2502.08615."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, Line2D
from cutflow_cli.plots.draw_boundaries import (
    CLASSES,
    CUT,
    SIDES,
    draw_grid,
    parts,
)
from cutflow_cli.plots.scan import Boundary, Scan, ScanPanel

_QUOTED = "#555555"


def draw_scan(scan: Scan) -> Figure:
    """Draw the boundaries on each observable against the target signal efficiency.

    Events above a solid line and below a dashed one are kept; a gap is a working point that does not cut on that side.
    Markers are filled and open likewise. Squares are working points that keep what is outside of both, circles all
    others; lines do not join the two.
    Bands are the boundaries' errors over replicas. Behind lie the median and the central 68 % of both classes.
    """
    quoted = Line2D([], [], color=_QUOTED, ls=":", lw=1.2, label="quoted")
    return draw_grid(
        scan.title, "Target signal efficiency", scan.targets, scan.panels, scan.replicas,
        lambda axes, panel: _draw_panel(axes, scan, panel), [] if scan.quoted is None else [quoted],
    )  # fmt: skip


def _draw_panel(axes: Axes, scan: Scan, panel: ScanPanel) -> None:
    for quantiles, (_, style, line) in zip((panel.background, panel.signal), CLASSES, strict=True):
        if quantiles is not None:
            axes.axhspan(quantiles[0], quantiles[2], lw=0, zorder=0, **style)
            axes.axhline(quantiles[1], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8, zorder=1)
    if scan.quoted is not None:
        axes.axvline(scan.quoted, color=_QUOTED, ls=":", lw=1.2, zorder=1)
    for boundary, (_, style) in zip((panel.above, panel.below), SIDES, strict=True):
        _draw_boundary(axes, scan.targets, boundary, style)
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(np.linspace(0, 1, 6))


def _draw_boundary(axes: Axes, targets: NDArray[np.float64], boundary: Boundary, style: dict[str, Any]) -> None:
    for values, marker in parts(boundary):
        axes.plot(targets, values, color=CUT, lw=1.4, zorder=3, **style, **marker)
        if boundary.errors.any():
            low, high = values - boundary.errors, values + boundary.errors
            axes.fill_between(targets, low, high, color=CUT, alpha=0.22, lw=0, zorder=2)
