"""Distributions of a score: signal and background, the events trained on as points over the others as areas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import ROLES, Split
from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg, Line2D, MaxNLocator, Patch, mplhep
from cutflow_cli.plots.score_filler import logit
from cutflow_cli.plots.scores import ScorePanel, Scores, Threshold, compatibility
from cutflow_cli.plots.style import BACKGROUND, SIGNAL, fit, number, plain, shortened

#: Inches: the frame of a panel, and the room around it.
_WIDTH, _HEIGHT = 4.6, 3.0
_LEFT, _RIGHT, _BELOW, _ABOVE, _NOTES, _HEADER = 0.72, 0.2, 0.55, 0.24, 0.36, 0.76
_COLOURS = (BACKGROUND, SIGNAL)
_HATCHES = ("", "////")
#: Scores that are marked on an axis of logits.
_MARKED = (1e-8, 1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)
_MARKS = ("$10^{-8}$", "$10^{-6}$", "$10^{-4}$", "0.01", "0.1", "0.5", "0.9", "0.99", "0.9999")
#: More working points than this are not drawn one by one.
_MOST_LINES = 2


def draw_scores(scores: Scores, logarithmic: bool | None = None) -> Figure:
    """Draw each score of a run: unit areas of the quoted split, points with errors for train, and the thresholds.

    It is the overtraining check that TMVA made common, with χ² per degree of freedom in place of its
    Kolmogorov-Smirnov probability, which does not hold for weighted or binned events.

    Args:
        scores: what to draw.
        logarithmic: whether heights are on a logarithmic axis; by default they are not.
    """
    panels = scores.panels
    width = len(panels) * (_LEFT + _WIDTH + _RIGHT)
    above = _ABOVE if any(panel.logit for panel in panels) else 0.06
    height = _BELOW + _HEIGHT + above + _NOTES + _HEADER
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels):
        left = position * (_LEFT + _WIDTH + _RIGHT) + _LEFT
        axes = figure.add_axes((left / width, _BELOW / height, _WIDTH / width, _HEIGHT / height))
        _draw_panel(axes, panel, scores.split, logarithmic=bool(logarithmic))
        _label_panel(figure, axes, panel, scores.split, above)
    title = figure.text(0.5, 1 - 0.08 / height, plain(scores.title), ha="center", va="top", fontsize=11)
    fit(figure, title, width - 0.2)
    _draw_legend(figure, scores, height)
    return figure


def _draw_panel(axes: Axes, panel: ScorePanel, split: Split, *, logarithmic: bool) -> None:
    tops, bottoms = [0.0], [0.0]
    for label in range(len(ROLES)):
        area = panel.shapes[split][label].unit_area() if split in panel.shapes else None
        if area is not None:
            _draw_area(axes, area[0], panel.edges, label)
            tops.append(float(area[0].max()))
            bottoms.append(float(area[0].min()))
        if split != "train" and "train" in panel.shapes:
            top = _draw_points(axes, panel.shapes["train"][label], panel.edges, label)
            tops.append(top)
    axes.set_xlim(panel.edges[0], panel.edges[-1])
    positive = [value for shape in panel.shapes.get(split, ()) for value in _positive(shape)]
    if logarithmic and positive:
        axes.set_yscale("log")
        axes.set_ylim(0.4 * min(positive), 3 * max(tops))
    else:
        axes.set_ylim(1.1 * min(bottoms), 1.12 * max(tops) or 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    if len(panel.thresholds) <= _MOST_LINES or panel.thresholds[0].low == panel.thresholds[0].high:
        for threshold, style in zip(panel.thresholds, ("--", ":"), strict=False):
            _draw_threshold(axes, threshold, style)


def _positive(shape: Shape) -> list[float]:
    area = shape.unit_area()
    return [] if area is None else area[0][area[0] > 0].tolist()


def _draw_area(axes: Axes, values: NDArray[np.float64], edges: NDArray[np.float64], label: int) -> None:
    colour = _COLOURS[label]
    mplhep.histplot(
        values, edges, histtype="fill", ax=axes, flow="none", facecolor=(colour, 0.3 - 0.18 * label), linewidth=0,
        zorder=1 + label,
    )  # fmt: skip
    mplhep.histplot(
        values, edges, histtype="step", yerr=False, ax=axes, flow="none", color=colour, linewidth=1.2, zorder=2 + label
    )
    if _HATCHES[label]:
        axes.stairs(
            values, edges, fill=True, facecolor="none", edgecolor=(colour, 0.5), hatch=_HATCHES[label], linewidth=0,
            zorder=1 + label,
        )  # fmt: skip


def _draw_points(axes: Axes, shape: Shape, edges: NDArray[np.float64], label: int) -> float:
    """Draw one class of the training split, and return the top of its highest error bar."""
    area = shape.unit_area()
    if area is None:
        return 0.0
    values, errors = area
    some = shape.sumw2[1:-1] > 0
    centres = 0.5 * (edges[1:] + edges[:-1])
    axes.errorbar(
        centres[some], values[some], yerr=errors[some], fmt="o" if label == 0 else "s", markersize=3.2, lw=1.0,
        color=_COLOURS[label], markeredgecolor="black", markeredgewidth=0.4, zorder=5 + label,
    )  # fmt: skip
    return float((values + np.where(errors < values, errors, 0)).max())


def _draw_threshold(axes: Axes, threshold: Threshold, style: str) -> None:
    low, high = axes.get_xlim()
    edges = np.clip([threshold.low, threshold.high], low, high)
    if edges[1] > edges[0]:
        axes.axvspan(edges[0], edges[1], color="black", alpha=0.1, lw=0, zorder=0)
    for value in dict.fromkeys((threshold.low, threshold.high)):
        if low <= value <= high:
            axes.axvline(value, color="black", ls=style, lw=1.2, zorder=7)


def _label_panel(figure: Figure, axes: Axes, panel: ScorePanel, split: Split, above: float) -> None:
    name = plain(panel.name.replace("_", " "))
    axes.set_xlabel(f"ln[ s / (1 − s) ] of the {name} s" if panel.logit else name.capitalize())
    axes.set_ylabel(f"Fraction / {number(float(panel.edges[1] - panel.edges[0]))}")
    if panel.logit:
        _mark_scores(axes)
    notes = [note for note in (_thresholds_note(panel), _compatibility_note(panel, split)) if note]
    for position, line in enumerate(reversed(notes)):
        at = 1 + (above + 0.17 * position) / _HEIGHT
        text = axes.text(0, at, line, transform=axes.transAxes, ha="left", va="bottom", fontsize=8.5, color="#333333")
        fit(figure, text, _WIDTH)


def _mark_scores(axes: Axes) -> None:
    """Mark scores on the upper side of an axis of logits, as many as have room."""
    low, high = axes.get_xlim()
    places = logit(np.array(_MARKED)).tolist()
    room = 0.085 * (high - low)
    chosen: list[tuple[float, str]] = []
    # One half first, then outwards: where room is short the extremes are left out.
    for place, mark in sorted(zip(places, _MARKS, strict=True), key=lambda pair: abs(pair[0])):
        if low <= place <= high and all(abs(place - other) > room for other, _ in chosen):
            chosen.append((place, mark))
    top = axes.secondary_xaxis("top")
    top.set_xticks([place for place, _ in chosen], [mark for _, mark in chosen])
    top.tick_params(direction="in", which="both", labelsize=8)
    top.minorticks_off()
    axes.tick_params(axis="x", which="both", top=False)


def _thresholds_note(panel: ScorePanel) -> str:
    """Say where selections cut, in the unit of the score."""
    words = []
    for threshold in panel.thresholds[:_MOST_LINES]:
        low, high = (_shown(value, panel.logit) for value in (threshold.low, threshold.high))
        name = "" if threshold.name == "default" else f" ({plain(shortened(threshold.name))})"
        words.append((f"> {low}" if low == high else f"> {low} to {high}") + name)
    more = len(panel.thresholds) - len(words)
    return f"kept: {', '.join(words)}" + (f" and {more} more" if more > 0 else "") if words else ""


def _shown(value: float, logits: bool) -> str:
    return number(float(1 / (1 + np.exp(-value))) if logits else value)


def _compatibility_note(panel: ScorePanel, split: Split) -> str:
    """Say how well train and the quoted split agree."""
    if split == "train" or not {"train", split} <= set(panel.shapes):
        return ""
    words = []
    for label in (1, 0):
        found = compatibility(panel.shapes["train"][label], panel.shapes[split][label])
        if found is not None:
            words.append(f"{ROLES[label]} {found[0]:.1f}/{found[1]}")
    return f"train against {split}, χ²/ndf: {', '.join(words)}" if words else ""


def _draw_legend(figure: Figure, scores: Scores, height: float) -> None:
    handles: list[Any] = []
    for label in (1, 0):
        colour = _COLOURS[label]
        style: dict[str, Any] = {"facecolor": (colour, 0.3 - 0.18 * label), "hatch": _HATCHES[label]}
        handles.append(Patch(edgecolor=colour, label=f"{ROLES[label]} ({scores.split})", **style))
    if scores.split != "train" and any("train" in panel.shapes for panel in scores.panels):
        for label in (1, 0):
            style = {"marker": "os"[label], "markersize": 4, "markeredgecolor": "black", "markeredgewidth": 0.4}
            handles.append(Line2D([], [], color=_COLOURS[label], lw=1.0, label=f"{ROLES[label]} (train)", **style))
    handles.append(Line2D([], [], color="black", ls="--", lw=1.2, label="threshold"))
    columns = len(handles) if len(scores.panels) > 1 else 3
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.27 / height), borderaxespad=0.2, ncols=columns,
        columnspacing=1.3, handlelength=1.6,
    )  # fmt: skip
