"""What a training split holds, found in two passes: sums of weights, some events, and a histogram of each feature.

It takes the place of the sample in checks, scaling and centres. Numbers of events and sums are exact; quantiles are
within a bin of the histogram (`engine.histograms`): 5e-4 of half the 16-84 % interval one unit from the median.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.histograms import BINS, HIGHEST, LOWEST, MISSING, Histogram
from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.checks import ClassFacts, FeatureFacts, check_facts
from cutflow_cli.events.load import Sums, add_sums
from cutflow_cli.events.stream import Choice, Scales, SplitStream
from cutflow_cli.models.weights import ClassWeights, NegativeWeights, WeightRule

Array = NDArray[np.float64]

#: Events of each class that are chosen to be held in memory.
CHOSEN = 1 << 16
#: Strata of the histograms: background and signal, each of positive and of negative training weight.
STRATA = 4


@dataclass(frozen=True, slots=True)
class Glance:
    """What the first pass finds.

    Attributes:
        events: of background and signal, shape (2,).
        weights: Σw and Σ|w| over positive and over negative weights of both classes, shape (2, 2): [label, w < 0].
        negative: events of negative weight, shape (2,).
        weighted: whether a class has any weight that is not zero.
        scales: from sums of weights to yields.
        beside: the same of another split that was looked at beside this one; empty without.
        chosen: some events, each class weighted to its sum.
    """

    events: NDArray[np.int64]
    weights: Array
    negative: NDArray[np.int64]
    weighted: tuple[bool, bool]
    scales: Scales
    beside: Scales
    chosen: EventSample

    @property
    def total(self) -> int:
        """Number of events."""
        return int(self.events.sum())


def glance(stream: SplitStream, seed: int, beside: SplitStream | None = None) -> Glance:
    """Make the first pass.

    Args:
        stream: the training split.
        seed: of the choice of events.
        beside: another split of the same file, of which the scales will be needed.

    Raises:
        InputError: if the file or the split is empty, a class is missing or without weight, or the file can't be read.
    """
    events, negative, weights = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), np.zeros((2, 2))
    weighted = [False, False]
    everything: Sums = {}
    here: Sums = {}
    there: Sums = {}
    choice = Choice(stream, CHOSEN, seed)
    for whole, part in stream.whole_batches():
        add_sums(everything, whole)
        if beside is not None:
            add_sums(there, beside.part(whole))
        if not len(part):
            continue
        add_sums(here, part)
        batch = stream.of(part)
        choice.add(batch)
        below = batch.weight < 0
        for label in (0, 1):
            of_class = batch.label == label
            events[label] += np.count_nonzero(of_class)
            negative[label] += np.count_nonzero(of_class & below)
            weights[label] += batch.weight[of_class & ~below].sum(), batch.weight[of_class & below].sum()
            weighted[label] |= bool(batch.weight[of_class].any())
    if not everything:
        msg = f"{stream.path}: holds no events"
        raise InputError(msg)
    facts = [ClassFacts(int(events[label]), weighted[label]) for label in (0, 1)]
    check_facts(facts, (), stream.path, features_named=True)
    scales = Scales.of(everything, here)
    chosen = choice.sample(scales)
    return Glance(events, weights, negative, (weighted[0], weighted[1]), scales, Scales.of(everything, there), chosen)


@dataclass(frozen=True, slots=True)
class Overview:
    """What both passes find.

    Attributes:
        glance: what the first pass found.
        rule: what training weights are.
        histograms: one of each feature, by stratum (2 · label + (training weight < 0)), filled with training weights.
    """

    glance: Glance
    rule: WeightRule
    histograms: tuple[Histogram, ...]

    def check(self, stream: SplitStream, *, features_named: bool) -> tuple[str, ...]:
        """Do what `check_sample` does.

        Raises:
            InputError: as `check_sample`.
        """
        classes = [
            ClassFacts(int(n), weighted) for n, weighted in zip(self.glance.events, self.glance.weighted, strict=True)
        ]
        return check_facts(classes, self._facts(stream.features), stream.path, features_named=features_named)

    def _facts(self, names: tuple[str, ...]) -> Iterator[FeatureFacts]:
        for name, histogram in zip(names, self.histograms, strict=True):
            ranges = [(part[:, 0].min(), part[:, 1].max()) for part in histogram.ranges.reshape(2, 2, 2)]
            counts = by_class(histogram.counts)
            infinite = int(counts[:, [LOWEST, HIGHEST]].sum())
            finite = counts[:, :BINS].sum(axis=1)
            yield FeatureFacts(
                name,
                int(counts[:, MISSING].sum()),
                infinite,
                tuple((int(n), float(low), float(high)) for n, (low, high) in zip(finite, ranges, strict=True)),
                lambda counts=counts: binned_separation(counts[1, :BINS], counts[0, :BINS]),  # type: ignore[misc]
            )


def by_class(values: NDArray[Any]) -> NDArray[Any]:
    """Add strata of positive and negative weights together: shape (4, cells) to (2, cells)."""
    return np.asarray(values.reshape(2, 2, -1).sum(axis=1))


def binned_separation(signal: NDArray[np.integer], background: NDArray[np.integer]) -> float:
    """Area under the ROC curve, whichever side the signal is on; values in one bin count as equal."""
    totals = float(signal.sum()) * float(background.sum())
    if not totals:
        return 0.5
    below = np.cumsum(background) - background
    area = float(signal @ (below + background / 2)) / totals
    return max(area, 1 - area)


def overview(stream: SplitStream, seen: Glance, classes: ClassWeights, negative: NegativeWeights) -> Overview:
    """Make the second pass.

    Args:
        stream: the training split.
        seen: what the first pass found.
        classes: how the loss weighs the classes.
        negative: what training does with negative weights.

    Raises:
        InputError: if the training weights of a class do not sum to a positive number.
    """
    rule = WeightRule.of(seen.events, seen.weights, seen.negative, classes, negative)
    histograms = tuple(_axis(column) for column in seen.chosen.x.T)
    for batch in stream.batches():
        weight = rule.apply(batch.weight, batch.label)
        stratum = (2 * batch.label + (weight < 0)).astype(np.int8)
        for i, histogram in enumerate(histograms):
            histogram.fill(batch.x[:, i], stratum, weight)
    return Overview(seen, rule, histograms)


def _axis(column: NDArray[Any]) -> Histogram:
    finite = column[np.isfinite(column)].astype(np.float64)
    if not len(finite):
        return Histogram.empty(STRATA, 0.0, 1.0)
    low, middle, high = np.quantile(finite, [0.16, 0.5, 0.84])
    return Histogram.empty(STRATA, float(middle), float(high - low) / 2 if high > low else float(finite.std()))
