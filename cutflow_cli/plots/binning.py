"""Bins for a distribution, chosen from the data so that outliers do not squash it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Share of each class's weight that is left to under- and overflow on each side.
TAIL = 0.005
MIN_BINS, MAX_BINS = 10, 50
#: A positive observable that spans more than this ratio, most of it crowded at the low end, gets logarithmic bins.
LOG_RATIO = 50.0
#: Most bins where the boundaries of a cut are edges, and bins between two that are close together.
_MOST_ALIGNED, _IN_NARROW = 75, 4
#: Beyond this, differences of float64 values overflow.
_HUGE = 1e300


@dataclass(frozen=True, slots=True)
class Binning:
    """Bins of one panel.

    Attributes:
        edges: ascending, in the observable's unit, shape (bins + 1,).
        logarithmic: whether they are equal in the logarithm.
        cut_down: whether the range is only what is around a narrow window, so that much lies beyond it.
    """

    edges: NDArray[np.float64]
    logarithmic: bool = False
    cut_down: bool = False

    @property
    def width(self) -> float | None:
        """The common width of the bins; None for logarithmic ones."""
        return None if self.logarithmic else float(self.edges[1] - self.edges[0])


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Return the smallest values at which the cumulative |weight| reaches given shares.

    Args:
        values: finite, shape (events,), at least one.
        weights: shape (events,); their absolute values count. If all are zero, every event counts as one.
        levels: shares between 0 and 1.
    """
    order = np.argsort(values, kind="stable")
    size = np.abs(weights[order])
    total = float(size.sum())
    cumulative = np.cumsum(size) / total if total > 0 else np.arange(1, len(values) + 1) / len(values)
    positions = np.searchsorted(cumulative, np.asarray(levels) * (1 - 1e-12), side="left")
    return values[order][np.minimum(positions, len(values) - 1)]


def choose_binning(
    classes: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]], boundaries: Iterable[float] = ()
) -> Binning:
    """Choose bins that show 99 % of each class, and the boundaries of a cut if they are near.

    The number of bins grows as twice the cube root of the effective number of events (the rule of Rice; geometric mean
    of the classes), between 10 and 50; edges are round numbers, or half-integers for an observable that counts.

    Args:
        classes: values and weights of each class, shapes (events,); values that are not finite are ignored.
        boundaries: boundaries to include where they lie within half a range of it.
    """
    samples = []
    for values, weights in classes:
        finite = np.isfinite(values)
        if finite.any():
            samples.append((np.clip(values[finite].astype(np.float64), -_HUGE, _HUGE), weights[finite]))
    if not samples:
        return Binning(np.linspace(0.0, 1.0, MIN_BINS + 1))
    ranges = np.array([weighted_quantiles(values, weights, (TAIL, 1 - TAIL)) for values, weights in samples])
    low, high = float(ranges[:, 0].min()), float(ranges[:, 1].max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return _around(low)
    effective = float(np.exp(np.mean([math.log(_effective(weights)) for _, weights in samples])))
    bins = int(np.clip(2 * effective ** (1 / 3), MIN_BINS, MAX_BINS))
    pooled = np.concatenate([values for values, _ in samples])
    if pooled.min() > 0 and high > LOG_RATIO * low and float(np.median(pooled)) < low + 0.1 * (high - low):
        low, high = _stretch(low, high, [value for value in boundaries if low / 10 < value < high * 10])
        return Binning(np.geomspace(low, high, bins + 1), logarithmic=True)
    reach = 0.5 * (high - low)
    low, high = _stretch(low, high, [value for value in boundaries if low - reach < value < high + reach])
    counts = bool((pooled == np.round(pooled)).all())
    return Binning(_round_edges(low, high, bins, counts=counts))


def aligned(binning: Binning, boundaries: Iterable[float]) -> Binning:
    """Move bins so that the boundaries of a cut are edges, and none holds events that are kept and others that are not.

    One boundary shifts all edges by less than a bin; between two, the width is changed to a fraction of their
    distance. If that makes too many bins, since the two are close together, the range is cut down to what is around
    them. Boundaries beyond the range are left out.

    Args:
        binning: equally wide bins, or equally wide ones in the logarithm.
        boundaries: one or two of a cut; others are not looked at.
    """
    to, back = (np.log, np.exp) if binning.logarithmic else (np.asarray, np.asarray)
    low, high = float(binning.edges[0]), float(binning.edges[-1])
    inside = sorted({one for one in boundaries if low <= one <= high})[:2]
    if not inside:
        return binning
    start, end, *places = (float(one) for one in to(np.array([low, high, *inside])))
    bins = len(binning.edges) - 1
    width, between, cut_down = (end - start) / bins, 0, False
    if len(places) > 1:
        distance = places[1] - places[0]
        between = max(1, round(distance / width))
        if (end - start) / (distance / between) > _MOST_ALIGNED:
            between = _IN_NARROW
            reach = 0.5 * (_MOST_ALIGNED - between) * distance / between
            cut_down = True
            start, end = max(start, places[0] - reach), min(end, places[1] + reach)
        width = distance / between
    before = math.ceil((places[0] - start) / width - 1e-6)
    after = max(between, math.ceil((end - places[0]) / width - 1e-6))
    edges = np.asarray(back(places[0] + width * np.arange(-before, after + 1)), dtype=np.float64)
    edges[before] = inside[0]
    if len(inside) > 1:
        edges[before + between] = inside[1]
    return Binning(edges, binning.logarithmic, cut_down)


def _effective(weights: NDArray[np.float64]) -> float:
    """Effective number of events, (Σ|w|)² / Σw²."""
    squares = float((weights**2).sum())
    return float(np.abs(weights).sum()) ** 2 / squares if squares > 0 else 1.0


def _stretch(low: float, high: float, near: Sequence[float]) -> tuple[float, float]:
    return min([low, *near]), max([high, *near])


def _around(value: float) -> Binning:
    """Bins around a constant, with the constant in the middle of one."""
    width = 0.1 * abs(value) or 0.1
    return Binning(value + width * (np.arange(MIN_BINS + 2, dtype=np.float64) - 0.5 * (MIN_BINS + 1)))


def _round_edges(low: float, high: float, bins: int, *, counts: bool) -> NDArray[np.float64]:
    """Return edges at multiples of 1, 2, 2.5 or 5 times a power of ten; half-integers for counts."""
    width = (high - low) / bins
    power = 10.0 ** math.floor(math.log10(width))
    width = min((step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda step: abs(math.log(step / width)))
    shift = 0.0
    if counts:
        width, shift = max(1.0, round(width)), -0.5
    first = math.floor((low - shift) / width)
    last = max(math.ceil((high - shift) / width), first + 1)
    return shift + width * np.arange(first, last + 1, dtype=np.float64)
