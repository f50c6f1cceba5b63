"""Distributions of the observables of one flow, one panel each, with the region that each cut keeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.arrays import Distributions, Panel, Shape
from cutflow_cli.plots.backend import (
    Axes,
    Figure,
    FigureCanvasAgg,
    HandlerTuple,
    Line2D,
    MaxNLocator,
    Patch,
    ScalarFormatter,
    mplhep,
)
from cutflow_cli.plots.binned_panels import boundaries_of
from cutflow_cli.plots.panels import (
    NOTE_LINE,
    draw_title,
    grid_columns,
    kept_entries,
    mark_overflow,
    scale_observable,
    shade_kept,
    wrapped,
)
from cutflow_cli.plots.style import BACKGROUND, SIGNAL, axis_label, fit, number, plain
from cutflow_cli.plots.style import unit as unit_text

#: Inches: the frame of a panel, and the room around it for labels, and above it for its title and notes.
_WIDTH, _HEIGHT = 2.75, 1.9
_LEFT, _RIGHT, _BELOW, _TITLE = 0.68, 0.18, 0.52, 0.34
#: Darker than the kept region, also without colours.
_FILL = (BACKGROUND, 0.55)
_OCCUPIED = 5  # a bin that holds half of a class is a spike if so many others are not empty
_AGREEMENT_WARNING = 0.8  # below this, DESIGN asks for a warning


def draw_distributions(distributions: Distributions, logarithmic: bool | None = None) -> Figure:
    """Draw all panels of a flow in a grid.

    Signal is a line, background a filled area, each of unit area; the kept region is shaded, its boundaries are
    dashed with a band of their error, and written above the panel.

    Args:
        distributions: what to draw.
        logarithmic: whether heights are on a logarithmic axis; None where each panel chooses.
    """
    panels = distributions.panels
    columns = grid_columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    header = {1: 1.05, 2: 0.7}.get(columns, 0.5)
    notes = [wrapped(panel_notes(panel, distributions.sequential)) for panel in panels]
    above = [_TITLE + NOTE_LINE * max(map(len, notes[row * columns : (row + 1) * columns])) for row in range(rows)]
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    height = sum(above) + rows * (_HEIGHT + _BELOW) + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - header - sum(above[: row + 1]) - (row + 1) * (_HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(figure, axes, panel, notes[position], logarithmic)
    _draw_header(figure, distributions, columns, width, height)
    return figure


def _draw_header(figure: Figure, distributions: Distributions, columns: int, width: float, height: float) -> None:
    shown = "after the earlier cuts of the flow" if distributions.sequential else "before any cut"
    lines = [f"{distributions.title}: {shown}"] if columns > 1 else [f"{distributions.title}:", shown]
    for position, line in enumerate(lines):
        at = 1 - (0.08 + 0.18 * position) / height
        fit(figure, figure.text(0.5, at, plain(line), ha="center", va="top", fontsize=11), width - 0.2)
    triangles = tuple(Line2D([], [], color="black", marker=marker, markersize=4, ls="") for marker in "<>")
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color=SIGNAL, lw=1.6), "signal"),
        (Patch(facecolor=_FILL, edgecolor=BACKGROUND, ls="-"), "background"),
        *kept_entries([panel.step for panel in distributions.panels]),
        (triangles, "edge bin with under-/overflow"),
    ]
    handles, labels = zip(*entries, strict=True)
    anchor = (0.5, 1 - (0.09 + 0.18 * len(lines)) / height)
    legend = figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=anchor, borderaxespad=0.2,
        ncols=len(entries) if columns > 2 else min(columns + 1, 3), handlelength=1.6, columnspacing=1.3,
        handler_map={tuple: HandlerTuple(ndivide=None)}, fontsize=9 if columns > 1 else 8,
    )  # fmt: skip
    legend.set_in_layout(False)


def _draw_panel(figure: Figure, axes: Axes, panel: Panel, notes: list[str], logarithmic: bool | None) -> None:
    edges = panel.binning.edges
    drawn = [
        values
        for shape, signal in ((panel.background, False), (panel.signal, True))
        if (values := _draw_shape(axes, shape, edges, signal=signal)) is not None
    ]
    scale_observable(axes, panel.binning)
    _scale_height(axes, drawn, logarithmic)
    shade_kept(axes, panel.step, panel.step.cut)
    mark_overflow(axes, *(shape.sumw2 for shape in (panel.signal, panel.background)))
    fit(figure, axes.set_xlabel(axis_label(panel.feature), labelpad=2), _WIDTH)
    fit(figure, axes.set_ylabel(_bin_label(panel), labelpad=3), _HEIGHT + 0.3)
    draw_title(figure, axes, panel.feature, panel.step, notes, _WIDTH, _HEIGHT)


def _draw_shape(axes: Axes, shape: Shape, edges: NDArray[np.float64], *, signal: bool) -> NDArray[np.float64] | None:
    """Draw one class and return the tops of its error bars; None if there is nothing to draw."""
    scaled = shape.unit_area()
    if scaled is None:
        return None
    values, errors = scaled
    if not signal:
        mplhep.histplot(values, edges, histtype="fill", ax=axes, flow="none", facecolor=_FILL, linewidth=0, zorder=1)
    style = {"color": SIGNAL, "linewidth": 1.6} if signal else {"color": BACKGROUND, "linewidth": 1.0}
    mplhep.histplot(values, edges, yerr=errors, histtype="step", ax=axes, flow="none", zorder=2 + signal, **style)
    tops: NDArray[np.float64] = np.concatenate([values, values + np.where(errors < values, errors, 0)])
    return tops


def _scale_height(axes: Axes, drawn: list[NDArray[np.float64]], logarithmic: bool | None) -> None:
    """Leave some room above; a logarithmic axis if one bin holds most of a class, so that the rest is seen at all."""
    if not drawn:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
        text = axes.text(0.5, 0.5, "no events to draw", transform=axes.transAxes, ha="center", va="center", bbox=box)
        text.set_zorder(6)
        return
    everything = np.concatenate(drawn)
    top, positive = float(everything.max()), everything[everything > 0]
    spiked = any(values.max() > 0.5 and np.count_nonzero(values[: len(values) // 2]) >= _OCCUPIED for values in drawn)
    if len(positive) and (logarithmic or (logarithmic is None and spiked and everything.min() >= 0)):
        axes.set_yscale("log")
        axes.set_ylim(0.5 * float(positive.min()), 3 * top)
        return
    axes.set_ylim(min(0.0, 1.1 * float(everything.min())), 1.15 * top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-5, 5))
    axes.yaxis.set_major_formatter(formatter)


def _bin_label(panel: Panel) -> str:
    width = panel.binning.width
    if width is None:
        return "Fraction per bin"
    unit = f" {unit_text(panel.feature.unit)}" if panel.feature.unit else ""
    return f"Fraction / {number(width)}{unit}"


def panel_notes(panel: Panel, sequential: bool) -> list[str]:
    """Say what a reader of one panel must know beside the cut."""
    step, notes = panel.step, []
    if not step.active and step.note:
        notes.append(step.note)
    if step.active and step.agreement is not None and step.agreement < _AGREEMENT_WARNING:
        notes.append(f"only {100 * step.agreement:.0f}% of the replicas agree")
    classes = (("signal", panel.signal), ("background", panel.background))
    if sequential and panel.earlier:
        shares = [f"{100 * shape.share:.3g}% of {name}" for name, shape in classes if shape.share is not None]
        notes.append(f"after {panel.earlier} cut{'s' if panel.earlier > 1 else ''}: {', '.join(shares)}")
    empty = [name for name, shape in classes if shape.unit_area() is None]
    if len(empty) == 1:
        notes.append(f"no {empty[0]} to draw")
    left_out = panel.signal.non_finite + panel.background.non_finite
    if left_out:
        notes.append(f"left out: {left_out} NaN or infinite")
    outside = [
        value
        for value in boundaries_of(step.cut)
        if step.active and not panel.binning.edges[0] <= value <= panel.binning.edges[-1]
    ]
    if outside:
        notes.append("boundary beyond the range shown")
    if step.active and step.note:
        notes.append(step.note)
    return notes
