"""The training of one run: every loss term against epoch."""

from __future__ import annotations

import numpy as np

from cutflow_cli.plots.backend import Axes, Figure, FigureCanvasAgg
from cutflow_cli.plots.losses import Band, LossCurves
from cutflow_cli.plots.style import colour_and_marker, fit, plain

#: Losses that span more than this factor are drawn on a logarithmic axis.
_LOG_RATIO = 20.0
#: Powers of ten below the largest loss that are shown: what is smaller does not matter to the training.
_DECADES = 6
#: Markers along a line.
_MARKED = 8
_WIDTH, _LEFT, _FRAME, _HEIGHT = 8.0, 0.9, 4.8, 3.1
#: Validation is dashed, training solid.
_TRAINING, _VALIDATION = "-", "--"


def draw_losses(curves: LossCurves) -> Figure:
    """Draw losses against epoch: the median over replicas, and the band between their 16 and 84 % quantiles.

    A term and its value on validation events share a colour; the latter is dashed. What is zero can't be shown on a
    logarithmic axis and is left out of it.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT + 0.9))
    FigureCanvasAgg(figure)
    height = _HEIGHT + 0.9
    axes = figure.add_axes((_LEFT / _WIDTH, 0.5 / height, _FRAME / _WIDTH, _HEIGHT / height))
    logarithmic = _is_logarithmic(curves)
    for band in curves.bands:
        _draw_band(axes, curves, band, logarithmic)
    if logarithmic:
        positive = np.concatenate([side[side > 0] for band in curves.bands for side in (band.low, band.high)])
        high = 1.6 * float(positive.max())
        axes.set_yscale("log")
        axes.set_ylim(max(0.6 * float(positive.min()), high * 10.0**-_DECADES), high)
    axes.set_xlabel(curves.epoch)
    axes.set_ylabel("Loss")
    axes.margins(x=0.02)
    title = figure.text(0.5, 1 - 0.08 / height, plain(curves.title), ha="center", va="top", fontsize=11)
    fit(figure, title, _WIDTH - 0.2)
    what = f"median and 16–84%\nof {curves.replicas} replicas" if curves.replicas > 1 else "one replica"
    legend = figure.legend(
        loc="upper left", bbox_to_anchor=((_LEFT + _FRAME + 0.12) / _WIDTH, (0.5 + _HEIGHT) / height), borderaxespad=0,
        title=what, title_fontsize=9, alignment="left",
    )  # fmt: skip
    for text in legend.get_texts():
        fit(figure, text, _WIDTH - _LEFT - _FRAME - 0.7)
    return figure


def _draw_band(axes: Axes, curves: LossCurves, band: Band, logarithmic: bool) -> None:
    position = curves.terms.index(band.term)
    colour, marker_of_term = colour_and_marker(position)
    breaks = np.searchsorted(band.epochs, curves.stages)
    epochs = np.insert(band.epochs, breaks, np.nan)  # no line from one stage to the next
    low, median, high = (np.insert(side, breaks, np.nan) for side in (band.low, band.median, band.high))
    if logarithmic:
        low, median, high = (np.where(side > 0, side, np.nan) for side in (low, median, high))
    line = _VALIDATION if band.validation else _TRAINING
    main = band.term == "loss"
    marker = "o" if len(band.epochs) == 1 else None
    if len(curves.terms) > 2 and not main:  # colours alone would tell terms apart
        marker = marker_of_term
    every = max(1, len(epochs) // _MARKED)
    width = (2.0 if main else 1.3) - 0.2 * band.validation
    axes.plot(
        epochs,
        median,
        color=colour,
        ls=line,
        lw=width,
        marker=marker,
        markersize=4,
        markevery=(position % every, every),
        label=plain(curves.label(band)),
    )
    if curves.replicas > 1:
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15 if band.validation else 0.25, lw=0)


def _is_logarithmic(curves: LossCurves) -> bool:
    """Say whether losses span so much that small ones could not be seen; negative ones rule a logarithm out."""
    values = np.concatenate([np.concatenate([band.low, band.median, band.high]) for band in curves.bands])
    positive = values[values > 0]
    return bool(values.min() >= 0 and len(positive) and positive.max() > _LOG_RATIO * positive.min())
