"""Fine histograms of columns that do not fit into memory: all of the real line in bins, finest where the data are.

A value x at z = (x − origin) / unit falls into one of `BINS` equal bins of z / (1 + |z|), which lies between −1 and 1.
With origin and unit of the bulk, a bin is 1e-4 units wide at the origin, 5e-4 at one unit, 1.5e-2 at ten. Each bin
knows the lowest and highest value in it, so a value that has a bin to itself, as whole numbers do, is known exactly,
and a quantile is off by less than the width of its bin. Missing and infinite values are counted beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[np.float64]

BINS = 1 << 14
#: Beside the bins: values that are missing, −∞ and +∞.
MISSING, LOWEST, HIGHEST = range(BINS, BINS + 3)
_CELLS = BINS + 3


@jit
def _fill(
    values: NDArray[Any],
    stratum: NDArray[Any],
    weight: NDArray[Any],
    origin: float,
    unit: float,
    cells: NDArray[Any],
    edges: NDArray[Any],
    moments: NDArray[Any],
    ranges: NDArray[Any],
) -> None:
    bins = edges.shape[0]
    for e in range(values.shape[0]):
        x, s = float(values[e]), stratum[e]
        if np.isnan(x):
            cell = bins
        elif np.isinf(x):
            cell = bins + 1 if x < 0.0 else bins + 2
        else:
            z = (x - origin) / unit
            t = z / (1.0 + abs(z))
            t = t if abs(z) < 1e300 else (1.0 if z > 0.0 else -1.0)
            cell = min(max(int((t + 1.0) * (0.5 * bins)), 0), bins - 1)
            edges[cell, 0] = min(edges[cell, 0], x)
            edges[cell, 1] = max(edges[cell, 1], x)
            ranges[s, 0] = min(ranges[s, 0], x)
            ranges[s, 1] = max(ranges[s, 1], x)
            away, w = x - origin, max(weight[e], 0.0)
            moments[0, 0] += 1.0
            moments[0, 1] += away
            moments[0, 2] += away * away
            moments[1, 0] += w
            moments[1, 1] += w * away
            moments[1, 2] += w * away * away
        into = cells[s, cell]
        into[0] += 1.0
        into[1] += weight[e]
        into[2] += weight[e] * weight[e]


@dataclass(frozen=True, slots=True)
class Histogram:
    """What one column holds, by stratum of the events.

    Attributes:
        origin: of the axis.
        unit: of the axis, positive.
        cells: number of events, sum of weights and of their squares, shape (strata, BINS + 3, 3); the last three cells
            are `MISSING`, `LOWEST`, `HIGHEST`.
        edges: lowest and highest value in each bin over all strata, ∞ and −∞ for an empty one; shape (BINS, 2).
        moments: of the finite values, every event counting once and by weights (negative ones as zero): number, sum and
            sum of squares of the distances from the origin, where no digits are lost; shape (2, 3).
        ranges: lowest and highest finite value of each stratum, shape (strata, 2).
    """

    origin: float
    unit: float
    cells: Array
    edges: Array
    moments: Array
    ranges: Array

    @classmethod
    def empty(cls, strata: int, origin: float, unit: float) -> Histogram:
        """Make one without entries."""
        usable = np.isfinite(unit) and unit > 0
        nothing = [np.inf, -np.inf]
        cells, edges = np.zeros((strata, _CELLS, 3)), np.tile(nothing, (BINS, 1))
        return cls(origin, unit if usable else 1.0, cells, edges, np.zeros((2, 3)), np.tile(nothing, (strata, 1)))

    def fill(self, values: NDArray[Any], stratum: NDArray[np.integer], weight: Array) -> None:
        """Add events.

        Args:
            values: of the column, shape (events,).
            stratum: of each event.
            weight: of each event.
        """
        _fill(
            values, stratum, weight, self.origin, self.unit, self.cells, self.edges, self.moments, self.ranges
        )  # fmt: skip

    @property
    def counts(self) -> Array:
        """Number of events, shape (strata, BINS + 3)."""
        return self.cells[..., 0]

    @property
    def sums(self) -> Array:
        """Sums of weights, same shape."""
        return self.cells[..., 1]

    @property
    def squares(self) -> Array:
        """Sums of squared weights, same shape."""
        return self.cells[..., 2]

    def mean_and_deviation(self, *, weighted: bool) -> tuple[float, float]:
        """Return mean and standard deviation (of the population) of the finite values; NaN and 0 if there are none.

        Args:
            weighted: by weights, negative ones counting as zero; without them where they leave no spread.
        """
        found = (np.nan, 0.0)
        for total, first, second in self.moments[::-1] if weighted else self.moments[:1]:
            if total > 0:
                away = first / total
                found = float(self.origin + away), float(np.sqrt(max(second / total - away**2, 0.0)))
            if found[1] > 0:
                break
        return found

    def quantiles(self, mass: Array, shares: tuple[float, ...]) -> Array:
        """Return quantiles of the finite values, interpolated within their bins.

        Args:
            mass: of each bin, shape (BINS,); what is negative counts as zero.
            shares: which quantiles, from 0 to 1.

        Returns:
            Shape (shares,); NaN where there is no mass.
        """
        return self.at(np.clip(mass, 0.0, None), np.array(shares) * np.clip(mass, 0.0, None).sum())

    def at(self, mass: Array, cumulative: Array) -> Array:
        """Return where the mass from the left reaches given values."""
        edges = np.cumsum(mass)
        if not len(edges) or edges[-1] <= 0:
            return np.full(len(cumulative), np.nan)
        filled = np.flatnonzero(mass > 0)
        inside = edges[filled]
        position = filled[np.clip(np.searchsorted(inside, cumulative, side="left"), 0, len(filled) - 1)]
        share = 1.0 - (edges[position] - cumulative) / mass[position]
        low, high = self.edges[position].T
        return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))

    @property
    def middles(self) -> Array:
        """A value for each bin: halfway between its lowest and its highest; zero for an empty one."""
        known = self.edges[:, 0] <= self.edges[:, 1]
        return np.asarray(np.where(known[:, None], self.edges, 0.0).mean(axis=1))


def equal_parts(histogram: Histogram, mass: Array, points: int) -> Array:
    """Represent a distribution by points of equal weight: its quantiles (j + ½) / n.

    The distribution of the points differs from that of the histogram by at most 1/(2n) anywhere.

    Args:
        histogram: with the lowest and highest value of each bin.
        mass: of each bin, and of missing, −∞ and +∞; shape (BINS + 3,), not negative.
        points: how many.

    Returns:
        Shape (points,): missing ones (NaN) first, then rising. Empty if there is no mass.
    """
    total = float(mass.sum())
    if total <= 0:
        return np.empty(0)
    parts = np.concatenate([[mass[MISSING], mass[LOWEST]], [mass[:BINS].sum()], [mass[HIGHEST]]])
    ends = np.cumsum(parts)
    wanted = (np.arange(points) + 0.5) / points * ends[-1]
    part = np.minimum(np.searchsorted(ends, wanted, side="left"), 3)
    values = np.array([np.nan, -np.inf, 0.0, np.inf])[part]
    finite = part == 2
    values[finite] = histogram.at(mass[:BINS], wanted[finite] - ends[1])
    return np.asarray(values)
