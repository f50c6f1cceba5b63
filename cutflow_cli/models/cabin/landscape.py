"""The training split as the search for boxes sees it: ranks of values, coarse bins, thresholds in both units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin.coarse import BINS
from cutflow_cli.models.cabin.prepare import Neurons, Prepared

Thresholds = NDArray[np.int64]

#: Coarse thresholds lie at signal shares (i / BINS) to this power: finer where a face rejects little.
_CROWDING = 1.8
#: Infinite values count as this, which is larger than what float32 columns hold otherwise.
_LARGEST = 3.4e38


@dataclass(frozen=True, slots=True)
class Landscape:
    """Events by rank in each face, without weights, so that all replicas and targets share it.

    A face's coordinate is side × feature. Threshold 0 keeps everything, threshold k what has a rank of at least k;
    rank 0 is a missing value, rank k the k-th distinct value.

    Attributes:
        faces: the feature and side of each.
        rank: shape (faces, events).
        order: events by rising rank, shape (faces, events).
        values: the distinct coordinates of each face, rising, in the feature's own unit.
        standard: the same in standard deviations from the mean.
        position: where each threshold lies, in those, shape (faces, thresholds): halfway between the values that it
            separates, on the outermost value where it separates nothing.
        bins: coarse bin of each event in each face, shape (faces, events).
        edges: the threshold at which each coarse bin begins, shape (faces, BINS).
    """

    faces: Neurons
    rank: NDArray[np.int32]
    order: NDArray[np.int32]
    values: tuple[NDArray[np.float64], ...]
    standard: tuple[NDArray[np.float64], ...]
    position: NDArray[np.float64]
    bins: NDArray[np.uint8]
    edges: NDArray[np.int64]

    def thresholds(self, positions: NDArray[np.float64]) -> Thresholds:
        """Turn positions into thresholds that keep the same events.

        Args:
            positions: where each face begins to keep, exclusively, in standard deviations of its coordinate; −∞ for
                an open face; shape (faces,).
        """
        found = [
            0 if at == -np.inf else 1 + int(np.searchsorted(values, at, side="right"))
            for values, at in zip(self.standard, positions, strict=True)
        ]
        return np.array(found, dtype=np.int64)

    def at(self, threshold: Thresholds) -> NDArray[np.float64]:
        """Return the positions of thresholds, −∞ for an open face."""
        where = self.position[np.arange(len(self.faces)), threshold]
        return np.where(threshold == 0, -np.inf, where)

    def kept(self, threshold: Thresholds) -> NDArray[np.bool_]:
        """Say which events a box keeps, shape (events,)."""
        return np.asarray((self.rank >= threshold[:, None]).all(axis=0))


def survey(sample: EventSample, data: Prepared, faces: Neurons) -> Landscape:
    """Rank the training split.

    Args:
        sample: the training split.
        data: the same, prepared.
        faces: what each face looks at.
    """
    count, events = len(faces), len(sample)
    rank = np.zeros((count, events), dtype=np.int32)
    bins, edges = np.empty((count, events), dtype=np.uint8), np.zeros((count, BINS), dtype=np.int64)
    values, standard = [], []
    shares = (np.arange(1, BINS) / BINS) ** _CROWDING
    for j, (feature, side) in enumerate(zip(faces.feature, faces.side, strict=True)):
        coordinate = side * np.clip(sample.x[:, feature].astype(np.float64), -_LARGEST, _LARGEST)
        present = ~np.isnan(coordinate)
        distinct, inverse = np.unique(coordinate[present], return_inverse=True)
        rank[j, present] = 1 + inverse
        values.append(distinct)
        standard.append((distinct - side * data.mean[feature]) / data.std[feature])
        edges[j, 1:] = np.quantile(rank[j, data.signal], shares, method="lower")
        bins[j] = np.searchsorted(edges[j], rank[j], side="right") - 1
    position = np.empty((count, 2 + max(len(v) for v in values)))
    for j, points in enumerate(standard):
        position[j] = points[-1]
        position[j, :2] = points[0]
        position[j, 2 : 1 + len(points)] = (points[1:] + points[:-1]) / 2
    order = np.argsort(rank, axis=1, kind="stable").astype(np.int32)
    return Landscape(faces, rank, order, tuple(values), tuple(standard), position, bins, edges)
