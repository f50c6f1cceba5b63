"""All runs in the plane of efficiencies: curves of scores, working points of scans, single selections."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D
from cutflow_cli.plots.roc import Place, RunPlaces
from cutflow_cli.plots.style import LINES, colour_and_marker, fit, plain

#: Inches: the frame, and the legend beside it.
_LEFT, _FRAME, _BELOW, _ABOVE, _LEGEND = 0.8, 4.9, 0.55, 0.15, 2.6
_ROW = 0.185
_GREY = "#777777"
_FAINT = 0.22
#: A curve is shown down to this many effective background events, below which it is a matter of chance.
_ENOUGH = 4.0


def draw_roc(runs: Sequence[RunPlaces], split: str) -> Figure:
    """Draw background against signal efficiency of all runs.

    A score is a line, a scan small markers joined by a thin line, a selection a marker; the one that the run's numbers
    are quoted for is large, with its statistical errors. Replicas are faint. A selection that keeps no background event
    is drawn at its 95 % upper limit with an arrow downwards; a curve ends where only few background events are left.
    """
    rows = len(runs) + sum(run.area is not None for run in runs) + 6
    height = max(4.9, 0.75 + _ROW * rows)
    width = _LEFT + _FRAME + 0.15 + _LEGEND
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    frame = height - _BELOW - _ABOVE
    axes = figure.add_axes((_LEFT / width, _BELOW / height, _FRAME / width, frame / height))
    diagonal = np.geomspace(1e-12, 1, 400)
    axes.plot(diagonal, diagonal, color=_GREY, ls=":", lw=1.2, zorder=0)
    lines = _lines(runs)
    for position, run in enumerate(runs):
        _draw_run(axes, run, position, lines[position])
    axes.set_yscale("log")
    _zoom(axes, runs)
    axes.set_xlabel("Signal efficiency")
    axes.set_ylabel("Background efficiency")
    _draw_legend(figure, axes, runs, split)
    return figure


def _lines(runs: Sequence[RunPlaces]) -> list[Any]:
    """Return the line styles of runs: scores have one each, which tells them apart without colours."""
    scores = itertools.count()
    styles = {"working points": "-", "selection": ""}
    return [LINES[next(scores) % len(LINES)] if run.kind == "score" else styles[run.kind] for run in runs]


def _draw_run(axes: Axes, run: RunPlaces, position: int, line: Any) -> None:  # noqa: ANN401
    colour, marker = colour_and_marker(position)
    for replica in run.replicas:
        if run.kind == "selection":
            places = replica.places
            axes.plot(
                [place.signal for place in places], [place.height for place in places], ls="", marker=marker,
                markersize=4, markerfacecolor="none", color=colour, alpha=0.6, zorder=2,
            )  # fmt: skip
        else:
            axes.plot(*_line(replica.signal, replica.background, replica.effective), color=colour, lw=0.8,
                      alpha=_FAINT, zorder=1)  # fmt: skip
    if run.kind == "score":
        axes.plot(*_line(run.signal, run.background, run.effective), color=colour, lw=1.7, ls=line, zorder=3)
    if run.kind == "working points":
        joined = [place for place in run.places if not place.empty]
        axes.plot([p.signal for p in joined], [p.height for p in joined], color=colour, lw=0.9, zorder=3)
    for place in sorted(run.places, key=lambda place: place.main):
        _draw_place(axes, place, colour, marker)


def _line(
    signal: NDArray[np.float64], background: NDArray[np.float64], effective: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what of a curve can be shown on a logarithmic axis and is no matter of chance."""
    kept = (background > 0) & (effective >= _ENOUGH)
    return signal[kept], background[kept]


def _draw_place(axes: Axes, place: Place, colour: str, marker: str) -> None:
    if place.main or place.empty:
        error = place.background_error
        lower = 0.55 * place.height if place.empty else min(error, 0.99 * place.height)
        axes.errorbar(
            [place.signal], [place.height], xerr=[place.signal_error], yerr=[[lower], [0.0 if place.empty else error]],
            uplims=[place.empty], fmt="none", ecolor=colour if not place.main else "black", elinewidth=1.0,
            capsize=2.5, zorder=4,
        )  # fmt: skip
    axes.plot(
        [place.signal], [place.height], marker=marker, markersize=8 if place.main else 4, ls="", color=colour,
        markeredgecolor="black" if place.main else colour, markeredgewidth=0.9,
        markerfacecolor="none" if place.empty and not place.main else colour, zorder=5 if place.main else 4,
    )  # fmt: skip


def _zoom(axes: Axes, runs: Sequence[RunPlaces]) -> None:
    """Show all signal efficiencies of curves, or those near the points, and the background down to the lowest point."""
    places = [place for run in runs for place in run.places]
    heights, signals = [place.height for place in places], [place.signal for place in places]
    curves = [run for run in runs if run.kind != "selection"]
    for run in curves:
        signal, background = _line(run.signal, run.background, run.effective)
        shown = background[signal > 0.02]
        if len(shown):
            heights.append(max(float(shown.min()), 1e-6))
    low = 0.4 * min(heights, default=0.1)
    if curves:
        axes.set_xlim(0.0, 1.02)
        axes.set_ylim(low, 1.3)
        return
    room = max(0.1, 0.3 * (max(signals, default=1.0) - min(signals, default=0.0)))
    axes.set_xlim(max(-0.02, min(signals, default=0.0) - room), min(1.02, max(signals, default=1.0) + room))
    axes.set_ylim(low, min(1.5, 4 * max(heights, default=1.0)))


def _draw_legend(figure: Figure, axes: Axes, runs: Sequence[RunPlaces], split: str) -> None:
    """Name the runs with their areas, then say what markers mean."""
    handles: list[Any] = []
    for position, (run, line) in enumerate(zip(runs, _lines(runs), strict=True)):
        colour, marker = colour_and_marker(position)
        width = 1.7 if run.kind == "score" else 0.9
        style: dict[str, Any] = {"color": colour, "ls": line, "lw": width, "markersize": 6}
        style["marker"] = marker if run.places else None
        handles.append(Line2D([], [], **style, label=plain(run.run)))
        if run.area is not None:
            handles.append(Line2D([], [], ls="", label=run.area))
    black: dict[str, Any] = {"ls": "", "color": "#999999", "marker": "o"}
    every = [place for run in runs for place in run.places]
    if any(place.main for place in every):
        handles.append(Line2D([], [], **{**black, "markeredgecolor": "black"}, markersize=8, label="quoted ± stat."))
    if any(run.replicas and run.kind != "selection" for run in runs):
        handles.append(Line2D([], [], color="#999999", lw=0.8, alpha=0.6, label="replicas"))
    if any(run.replicas and run.kind == "selection" for run in runs):
        label = "replicas of a selection"
        handles.append(Line2D([], [], **black, markerfacecolor="none", markersize=4, label=label))
    if any(place.empty for place in every):
        handles.append(Line2D([], [], ls="", color="#999999", marker="v", markersize=5, label="none kept: 95% limit"))
    if axes.get_ylim()[1] > axes.get_xlim()[0]:
        handles.append(Line2D([], [], color=_GREY, ls=":", label="no separation"))
    box = axes.get_position()
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(box.x1 + 0.1 / figure.get_figwidth(), box.y1),
        borderaxespad=0, title=f"{plain(split)} split", title_fontsize=10, alignment="left", labelspacing=0.3,
    )  # fmt: skip
    for text in legend.get_texts():
        fit(figure, text, _LEGEND - 0.6)
