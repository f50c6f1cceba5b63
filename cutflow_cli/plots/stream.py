"""Histograms, filled batch by batch in one pass over the events for all figures together.

Memory does not grow with the number of events. Weights are the physical ones, each process scaled from its share in
the split to the whole sample, so that a split in other proportions shows the same mixture of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.normalise import Normalised, normalise
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROLES, SPLITS, Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.backend import hist
from cutflow_cli.plots.binning import Binning
from cutflow_cli.selection.cut import Cut


@dataclass(frozen=True, slots=True)
class Population:
    """The events that one panel shows, and the observable that it shows of them.

    Attributes:
        observable: the feature.
        earlier: cuts that the events passed before.
        cut: the cut of this panel, whose boundaries the bins should include if it is applied.
        applied: whether the flow applies it.
        hypothesis: signal mass point that the signal is restricted to; None for all signal.
    """

    observable: str
    earlier: tuple[Cut, ...]
    cut: Cut
    applied: bool
    hypothesis: float | None


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled panel: its bins, and the shapes of background and signal in the order of `ROLES`."""

    binning: Binning
    shapes: tuple[Shape, ...]


def whole_sample(events: EventsFile) -> Normalised:
    """Find by how much each split of each process is scaled, as for the tables, in a pass over weights alone."""
    return normalise(tally(events, []), events.metadata.processes)


def read_splits(
    events: EventsFile, columns: Sequence[str], splits: Sequence[Split], totals: Normalised
) -> Iterator[dict[Split, EventBatch]]:
    """Read some splits batch by batch, weights scaled from each to the whole sample: Σw(all splits)/Σw(split).

    A process whose weights in a split add up to nothing is left as it is.

    Args:
        events: the events.
        columns: which observables to read.
        splits: which splits; the first one must hold events.
        totals: from `whole_sample`.

    Yields:
        The events of each split in one part of the file; possibly none.

    Raises:
        InputError: if a column is absent, or the first split holds no events.
    """
    seen = 0
    for batch in events.batches(columns):
        parts = {split: _part(batch, split, totals) for split in splits}
        seen += len(parts[splits[0]])
        yield parts
    if not seen:
        msg = f"{events.path}: no events in the split {splits[0]!r}, so there is nothing to draw"
        raise InputError(msg)


def _part(batch: EventBatch, split: Split, totals: Normalised) -> EventBatch:
    keep: NDArray[np.bool_] = batch.split == SPLITS.index(split)
    part = EventBatch(
        columns={name: values[keep] for name, values in batch.columns.items()},
        label=batch.label[keep],
        weight=batch.weight[keep],
        process=batch.process[keep],
        split=batch.split[keep],
        hypothesis=None if batch.hypothesis is None else batch.hypothesis[keep],
    )
    scaled = totals.scaled_weights(part)
    return replace(part, weight=np.where(np.isnan(scaled), part.weight, scaled))


def of_hypothesis(batch: EventBatch, hypothesis: float | None) -> NDArray[np.bool_]:
    """Say which events belong to a mass point: its signal and all background."""
    if hypothesis is None or batch.hypothesis is None:
        return np.ones(len(batch), dtype=np.bool_)
    mask: NDArray[np.bool_] = (batch.label == 0) | (batch.hypothesis == hypothesis)
    return mask


def passing(cuts: Sequence[Cut], batch: EventBatch, within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which events of a mask pass all of some cuts."""
    mask = within.copy()
    for cut in cuts:
        mask &= cut.keeps(batch.columns)
    return mask


class PanelFiller:
    """Fills the panels of one flow; weighted histograms of both classes grow batch by batch.

    Args:
        population: the events to show.
        binning: the bins.
    """

    def __init__(self, population: Population, binning: Binning) -> None:
        self.population, self.binning = population, binning
        axis = hist.axis.Variable(binning.edges.tolist())
        self._histograms = [hist.Hist(axis, storage=hist.storage.Weight()) for _ in ROLES]
        self._events, self._non_finite = [0, 0], [0, 0]
        self._before, self._after = np.zeros(2), np.zeros(2)

    def fill(self, batch: EventBatch) -> None:
        """Add events."""
        within = of_hypothesis(batch, self.population.hypothesis)
        passed = passing(self.population.earlier, batch, within)
        values = batch.columns[self.population.observable].astype(np.float64)
        finite = np.isfinite(values)
        for label, histogram in enumerate(self._histograms):
            mine: NDArray[np.bool_] = batch.label == label
            chosen = mine & passed & finite
            histogram.fill(values[chosen], weight=batch.weight[chosen])
            self._events[label] += int(np.count_nonzero(chosen))
            self._non_finite[label] += int(np.count_nonzero(mine & passed & ~finite))
            self._before[label] += batch.weight[mine & within].sum()
            self._after[label] += batch.weight[mine & passed].sum()

    def result(self) -> Filled:
        """Return the histograms as arrays."""
        shapes = []
        for label, histogram in enumerate(self._histograms):
            view = histogram.view(flow=True)
            before, after = float(self._before[label]), float(self._after[label])
            shapes.append(
                Shape(
                    sumw=np.array(view["value"]),
                    sumw2=np.array(view["variance"]),
                    events=self._events[label],
                    non_finite=self._non_finite[label],
                    share=after / before if before > 0 else None,
                )
            )
        return Filled(self.binning, tuple(shapes))


class Consumer(Protocol):
    """What takes the events of a split batch by batch."""

    def fill(self, batch: EventBatch) -> None:
        """Add events."""


def fill_all(
    events: EventsFile, columns: Sequence[str], consumers: Mapping[Split, Sequence[Consumer]], totals: Normalised
) -> None:
    """Fill every histogram, batch by batch.

    Args:
        events: the events.
        columns: every observable that a consumer needs.
        consumers: what takes the events of each split; the first split must hold events.
        totals: from `whole_sample`.

    Raises:
        InputError: if a column is absent, or the first split holds no events.
    """
    for parts in read_splits(events, columns, tuple(consumers), totals):
        for split, batch in parts.items():
            for consumer in consumers[split]:
                consumer.fill(batch)
