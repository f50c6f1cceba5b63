"""Sensitivity against mass, as in figures 3, 4 and 7 of EPJ C 82:121, and what one cut for all masses costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D, Patch
from cutflow_cli.plots.sensitivity import Sensitivity, Series
from cutflow_cli.plots.style import PETROFF, fit, plain, shortened

#: Inches: the frames, from above, and the room around them.
_HEIGHTS, _WIDTH = (2.1, 2.1, 1.4), 5.6
_LEFT, _RIGHT, _BELOW, _GAP, _HEADER = 0.9, 0.2, 0.55, 0.12, 1.1
_TRAINED, _HELD_OUT = "o", "^"
_GREY = "#777777"
#: Of the networks of one run; the final one has that of signal in other figures.
_COLOURS = tuple(PETROFF[position] for position in (2, 0, 1, 4, 5, 6, 7, 8))


def draw_sensitivity(shown: Sensitivity) -> Figure:
    """Draw 1/σ_min and σ_min of the consensus against mass, and σ_min at a fixed cut over that at the best cuts.

    Filled markers are at the best cut of each mass, open ones at the fixed cut, lines of further networks are dotted;
    triangles are masses that were not trained on. Error bars are statistical, bands the spread over replicas; crossed
    out is what fewer than 10 effective background events decide.
    """
    frames = _HEIGHTS if shown.pairs() else _HEIGHTS[:2]
    width = _LEFT + _WIDTH + _RIGHT
    height = _HEADER + sum(frames) + _GAP * (len(frames) - 1) + _BELOW
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    top = height - _HEADER
    panels: list[Axes] = []
    for frame in frames:
        panels.append(figure.add_axes((_LEFT / width, (top - frame) / height, _WIDTH / width, frame / height)))
        top -= frame + _GAP
    for position, series in enumerate(shown.series):
        at = shown.masses + _shift(shown, position)
        _draw_series(panels[0], shown, series, at, inverse=True)
        _draw_series(panels[1], shown, series, at, inverse=False)
    panels[0].set_ylabel(r"Punzi FOM, 1/$\sigma_{min}$ [fb$^{-1}$]")
    panels[1].set_ylabel(r"$\sigma_{min}$ [fb]")
    for axes, values in zip(panels, _heights(shown), strict=False):
        axes.set_yscale("log")
        if len(values):
            axes.set_ylim(0.5 * values.min(), 2 * values.max())
    if len(panels) > len(_HEIGHTS) - 1:
        _draw_ratios(panels[2], shown)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    panels[-1].set_xlabel(shown.axis)
    _draw_header(figure, shown, width, height)
    return figure


def _heights(shown: Sensitivity) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the logarithmic axes must show, of 1/σ_min and of σ_min."""
    sigma = np.concatenate([series.sigma for series in shown.series])
    sigma = sigma[sigma > 0]
    return 1 / sigma, sigma


def _shift(shown: Sensitivity, position: int) -> float:
    """Set the working points of a mass side by side, lest their error bars hide one another."""
    gap = float(np.diff(shown.masses).min())
    return 0.12 * gap * (position - 0.5 * (len(shown.series) - 1))


def _colour(shown: Sensitivity, series: Series) -> str:
    networks = list(dict.fromkeys(one.network for one in shown.series))
    return _COLOURS[networks.index(series.network) % len(_COLOURS)]


def _line(shown: Sensitivity, series: Series) -> Any:  # noqa: ANN401
    """Return the line style of a working point; those of further networks are broken otherwise."""
    final = series.network == shown.series[0].network
    if series.is_best:
        return "-" if final else "-."
    return "--" if final else ":"


def _draw_series(axes: Axes, shown: Sensitivity, series: Series, at: NDArray[np.float64], *, inverse: bool) -> None:
    colour, sigma = _colour(shown, series), series.sigma
    values, scale = (1 / sigma, 1 / sigma**2) if inverse else (sigma, np.ones_like(sigma))
    error, spread = series.error * scale, series.spread * scale
    axes.plot(at, values, color=colour, ls=_line(shown, series), lw=1.1, zorder=2)
    if spread.any():
        low = np.maximum(values - spread, 1e-3 * values)  # a logarithmic axis has no room for less than nothing
        axes.fill_between(at, low, values + spread, color=colour, alpha=0.15, lw=0, zorder=1)
    bars = np.stack([np.minimum(error, 0.999 * values), error])
    axes.errorbar(at, values, yerr=bars, fmt="none", ecolor=colour, elinewidth=0.9, zorder=2)
    _draw_markers(axes, shown, at, values, colour, filled=series.is_best)
    axes.plot(at[series.few], values[series.few], ls="", marker="x", color="black", markersize=6, zorder=4)


def _draw_markers(
    axes: Axes, shown: Sensitivity, at: NDArray[np.float64], values: NDArray[np.float64], colour: str, *, filled: bool
) -> None:
    for marker, chosen in ((_TRAINED, ~shown.held_out), (_HELD_OUT, shown.held_out)):
        axes.plot(
            at[chosen], values[chosen], ls="", marker=marker, markersize=4.5, color=colour,
            markerfacecolor=colour if filled else "white", zorder=3,
        )  # fmt: skip


def _draw_ratios(axes: Axes, shown: Sensitivity) -> None:
    """Draw what a fixed cut costs; its error would need the overlap of the two selections, so there is none."""
    for fixed, best in shown.pairs():
        colour, ratio = _colour(shown, fixed), fixed.sigma / best.sigma
        axes.plot(shown.masses, ratio, color=colour, ls=_line(shown, fixed), lw=1.1, zorder=2)
        _draw_markers(axes, shown, shown.masses, ratio, colour, filled=False)
        few = fixed.few | best.few
        axes.plot(shown.masses[few], ratio[few], ls="", marker="x", color="black", markersize=6, zorder=4)
    axes.axhline(1.0, color="black", lw=0.8, zorder=1)
    axes.set_ylabel(r"$\sigma_{min}$, fixed / best")


def _draw_header(figure: Figure, shown: Sensitivity, width: float, height: float) -> None:
    title = f"{shown.title}, {shown.split} split"
    title += f", consensus of {shown.replicas} replicas" if shown.replicas > 1 else ""
    fit(figure, figure.text(0.5, 1 - 0.08 / height, plain(title), ha="center", va="top", fontsize=11), width - 0.2)
    handles: list[Any] = []
    for series in shown.series:
        colour, label = _colour(shown, series), plain(shortened(series.name.replace("_", " "), 24))
        style: dict[str, Any] = {
            "ls": _line(shown, series),
            "lw": 1.1,
            "marker": _TRAINED,
            "markersize": 4.5,
        }
        face = colour if series.is_best else "white"
        handles.append(Line2D([], [], color=colour, markerfacecolor=face, label=label, **style))
    for marker, label in ((_TRAINED, "trained"), (_HELD_OUT, "held out")) if shown.held_out.any() else ():
        handles.append(Line2D([], [], ls="", color=_GREY, marker=marker, markersize=4.5, label=label))
    handles.append(Line2D([], [], ls="", marker="|", markersize=8, color=_GREY, label="± stat."))
    if any(series.few.any() for series in shown.series):
        label = rf"$n_{{eff}}(B)$ < {MIN_EFFECTIVE_EVENTS:g}"
        handles.append(Line2D([], [], ls="", marker="x", markersize=6, color="black", label=label))
    if shown.replicas > 1:
        handles.append(Patch(facecolor=(_GREY, 0.3), label="± spread over replicas"))
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.27 / height), borderaxespad=0.2, ncols=3,
        columnspacing=1.3, handlelength=2.2, fontsize=8.5,
    )  # fmt: skip
