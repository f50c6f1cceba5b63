"""The best threshold on a score, of all that separate the events of a sample differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.figures_of_merit import ADDITIVE, MIN_EFFECTIVE_EVENTS, Yields, figure_of_merit


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold on a score; events above it are kept.

    Attributes:
        value: the threshold, a float32 number.
        figure: the figure of merit there.
        events: effective number of background events kept.
        note: what to know of it, where all of them lack something and it keeps every event with a score; None
            otherwise.
    """

    value: float
    figure: float
    events: float
    note: str | None = None


def best_threshold(
    score: NDArray[Any],
    label: NDArray[np.int8],
    expected: NDArray[np.float64],
    fom: str,
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
) -> Threshold:
    """Find the threshold with the best figure of merit.

    Exact: every way in which a threshold divides these events is tried. The value lies midway between the last event
    kept and the first rejected. It is the maximum of a number that fluctuates, so what it promises is too good: quote
    it on other events.

    Args:
        score: higher is more like signal, shape (events,); NaN and −∞ are never kept.
        label: 1 signal, 0 background.
        expected: expected events that each stands for.
        fom: a key of `FIGURES_OF_MERIT`.
        min_effective_events: effective events of either class that must be kept; not asked of figures that are
            additive, which do not profit from small numbers.
    """
    with np.errstate(over="ignore"):
        narrow = score.astype(np.float32)
    known = np.flatnonzero(narrow > -np.inf)
    order = known[np.argsort(-narrow[known], kind="stable")]
    values = narrow[order]
    signal = np.where(label[order] == 1, expected[order], 0.0)
    background = np.where(label[order] == 0, expected[order], 0.0)
    last = np.append(values[1:] != values[:-1], True) if len(values) else np.zeros(0, dtype=np.bool_)
    S, S2, B, B2 = (np.cumsum(part)[last] for part in (signal, signal**2, background, background**2))
    if not len(S):
        return Threshold(np.inf, -np.inf, 0.0, "no event has a score")
    totals = (float(expected[label == value].sum()) for value in (1, 0))
    figure = figure_of_merit(fom, Yields(S, B, B2, *totals))
    n_eff = _effective_events(B, B2)
    n_signal = _effective_events(S, S2)
    note = None
    if fom not in ADDITIVE:
        enough = (n_eff >= min_effective_events) & (n_signal >= min_effective_events)
        if enough.any():
            figure = np.where(enough, figure, -np.inf)
        else:
            note = f"no threshold keeps {min_effective_events:g} effective events of each class"
            figure = np.where(np.arange(len(figure)) == len(figure) - 1, figure, -np.inf)
    if np.isfinite(figure).any():
        best = int(np.argmax(figure))
    else:
        best = len(figure) - 1
        note = note or "it is undefined for every threshold"
    edges = values[last]
    return Threshold(_between(edges, best), float(figure[best]), float(n_eff[best]), note)


def _effective_events(total: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (Σw)²/Σw²; none where negative weights outweigh the positive ones, which no yield can."""
    return np.divide(total**2, squares, out=np.zeros_like(total), where=(squares > 0) & (total > 0))


def _between(edges: NDArray[np.float32], kept: int) -> float:
    """Return a float32 number that keeps edges[0..kept] and nothing below, edges falling."""
    low = edges[kept + 1] if kept + 1 < len(edges) else np.nextafter(edges[kept], np.float32(-np.inf))
    middle = np.float32((np.float64(low) + np.float64(edges[kept])) / 2)
    return float(middle if low < middle < edges[kept] else low)
