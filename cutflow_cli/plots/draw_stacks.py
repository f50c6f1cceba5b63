"""Expected events, stacked per process with the signal as a line, over S/√B of bins or of moved boundaries."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import (
    Axes,
    Figure,
    FigureCanvasAgg,
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
)
from cutflow_cli.plots.binned_panels import boundaries_of
from cutflow_cli.plots.panels import (
    NOTE_LINE,
    draw_title,
    grid_columns,
    mark_overflow,
    scale_observable,
    shade_kept,
    wrapped,
)
from cutflow_cli.plots.stack_legend import OWN_MARKER, draw_legend, legend_entries, legend_shape, process_style
from cutflow_cli.plots.stacks import Moved, Stack, StackPanel
from cutflow_cli.plots.style import SIGNAL, axis_label, fit, number, plain, unit
from cutflow_cli.selection.binned import BinnedCut

#: Inches: upper and lower frame of a panel (of a single one), and the room around them, and above for the title.
_SIZES, _SINGLE = (2.75, 1.9, 0.8), (4.8, 2.8, 1.1)
_LEFT, _RIGHT, _BELOW, _BETWEEN, _TITLE, _LINE = 0.78, 0.18, 0.52, 0.07, 0.3, 0.19
#: A signal lower than this, against the background, is drawn scaled by a power of ten.
_VISIBLE, _VISIBLE_LOGARITHMIC = 0.1, 1e-3
#: Heights that span more than this from their median to the highest are drawn on a logarithmic axis.
_SPIKED = 50.0
_DECADES = 7
_MOST_COLUMNS = 4


def draw_stack(stack: Stack, logarithmic: bool | None = None) -> Figure:
    """Draw all panels of a figure in a grid.

    Args:
        stack: what to draw.
        logarithmic: whether heights are on a logarithmic axis; None where each panel chooses.
    """
    panels = stack.panels
    # Panels of one mass stand side by side.
    columns = len(panels) // len({panel.heading for panel in panels})
    columns = columns if len(panels) > columns > 1 and columns <= _MOST_COLUMNS else grid_columns(len(panels))
    frame, upper, lower = _SINGLE if len(panels) == 1 else _SIZES
    rows = math.ceil(len(panels) / columns)
    width = columns * (_LEFT + frame + _RIGHT)
    scales = [_is_logarithmic(panel) if logarithmic is None else logarithmic for panel in panels]
    factor = signal_factor(panels, scales)
    handles, labels = legend_entries(stack, factor)
    ncols, legend_height = legend_shape(handles, labels, width)
    lines = _header_lines(stack)
    header = 0.1 + _LINE * len(lines) + legend_height
    notes = [wrapped(stack_notes(panel)) for panel in panels]
    above = [_TITLE + NOTE_LINE * max(map(len, notes[row * columns : (row + 1) * columns])) for row in range(rows)]
    each = upper + _BETWEEN + lower + _BELOW
    height = sum(above) + rows * each + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels):
        row, column = divmod(position, columns)
        left = (column * (_LEFT + frame + _RIGHT) + _LEFT) / width
        bottom = height - header - sum(above[: row + 1]) - (row + 1) * each + _BELOW
        main = figure.add_axes((left, (bottom + lower + _BETWEEN) / height, frame / width, upper / height))
        below = figure.add_axes((left, bottom / height, frame / width, lower / height), sharex=main)
        _draw_upper(figure, main, panel, factor, scales[position], upper)
        _draw_lower(figure, below, panel, stack, lower)
        fit(figure, below.set_xlabel(_observable(panel), labelpad=2), frame)
        draw_title(figure, main, panel.feature, panel.step, notes[position], frame, upper)
    for position, line in enumerate(lines):
        text = figure.text(0.5, 1 - (0.08 + _LINE * position) / height, line, ha="center", va="top")
        text.set_fontsize(11 if position == 0 else 9.5)
        fit(figure, text, width - 0.2)
    draw_legend(figure, handles, labels, ncols, 1 - (0.1 + _LINE * len(lines)) / height)
    return figure


def signal_factor(panels: Sequence[StackPanel], logarithmic: Sequence[bool]) -> float:
    """Return the power of ten that makes the signal visible in most panels; one where it is as it is.

    Args:
        panels: the panels.
        logarithmic: of each, whether its axis is.
    """
    needed = []
    for panel, log in zip(panels, logarithmic, strict=True):
        signal, background = (float(panel.heights(counts)[0].max()) for counts in (panel.signal, panel.background))
        if signal > 0 and background > 0:
            needed.append((_VISIBLE_LOGARITHMIC if log else _VISIBLE) * background / signal)
    middle = float(np.median(needed)) if needed else 1.0
    return float(10.0 ** max(0, math.ceil(math.log10(middle)))) if middle > 0 else 1.0


def _is_logarithmic(panel: StackPanel) -> bool:
    """Say whether most bins would be too low to be seen beside the highest."""
    values = panel.heights(panel.background)[0]
    positive = values[values > 0]
    return bool(len(positive) >= len(values) // 2 and positive.max() > _SPIKED * np.median(positive))


def _observable(panel: StackPanel) -> str:
    label = axis_label(panel.feature)
    return f"ln[ s / (1 − s) ] of the {label} s" if panel.logit else label


def _draw_upper(figure: Figure, axes: Axes, panel: StackPanel, factor: float, logarithmic: bool, height: float) -> None:
    """Draw the processes on one another, the error of their sum, and the signal."""
    edges = panel.binning.edges
    floor = np.zeros(len(edges) - 1)
    top = floor
    for position, counts in reversed(list(enumerate(panel.processes))):
        floor, top = top, top + panel.heights(counts)[0]
        axes.stairs(top, edges, baseline=floor, fill=True, zorder=1, **process_style(position, len(panel.processes)))
    values, errors = panel.heights(panel.background)
    axes.stairs(values + errors, edges, baseline=values - errors, fill=True, facecolor=("black", 0.28), lw=0, zorder=2)
    signal = factor * panel.heights(panel.signal)[0]
    axes.stairs(signal, edges, color="white", lw=3.2, zorder=3)  # seen on dark hatches, too
    axes.stairs(signal, edges, color=SIGNAL, lw=1.7, zorder=3)
    scale_observable(axes, panel.binning)
    power = _scale_height(axes, [values + errors, values - errors, signal], values, logarithmic)
    shade_kept(axes, panel.step, panel.cut, errors=False)  # a band would look like the statistical one
    if not panel.binning.cut_down:
        mark_overflow(axes, panel.signal.sumw2, panel.background.sumw2)
    axes.tick_params(labelbottom=False)
    axes.xaxis.get_offset_text().set_visible(False)
    fit(figure, axes.set_ylabel(_height_label(panel, power), labelpad=3), height + 0.2)


def _scale_height(
    axes: Axes, drawn: Sequence[NDArray[np.float64]], background: NDArray[np.float64], logarithmic: bool
) -> int:
    """Leave room above, and return the power of ten that heights are in units of.

    On a logarithmic axis all that is positive is shown, as far as it can matter.
    """
    everything = np.concatenate(drawn)
    high, positive = float(everything.max()), np.concatenate([background, drawn[-1]])
    positive = positive[positive > 0]
    if logarithmic and len(positive):
        low = max(0.4 * float(positive.min()), high * 10.0**-_DECADES)
        axes.set_yscale("log")
        axes.set_ylim(low, high * (high / low) ** 0.15)
        return 0
    low = min(0.0, 1.1 * float(everything.min()))
    axes.set_ylim(low, 1.18 * high if high > 0 else 1.0)
    return _linear_axis(axes, 5, (-3, 4))


def _linear_axis(axes: Axes, ticks: int, limits: tuple[int, int]) -> int:
    """Choose ticks of a linear vertical axis, and return the power of ten that they are in units of.

    The power belongs into the label: above the axis it would lie on the title, or on the panel above.
    """
    low, high = axes.get_ylim()
    found = MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    # A number at the upper end would touch that of the panel above.
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in found if low <= tick <= low + 0.9 * (high - low)]))
    highest = max(map(abs, axes.get_ylim()))
    power = math.floor(math.log10(highest))
    power = 0 if limits[0] < power < limits[1] else power
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value / 10.0**power)))
    return power


def _height_label(panel: StackPanel, power: int) -> str:
    width = panel.binning.width
    events = rf"$10^{{{power}}}$ events" if power else "Events"
    if width is None:
        return f"{events} per bin"
    return f"{events} / {number(_rounded(width))}" + (f" {unit(panel.feature.unit)}" if panel.feature.unit else "")


def _rounded(width: float) -> float:
    """Round a width to three digits: that of bins between boundaries is no round number."""
    return float(f"{width:.3g}")


def _draw_lower(figure: Figure, axes: Axes, panel: StackPanel, stack: Stack, height: float) -> None:
    """Draw S/√B: points for bins, a line for each boundary that is moved, with the selection's own as a marker."""
    tops = []
    for moved in panel.moved:
        known = np.isfinite(moved.values)
        errors = np.nan_to_num(moved.errors)
        if moved.name == "bins":
            widths = 0.5 * np.diff(panel.binning.edges)[known]
            axes.errorbar(
                moved.places[known], moved.values[known], xerr=widths, yerr=errors[known], fmt="none", ecolor="black",
                elinewidth=1.0,
            )  # fmt: skip
        else:
            _draw_moved(axes, panel, moved, errors)
        tops += (moved.values + np.minimum(errors, np.abs(moved.values)))[known].tolist()
        tops += (moved.values - np.minimum(errors, np.abs(moved.values)))[known].tolist()
    if panel.own is not None and panel.own.value is not None:
        tops += _draw_own(axes, panel, panel.own.value, panel.own.error or 0.0)
    if tops:
        high, low = max(tops), min(0.0, *tops)
        axes.set_ylim(1.15 * low, 1.2 * high if high > 0 else 1.0)
    else:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        why = "too few background events" if panel.moved or panel.own else "a boundary is beyond the range"
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=8, bbox=box, zorder=6)
    power = _linear_axis(axes, 3, (-2, 4))
    shade_kept(axes, panel.step, panel.cut, errors=False)
    axes.yaxis.minorticks_off()
    what = "S/√B" if stack.lower == "boundaries" else "S/√B per bin"
    what += rf" / $10^{{{power}}}$" if power else ""
    fit(figure, axes.set_ylabel(what, labelpad=3), height + 0.1, smallest=6.0)


def _draw_moved(axes: Axes, panel: StackPanel, moved: Moved, errors: NDArray[np.float64]) -> None:
    line = "-" if moved.name == "lower" else (0, (4, 1.5))
    axes.plot(moved.places, moved.values, color="black", ls=line, lw=1.2, zorder=3)
    axes.fill_between(
        moved.places, moved.values - errors, moved.values + errors, color="black", alpha=0.18, lw=0, zorder=2
    )
    if isinstance(panel.cut, BinnedCut):
        return
    here = moved.places == (panel.cut.lower if moved.name == "lower" else panel.cut.upper)
    axes.plot(moved.places[here], moved.values[here], ls="", marker="o", markersize=4, color="black", zorder=5)


def _draw_own(axes: Axes, panel: StackPanel, value: float, error: float) -> list[float]:
    """Draw S/√B of a selection whose boundaries differ by bin, at each side over all of them; return what it spans."""
    assert isinstance(panel.cut, BinnedCut)
    for side in ("lower", "upper"):
        known = [one for one in panel.cut.sides(side) if one is not None and math.isfinite(one)]
        if known:
            axes.plot([min(known), max(known)], [value, value], color="black", lw=2.2, zorder=5)
            middle = [float(np.median(known))]
            axes.errorbar(middle, [value], yerr=[error], color="black", elinewidth=1.2, zorder=6, **OWN_MARKER)
    return [value - error, value + error]


def stack_notes(panel: StackPanel) -> list[str]:
    """Say what a reader of one panel must know beside the cut."""
    notes = [] if panel.heading is None else [panel.heading]
    if not panel.step.active and panel.step.note:
        notes.append(panel.step.note)
    if panel.missing:
        notes.append(f"left out: {panel.missing} without a value, which pass no cut")
    edges = panel.binning.edges
    if any(not edges[0] <= one <= edges[-1] for one in boundaries_of(panel.cut)):
        notes.append("boundary beyond the range shown")
    if panel.binning.cut_down:
        notes.append("around the window only; more events lie beyond")
    return notes


def _header_lines(stack: Stack) -> list[str]:
    lines = [plain(stack.title), plain(stack.shown)]
    if stack.kept is not None:
        S, B = (number(one.value or 0.0, one.error) for one in stack.kept)
        lines.append(f"all cuts: S = {S}, B = {B}")
    return [*lines, *map(plain, stack.notes)]
