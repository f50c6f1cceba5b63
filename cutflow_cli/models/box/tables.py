"""One- and two-dimensional distributions of the background, from which a box's background is predicted.

The pass probabilities of a box's cuts are p_i for one, p_ij for two. Beyond pairs nothing is known that has not few
events, so that the probability to pass all is taken as

    p = Π_i p_i · Π_{i<j} p_ij / (p_i p_j),

the superposition approximation (J. G. Kirkwood, J. Chem. Phys. 3 (1935) 300), exact where dependence does not go beyond
pairs. It is no distribution, and fails where several observables repeat each other, which the number of events
counted in a box shows (`cutflow_cli.models.box.landscape`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box import kernel
from cutflow_cli.models.box.binning import Binned

Floats = NDArray[np.float64]
#: Parts of an observable, by which dependence is measured.
_PARTS = 10
#: Fewest and most events' worth of independence that are mixed into a pair.
_LEAST, _MOST = 0.3, 1e6


@dataclass(frozen=True, slots=True)
class Tables:
    """Cumulative distributions of one class.

    Attributes:
        single: share of the class in the bins below a place, shape (observables, places).
        pairs: share in the bins below two places, shape (observables, observables, places, places); the last place of
            an observable leaves out missing values.
        prior: share of events by which the dependence of two observables is drawn towards none, shape (observables,
            observables); see `_prior`.
        total: Σw of the class.
        per_event: Σw² / Σw: what an event of the class weighs.
    """

    single: Floats
    pairs: Floats
    prior: Floats
    total: float
    per_event: float

    @property
    def events(self) -> float:
        """Effective number of events, (Σw)²/Σw²."""
        return self.total / self.per_event


def make_tables(binned: Binned, weight: Floats, squared: Floats, rows: NDArray[np.bool_]) -> Tables:
    """Fill the tables of one class.

    Args:
        binned: the events by bins.
        weight: of each event, shape (events,).
        squared: what it adds to Σw².
        rows: which events are of the class.
    """
    chosen = np.flatnonzero(rows & (squared > 0))
    codes, weights = np.ascontiguousarray(binned.codes[:, chosen]), weight[chosen]
    width = int(binned.places.max()) + 2  # a bin for missing values, and a place before the first
    total = float(weights.sum())
    single = np.zeros((len(codes), width))
    pairs = np.zeros((len(codes), len(codes), width, width))
    kernel.fill_tables(codes, weights / total, single, pairs)
    per_event = float(squared[chosen].sum()) / total
    return Tables(single, pairs, _prior(single, pairs, binned.places, total / per_event), total, per_event)


def _prior(single: Floats, pairs: Floats, places: NDArray[np.int64], events: float) -> Floats:
    """Say how many events' worth of independence to mix into each pair, as a share of all events.

    The mean square contingency φ² = Σ (p_ij − p_i p_j)²/(p_i p_j) over coarse cells is the mean square of what the
    factor p_ij/(p_i p_j) differs from one by; (cells − 1)²/n of it is expected of n events that are independent. A
    factor that is measured on m events has variance 1/m, and the best mixture of it with one takes 1/φ² events of the
    latter (a normal prior of variance φ²).
    """
    observables = len(single)
    prior = np.full((observables, observables), _MOST / events)
    for i in range(observables):
        for j in range(i):
            first, second = (_coarse(single[k], int(places[k])) for k in (i, j))
            joint = np.diff(np.diff(pairs[i, j][np.ix_(first, second)], axis=0), axis=1)
            apart = np.outer(np.diff(single[i][first]), np.diff(single[j][second]))
            used = apart > 0
            contingency = float(((joint - apart)[used] ** 2 / apart[used]).sum())
            excess = contingency - (len(first) - 2) * (len(second) - 2) / events
            prior[i, j] = prior[j, i] = min(max(1 / max(excess, 1e-12), _LEAST), _MOST) / events
    return prior


def _coarse(single: Floats, places: int) -> NDArray[np.int64]:
    """Choose places that divide the class into about equal parts."""
    wanted = np.linspace(0, single[places], _PARTS + 1)[1:-1]
    inner = np.searchsorted(single[: places + 1], wanted)
    return np.unique(np.concatenate([[0], np.minimum(inner, places), [places]]))
