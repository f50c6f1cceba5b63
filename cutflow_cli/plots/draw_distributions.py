"""Distributions of the observables of one flow, one panel each, with the region that each cut keeps."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import FeatureInfo
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
from cutflow_cli.plots.style import BACKGROUND, KEPT, SIGNAL, axis_label, fit, number, plain, symbol
from cutflow_cli.plots.style import unit as unit_text
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

#: Inches: the frame of a panel, and the room around it for labels, and above it for its title and notes.
_WIDTH, _HEIGHT = 2.75, 1.9
_LEFT, _RIGHT, _BELOW, _TITLE, _NOTE = 0.68, 0.18, 0.52, 0.34, 0.14
_NOTE_LINES, _NOTE_CHARACTERS = 3, 50
_OCCUPIED = 5  # a bin that holds half of a class is a spike if so many others are not empty
_AGREEMENT_WARNING = 0.8  # below this, DESIGN asks for a warning
_GREY = "#555555"


def draw_distributions(distributions: Distributions) -> Figure:
    """Draw all panels of a flow in a grid.

    Signal is a line, background a filled area, each of unit area; the kept region is shaded, its boundaries are
    dashed with a band of their error, and written above the panel.
    """
    panels = distributions.panels
    columns = _columns(len(panels))
    rows = math.ceil(len(panels) / columns)
    header = {1: 1.05, 2: 0.7}.get(columns, 0.5)
    notes = [_wrapped_notes(panel, distributions.sequential) for panel in panels]
    above = [_TITLE + _NOTE * max(map(len, notes[row * columns : (row + 1) * columns])) for row in range(rows)]
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    height = sum(above) + rows * (_HEIGHT + _BELOW) + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - header - sum(above[: row + 1]) - (row + 1) * (_HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(figure, axes, panel, notes[position])
    _draw_header(figure, distributions, columns, width, height)
    return figure


def _columns(panels: int) -> int:
    if panels <= 3:
        return max(panels, 1)
    if panels == 4:
        return 2
    return 3 if panels <= 9 else 4


def _draw_header(figure: Figure, distributions: Distributions, columns: int, width: float, height: float) -> None:
    shown = "after the earlier cuts of the flow" if distributions.sequential else "before any cut"
    lines = [f"{distributions.title}: {shown}"] if columns > 1 else [f"{distributions.title}:", shown]
    for position, line in enumerate(lines):
        at = 1 - (0.08 + 0.18 * position) / height
        fit(figure, figure.text(0.5, at, plain(line), ha="center", va="top", fontsize=11), width - 0.2)
    triangles = tuple(Line2D([], [], color="black", marker=marker, markersize=4, ls="") for marker in "<>")
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color=SIGNAL, lw=1.6), "signal"),
        (Patch(facecolor=_pale(BACKGROUND), edgecolor=BACKGROUND, ls="-"), "background"),
        (Patch(facecolor=_pale(KEPT)), "kept"),
        (Line2D([], [], color="black", lw=1.0, ls="--"), "boundary ± error"),
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


def _pale(colour: str) -> tuple[str, float]:
    return colour, 0.35


def _draw_panel(figure: Figure, axes: Axes, panel: Panel, notes: list[str]) -> None:
    edges = panel.binning.edges
    drawn = [
        values
        for shape, signal in ((panel.background, False), (panel.signal, True))
        if (values := _draw_shape(axes, shape, edges, signal=signal)) is not None
    ]
    if panel.binning.logarithmic:
        axes.set_xscale("log")
    else:
        formatter = ScalarFormatter(useOffset=False, useMathText=True)
        formatter.set_powerlimits((-3, 5))
        axes.xaxis.set_major_formatter(formatter)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlim(edges[0], edges[-1])
    _scale_height(axes, drawn)
    _draw_region(axes, panel.step)
    _mark_overflow(axes, panel)
    fit(figure, axes.set_xlabel(axis_label(panel.feature), labelpad=2), _WIDTH)
    fit(figure, axes.set_ylabel(_bin_label(panel), labelpad=3), _HEIGHT + 0.3)
    _draw_title(figure, axes, panel, notes)


def _draw_shape(axes: Axes, shape: Shape, edges: NDArray[np.float64], *, signal: bool) -> NDArray[np.float64] | None:
    """Draw one class and return the tops of its error bars; None if there is nothing to draw."""
    scaled = shape.unit_area()
    if scaled is None:
        return None
    values, errors = scaled
    if not signal:
        mplhep.histplot(
            values, edges, histtype="fill", ax=axes, flow="none", facecolor=_pale(BACKGROUND), linewidth=0, zorder=1
        )
    style = {"color": SIGNAL, "linewidth": 1.6} if signal else {"color": BACKGROUND, "linewidth": 1.0}
    mplhep.histplot(values, edges, yerr=errors, histtype="step", ax=axes, flow="none", zorder=2 + signal, **style)
    tops: NDArray[np.float64] = np.concatenate([values, values + np.where(errors < values, errors, 0)])
    return tops


def _scale_height(axes: Axes, drawn: list[NDArray[np.float64]]) -> None:
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
    if spiked and everything.min() >= 0:
        axes.set_yscale("log")
        axes.set_ylim(0.5 * float(positive.min()), 3 * top)
        return
    axes.set_ylim(min(0.0, 1.1 * float(everything.min())), 1.15 * top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-5, 5))
    axes.yaxis.set_major_formatter(formatter)


def kept_intervals(cut: Cut, low: float, high: float) -> list[tuple[float, float]]:
    """Return the parts of a range that a cut keeps."""
    lower = -math.inf if cut.lower is None else cut.lower
    upper = math.inf if cut.upper is None else cut.upper
    match cut.region:
        case Region.ALL:
            parts = [(low, high)]
        case Region.OUTSIDE:
            parts = [(low, min(lower, high)), (max(upper, low), high)]
        case _:
            parts = [(max(lower, low), min(upper, high))]
    return [(start, end) for start, end in parts if start < end]


def _draw_region(axes: Axes, step: LearnedCut) -> None:
    low, high = axes.get_xlim()
    applied = step.active and step.cut.region is not Region.ALL
    if applied:
        for start, end in kept_intervals(step.cut, low, high):
            axes.axvspan(start, end, facecolor=_pale(KEPT), linewidth=0, zorder=0)
    style: dict[str, Any] = {"color": "black", "ls": "--", "lw": 1.0} if applied else {"color": _GREY, "ls": ":"}
    for value, error in ((step.cut.lower, step.lower_error), (step.cut.upper, step.upper_error)):
        if value is None or not low <= value <= high:
            continue
        axes.axvline(value, zorder=4, **style)
        if error is not None and error > 0 and applied:
            axes.axvspan(max(value - error, low), min(value + error, high), color="black", alpha=0.25, lw=0, zorder=4)


def _mark_overflow(axes: Axes, panel: Panel) -> None:
    """Point outwards at the top of an edge bin that holds what lies beyond it."""
    for bin_, marker, x in ((0, "<", 0.03), (-1, ">", 0.97)):
        if any(shape.sumw2[bin_] > 0 for shape in (panel.signal, panel.background)):
            axes.plot([x], [0.93], marker=marker, color="black", markersize=4, transform=axes.transAxes, zorder=5)


def _bin_label(panel: Panel) -> str:
    width = panel.binning.width
    if width is None:
        return "Fraction per bin"
    unit = f" {unit_text(panel.feature.unit)}" if panel.feature.unit else ""
    return f"Fraction / {number(width)}{unit}"


def cut_texts(feature: FeatureInfo, step: LearnedCut) -> tuple[str, str]:
    """Write a cut with its errors for a title, with the observable and, for long names, without it."""
    name = symbol(feature)
    lower = "" if step.cut.lower is None else number(step.cut.lower, step.lower_error)
    upper = "" if step.cut.upper is None else number(step.cut.upper, step.upper_error)
    match step.cut.region:
        case Region.BELOW:
            return f"{name} < {upper}", f"below {upper}"
        case Region.ABOVE:
            return f"{name} > {lower}", f"above {lower}"
        case Region.INSIDE:
            return f"{lower} < {name} < {upper}", f"{lower} to {upper}"
        case Region.OUTSIDE:
            return f"{name} < {lower} or {name} > {upper}", f"below {lower} or above {upper}"
        case _:
            return "keeps everything", "keeps everything"


def _wrapped_notes(panel: Panel, sequential: bool) -> list[str]:
    notes = textwrap.wrap(plain("; ".join(panel_notes(panel, sequential))), _NOTE_CHARACTERS)
    if len(notes) > _NOTE_LINES:
        notes = [*notes[: _NOTE_LINES - 1], notes[_NOTE_LINES - 1][: _NOTE_CHARACTERS - 1] + "…"]
    return notes


def _draw_title(figure: Figure, axes: Axes, panel: Panel, notes: list[str]) -> None:
    step = panel.step
    height = 0.04 + _NOTE * len(notes)
    for position, line in enumerate(notes):
        at = 1 + (0.04 + _NOTE * (len(notes) - 1 - position)) / _HEIGHT
        text = axes.text(0, at, line, transform=axes.transAxes, ha="left", va="bottom", fontsize=8, color=_GREY)
        fit(figure, text, _WIDTH, smallest=6.0)
    long, short = cut_texts(panel.feature, step) if step.active else ("not applied", "not applied")
    at = 1 + height / _HEIGHT
    title = axes.text(0, at, long, transform=axes.transAxes, ha="left", va="bottom", fontsize=9.5)
    if not step.active:
        title.set_fontstyle("italic")
    if not fit(figure, title, _WIDTH, smallest=8.0):
        title.set_text(short)
        title.set_fontsize(9.5)
        fit(figure, title, _WIDTH)


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
        for value in (step.cut.lower, step.cut.upper)
        if step.active and value is not None and not panel.binning.edges[0] <= value <= panel.binning.edges[-1]
    ]
    if outside:
        notes.append("boundary beyond the range shown")
    if step.active and step.note:
        notes.append(step.note)
    return notes
