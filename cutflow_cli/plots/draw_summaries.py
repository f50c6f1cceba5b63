"""Figures that sum up a training: importances, losses, and where the selections lie among efficiencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.arrays import Importances, LossCurves, Spread, WorkingPoint
from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, FixedLocator, Line2D, Patch
from cutflow_cli.plots.style import LINES, MARKERS, PETROFF, SIGNAL, fit, number, plain, symbol

_BAR, _BELOW_LINE = PETROFF[0], "////"
_TOP, _BOTTOM = 0.42, 0.86  # inches above and below the frames of importances
#: A loss that falls by more than this factor is drawn on a logarithmic axis.
_LOG_RATIO = 20.0


def draw_importances(importances: Importances) -> Figure:
    """Draw importances as bars with the line below which an observable is not cut on, N−1 losses beside them."""
    spreads = [spread for spread in (importances.importance, importances.n_minus_1) if spread is not None]
    rows = len(importances.features)
    height = _TOP + _BOTTOM + 0.34 * rows
    names = 1.5
    width = names + 3.9 * len(spreads)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    labels = [symbol(feature) for feature in importances.features]
    for position, spread in enumerate(spreads):
        left = names + 3.9 * position
        axes = figure.add_axes((left / width, _BOTTOM / height, 3.6 / width, (height - _BOTTOM - _TOP) / height))
        learned = spread is importances.importance
        _draw_bars(axes, spread, importances.active, importances.threshold if learned else None)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_yticks(range(rows), labels if position == 0 else [""] * rows)
        axes.tick_params(axis="y", which="both", length=0)
        axes.minorticks_off()
        axes.set_xlabel("Importance" if learned else "N−1 loss: balanced error without this cut − with it")
        for tick in axes.get_yticklabels():
            fit(figure, tick, names - 0.15)
    title = figure.text(0.5, 1 - 0.08 / height, plain(importances.title), ha="center", va="top", fontsize=11)
    fit(figure, title, width - 0.2)
    _importance_legend(figure, importances, height)
    return figure


def _draw_bars(axes: Axes, spread: Spread, active: Sequence[bool], threshold: float | None) -> None:
    """Draw one bar per observable with its value beside it, and the line."""
    values = np.nan_to_num(spread.values)
    errors = np.zeros(len(values)) if spread.errors is None else np.nan_to_num(spread.errors)
    rows = np.arange(len(values))
    below = values <= threshold if threshold is not None else np.zeros(len(values), dtype=np.bool_)
    bars = axes.barh(rows, values, height=0.62, color=[(_BAR, 0.25 if low else 0.75) for low in below], zorder=1)
    for bar, low in zip(bars, below, strict=True):
        bar.set_edgecolor(_BAR)
        bar.set_hatch(_BELOW_LINE if low else "")
    if spread.errors is not None:
        some = errors > 0
        axes.errorbar(
            values[some],
            rows[some],
            xerr=errors[some],
            fmt="none",
            ecolor="black",
            elinewidth=1.0,
            capsize=2.5,
            zorder=2,
        )
    ends = np.maximum(values + errors, 0.0)
    if threshold is not None and below.any():
        places = _logarithmic_bars(axes, values, ends, below, threshold)
    else:
        places = _linear_bars(axes, values - errors, ends)
    for row, place in enumerate(places.tolist()):
        known = not np.isnan(spread.values[row])
        words = [number(float(values[row]), float(errors[row]))] if known else []
        if not active[row]:
            words.append("not applied")
        written = ", ".join(words) or "not known"
        axes.text(place, row, written, va="center", ha="left", fontsize=8)
    if threshold is not None:
        axes.axvline(threshold, color=SIGNAL, ls="--", lw=1.2, zorder=3)


def _linear_bars(axes: Axes, starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a linear axis with room for the numbers, and return where these begin."""
    low, high = min(0.0, float(starts.min())), float(ends.max())
    span = high - low or 1.0
    axes.set_xlim(low - 0.05 * span if low < 0 else 0.0, high + 0.6 * span)
    if low < 0:
        axes.axvline(0, color="black", lw=0.8, zorder=0)
    places: NDArray[np.float64] = ends + 0.025 * span
    return places


def _logarithmic_bars(
    axes: Axes, values: NDArray[np.float64], ends: NDArray[np.float64], below: NDArray[np.bool_], threshold: float
) -> NDArray[np.float64]:
    """Scale a logarithmic axis with room for the numbers, and return where these begin.

    The line is at a few per cent of the mean, so on a linear axis bars below it could not be seen.
    """
    least = 0.4 * max(min([threshold, *values[values > 0].tolist()]), 1e-8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([10.0**power for power in range(-8, 1)]))  # none is above one
    axes.set_xlim(least, max(threshold, float(ends.max())) ** 1.7 * least**-0.7)
    places: NDArray[np.float64] = np.maximum(ends, np.where(below, threshold, least)) * 1.12
    return places


def _importance_legend(figure: Figure, importances: Importances, height: float) -> None:
    handles: list[Any] = []
    if importances.threshold is not None:
        features = len(importances.features)
        share = importances.threshold * features
        handles += [
            Line2D([], [], color=SIGNAL, ls="--", lw=1.2, label=f"{100 * share:.3g}% of 1/{features}"),
            Patch(facecolor=(_BAR, 0.25), edgecolor=_BAR, hatch=_BELOW_LINE, label="below the line"),
        ]
    if importances.replicas > 1:
        label = f"± standard deviation over {importances.replicas} replicas"
        handles.append(Line2D([], [], color="black", lw=1.0, marker="|", markersize=6, label=label))
    if handles:
        panels = sum(spread is not None for spread in (importances.importance, importances.n_minus_1))
        figure.legend(
            handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.04 / height), borderaxespad=0.2,
            ncols=3 if panels == 2 else 2, columnspacing=1.3, fontsize=8.5,
        )  # fmt: skip


def draw_losses(curves: LossCurves) -> Figure:
    """Draw losses against epoch: the median over replicas, and the band between their 16 and 84 % quantiles."""
    figure = Figure(figsize=(5.6, 3.8))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.13, 0.14, 0.84, 0.75))
    for position, band in enumerate(curves.bands):
        colour = PETROFF[position % len(PETROFF)]
        line = LINES[position % len(LINES)]
        width = 1.8 if position == 0 else 1.2
        marker = "o" if len(band.epochs) == 1 else None
        axes.plot(band.epochs, band.median, color=colour, ls=line, lw=width, marker=marker, label=plain(band.name))
        if curves.replicas > 1:
            axes.fill_between(band.epochs, band.low, band.high, color=colour, alpha=0.25, lw=0)
    lows, highs = (np.array([pick(side) for side in _sides(curves)]) for pick in (np.min, np.max))
    if lows.min() > 0 and highs.max() > _LOG_RATIO * lows.min():
        axes.set_yscale("log")
    axes.set_xlabel("Epoch")
    axes.set_ylabel("Loss")
    axes.margins(x=0.02)
    what = f"median and 16–84% of {curves.replicas} replicas" if curves.replicas > 1 else "one replica"
    title = figure.text(0.55, 0.98, plain(curves.title), ha="center", va="top", fontsize=11)
    fit(figure, title, 5.0)
    axes.legend(loc="upper right", title=what, title_fontsize=9)
    return figure


def _sides(curves: LossCurves) -> list[NDArray[np.float64]]:
    return [np.concatenate([band.low, band.high]) for band in curves.bands]


def draw_working_points(points: Sequence[WorkingPoint], split: str) -> Figure:
    """Draw background against signal efficiency of every selection: consensus large, replicas small.

    A selection that keeps no background event is drawn at its 95 % upper limit with an arrow downwards.
    """
    runs = list(dict.fromkeys(point.run for point in points))
    legend_rows = len(runs) + 4
    width, height = 7.8, max(4.4, 1.0 + 0.22 * legend_rows)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.95 / width, 0.55 / height, 4.6 / width, (height - 0.7) / height))
    diagonal = np.geomspace(1e-12, 1, 400)
    axes.plot(diagonal, diagonal, color="#777777", ls=":", lw=1.2, zorder=0)
    for point in sorted(points, key=lambda point: point.flow.kind == "consensus"):
        _draw_point(axes, point, runs.index(point.run))
    axes.set_yscale("log")
    _zoom(axes, points)
    axes.set_xlabel("Signal efficiency")
    axes.set_ylabel("Background efficiency")
    _point_legend(figure, axes, points, runs, split)
    return figure


def _zoom(axes: Axes, points: Sequence[WorkingPoint]) -> None:
    """Show the part of the plane where the points are, with room around them."""
    shown = [(point.signal.value, height) for point in points if (height := _height(point)) is not None]
    signal = [value for value, _ in shown if value is not None] or [0.0, 1.0]
    background = [height for _, height in shown] or [0.1, 1.0]
    room = max(0.1, 0.3 * (max(signal) - min(signal)))
    axes.set_xlim(max(-0.02, min(signal) - room), min(1.02, max(signal) + room))
    axes.set_ylim(0.2 * min(background), min(1.5, 4 * max(background)))


def _height(point: WorkingPoint) -> float | None:
    """Where a point is drawn: its background efficiency, or the upper limit if that is zero; None if undefined."""
    value = point.background.value
    if value is None or point.signal.value is None or value < 0:
        return None
    return value if value > 0 else point.limit


def _draw_point(axes: Axes, point: WorkingPoint, run: int) -> None:
    height = _height(point)
    if height is None or point.signal.value is None:
        return
    colour, marker = PETROFF[run % len(PETROFF)], MARKERS[run % len(MARKERS)]
    consensus = point.flow.kind == "consensus"
    size = 7 if consensus else 4.5
    empty = point.background.value == 0
    lower = 0.65 * height if empty else min(point.background.error or 0.0, 0.99 * height)
    upper = 0.0 if empty else point.background.error or 0.0
    if consensus or empty:
        axes.errorbar(
            [point.signal.value], [height], xerr=[point.signal.error or 0.0], yerr=[[lower], [upper]], uplims=[empty],
            fmt="none", ecolor=colour, elinewidth=1.0, capsize=2.5, zorder=2,
        )  # fmt: skip
    axes.plot(
        [point.signal.value], [height], marker=marker, markersize=size, ls="", zorder=3 if consensus else 1,
        color=colour, markeredgecolor="black" if consensus else colour, markeredgewidth=0.8,
        markerfacecolor=colour if consensus else "none",
    )  # fmt: skip


def _point_legend(figure: Figure, axes: Axes, points: Sequence[WorkingPoint], runs: Sequence[str], split: str) -> None:
    def sample(**style: Any) -> Line2D:  # noqa: ANN401  (matplotlib's own keywords)
        return Line2D([], [], **{"ls": "", "color": "black", "marker": "o", **style})

    handles = [
        sample(marker=MARKERS[i % len(MARKERS)], color=PETROFF[i % len(PETROFF)], markersize=7, label=plain(run))
        for i, run in enumerate(runs)
    ]
    if any(point.flow.kind == "consensus" for point in points):
        handles.append(sample(color="#999999", markeredgecolor="black", markersize=7, label="consensus ± stat."))
    if any(point.flow.kind == "replica" for point in points):
        handles.append(sample(markerfacecolor="none", markersize=4.5, label="replica"))
    if any(point.background.value == 0 for point in points):
        handles.append(sample(marker="v", markersize=5, label="none kept: 95% limit"))
    if axes.get_ylim()[1] > axes.get_xlim()[0]:
        handles.append(Line2D([], [], color="#777777", ls=":", label="no separation"))
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(axes.get_position().x1 + 0.015, axes.get_position().y1),
        borderaxespad=0, title=f"{plain(split)} split", title_fontsize=10, alignment="left",
    )  # fmt: skip
    for text in legend.get_texts():
        fit(figure, text, 1.85)
