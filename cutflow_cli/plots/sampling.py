"""A first look at the events: a sample of each class in bounded memory, from which bins and ranges are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROLES, Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.plots.binned_panels import boundaries_of
from cutflow_cli.plots.binning import Binning, choose_binning, weighted_quantiles
from cutflow_cli.plots.stream import Population, of_hypothesis, passing, read_splits

#: Events per class that bins are chosen from: the 0.5 % quantile then rests on 250 of them.
SAMPLE_EVENTS = 50_000


class Sample:
    """A uniform random sample of a stream in bounded memory: the events with the smallest random keys."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random = np.random.default_rng(seed)
        self._keys = np.empty(0)
        self._kept: EventBatch | None = None

    def add(self, batch: EventBatch) -> None:
        """Take a part of the stream."""
        keys = np.concatenate([self._keys, self._random.random(len(batch))])
        joined = batch if self._kept is None else _joined(self._kept, batch)
        if len(keys) > self._size:
            chosen = np.sort(np.argpartition(keys, self._size)[: self._size])
            keys, joined = keys[chosen], _rows(joined, chosen)
        self._keys, self._kept = keys, joined

    def events(self) -> EventBatch | None:
        """Return the events drawn so far; None if there were none."""
        return self._kept


def _rows(batch: EventBatch, chosen: NDArray[Any]) -> EventBatch:
    return EventBatch(
        columns={name: values[chosen] for name, values in batch.columns.items()},
        label=batch.label[chosen],
        weight=batch.weight[chosen],
        process=batch.process[chosen],
        split=batch.split[chosen],
        hypothesis=None if batch.hypothesis is None else batch.hypothesis[chosen],
    )


def _joined(first: EventBatch, second: EventBatch) -> EventBatch:
    hypothesis = None
    if first.hypothesis is not None and second.hypothesis is not None:
        hypothesis = np.concatenate([first.hypothesis, second.hypothesis])
    return EventBatch(
        columns={name: np.concatenate([values, second.columns[name]]) for name, values in first.columns.items()},
        label=np.concatenate([first.label, second.label]),
        weight=np.concatenate([first.weight, second.weight]),
        process=np.concatenate([first.process, second.process]),
        split=np.concatenate([first.split, second.split]),
        hypothesis=hypothesis,
    )


def sample_classes(
    events: EventsFile, columns: Sequence[str], split: Split, totals: Normalised
) -> tuple[EventBatch, ...]:
    """First pass: draw a sample of each class that has events.

    Args:
        events: the events.
        columns: every observable that is to be looked at.
        split: which events to use.
        totals: from `stream.whole_sample`.

    Raises:
        InputError: if a column is absent, or the split holds no events.
    """
    samples = [Sample(SAMPLE_EVENTS, seed) for seed in range(len(ROLES))]
    for parts in read_splits(events, columns, (split,), totals):
        batch = parts[split]
        for label, sample in enumerate(samples):
            sample.add(_rows(batch, np.flatnonzero(batch.label == label)))
    return tuple(kept for sample in samples if (kept := sample.events()) is not None)


def sampled_binning(population: Population, samples: Sequence[EventBatch]) -> Binning:
    """Choose the bins of a panel from the samples of both classes."""
    masks = [passing(population.earlier, batch, of_hypothesis(batch, population.hypothesis)) for batch in samples]
    if not any(mask.any() for mask in masks):  # nothing is left after the earlier cuts: show where they came from
        masks = [of_hypothesis(batch, population.hypothesis) for batch in samples]
    classes = [
        (batch.columns[population.observable][mask].astype(np.float64), batch.weight[mask])
        for batch, mask in zip(samples, masks, strict=True)
    ]
    return choose_binning(classes, boundaries_of(population.cut) if population.applied else ())


def sampled_quantiles(
    samples: Sequence[EventBatch], observable: str, label: int, levels: Sequence[float]
) -> NDArray[np.float64] | None:
    """Return weighted quantiles of an observable for one class; None where it has no finite value.

    Args:
        samples: what `sample_classes` drew.
        observable: the feature.
        label: 1 for signal, 0 for background.
        levels: shares between 0 and 1.
    """
    for batch in samples:
        if len(batch) and batch.label[0] == label:
            return quantiles_of(batch.columns[observable], batch.weight, levels)
    return None


def quantiles_of(
    values: NDArray[Any], weight: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64] | None:
    """Return weighted quantiles of some events' values; None where none is finite."""
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    return weighted_quantiles(numbers[finite], weight[finite], levels) if finite.any() else None
