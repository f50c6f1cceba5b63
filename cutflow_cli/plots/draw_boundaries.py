"""Boundaries against another quantity, as in figures of scans and of cuts in bins: panels, lines, axis and legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.backend import (
    Axes,
    Figure,
    FigureCanvasAgg,
    HandlerTuple,
    Line2D,
    MaxNLocator,
    Patch,
    ScalarFormatter,
)
from cutflow_cli.plots.scan import Boundary
from cutflow_cli.plots.style import BACKGROUND, SIGNAL, axis_label, fit, plain

CUT = "black"
#: How the bulk of each class is drawn, and its median; the signal is hatched, as in figures of scores.
CLASSES: tuple[tuple[str, dict[str, Any], Any], ...] = (
    ("background", {"facecolor": (BACKGROUND, 0.18), "edgecolor": (BACKGROUND, 0.0)}, (0, (1, 1.5))),
    ("signal", {"facecolor": (SIGNAL, 0.06), "edgecolor": (SIGNAL, 0.35), "hatch": "////"}, "-"),
)
#: Above and below: line, and fill of markers, which tells those that no line joins.
SIDES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("above", {"ls": "-", "markerfacecolor": CUT}),
    ("below", {"ls": "--", "markerfacecolor": "white"}),
)
#: What is kept outside has markers of its own: there the solid line is the upper boundary.
_MARKERS: dict[bool, dict[str, Any]] = {
    False: {"marker": "o", "markersize": 3.5},
    True: {"marker": "s", "markersize": 4.5},
}
#: Inches: the title and two rows of the legend, and each further row.
_HEADER, _ROW = 0.74, 0.17
#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 2.6, 1.9
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.78, 0.18, 0.5, 0.1


class _Panel(Protocol):
    """The cuts on one observable; `bins.BinsPanel` and `scan.ScanPanel` say what each is."""

    @property
    def feature(self) -> FeatureInfo: ...
    @property
    def above(self) -> Boundary: ...
    @property
    def below(self) -> Boundary: ...
    @property
    def signal(self) -> NDArray[np.float64] | None: ...
    @property
    def background(self) -> NDArray[np.float64] | None: ...


PanelT = TypeVar("PanelT", bound=_Panel)


def draw_grid(
    title: str, label: str, places: NDArray[np.float64], panels: Sequence[PanelT], replicas: int,
    draw: Callable[[Axes, PanelT], None], more: Sequence[Line2D] = (),
) -> Figure:  # fmt: skip
    """Draw a panel for each observable, under a title and a legend.

    Args:
        title: of the figure.
        label: of the quantity against which boundaries are drawn.
        places: where they are known, shape (places,).
        panels: one for each observable.
        replicas: how many replicas the bands come from.
        draw: draws boundaries and classes of a panel, and scales the axis of the quantity.
        more: what else is drawn, with its label.
    """
    columns = {1: 2, 2: 2, 4: 2}.get(len(panels), 3 if len(panels) <= 9 else 4)
    rows = math.ceil(len(panels) / columns)
    width = columns * (_LEFT + _WIDTH + _RIGHT)
    shown = _entries([(_boundaries(panel), _limits(panel)) for panel in panels], replicas, more)
    header = _HEADER + _ROW * max(0, math.ceil(len(shown) / _legend_columns(columns)) - 2)
    height = rows * (_ABOVE + _HEIGHT + _BELOW) + header
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels):
        row, column = divmod(position, columns)
        left = column * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        bottom = height - header - (row + 1) * (_ABOVE + _HEIGHT + _BELOW) + _BELOW
        axes = figure.add_axes((left / width, bottom / height, _WIDTH / width, _HEIGHT / height))
        draw(axes, panel)
        _mark_beyond(axes, places, _boundaries(panel), _limits(panel))
        _scale(axes, _limits(panel))
        if all(np.isnan(one.values).all() for one in _boundaries(panel)):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2, "alpha": 0.8}
            axes.text(0.5, 0.5, "never cut on", transform=axes.transAxes, ha="center", va="center", bbox=box)
        fit(figure, axes.set_xlabel(label, labelpad=2), _WIDTH)
        fit(figure, axes.set_ylabel(axis_label(panel.feature), labelpad=3), _HEIGHT + 0.3)
    heading = figure.text(0.5, 1 - 0.08 / height, plain(title), ha="center", va="top", fontsize=11)
    fit(figure, heading, width - 0.2)
    _draw_legend(figure, shown, columns)
    return figure


def _boundaries(panel: _Panel) -> tuple[Boundary, Boundary]:
    return panel.above, panel.below


def parts(boundary: Boundary) -> Iterator[tuple[NDArray[np.float64], dict[str, Any]]]:
    """Yield the values to join, with their markers: NaN where the region is of the other kind, so that lines break."""
    for outside, marker in _MARKERS.items():
        values = np.where(boundary.outside == outside, boundary.values, np.nan)
        if not np.isnan(values).all():
            yield values, marker


def _limits(panel: _Panel) -> tuple[float, float] | None:
    """Return the ends of an axis that shows the bulk of both classes and all boundaries but those far off.

    Far off is what lies further from the middle half of the boundaries and the bulk of the classes than these span; a
    single such boundary would make all others look the same. None where nothing is finite.
    """
    cuts = _finite([one.values for one in _boundaries(panel)])
    bulk = _finite([one for one in (panel.signal, panel.background) if one is not None])
    core = np.concatenate([np.quantile(cuts, (0.25, 0.75)) if len(cuts) else cuts, bulk])
    if not len(core):
        return None
    span = float(core.max() - core.min())
    near = cuts[(cuts >= core.min() - span) & (cuts <= core.max() + span)] if span > 0 else cuts
    shown = np.concatenate([core, near])
    low, high = float(shown.min()), float(shown.max())
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _finite(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.concatenate([np.empty(0), *map(np.ravel, arrays)])
    found: NDArray[np.float64] = values[np.isfinite(values)]
    return found


def _scale(axes: Axes, ends: tuple[float, float] | None) -> None:
    """Scale the axis of an observable; see `_limits`."""
    if ends is not None:
        axes.set_ylim(*ends)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-3, 5))
    axes.yaxis.set_major_formatter(formatter)


def _beyond(boundary: Boundary, ends: tuple[float, float] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which boundaries lie above the axis, and which below it, both of shape (targets,)."""
    low, high = ends or (-math.inf, math.inf)
    values = boundary.values
    if ends is None:
        return np.isposinf(values), np.isneginf(values)
    return values > high, values < low


def _mark_beyond(
    axes: Axes, places: NDArray[np.float64], boundaries: Sequence[Boundary], ends: tuple[float, float] | None
) -> None:
    """Point up or down at the edge of an axis to boundaries beyond it."""
    for boundary in boundaries:
        for found, edge, marker in zip(_beyond(boundary, ends), (0.95, 0.05), "^v", strict=True):
            if found.any():
                axes.plot(
                    places[found], np.full(int(found.sum()), edge), ls="", marker=marker, markersize=5, color=CUT,
                    transform=axes.get_xaxis_transform(), zorder=4,
                )  # fmt: skip


def _entries(
    panels: Sequence[tuple[Sequence[Boundary], tuple[float, float] | None]], replicas: int, more: Sequence[Line2D] = ()
) -> list[tuple[Any, str]]:
    """Return handles and labels of a legend.

    Args:
        panels: the boundaries of each, and the ends of its axis.
        replicas: how many replicas the bands come from.
        more: what else is drawn, with its label.
    """
    drawn = [one for boundaries, _ in panels for one in boundaries]
    found: list[tuple[Any, str]] = [
        (Line2D([], [], color=CUT, lw=1.4, **style, **_MARKERS[False]), f"kept {side}") for side, style in SIDES
    ]
    if any((one.outside & ~np.isnan(one.values)).any() for one in drawn):
        pair = tuple(Line2D([], [], color=CUT, **{**style, "ls": ""}, **_MARKERS[True]) for _, style in SIDES)
        found.append((pair, "kept above one, below the other"))
    if any(np.any(_beyond(one, ends)) for boundaries, ends in panels for one in boundaries):
        pair = tuple(Line2D([], [], color=CUT, ls="", marker=marker, markersize=5) for marker in "^v")
        found.append((pair, "boundary beyond the axis"))
    if replicas > 1:
        found.append((Patch(facecolor=(CUT, 0.22)), f"16–84% of {replicas} replicas"))
    found += [(line, str(line.get_label())) for line in more]
    for name, style, line in reversed(CLASSES):
        median = Line2D([], [], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8)
        found.append(((Patch(lw=0, **style), median), f"{name}: median, 68%"))
    return found


def _draw_legend(figure: Figure, shown: Sequence[tuple[Any, str]], columns: int) -> None:
    """Draw a legend below the title."""
    handles, labels = zip(*shown, strict=True)
    separate = {
        handle: HandlerTuple(ndivide=None)
        for handle in handles
        if isinstance(handle, tuple) and all(isinstance(one, Line2D) for one in handle)
    }  # side by side; all others lie on one another
    figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.27 / figure.get_figheight()), borderaxespad=0.2,
        ncols=_legend_columns(columns), columnspacing=1.2, handlelength=2.2, handler_map=separate, fontsize=8.5,
    )  # fmt: skip


def _legend_columns(columns: int) -> int:
    return 3 if columns < 4 else 6
