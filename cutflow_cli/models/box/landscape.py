"""What a box keeps: signal as counted, background as predicted and counted together.

A box that is best for a significance keeps few simulated background events, and of all boxes that keep about as many
the search finds the one that by chance keeps fewest. So the background is not only counted: it is predicted from
one- and two-dimensional distributions (`tables`), which have many events, and the two are combined
(`kernel.posterior`): where many events are counted they decide, where few are the prediction does, as far as it can be
trusted, which is measured (`probes`).
"""

from __future__ import annotations

import math
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
#: The least share of an objective that a boundary is worth being told of.
LEAST_GAIN = 2e-3
#: Variance of the logarithm of predictions that are not used.
USELESS = 1e6


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
        chance: times n^⅓ is what a boundary is taken to reject by chance where n background events are kept.
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


def weights_of(signal: NDArray[np.bool_], weight: Floats, counts: NDArray[np.int64] | None = None) -> Floats:
    """Return what each event adds to Σw and Σw² of signal and background, shape (4, events).

    Args:
        signal: which events are signal.
        weight: of the events.
        counts: how often each counts (a bootstrap's); None for once each.
    """
    once = weight if counts is None else weight * counts
    weights = np.zeros((4, len(weight)))
    for row, role in ((0, signal), (2, ~signal)):
        weights[row, role] = once[role]
        weights[row + 1, role] = (once * weight)[role]  # an event that counts twice is two events
    return weights


def make_landscape(
    binned: Binned,
    weights: Floats,
    objective: Objective,
    *,
    smooth: bool,
    min_effective_events: float,
    min_gain: float | None,
    chance: float,
) -> Landscape:
    """Prepare a sample for the search.

    Args:
        binned: the events by bins.
        weights: what each event adds to Σw and Σw² of signal and background, shape (4, events).
        objective: what is wanted.
        smooth: whether to predict the background, rather than count it only.
        min_effective_events: see `Landscape`.
        min_gain: likewise; None for `chance_gain`.
        chance: likewise.
    """
    totals = weights.sum(axis=1)
    least = chance_gain(totals) if min_gain is None else min_gain
    tables = make_tables(binned, weights[2], weights[3], ~binned.signal) if smooth else None
    return Landscape(binned, weights, totals, objective, tables, 0.0, min_effective_events, least, chance)


def chance_gain(totals: Floats) -> float:
    """Return the share of an objective that a boundary on an observable without any use adds by chance, about.

    The best of all boundaries on it keeps a share of the signal and one of the background that differ by a fluctuation
    of the scale √(1/N_s + 1/N_b) (Kolmogorov and Smirnov, of effective numbers of events); half of it was found to keep
    such observables out of a box, from 10³ to 10⁴ events. Behind tight cuts signal fluctuates by more than that.

    Args:
        totals: Σw and Σw² of signal and background, shape (4,).
    """
    inverse = sum(float(squares / total**2) for total, squares in (totals[:2], totals[2:]) if total)
    return max(LEAST_GAIN, 0.5 * math.sqrt(inverse))
