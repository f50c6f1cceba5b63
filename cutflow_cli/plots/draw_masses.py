"""Figures of merit against the mass of the signal."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D, MaxNLocator, Patch
from cutflow_cli.plots.masses import SHOWN, MassCurve, MassCurves
from cutflow_cli.plots.style import PETROFF, fit, plain

#: Inches: a frame, and the room around it.
_WIDTH, _HEIGHT = 5.6, 1.7
_LEFT, _RIGHT, _BELOW, _GAP, _HEADER, _LINE = 0.9, 0.2, 0.55, 0.1, 0.62, 0.19
_TRAINED, _HELD_OUT = "o", "^"
_COLOUR, _GREY = PETROFF[0], "#777777"


def draw_masses(shown: MassCurves) -> Figure:
    """Draw each figure of merit against mass: statistical errors as bars, the spread over replicas as a band.

    Triangles are masses that were not trained on; where a number is not defined there is none, and a line above says
    why.
    """
    frames = len(shown.curves)
    width = _LEFT + _WIDTH + _RIGHT
    header = _HEADER + (_LINE if shown.undefined else 0.0)
    height = header + frames * _HEIGHT + (frames - 1) * _GAP + _BELOW
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    first: Axes | None = None
    for position, curve in enumerate(shown.curves):
        bottom = height - header - (position + 1) * _HEIGHT - position * _GAP
        axes = figure.add_axes((_LEFT / width, bottom / height, _WIDTH / width, _HEIGHT / height), sharex=first)
        first = first or axes
        _draw_curve(axes, shown, curve)
        fit(figure, axes.set_ylabel(SHOWN[curve.metric]), _HEIGHT)
        axes.tick_params(labelbottom=position == frames - 1)
    axes.set_xlabel(shown.axis)
    lines = [f"{shown.title}, {shown.split} split", *([shown.undefined] if shown.undefined else [])]
    for position, line in enumerate(lines):
        at = 1 - (0.08 + _LINE * position) / height
        text = figure.text(0.5, at, plain(line), ha="center", va="top", fontsize=9 if position else 11)
        fit(figure, text, width - 0.2, smallest=6.0)
    _draw_legend(figure, shown, 1 - (header - 0.32) / height)
    return figure


def _draw_curve(axes: Axes, shown: MassCurves, curve: MassCurve) -> None:
    masses, values = shown.masses, curve.values
    known = np.isfinite(values)
    axes.plot(masses, values, color=_COLOUR, lw=1.1, zorder=2)
    if curve.spread.any():
        axes.fill_between(
            masses, values - curve.spread, values + curve.spread, color=_COLOUR, alpha=0.2, lw=0, zorder=1
        )
    for marker, chosen in ((_TRAINED, known & ~shown.held_out), (_HELD_OUT, known & shown.held_out)):
        axes.errorbar(
            masses[chosen], values[chosen], yerr=curve.errors[chosen], fmt=marker, markersize=4.5, color=_COLOUR,
            markeredgecolor="black", markeredgewidth=0.6, ecolor="black", elinewidth=0.9, zorder=3,
        )  # fmt: skip
    reach = (values + np.maximum(curve.errors, curve.spread))[known]
    bottom = (values - np.maximum(curve.errors, curve.spread))[known]
    high, low = float(reach.max()), min(0.0, float(bottom.min()))
    axes.set_ylim(low, high + 0.12 * (high - low) if high > low else low + 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], prune="upper"))


def _draw_legend(figure: Figure, shown: MassCurves, top: float) -> None:
    style: dict[str, Any] = {"ls": "", "color": _COLOUR, "markeredgecolor": "black", "markeredgewidth": 0.6}
    handles: list[Any] = [Line2D([], [], marker=_TRAINED, markersize=4.5, label="consensus ± stat.", **style)]
    if shown.held_out.any():
        handles.append(Line2D([], [], marker=_HELD_OUT, markersize=4.5, label="held out", **style))
    if any(curve.spread.any() for curve in shown.curves):
        handles.append(Patch(facecolor=(_COLOUR, 0.2), label=f"± spread over {shown.replicas} replicas"))
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, top), borderaxespad=0.2, ncols=3,
        columnspacing=1.3, fontsize=8.5,
    )  # fmt: skip
