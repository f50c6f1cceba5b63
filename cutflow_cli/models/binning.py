"""Bins of an observable in which a selection is learned apart: `jet_pt:300,325,350,375,400`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.events.batch import EventSample
from cutflow_cli.selection.binned import BinnedCut, bin_title
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

EXAMPLE = '--binned-in "jet_pt:300,325,350,375,400"'
#: Events of each class below which a bin can't be trained on, and below which its cuts are doubtful.
FEWEST, FEW = 20, 200


@dataclass(frozen=True, slots=True)
class Binning:
    """Bins of an observable.

    Attributes:
        observable: a feature or a spectator.
        edges: rising; a bin holds its lower edge and not its upper one.
    """

    observable: str
    edges: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin, shape (bins,)."""
        edges = np.array(self.edges)
        return np.asarray((edges[1:] + edges[:-1]) / 2)

    def title(self, number: int) -> str:
        """Name a bin, such as `jet_pt 300–325`."""
        return f"{self.observable} {bin_title(self.edges, number)}"

    def rounded(self, dtype: str) -> Binning:
        """Round the edges to what the observable's column holds."""
        cut = BinnedCut.range_of(self.observable, self.edges).rounded_for({self.observable: dtype})
        return replace(self, edges=cut.edges)

    def of(self, values: NDArray[np.generic]) -> NDArray[np.int64]:
        """Return the bin of each event, −1 for those in none.

        Args:
            values: of the observable, shape (events,).
        """
        return BinnedCut.range_of(self.observable, self.edges).bin_of(values)

    def joined(self, flows: tuple[CutFlow, ...]) -> CutFlow:
        """Make one flow of those of all bins: first what is inside the bins, then a step for each observable."""
        own = LearnedCut(Cut(self.observable, Region.ALL), active=False)
        inside = LearnedCut.from_bins(self.observable, self.edges, (own,) * len(self))
        steps = zip(*(flow.steps for flow in flows), strict=True)
        return replace(
            flows[0], steps=(inside, *(LearnedCut.from_bins(self.observable, self.edges, bins) for bins in steps))
        )

    def parted(self, flow: CutFlow) -> tuple[CutFlow, ...]:
        """Return the flow of each bin of what `joined` made."""
        return tuple(
            replace(flow, steps=tuple(step.bins[number] for step in flow.steps[1:])) for number in range(len(self))
        )


@runtime_checkable
class BinnedMethod(Protocol):
    """A method that may learn a selection bin by bin."""

    @property
    def binning(self) -> Binning | None:
        """The bins; None for one selection for all events. Their observable is none of the features."""


def parse_binning(text: str) -> Binning:
    """Read an observable with the edges of its bins.

    Raises:
        UsageError: if it is not of the form `jet_pt:300,325,350`, or the edges do not rise.
    """
    observable, colon, rest = (part.strip() for part in text.rpartition(":"))
    try:
        edges = tuple(float(part) for part in rest.split(","))
    except ValueError:
        colon, edges = "", ()
    if not colon or not observable:
        msg = f"{text}: give an observable and the edges of its bins, such as {EXAMPLE}"
        raise UsageError(msg)
    if len(edges) < 3:
        msg = f"{text}: two bins at least, hence three edges, such as {EXAMPLE}"
        raise UsageError(msg)
    if not all(map(math.isfinite, edges)) or any(low >= high for low, high in pairwise(edges)):
        msg = f"{text}: edges of bins must be finite and rise, such as {EXAMPLE}"
        raise UsageError(msg)
    return Binning(observable, edges)


@dataclass(frozen=True, slots=True)
class BinnedSample:
    """A training split divided into bins.

    Attributes:
        binning: with edges rounded to the observable's column.
        rows: positions of the events of each bin in the split.
        inside: positions of those of all bins, in their order.
        notes: what a user should know, a sentence each.
    """

    binning: Binning
    rows: tuple[NDArray[np.int64], ...]
    inside: NDArray[np.int64]
    notes: tuple[str, ...]


def divide(sample: EventSample, binning: Binning) -> BinnedSample:
    """Divide a training split, and check that there are enough events in every bin.

    Args:
        sample: with the binning's observable as a spectator.
        binning: the bins.

    Raises:
        InputError: if the sample lacks the observable, or a bin has too few events of a class.
    """
    if binning.observable not in sample.columns:
        msg = f"--binned-in {binning.observable}: no such column; {nearest(binning.observable, sample.columns)}"
        raise InputError(msg)
    values = sample.columns[binning.observable]
    binning = binning.rounded(values.dtype.name)
    where = binning.of(values)
    notes = []
    for number in range(len(binning)):
        for label, role in ((1, "signal"), (0, "background")):
            count = int(np.count_nonzero((where == number) & (sample.label == label)))
            if count < FEWEST:
                msg = f"--binned-in: {binning.title(number)} has {count} {role} events to train on, {FEWEST} are needed"
                raise InputError(f"{msg}; join it with a neighbour")
            if count < FEW:
                notes.append(
                    f"{binning.title(number)}: only {count} {role} events to train on; its cuts are doubtful, wider "
                    "bins or a larger --smoothness help"
                )
    outside = where < 0
    for label, role in ((1, "signal"), (0, "background")):
        mine = sample.label == label
        lost, total = (float(sample.weight[mine & which].sum()) for which in (outside, np.ones_like(outside)))
        if lost and total > 0:
            notes.append(f"{lost / total:.2g} of the {role} is outside the bins of {binning.observable}, and fails")
    rows = tuple(np.flatnonzero(where == number) for number in range(len(binning)))
    return BinnedSample(binning, rows, np.flatnonzero(~outside), tuple(notes))
