"""What a box keeps: signal as counted, background as predicted and counted together.

A box that is best for a significance keeps few simulated background events, and of all boxes that keep about as many
the search finds the one that by chance keeps fewest. So the background is not only counted: it is predicted from
one- and two-dimensional distributions (`tables`), which have many events, and the two are combined
(`kernel.posterior`): where many events are counted they decide, where few are the prediction does, as far as it can be
trusted. How far is measured: boxes of many sizes are counted and predicted, and the scatter beyond that of the counts
is the prediction's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.figures_of_merit import Yields
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.box import kernel
from cutflow_cli.models.box.binning import Binned
from cutflow_cli.models.box.kernel import INSIDE, OFF, OUTSIDE
from cutflow_cli.models.box.tables import Tables, make_tables

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

#: The prediction's logarithm is taken to be uncertain by at least this.
LEAST_ERROR = 0.1
#: Events that a box must keep, by count or prediction, to tell how good predictions of few are.
_MEASURED = (10.0, 3000.0)
#: With fewer boxes than this it is not known.
_ENOUGH = 5
#: Predictions whose logarithm is less certain than this are not used: the variance is taken to be that of none.
_USED_BELOW = 0.5
USELESS = 1e6
#: Parts of a box that are looked at: with fewer and fewer of its cuts.
_PARTS = 24


@dataclass(frozen=True, slots=True)
class Box:
    """A region for each observable, by places between bins.

    Attributes:
        low: shape (observables,).
        high: likewise.
        kind: `kernel.OFF`, `INSIDE` or `OUTSIDE`.
    """

    low: Places
    high: Places
    kind: Places

    @classmethod
    def open(cls, observables: int) -> Box:
        """Return a box without cuts."""
        return cls(*(np.zeros(observables, dtype=np.int64) for _ in range(3)))

    @property
    def cuts(self) -> int:
        """Number of observables that are cut on."""
        return int(np.count_nonzero(self.kind != OFF))

    def having(self, i: int, low: int, high: int, kind: int) -> Box:
        """Return the box with another region of one observable."""
        changed = Box(self.low.copy(), self.high.copy(), self.kind.copy())
        changed.low[i], changed.high[i], changed.kind[i] = low, high, kind
        return changed

    def without(self, i: int) -> Box:
        """Return the box without the cut on one observable."""
        return self.having(i, 0, 0, OFF)

    def boundaries(self, places: Places) -> int:
        """Return the number of boundaries, of observables with so many bins."""
        inside = self.kind == INSIDE
        sides = (inside & (self.low > 0)).sum() + (inside & (self.high < places)).sum()
        return int(sides + 2 * (self.kind == OUTSIDE).sum())

    @property
    def key(self) -> bytes:
        """Tells boxes apart."""
        return b"".join(part.tobytes() for part in (self.low, self.high, self.kind))


@dataclass(frozen=True, slots=True)
class Kept:
    """What boxes keep, each an array over boxes or a number.

    Attributes:
        S: signal.
        S2: its Σw².
        B: background.
        B2: its Σw².
    """

    S: Floats
    S2: Floats
    B: Floats
    B2: Floats


@dataclass(frozen=True, slots=True)
class Landscape:
    """A sample to search boxes on.

    Attributes:
        binned: the events by bins.
        weights: what each event adds to Σw and Σw² of signal and background, shape (4, events).
        totals: their sums, shape (4,).
        objective: what is wanted.
        tables: of the background; None to count only.
        variance: of the logarithm of a prediction.
        min_effective_events: effective events of all the background that each cut must keep, and events' worth that
            must be known of the background of the box, 1/δ² for a relative error δ of prediction and count together;
            where less is known, it counts as so many events more.
        min_gain: share of the objective that every boundary must add.
        chance: background events that a boundary is taken to reject by chance.
        variance_scale: Σw² is multiplied by this where σ_B is meant of a larger sample.
    """

    binned: Binned
    weights: Floats
    totals: Floats
    objective: Objective
    tables: Tables | None
    variance: float
    min_effective_events: float
    min_gain: float
    chance: float
    variance_scale: float = 1.0

    @property
    def observables(self) -> int:
        """How many there are."""
        return len(self.binned.edges)

    def failed(self, box: Box) -> NDArray[np.int16]:
        """Count for each event the cuts that reject it."""
        failed = np.zeros(self.binned.codes.shape[1], dtype=np.int16)
        kernel.count_failures(self.binned.codes, self.binned.places, box.low, box.high, box.kind, failed)
        return failed

    def counted(self, box: Box) -> Floats:
        """Return Σw and Σw² of signal and background in a box, shape (4,)."""
        return np.asarray(self.weights[:, self.failed(box) == 0].sum(axis=1))

    def predicted(self, box: Box) -> float:
        """Predict the background of a box from the tables alone."""
        tables = self.tables
        assert tables is not None
        share = kernel.predicted_by_others(
            tables.single, tables.pairs, tables.prior, self.binned.places, box.low, box.high, box.kind, -1
        )
        return float(share * tables.total)

    def kept(self, box: Box) -> Kept:
        """Return what a box keeps, the background as predicted and counted together."""
        S, S2, counted, squares = self.counted(box)
        chance = self.chance * box.boundaries(self.binned.places)
        if self.tables is None:
            per_event = self.totals[3] / self.totals[2]
            B, B2 = kernel.background_of(-1.0, counted, squares, 0.0, per_event, 0.0, chance, self.min_effective_events)
            return self._scaled(Kept(S, S2, B, B2))
        share = self.predicted(box) / self.tables.total
        B, B2 = kernel.background_of(
            share, counted, squares, self.tables.events, self.tables.per_event, self.variance, chance,
            self.min_effective_events,
        )  # fmt: skip
        return self._scaled(Kept(S, S2, B, B2))

    def _scaled(self, kept: Kept) -> Kept:
        return replace(kept, B2=kept.B2 * self.variance_scale, S2=kept.S2 * self.variance_scale)

    def figure(self, kept: Kept) -> Floats:
        """Return the objective, −∞ where it is undefined."""
        yields = Yields(kept.S, kept.B, kept.B2, float(self.totals[0]), float(self.totals[2]), kept.S2)
        return self.objective.values(yields)

    def value(self, box: Box) -> float:
        """Return the objective of a box."""
        return float(self.figure(self.kept(box))[0])


def make_landscape(
    binned: Binned,
    weights: Floats,
    objective: Objective,
    *,
    smooth: bool,
    min_effective_events: float,
    min_gain: float,
    chance: float,
) -> Landscape:
    """Prepare a sample for the search.

    Args:
        binned: the events by bins.
        weights: what each event adds to Σw and Σw² of signal and background, shape (4, events).
        objective: what is wanted.
        smooth: whether to predict the background, rather than count it only.
        min_effective_events: see `Landscape`.
        min_gain: likewise.
        chance: likewise.
    """
    tables = make_tables(binned, weights[2], weights[3], ~binned.signal) if smooth else None
    return Landscape(
        binned, weights, weights.sum(axis=1), objective, tables, 0.0, min_effective_events, min_gain, chance
    )


def single_best(landscape: Landscape, exchange: float) -> Box:
    """Return the box that is best if observables are independent, for a rate of exchange of ln ε_b for ln ε_s.

    Each observable's region has the largest ln ε_s − exchange · ln ε_b. With exchange rates from small to large these
    boxes run from loose to tight; they are where the search begins.
    """
    box = Box.open(landscape.observables)
    totals = landscape.totals
    for i, places in enumerate(landscape.binned.places):
        sums = np.zeros((4, places + 1))
        for row, weight in enumerate(landscape.weights):
            found = np.bincount(landscape.binned.codes[i], weights=weight, minlength=places + 1)[:places]
            sums[row, 1:] = np.cumsum(found)
        low, high = np.triu_indices(places + 1, 1)
        best = 0.0
        for kind in (INSIDE, OUTSIDE):
            kept = sums[:, high] - sums[:, low]
            if kind == OUTSIDE:
                kept = sums[:, -1:] - kept
            enough = (kept[0] > 1e-3 * totals[0]) & (kept[2] ** 2 > max(landscape.min_effective_events, 3) * kept[3])
            enough &= kept[2] > 0
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = np.log(kept[0] / totals[0]) - exchange * np.log(kept[2] / totals[2])
            gain = np.where(enough, gain, -np.inf)
            at = int(np.argmax(gain))
            if gain[at] > best + 1e-6:
                best, box = float(gain[at]), box.having(i, int(low[at]), int(high[at]), kind)
    return box


def with_measured_error(landscape: Landscape, boxes: Sequence[Box], random: np.random.Generator) -> Landscape:
    """Measure how wrong predictions are, on boxes and parts of them that keep a known number of events.

    The mean of ln²(n/p) less its expectation from counting, over boxes with n counted and p predicted events of which
    one at least is large enough, is the variance of a prediction's logarithm; it is never taken to be less than before.

    Args:
        landscape: with tables.
        boxes: around which to measure.
        random: which cuts are left out.
    """
    if landscape.tables is None:
        return landscape
    per_event, scatter, seen = landscape.tables.per_event, [], set()
    for box in boxes:
        for turn in range(_PARTS):
            part = box
            for i in np.flatnonzero(random.random(landscape.observables) < 0.5 * turn / _PARTS):
                part = part.without(int(i))
            if part.cuts < 2 or part.key in seen:
                continue
            seen.add(part.key)
            predicted, counted = landscape.predicted(part) / per_event, landscape.counted(part)[2] / per_event
            if _MEASURED[0] <= max(predicted, counted) <= _MEASURED[1]:
                scatter.append(np.log((max(counted, 0) + 0.5) / (predicted + 0.5)) ** 2 - 1 / (max(counted, 0) + 1))
    variance = max(landscape.variance, LEAST_ERROR**2)
    if len(scatter) >= _ENOUGH:
        variance = max(float(np.mean(scatter)), variance)
    elif landscape.variance == 0:
        variance = USELESS
    return replace(landscape, variance=variance if variance < _USED_BELOW**2 else USELESS)
