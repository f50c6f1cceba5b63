"""The cuts of an efficiency scan against its target efficiencies, as in figure 7 of arXiv:2502.08615."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D, MaxNLocator, Patch, ScalarFormatter
from cutflow_cli.plots.scan import Boundary, Scan, ScanPanel
from cutflow_cli.plots.style import BACKGROUND, SIGNAL, axis_label, fit, plain

#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 2.6, 1.9
_LEFT, _RIGHT, _BELOW, _ABOVE, _HEADER = 0.78, 0.18, 0.5, 0.1, 0.74
CUT, _QUOTED = "black", "#555555"
#: How the bulk of each class is drawn, and its median; the signal is hatched, as in figures of scores.
CLASSES: tuple[tuple[str, dict[str, Any], Any], ...] = (
    ("background", {"facecolor": (BACKGROUND, 0.18), "edgecolor": (BACKGROUND, 0.0)}, (0, (1, 1.5))),
    ("signal", {"facecolor": (SIGNAL, 0.06), "edgecolor": (SIGNAL, 0.35), "hatch": "////"}, "-"),
)


def draw_scan(scan: Scan) -> Figure:
    """Draw the boundaries on each observable against the target signal efficiency.

    Events above a solid line and below a dashed one are kept; a gap is a working point that does not cut on that side.
    Bands are the boundaries' errors over replicas. Behind lie the median and the central 68 % of both classes.
    """
    columns = {1: 2, 2: 2, 4: 2}.get(len(scan.panels), 3 if len(scan.panels) <= 9 else 4)
    rows = math.ceil(len(scan.panels) / columns)
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    height = rows * (_ABOVE + _HEIGHT + _BELOW) + _HEADER
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(scan.panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - _HEADER - (row + 1) * (_ABOVE + _HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(axes, scan, panel)
        axes.set_xlabel("Target signal efficiency", labelpad=2)
        fit(figure, axes.set_ylabel(axis_label(panel.feature), labelpad=3), _HEIGHT + 0.3)
    title = figure.text(0.5, 1 - 0.08 / height, plain(scan.title), ha="center", va="top", fontsize=11)
    fit(figure, title, width - 0.2)
    _draw_legend(figure, scan, columns, height)
    return figure


def _draw_panel(axes: Axes, scan: Scan, panel: ScanPanel) -> None:
    for quantiles, (_, style, line) in zip((panel.background, panel.signal), CLASSES, strict=True):
        if quantiles is not None:
            axes.axhspan(quantiles[0], quantiles[2], lw=0, zorder=0, **style)
            axes.axhline(quantiles[1], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8, zorder=1)
    if scan.quoted is not None:
        axes.axvline(scan.quoted, color=_QUOTED, ls=":", lw=1.2, zorder=1)
    for boundary, line in ((panel.above, "-"), (panel.below, "--")):
        _draw_boundary(axes, scan.targets, boundary, line)
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(np.linspace(0, 1, 6))
    _scale(axes, panel)
    if np.isnan(panel.above.values).all() and np.isnan(panel.below.values).all():
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2, "alpha": 0.8}
        axes.text(0.5, 0.5, "never cut on", transform=axes.transAxes, ha="center", va="center", bbox=box)


def _draw_boundary(axes: Axes, targets: NDArray[np.float64], boundary: Boundary, line: str) -> None:
    values, errors = boundary.values, boundary.errors
    axes.plot(targets, values, color=CUT, ls=line, lw=1.4, marker="o", markersize=3, zorder=3)
    if errors.any():
        axes.fill_between(targets, values - errors, values + errors, color=CUT, alpha=0.22, lw=0, zorder=2)


def _scale(axes: Axes, panel: ScanPanel) -> None:
    """Show all cuts and the central part of both classes, with some room."""
    shown = [panel.above.values, panel.below.values]
    shown += [quantiles for quantiles in (panel.signal, panel.background) if quantiles is not None]
    scale_to(axes, shown)


def scale_to(axes: Axes, shown: Sequence[NDArray[np.float64]]) -> None:
    """Scale the axis of an observable to all finite values, with some room."""
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if len(values):
        low, high = float(values.min()), float(values.max())
        room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-3, 5))
    axes.yaxis.set_major_formatter(formatter)


def _draw_legend(figure: Figure, scan: Scan, columns: int, height: float) -> None:
    handles: list[Any] = [
        Line2D([], [], color=CUT, ls="-", lw=1.4, marker="o", markersize=3, label="kept above"),
        Line2D([], [], color=CUT, ls="--", lw=1.4, marker="o", markersize=3, label="kept below"),
    ]
    if scan.replicas > 1:
        handles.append(Patch(facecolor=(CUT, 0.22), label=f"16–84% of {scan.replicas} replicas"))
    if scan.quoted is not None:
        handles.append(Line2D([], [], color=_QUOTED, ls=":", lw=1.2, label="quoted"))
    labels: list[str] = [handle.get_label() for handle in handles]
    for name, style, line in reversed(CLASSES):
        median = Line2D([], [], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8)
        handles.append((Patch(lw=0, **style), median))
        labels.append(f"{name}: median, 68%")
    figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.27 / height), borderaxespad=0.2,
        ncols=3 if columns < 4 else len(handles), columnspacing=1.2, handlelength=2.2, fontsize=8.5,
    )  # fmt: skip
