"""What panels of observables have in common: their grid, the axis, the kept region, the title and its notes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.backend import Axes, Figure, Line2D, MaxNLocator, Patch, ScalarFormatter
from cutflow_cli.plots.binned_panels import boundaries_of, kept_by_bins
from cutflow_cli.plots.binning import Binning
from cutflow_cli.plots.style import KEPT, fit, number, plain, shortened, symbol
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

#: Inches.
NOTE_LINE = 0.14
_NOTE_LINES, _NOTE_CHARACTERS = 3, 50
_GREY = "#555555"
#: What is kept, pale enough that others are seen through it.
_KEPT_IN_ALL = (KEPT, 0.35)
#: What a cut that differs by bin of another observable keeps in some of the bins.
KEPT_IN_SOME: dict[str, Any] = {"facecolor": (KEPT, 0.1), "edgecolor": (KEPT, 0.9), "hatch": "\\\\\\\\", "lw": 0}


def grid_columns(panels: int) -> int:
    """Return how many panels stand side by side."""
    if panels <= 3:
        return max(panels, 1)
    if panels == 4:
        return 2
    return 3 if panels <= 9 else 4


def scale_observable(axes: Axes, binning: Binning) -> None:
    """Scale the axis of an observable as its bins are."""
    if binning.logarithmic:
        axes.set_xscale("log")
    else:
        formatter = ScalarFormatter(useOffset=False, useMathText=True)
        formatter.set_powerlimits((-3, 5))
        axes.xaxis.set_major_formatter(formatter)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlim(binning.edges[0], binning.edges[-1])


def kept_intervals(cut: Cut, low: float, high: float) -> list[tuple[float, float]]:
    """Return the parts of a range that a cut keeps."""
    if isinstance(cut, BinnedCut):
        return [(max(cut.edges[0], low), min(cut.edges[-1], high))]
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


def shade_kept(axes: Axes, step: LearnedCut, cut: Cut, *, errors: bool = True) -> None:
    """Shade what a step keeps, and draw its boundaries: dashed, or dotted where it is not applied.

    Args:
        axes: the panel, scaled.
        step: the step.
        cut: its cut, as it lies on the axis.
        errors: whether to draw bands of the boundaries' errors.
    """
    low, high = axes.get_xlim()
    if isinstance(cut, BinnedCut) and not cut.is_range:
        if step.applied:
            _shade_bins(axes, cut)
        return
    if step.applied:
        for start, end in kept_intervals(cut, low, high):
            axes.axvspan(start, end, facecolor=_KEPT_IN_ALL, linewidth=0, zorder=0)
    style: dict[str, Any] = {"color": "black", "ls": "--", "lw": 1.0} if step.applied else {"color": _GREY, "ls": ":"}
    for value, error in ((cut.lower, step.lower_error), (cut.upper, step.upper_error)):
        if value is None or not low <= value <= high:
            continue
        axes.axvline(value, zorder=4, **style)
        if errors and error is not None and error > 0 and step.applied:
            axes.axvspan(max(value - error, low), min(value + error, high), color="black", alpha=0.25, lw=0, zorder=4)


def _shade_bins(axes: Axes, cut: BinnedCut) -> None:
    """Shade what all bins keep, hatch what some do, and draw the least and the greatest boundary of each side."""
    low, high = axes.get_xlim()
    every, some = kept_by_bins(cut, low, high)
    for start, end in every:
        axes.axvspan(start, end, facecolor=_KEPT_IN_ALL, linewidth=0, zorder=0)
    for start, end in some:
        axes.axvspan(start, end, zorder=0, **KEPT_IN_SOME)
    for value in boundaries_of(cut):
        if low <= value <= high:
            axes.axvline(value, zorder=4, color="black", ls="--", lw=1.0)


def kept_entries(steps: Iterable[LearnedCut], *, errors: bool = True) -> list[tuple[Any, str]]:
    """Return what a legend says of `shade_kept`.

    Args:
        steps: of all panels.
        errors: whether boundaries have bands.
    """
    cuts = [step.cut for step in steps if step.applied]
    in_bins = [isinstance(cut, BinnedCut) and not cut.is_range for cut in cuts]
    with_bands = errors and not (cuts and all(isinstance(cut, BinnedCut) for cut in cuts))
    boundary = "boundary ± error" if with_bands else "boundary"
    kept: list[tuple[Any, str]] = [(Patch(facecolor=_KEPT_IN_ALL), "kept")]
    if any(in_bins):
        kept.append((Patch(**KEPT_IN_SOME), "kept in some bins"))
        boundary += " (of bins: least, greatest)"
    return [*kept, (Line2D([], [], color="black", ls="--", lw=1.0), boundary)]


def mark_overflow(axes: Axes, *squares: NDArray[np.float64]) -> None:
    """Point outwards at the top of an edge bin that holds what lies beyond it.

    Args:
        axes: the panel.
        squares: Σw² per bin of each class, under- and overflow included.
    """
    for bin_, marker, x in ((0, "<", 0.03), (-1, ">", 0.97)):
        if any(sums[bin_] > 0 for sums in squares):
            axes.plot([x], [0.93], marker=marker, color="black", markersize=4, transform=axes.transAxes, zorder=5)


def cut_texts(feature: FeatureInfo, step: LearnedCut) -> tuple[str, str]:
    """Write a cut with its errors for a title, with the observable and, for long names, without it."""
    name = symbol(feature)
    if isinstance(step.cut, BinnedCut):
        if step.cut.is_range:
            first, last = (number(edge, None) for edge in (step.cut.edges[0], step.cut.edges[-1]))
            return f"{first} ≤ {name} < {last}", f"{first} to {last}"
        return _binned_texts(name, step.cut)
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


def _binned_texts(name: str, cut: BinnedCut) -> tuple[str, str]:
    by, bins = plain(shortened(cut.binned_in)), len(cut.members)
    cutting = [member for member in cut.members if member.region is not Region.ALL]
    if len({member.region for member in cutting}) != 1:
        return f"{name}: another region by {by}", f"by {by}"
    spans = [cut.span(side) for side in ("lower", "upper")]
    lower, upper = ("" if one is None else "…".join(map(number, dict.fromkeys(one))) for one in spans)
    some = "" if len(cutting) == bins else f" in {len(cutting)} of {bins} bins"
    match cut.region:
        case Region.BELOW:
            text, short = f"{name} < {upper}", f"below {upper}"
        case Region.ABOVE:
            text, short = f"{name} > {lower}", f"above {lower}"
        case Region.INSIDE:
            text, short = f"{lower} < {name} < {upper}", f"{lower} to {upper}"
        case _:
            text, short = f"{name} < {lower} or {name} > {upper}", f"below {lower} or above {upper}"
    return f"{text}, by {by}{some}", f"{short}{some or f' in {bins} bins'}"


def wrapped(notes: Sequence[str]) -> list[str]:
    """Break notes into the few lines that have room above a panel."""
    lines = textwrap.wrap(plain("; ".join(notes)), _NOTE_CHARACTERS)
    if len(lines) > _NOTE_LINES:
        lines = [*lines[: _NOTE_LINES - 1], lines[_NOTE_LINES - 1][: _NOTE_CHARACTERS - 1] + "…"]
    return lines


def draw_title(
    figure: Figure, axes: Axes, feature: FeatureInfo, step: LearnedCut, notes: Sequence[str], width: float,
    height: float,
) -> None:  # fmt: skip
    """Write the cut above a panel, and the notes between.

    Args:
        figure: the figure.
        axes: the panel.
        feature: the observable.
        step: the step that cuts on it.
        notes: lines.
        width: of the panel's frame in inches.
        height: likewise.
    """
    for position, line in enumerate(notes):
        at = 1 + (0.04 + NOTE_LINE * (len(notes) - 1 - position)) / height
        text = axes.text(0, at, line, transform=axes.transAxes, ha="left", va="bottom", fontsize=8, color=_GREY)
        fit(figure, text, width, smallest=6.0)
    long, short = cut_texts(feature, step) if step.active else ("not applied", "not applied")
    at = 1 + (0.04 + NOTE_LINE * len(notes)) / height
    title = axes.text(0, at, long, transform=axes.transAxes, ha="left", va="bottom", fontsize=9.5)
    if not step.active:
        title.set_fontstyle("italic")
    if not fit(figure, title, width, smallest=8.0):
        title.set_text(short)
        title.set_fontsize(9.5)
        fit(figure, title, width)
