"""What each observable is worth to a run: importances and N−1 losses as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.arrays import Importances, Spread
from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, FixedLocator, Line2D, Patch
from cutflow_cli.plots.style import PETROFF, SIGNAL, fit, number, plain, symbol

_BAR, _BELOW_LINE = PETROFF[0], "////"
_TOP, _BOTTOM = 0.42, 0.86  # inches above and below the frames of importances


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
