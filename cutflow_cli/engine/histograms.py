"""Fine histograms of columns that do not fit into memory: all of the real line in bins, finest where the data are.

A value x at z = (x − origin) / unit falls into one of `BINS` equal bins of z / (1 + |z|), which lies between −1 and 1.
With origin and unit of the bulk, a bin is 6e-5 units wide at the origin, 2e-4 at one unit, 6e-3 at ten. Each bin knows
the lowest and highest value in it, so a value that has a bin to itself, as whole numbers do, is known exactly, and a
quantile is off by less than the width of its bin. Missing and infinite values are counted beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[np.float64]

BINS = 1 << 15
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
    counts: NDArray[Any],
    sums: NDArray[Any],
    squares: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
) -> None:
    bins = low.shape[0]
    for e in range(values.shape[0]):
        x = float(values[e])
        if np.isnan(x):
            cell = bins
        elif np.isinf(x):
            cell = bins + 1 if x < 0.0 else bins + 2
        else:
            z = (x - origin) / unit
            t = z / (1.0 + abs(z))
            t = t if abs(z) < 1e300 else (1.0 if z > 0.0 else -1.0)
            cell = min(max(int((t + 1.0) * (0.5 * bins)), 0), bins - 1)
            low[cell] = min(low[cell], x)
            high[cell] = max(high[cell], x)
        s = stratum[e]
        counts[s, cell] += 1
        sums[s, cell] += weight[e]
        squares[s, cell] += weight[e] * weight[e]


@dataclass(frozen=True, slots=True)
class Histogram:
    """What one column holds, by stratum of the events.

    Attributes:
        origin: of the axis.
        unit: of the axis, positive.
        counts: events, shape (strata, BINS + 3), the last three columns being `MISSING`, `LOWEST`, `HIGHEST`.
        sums: of weights, same shape.
        squares: of squared weights, same shape.
        low: lowest value in each bin over all strata, ∞ for an empty one; shape (BINS,).
        high: highest value, −∞ for an empty bin.
    """

    origin: float
    unit: float
    counts: NDArray[np.int64]
    sums: Array
    squares: Array
    low: Array
    high: Array

    @classmethod
    def empty(cls, strata: int, origin: float, unit: float) -> Histogram:
        """Make one without entries."""
        shape = (strata, _CELLS)
        return cls(
            origin, unit if np.isfinite(unit) and unit > 0 else 1.0, np.zeros(shape, dtype=np.int64), np.zeros(shape),
            np.zeros(shape), np.full(BINS, np.inf), np.full(BINS, -np.inf),
        )  # fmt: skip

    def fill(self, values: NDArray[Any], stratum: NDArray[np.integer], weight: Array) -> None:
        """Add events.

        Args:
            values: of the column, shape (events,).
            stratum: of each event.
            weight: of each event.
        """
        _fill(
            values, stratum, weight, self.origin, self.unit, self.counts, self.sums, self.squares, self.low, self.high
        )

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
        low, high = self.low[position], self.high[position]
        return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))

    @property
    def middles(self) -> Array:
        """A value for each bin: halfway between its lowest and its highest; zero for an empty one."""
        known = self.low <= self.high
        return np.where(known, np.where(known, self.low, 0.0) / 2 + np.where(known, self.high, 0.0) / 2, 0.0)


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
