"""Soft counts of binned events, as functions of boundaries, with their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.refine.kernel import soft_sums
from cutflow_cli.selection.cut import Cut, Region

Array = NDArray[np.float64]

#: Quantiles of each class that divide an observable into bins. Where a boundary moves, a bin is a small part of the
#: width over which it is soft.
QUANTILES = 512
#: Probabilities are at least this where they are divided by.
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Binned:
    """One observable in bins.

    Attributes:
        codes: bin of each event; the last bin is of missing values. Shape (events,).
        centres: mean of the values in each bin, in units of `width`, shape (bins − 1,).
        width: unit in which boundaries move: half the 16-84 % interval.
    """

    codes: NDArray[np.uint16]
    centres: Array
    width: float


def make_binned(values: NDArray[Any], label: NDArray[np.int8], width: float) -> Binned:
    """Divide an observable at quantiles of both classes.

    Args:
        values: shape (events,); those that are not finite lie in the outermost bins, missing ones in a bin of theirs.
        label: 1 signal, 0 background.
        width: its unit.
    """
    wide = values.astype(np.float64)
    known = np.isfinite(wide)
    levels = np.linspace(0, 1, QUANTILES + 1)[1:-1]
    parts = [wide[known & (label == role)] for role in (0, 1)]
    edges = np.unique(np.concatenate([np.quantile(part, levels) for part in parts if len(part)] or [np.empty(0)]))
    codes = np.searchsorted(edges, wide, side="right")
    number = np.bincount(codes[known], minlength=len(edges) + 1)
    total = np.bincount(codes[known], weights=wide[known], minlength=len(edges) + 1)
    fallback = np.append(edges, edges[-1:] if len(edges) else 0.0)
    centres = np.where(number > 0, total / np.maximum(number, 1), fallback)
    codes[np.isnan(wide)] = len(centres)
    return Binned(codes.astype(np.uint16), centres / width, width)


@dataclass(frozen=True, slots=True)
class Edges:
    """Which boundaries there are: parameters of an ascent.

    Attributes:
        cuts: the cuts with boundaries.
        columns: position of each cut's observable.
        lower: position of each cut's lower boundary among the parameters; −1 for none.
        upper: likewise.
        start: the parameters, in units of the observables' widths.
    """

    cuts: tuple[Cut, ...]
    columns: tuple[int, ...]
    lower: tuple[int, ...]
    upper: tuple[int, ...]
    start: Array

    @classmethod
    def of(cls, cuts: Sequence[Cut], widths: Sequence[float]) -> Edges:
        """Collect the boundaries of cuts, one for each observable, in order; those that keep all are left out."""
        chosen: list[Cut] = []
        columns: list[int] = []
        lower: list[int] = []
        upper: list[int] = []
        start: list[float] = []
        for column, (cut, width) in enumerate(zip(cuts, widths, strict=True)):
            if cut.region is Region.ALL:
                continue
            chosen.append(cut)
            columns.append(column)
            for edge, places in ((cut.lower, lower), (cut.upper, upper)):
                places.append(-1 if edge is None else len(start))
                if edge is not None:
                    start.append(edge / width)
        return cls(tuple(chosen), tuple(columns), tuple(lower), tuple(upper), np.array(start))

    def moved(self, parameters: Array, widths: Sequence[float]) -> dict[int, Cut]:
        """Return the cuts with other boundaries, by the position of the observable."""

        def edge(place: int, width: float) -> float | None:
            return None if place < 0 else float(parameters[place] * width)

        return {
            column: Cut(cut.observable, cut.region, edge(low, widths[column]), edge(up, widths[column]))
            for cut, column, low, up in zip(self.cuts, self.columns, self.lower, self.upper, strict=True)
        }


class SoftSums:
    """Soft counts of a replica's events for given cuts.

    Args:
        binned: all observables.
        edges: the boundaries.
        weight: Σw of what each event stands for, shape (events,).
        square: Σw² of the same.
        label: 1 signal, 0 background.
    """

    def __init__(
        self, binned: Sequence[Binned], edges: Edges, weight: Array, square: Array, label: NDArray[np.int8]
    ) -> None:
        self._edges, self._chosen = edges, [binned[column] for column in edges.columns]
        self._codes = np.stack([one.codes for one in self._chosen], axis=1)
        self._weight, self._square, self._role = weight, square, label.astype(np.int64)
        self._bins = 1 + max(len(one.centres) for one in self._chosen)
        self._by_bin = np.zeros((2, 3, len(self._chosen), self._bins))

    def at(self, parameters: Array, steepness: float) -> tuple[Array, Array]:
        """Return Σ w m, Σ w² m and Σ w² m² of background and signal, and their derivatives by the parameters.

        Returns:
            Shapes (2, 3) and (2, 3, parameters).
        """
        passes = np.zeros((len(self._chosen), self._bins))
        slopes = [np.zeros((0, 0))] * len(self._chosen)
        for k, one in enumerate(self._chosen):
            size = len(one.centres)
            passes[k, :size], slopes[k] = self._passes(k, one, parameters, steepness)
        sums = np.zeros((2, 3))
        soft_sums(self._codes, self._weight, self._square, self._role, passes, sums, self._by_bin)
        gradient = np.zeros((2, 3, len(parameters)))
        for k, one in enumerate(self._chosen):
            by_bin = self._by_bin[:, :, k, : len(one.centres)]
            places = (self._edges.lower[k], self._edges.upper[k])
            for place, slope in zip(places, slopes[k], strict=True):
                if place >= 0:
                    gradient[:, :, place] = by_bin @ slope
        gradient[:, 2] *= 2  # of a square
        return sums, gradient

    def _passes(self, k: int, one: Binned, parameters: Array, steepness: float) -> tuple[Array, Array]:
        """Return the probability to pass in each bin, and its logarithm's derivatives by lower and upper boundary."""
        low, up, region = self._edges.lower[k], self._edges.upper[k], self._edges.cuts[k].region
        above, above_not = _logistic(steepness * (one.centres - parameters[low])) if low >= 0 else _ONE
        below, below_not = _logistic(steepness * (parameters[up] - one.centres)) if up >= 0 else _ONE
        within = np.broadcast_to(above * below, one.centres.shape)
        if region is Region.OUTSIDE:
            passes = above_not + above * below_not  # 1 − above below
            share = within / np.maximum(passes, _TINY)
            slopes = (steepness * share * above_not, -steepness * share * below_not)
        else:
            passes = within
            slopes = (-steepness * above_not, steepness * below_not)
        return passes, np.stack([np.broadcast_to(slope, one.centres.shape) for slope in slopes])


_ONE = (np.ones(1), np.zeros(1))


def _logistic(argument: Array) -> tuple[Array, Array]:
    """Return σ and 1 − σ, both to full relative precision."""
    small = np.exp(-np.abs(argument))
    larger, smaller = 1 / (1 + small), small / (1 + small)
    return np.where(argument > 0, larger, smaller), np.where(argument > 0, smaller, larger)
