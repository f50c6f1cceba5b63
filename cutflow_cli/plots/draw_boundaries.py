"""Boundaries against another quantity, as in figures of scans and of cuts in bins: lines, axis and legend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.plots.backend import Axes, Figure, HandlerTuple, Line2D, MaxNLocator, Patch, ScalarFormatter
from cutflow_cli.plots.scan import Boundary
from cutflow_cli.plots.style import BACKGROUND, SIGNAL

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
_BEYOND = CUT
#: Inches: the title and two rows of the legend, and each further row.
_HEADER, _ROW = 0.74, 0.17


def parts(boundary: Boundary) -> Iterator[tuple[NDArray[np.float64], dict[str, Any]]]:
    """Yield the values to join, with their markers: NaN where the region is of the other kind, so that lines break."""
    for outside, marker in _MARKERS.items():
        values = np.where(boundary.outside == outside, boundary.values, np.nan)
        if not np.isnan(values).all():
            yield values, marker


def limits(boundaries: Sequence[Boundary], classes: Sequence[NDArray[np.float64]]) -> tuple[float, float] | None:
    """Return the ends of an axis that shows the bulk of both classes and all boundaries but those far off.

    Far off is what lies further from the middle half of the boundaries and the bulk of the classes than these span; a
    single such boundary would make all others look the same.

    Args:
        boundaries: on one observable.
        classes: quantiles of both classes.

    Returns:
        Lower and upper end; None where nothing is finite.
    """
    cuts, bulk = _finite([one.values for one in boundaries]), _finite(classes)
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


def scale(axes: Axes, ends: tuple[float, float] | None) -> None:
    """Scale the axis of an observable; see `limits`."""
    if ends is not None:
        axes.set_ylim(*ends)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False, useMathText=True)
    formatter.set_powerlimits((-3, 5))
    axes.yaxis.set_major_formatter(formatter)


def beyond(boundary: Boundary, ends: tuple[float, float] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which boundaries lie above the axis, and which below it, both of shape (targets,)."""
    low, high = ends or (-math.inf, math.inf)
    values = boundary.values
    if ends is None:
        return np.isposinf(values), np.isneginf(values)
    return values > high, values < low


def mark_beyond(
    axes: Axes, places: NDArray[np.float64], boundaries: Sequence[Boundary], ends: tuple[float, float] | None
) -> None:
    """Point up or down at the edge of an axis to boundaries beyond it."""
    for boundary in boundaries:
        for found, edge, marker in zip(beyond(boundary, ends), (0.95, 0.05), "^v", strict=True):
            if found.any():
                axes.plot(
                    places[found], np.full(int(found.sum()), edge), ls="", marker=marker, markersize=5, color=_BEYOND,
                    transform=axes.get_xaxis_transform(), zorder=4,
                )  # fmt: skip


def entries(
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
    if any(np.any(beyond(one, ends)) for boundaries, ends in panels for one in boundaries):
        pair = tuple(Line2D([], [], color=_BEYOND, ls="", marker=marker, markersize=5) for marker in "^v")
        found.append((pair, "boundary beyond the axis"))
    if replicas > 1:
        found.append((Patch(facecolor=(CUT, 0.22)), f"16–84% of {replicas} replicas"))
    found += [(line, str(line.get_label())) for line in more]
    for name, style, line in reversed(CLASSES):
        median = Line2D([], [], color=style["edgecolor"][0], lw=1.2, ls=line, alpha=0.8)
        found.append(((Patch(lw=0, **style), median), f"{name}: median, 68%"))
    return found


def header_height(columns: int, shown: int) -> float:
    """Return the height in inches of a title, and a legend of so many entries over panels in so many columns."""
    return _HEADER + _ROW * max(0, math.ceil(shown / _legend_columns(columns)) - 2)


def draw_legend(figure: Figure, shown: Sequence[tuple[Any, str]], columns: int) -> None:
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
