"""From histograms to what LCF trains on: units, and for a parallel flow events that stand in for all others.

The loss of a parallel flow is a sum over observables, each of which sees its own values, labels and weights alone; what
joins observables, the softmax of the importances, looks at no event. So a weighted histogram of each observable says
all about the sample that the loss depends on. From it a table of stand-ins is made: for each class, points of equal
weight at the quantiles (j + ½)/n of each observable, which differ from the distribution by at most 1/(2n) (n = 65 536:
8e-6, where the statistical error of 60 million events is 1e-4). Points of different observables are joined at random,
which a parallel loss does not see.

Why not a full-batch step on the histogram itself: the optimiser is part of the published method. Adam divides a step by
the size of recent gradients, which in batches of 512 is that of their noise; without noise an observable that does not
separate would drift at full speed for as long as its tiny gradient keeps its sign, importances (which the loss does not
identify) would be others, and replicas would agree too well. Batches of stand-ins have the mean and, for unweighted
events, the noise of batches of events, so the kernel, its learning rate and its number of steps serve as they are.

That noise is what replicas differ by: their spread says how reproducible the training is, not how large the statistical
error is, which `bootstrap` adds. Most of it lasts for thousands of steps. Were every pass over the table a shuffle of
it, noise would average out over each pass, and the spread would be too small (by a factor of 2.4 for half a million
events). So batches are dealt as from the sample: each stand-in occurs as often as it has events to stand for, and one
permutation of all these is cut into passes (`engine.randomness.part_order`). Spreads then agree with those from events
(`benchmarks/stream_agreement.py`).

What is lost: weights of one class and sign become equal, so their part of the noise; and correlations of observables
within a batch, which a diagonal optimiser sees through the softmax alone. A sequential flow cuts on several observables
of one event, so this is not valid for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.histograms import BINS, Histogram, equal_parts
from cutflow_cli.engine.randomness import SHARED, Stream, generator
from cutflow_cli.models.lcf.prepare import TRIM, Prepared, Units, distance, given_centre, refuse_unknown, within
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.streaming.overview import STRATA, Overview, by_class

Array = NDArray[np.float64]

#: Stand-ins for a large sample, and how often an epoch passes over them: 4.2 million events, whatever the sample.
STAND_INS, PASSES = 1 << 17, 32
#: A class, or its events of negative weight, has at least this share of the stand-ins.
_LEAST = 1 / 32


def units_of(seen: Overview, features: tuple[str, ...], settings: LcfSettings) -> Units:
    """Find what `prepare` finds from events: exactly, except that quantiles are within a bin of the histogram.

    Args:
        seen: the training split.
        features: names, in the order of the flow.
        settings: of the training.

    Raises:
        UsageError: if a centre is for no feature, or lies outside its data.
    """
    refuse_unknown(settings.centers, features)
    origin, unit, centre = (np.empty(len(features)) for _ in range(3))
    limits = np.empty((len(features), 2), dtype=np.float32)
    for i, (name, histogram) in enumerate(zip(features, seen.histograms, strict=True)):
        origin[i], unit[i] = histogram.mean_and_deviation(weighted=False)
        if settings.scale == "quantiles":
            low, middle, high = histogram.quantiles(histogram.counts[:, :BINS].sum(axis=0), (0.16, 0.5, 0.84))
            if high > low:
                origin[i], unit[i] = middle, (high - low) / 2
        lowest, highest = float(histogram.ranges[:, 0].min()), float(histogram.ranges[:, 1].max())
        centre[i] = _centre(name, settings.centers, histogram, lowest, highest)
        limits[i] = distance(_limits(histogram, settings.trim), centre[i], unit[i])
    return Units(origin, unit, centre, limits)


def _limits(histogram: Histogram, trim: float) -> Array:
    if not trim:
        return np.array([-np.inf, np.inf])
    counts = by_class(histogram.counts)[:, :BINS]
    mass = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    return histogram.quantiles(mass, (trim, 1 - trim))


def _centre(name: str, centers: Mapping[str, float], histogram: Histogram, low: float, high: float) -> float:
    if name in centers:
        return given_centre(name, float(centers[name]), low, high)
    weighed = np.clip(histogram.sums[2, :BINS], 0.0, None)  # signal of positive weight
    for mass in (weighed, by_class(histogram.counts)[1, :BINS].astype(np.float64)):
        if mass.sum() > 0:
            first, last = np.searchsorted(np.cumsum(mass), np.array(TRIM) * mass.sum(), side="left")
            core = slice(first, last + 1)
            return within(float(np.average(histogram.middles[core], weights=mass[core])), low, high)
    return (low + high) / 2


def epoch_shape(events: int) -> tuple[int, int]:
    """Return the number of stand-ins for so many events, and how often an epoch passes over them."""
    passes = min(PASSES, -(-events // STAND_INS))
    return min(STAND_INS, -(-events // passes)), passes


def stand_ins(seen: Overview, units: Units, seed: int, replica: int | None = None) -> Prepared:
    """Make events that stand in for the sample in the loss of a parallel flow.

    Args:
        seen: the training split.
        units: of the network.
        seed: of everything random.
        replica: whose bootstrap to stand for; None for the sample itself. Each bin of each observable is resampled by
            itself, a sum of weights as the Poisson number of as many effective events; how boundaries of different
            observables vary together is lost.
    """
    points, _ = epoch_shape(seen.glance.total)
    random = generator(seed, SHARED if replica is None else replica, Stream.BOOTSTRAP)
    mass = np.stack([np.abs(histogram.sums) for histogram in seen.histograms])  # (features, strata, cells)
    totals = mass[0].sum(axis=1)
    if replica is not None:
        squares = np.stack([histogram.squares for histogram in seen.histograms])
        totals = _resampled(totals[None], squares[0].sum(axis=1)[None], random)[0]
        mass = _resampled(mass, squares, random)
    sizes = _sizes(totals, points)
    x = np.empty((int(sizes.sum()), len(seen.histograms)))
    ends = np.cumsum(sizes)
    for i, histogram in enumerate(seen.histograms):
        for number, (size, end) in enumerate(zip(sizes.tolist(), ends.tolist(), strict=True)):
            x[end - size : end, i] = random.permutation(equal_parts(histogram, mass[i, number], size))
    stratum = np.repeat(np.arange(STRATA), sizes)
    each = np.divide(totals, sizes, out=np.zeros(STRATA), where=sizes > 0) * sizes.sum() / seen.glance.total
    weight = np.where(stratum % 2 == 1, -1.0, 1.0) * each[stratum]
    u = np.stack(
        [distance(x[:, i], units.centre[i], units.std[i]) for i in range(x.shape[1])], axis=1, dtype=np.float32
    )
    sign = np.where(stratum >= 2, -1.0, 1.0).astype(np.float32)
    return Prepared(u, sign, weight.astype(np.float32), units.mean, units.std, units.centre, units.limits)


def _resampled(sums: Array, squares: Array, random: np.random.Generator) -> Array:
    """Draw sums of weights with Poisson numbers of events: right in mean and variance, exact for equal weights."""
    some = squares > 0
    size = np.where(some, squares / np.where(sums > 0, sums, 1.0), 0.0)  # of an effective event
    count = np.where(some, sums**2 / np.where(some, squares, 1.0), 0.0)
    return np.asarray(random.poisson(count) * size)


def _sizes(totals: Array, points: int) -> NDArray[np.int64]:
    """Share points out to strata in proportion to their weight, few to none that has some."""
    shares = np.where(totals > 0, np.maximum(totals / totals.sum(), _LEAST), 0.0)
    sizes = np.maximum(np.round(shares / shares.sum() * points), np.where(totals > 0, 1, 0))
    return np.asarray(sizes, dtype=np.int64)
