"""Outputs of networks against mass, with the cuts on them, as in figures 5 and 6 of EPJ C 82:121."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import ROLES
from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D
from cutflow_cli.plots.outputs import OutputPanel, Outputs
from cutflow_cli.plots.style import fit, plain

#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 3.6, 2.5
_LEFT, _BELOW, _ABOVE, _HEADER, _BAR = 0.75, 0.52, 0.24, 0.55, 0.85
_COLOURS = ("Blues", "Reds")
_LINES = ((0, (4, 2)), "-")


def draw_outputs(outputs: Outputs) -> Figure:
    """Draw for each score the logit of the output in the window of each mass, for signal and background.

    Each column has unit area: the share of the events of its window, of the signal those of its mass alone. Lines are
    the cuts of the consensus, which may differ from mass to mass.
    """
    panels = outputs.panels
    width = 2 * (_LEFT + _WIDTH) + 2 * _BAR
    height = _HEADER + len(panels) * (_ABOVE + _HEIGHT + _BELOW)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for row, panel in enumerate(panels):
        bottom = height - _HEADER - (row + 1) * (_ABOVE + _HEIGHT + _BELOW) + _BELOW
        for column, label in enumerate((1, 0)):
            left = column * (_LEFT + _WIDTH + _BAR) + _LEFT
            axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
            beside = figure.add_axes(((left + _WIDTH + 0.08) / width, bottom / height, 0.12 / width, _HEIGHT / height))
            _draw_panel(figure, axes, beside, outputs, panel, label)
    title = f"{outputs.title}, {outputs.split} split"
    fit(figure, figure.text(0.5, 1 - 0.08 / height, plain(title), ha="center", va="top", fontsize=11), width - 0.2)
    _draw_legend(figure, outputs, height)
    return figure


def _draw_panel(figure: Figure, axes: Axes, beside: Axes, outputs: Outputs, panel: OutputPanel, label: int) -> None:
    fractions = panel.fractions[label]
    shown = np.where(fractions > 0, fractions, np.nan)
    mesh = axes.pcolormesh(
        _between(outputs.masses), panel.edges, shown.T, cmap=_COLOURS[label], vmin=0.0, rasterized=True, zorder=0
    )
    figure.colorbar(mesh, cax=beside)
    beside.set_ylabel("Share of the window's events", fontsize=8)
    beside.tick_params(labelsize=8)
    for (_, cuts), line in zip(sorted(panel.cuts.items(), key=_fixed_first), _LINES, strict=False):
        shown_cuts = np.clip(cuts, panel.edges[0], panel.edges[-1])
        axes.stairs(shown_cuts, _between(outputs.masses), baseline=None, color="black", ls=line, lw=1.2)
    low = float(panel.edges[0])
    held = outputs.masses[outputs.held_out]
    room = 0.03 * float(panel.edges[-1] - low)
    axes.plot(held, np.full(len(held), low + room), ls="", marker="^", markersize=3.5, color="#555555")
    axes.set_ylim(panel.edges[0], panel.edges[-1])
    axes.set_xlabel(outputs.axis, labelpad=2)
    axes.set_ylabel(r"ln[ s / (1 − s) ]", labelpad=2)
    what = f"{ROLES[label]}, {panel.name.replace('_', ' ')}"
    text = axes.text(0, 1.02, plain(what), transform=axes.transAxes, ha="left", va="bottom", fontsize=9.5)
    fit(figure, text, _WIDTH)


def _fixed_first(item: tuple[str, Any]) -> bool:
    """Sort the cut that is the same for all masses before those that are not."""
    return len(np.unique(item[1])) > 1


def _between(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges halfway between the masses, the outer ones as far out as the next ones are in."""
    middle = 0.5 * (masses[1:] + masses[:-1])
    return np.concatenate([[2 * masses[0] - middle[0]], middle, [2 * masses[-1] - middle[-1]]])


def _draw_legend(figure: Figure, outputs: Outputs, height: float) -> None:
    handles: list[Any] = []
    constant = [len(np.unique(cuts)) == 1 for panel in outputs.panels for cuts in panel.cuts.values()]
    if any(constant):
        handles.append(Line2D([], [], color="black", ls=_LINES[0], lw=1.2, label="fixed cut"))
    if not all(constant):
        handles.append(Line2D([], [], color="black", ls=_LINES[1], lw=1.2, label="best cut for each mass"))
    if outputs.held_out.any():
        handles.append(Line2D([], [], color="#555555", ls="", marker="^", markersize=3.5, label="held out"))
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.26 / height), borderaxespad=0.2,
        ncols=len(handles), columnspacing=1.5,
    )  # fmt: skip
