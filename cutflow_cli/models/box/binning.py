"""Events by bins: what a boundary may be, and in which bin each event lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample

Array = NDArray[Any]
#: Between one tail boundary and the next farther out, the share of events beyond falls by this factor.
_TAIL_RATIO = 1.35
#: Fewer events than this lie beyond no boundary.
_LEAST_TAIL = 3.0


@dataclass(frozen=True, slots=True)
class Binned:
    """A sample's events by bins of each observable.

    With boundaries t_1 < … < t_m of an observable a value lies in bin k if k of them are below it. A region from place
    `low` to place `high` keeps the bins low ≤ k < high, which is t_low < x < t_high: no value of the sample is one of
    the boundaries, unless two neighbouring values have no number of the column's type between them.

    Attributes:
        edges: for each observable its boundaries, rising, of the column's type.
        codes: bin of each event in each observable, shape (observables, events); one more than the last where missing.
        signal: which events are signal, shape (events,).
    """

    edges: tuple[Array, ...]
    codes: NDArray[np.uint16]
    signal: NDArray[np.bool_]

    @property
    def places(self) -> NDArray[np.int64]:
        """Number of bins of each observable; places run from 0, below all, to this, above all."""
        return np.array([len(edges) + 1 for edges in self.edges], dtype=np.int64)


def bin_sample(sample: EventSample, weight: NDArray[np.float64], bins: int) -> Binned:
    """Choose boundaries, and find each event's bins.

    Boundaries are midway between neighbouring values, at equal shares of the signal and of the background, and
    farther and farther out in the tails of both, down to three events.

    Args:
        sample: the events.
        weight: their weights, whose absolute values make up the shares, shape (events,).
        bins: how many equal shares, half of them of either class.
    """
    signal = sample.label == 1
    edges, codes = [], np.empty((len(sample.features), len(sample)), dtype=np.uint16)
    for position, name in enumerate(sample.features):
        column = sample.x[:, position]
        column = np.ascontiguousarray(column, dtype=np.float32 if sample.dtypes[name] == "float32" else None)
        chosen = _boundaries(column, np.abs(weight), signal, bins)
        codes[position] = np.where(np.isnan(column), len(chosen) + 1, np.searchsorted(chosen, column, side="left"))
        edges.append(chosen)
    return Binned(tuple(edges), codes, signal)


def _boundaries(column: Array, weight: NDArray[np.float64], signal: NDArray[np.bool_], bins: int) -> Array:
    present = ~np.isnan(column)
    values = np.unique(column[present])
    if len(values) < 2:
        return np.empty(0, dtype=column.dtype)
    low, high = values[:-1], values[1:]
    middle = (low / 2 + high / 2).astype(column.dtype)
    between = np.where((middle >= low) & (middle < high), middle, low)  # low: then x > t has the right events
    if len(between) <= bins:
        return np.asarray(between)
    wanted = []
    for role in (signal, ~signal):
        mine = present & role & (weight > 0)
        order = np.argsort(column[mine], kind="stable")
        cumulative = np.cumsum(weight[mine][order])
        if not len(order):
            continue
        at = np.searchsorted(cumulative, _shares(len(order), bins // 2) * cumulative[-1])
        wanted.append(column[mine][order][np.minimum(at, len(order) - 1)])
    places = np.searchsorted(low, np.concatenate(wanted), side="left")
    return np.asarray(between[np.unique(np.clip(places, 0, len(between) - 1))])


def _shares(events: int, parts: int) -> NDArray[np.float64]:
    """Return shares of events below a boundary: equal steps, and both tails."""
    tail, share = [], 1.0 / max(parts, 2)
    while share * events > _LEAST_TAIL:
        tail.append(share)
        share /= _TAIL_RATIO
    ends = np.array(tail)
    return np.concatenate([np.linspace(0, 1, max(parts, 2) + 1)[1:-1], ends, 1 - ends])
