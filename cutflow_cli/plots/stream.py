"""Two passes over the events: a sample to choose bins from, then histograms and efficiencies, batch by batch.

Memory does not grow with the number of events. Weights are the physical ones, each process scaled from its share in
the split to the whole sample, so that a split in other proportions shows the same mixture of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROLES, SPLITS, Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.classification import efficiency, none_of
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.backend import hist
from cutflow_cli.plots.binning import Binning, choose_binning
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: Events per class that bins are chosen from: the 0.5 % quantile then rests on 250 of them.
SAMPLE_EVENTS = 50_000


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


def split_scales(events: EventsFile, split: Split) -> NDArray[np.float64]:
    """Return by how much weights of each process in a split are scaled: Σw(all splits) / Σw(split).

    A process whose weights in the split sum to zero is left as it is.
    """
    totals = [(process.total.sumw, process.splits.get(split)) for process in events.metadata.processes]
    return np.array([total / part.sumw if part is not None and part.sumw else 1.0 for total, part in totals])


def read_split(events: EventsFile, columns: Sequence[str], split: Split) -> Iterator[EventBatch]:
    """Read one split batch by batch, weights scaled to the whole sample.

    Raises:
        InputError: if a column is absent, or the split holds no events.
    """
    scales = split_scales(events, split)
    seen = 0
    for batch in events.batches(columns):
        keep: NDArray[np.bool_] = batch.split == SPLITS.index(split)
        seen += int(np.count_nonzero(keep))
        process = batch.process[keep]
        yield EventBatch(
            columns={name: values[keep] for name, values in batch.columns.items()},
            label=batch.label[keep],
            weight=batch.weight[keep] * scales[process],
            process=process,
            split=batch.split[keep],
            hypothesis=None if batch.hypothesis is None else batch.hypothesis[keep],
        )
    if not seen:
        msg = f"{events.path}: no events in the split {split!r}, so there is nothing to draw"
        raise InputError(msg)


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
        mask &= cut.passes(batch.columns[cut.observable])
    return mask


class _Sample:
    """A uniform random sample of a stream in bounded memory: the events with the smallest random keys."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random = np.random.default_rng(seed)
        self._keys = np.empty(0)
        self._kept: EventBatch | None = None

    def add(self, batch: EventBatch) -> None:
        keys = np.concatenate([self._keys, self._random.random(len(batch))])
        joined = batch if self._kept is None else _joined(self._kept, batch)
        if len(keys) > self._size:
            chosen = np.sort(np.argpartition(keys, self._size)[: self._size])
            keys, joined = keys[chosen], _rows(joined, chosen)
        self._keys, self._kept = keys, joined

    def events(self) -> EventBatch | None:
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


def choose_all_binnings(
    events: EventsFile, columns: Sequence[str], populations: Sequence[Population], split: Split
) -> list[Binning]:
    """First pass: choose the bins of every panel from a sample of each class.

    Args:
        events: the events.
        columns: every observable that a population needs.
        populations: one per panel.
        split: which events to use.

    Raises:
        InputError: if a column is absent, or the split holds no events.
    """
    samples = [_Sample(SAMPLE_EVENTS, seed) for seed in range(len(ROLES))]
    for batch in read_split(events, columns, split):
        for label, sample in enumerate(samples):
            sample.add(_rows(batch, np.flatnonzero(batch.label == label)))
    drawn = [kept for sample in samples if (kept := sample.events()) is not None]
    return [_binning(population, drawn) for population in populations]


def _binning(population: Population, samples: Sequence[EventBatch]) -> Binning:
    masks = [passing(population.earlier, batch, of_hypothesis(batch, population.hypothesis)) for batch in samples]
    if not any(mask.any() for mask in masks):  # nothing is left after the earlier cuts: show where they came from
        masks = [of_hypothesis(batch, population.hypothesis) for batch in samples]
    classes = [
        (batch.columns[population.observable][mask].astype(np.float64), batch.weight[mask])
        for batch, mask in zip(samples, masks, strict=True)
    ]
    cut = population.cut
    boundaries = [value for value in (cut.lower, cut.upper) if value is not None] if population.applied else []
    return choose_binning(classes, boundaries)


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


class EfficiencyCounter:
    """Counts which share of each class's weight a flow keeps.

    Args:
        flow: the selection.
    """

    def __init__(self, flow: CutFlow) -> None:
        self._flow = flow
        self._kept = [Sums() for _ in ROLES]
        self._all = [Sums() for _ in ROLES]

    def count(self, batch: EventBatch) -> None:
        """Add events."""
        within = of_hypothesis(batch, self._flow.hypothesis)
        kept = passing(self._flow.cuts, batch, within)
        for label in range(len(ROLES)):
            mine: NDArray[np.bool_] = batch.label == label
            self._kept[label] += _sums(batch.weight[mine & kept])
            self._all[label] += _sums(batch.weight[mine & within])

    def result(self) -> tuple[Estimate, Estimate, float]:
        """Return background efficiency, signal efficiency, and the 95 % upper limit if no background were kept."""
        background, signal = (efficiency(kept, total) for kept, total in zip(self._kept, self._all, strict=True))
        return background, signal, none_of(self._all[0].n_eff)


def _sums(weights: NDArray[np.float64]) -> Sums:
    return Sums(len(weights), float(weights.sum()), float((weights**2).sum()))


def fill_all(
    events: EventsFile,
    columns: Sequence[str],
    fillers: Sequence[PanelFiller],
    counters: Sequence[EfficiencyCounter],
    split: Split,
) -> None:
    """Second pass: fill every histogram and count every efficiency, batch by batch.

    Raises:
        InputError: if a column is absent, or the split holds no events.
    """
    for batch in read_split(events, columns, split):
        for filler in fillers:
            filler.fill(batch)
        for counter in counters:
            counter.count(batch)
