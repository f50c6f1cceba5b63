"""The best box for one target signal efficiency: many quick coarse descents, the best few finished exactly.

A box is a local optimum here if no two of its faces can be moved together to a lower background while the signal stays
at the target, whatever the distance. Nothing proves that it is the global one, which would take time exponential in the
number of faces; several starts make it likely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cabin import box, coarse
from cutflow_cli.models.cabin.landscape import Landscape, Thresholds

Array = NDArray[np.float64]

#: Coarse descents from random boxes, and from the best so far with some faces opened.
RANDOM_STARTS, KICKS = 6, 14
#: How many faces a kick opens.
_OPENED = 3
#: How many of the best coarse boxes are finished exactly.
FINISHED = 5
#: What a sum of weights may miss the target by, from rounding.
_ROUNDING = 1e-9
#: Background under the logarithm where it is free to vanish, as a share of the mean event's weight.
_FREE_PSEUDO = 1e-3


@dataclass(frozen=True, slots=True)
class Sums:
    """Training weights of one replica as shares of their class, so that sums are efficiencies.

    Attributes:
        signal: weight of each signal event over their sum, zero for background, shape (events,).
        background: likewise.
        event: what one background event weighs on average.
    """

    signal: Array
    background: Array
    event: float

    @classmethod
    def of(cls, weight: Array, signal: NDArray[np.bool_]) -> Sums:
        """Divide weights by the sums of their classes."""
        first, second = np.where(signal, weight, 0.0), np.where(signal, 0.0, weight)
        return cls(first / first.sum(), second / second.sum(), 1 / max(1, int(np.count_nonzero(second))))


@dataclass(frozen=True, slots=True)
class Box:
    """A box and what it keeps of the training split.

    Attributes:
        threshold: of each face, shape (faces,).
        signal: ε_s by training weights.
        background: ε_b by training weights.
    """

    threshold: Thresholds
    signal: float
    background: float


@dataclass(frozen=True, slots=True)
class Pull:
    """What the exact step prefers besides a low background: nothing, or thresholds near those of neighbours.

    Attributes:
        penalty: added to ln(ε_b + pseudo), for each face and threshold.
        wish: the threshold of least penalty of each face.
        pseudo: background added under the logarithm.
        limit: background that no move may exceed.
    """

    penalty: Array
    wish: Thresholds
    pseudo: float
    limit: float = np.inf


class Search:
    """Searches boxes for one replica.

    Args:
        landscape: the training split by ranks.
        sums: the replica's weights.
    """

    def __init__(self, landscape: Landscape, sums: Sums) -> None:
        self.landscape, self.sums = landscape, sums
        faces = len(landscape.faces)
        self.free = Pull(np.zeros(landscape.position.shape), np.zeros(faces, dtype=np.int64), _FREE_PSEUDO * sums.event)

    def box(self, threshold: Thresholds) -> Box:
        """Count what thresholds keep."""
        kept = self.landscape.kept(threshold)
        return Box(threshold, float(self.sums.signal[kept].sum()), float(self.sums.background[kept].sum()))

    def relative_error(self, found: Box) -> float:
        """Return the relative statistical error of a box's background, 1/√(n + 1) of n effective events."""
        weight = self.sums.background[self.landscape.kept(found.threshold)]
        squares = float((weight**2).sum())
        effective = float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
        return float(1 / np.sqrt(effective + 1))

    def moved(self, positions: Array, target: float) -> Box:
        """Move all faces of a box by the same number of standard deviations, until the target is just kept.

        Args:
            positions: where each face begins to keep; −∞ for an open face, which stays open.
            target: signal efficiency.

        Returns:
            The tightest such box that keeps the target; without any face that cuts, one that keeps everything.
        """
        landscape = self.landscape
        margin = np.full(landscape.rank.shape[1], np.inf)
        for j, at in enumerate(positions):
            if at > -np.inf:
                row = landscape.rank[j]
                depth = np.where(row > 0, landscape.standard[j][np.maximum(row, 1) - 1] - at, -np.inf)
                np.minimum(margin, depth, out=margin)
        signal = np.flatnonzero(self.sums.signal != 0)
        falling = signal[np.argsort(-margin[signal], kind="stable")]
        kept = np.cumsum(self.sums.signal[falling])
        last = min(int(np.searchsorted(kept, target - _ROUNDING)), len(falling) - 1)
        deepest = margin[falling[last]]
        if deepest == np.inf:
            return self.box(landscape.thresholds(positions))
        if deepest == -np.inf:  # the target needs events in which a feature is missing
            return self.box(np.zeros(len(positions), dtype=np.int64))
        threshold = np.zeros(len(positions), dtype=np.int64)
        for j, at in enumerate(positions):
            if at > -np.inf:  # by the same arithmetic as the margin, so that its own event is kept
                threshold[j] = 1 + int(np.searchsorted(landscape.standard[j] - at, deepest, side="left"))
        return self.box(threshold)

    def tightened(self, found: Box, target: float) -> Box:
        """Tighten every face alike where a box keeps more signal than the target: nothing is kept that was not."""
        tighter = self.moved(self.landscape.at(found.threshold), target)
        return tighter if tighter.signal < found.signal else found

    def polished(self, start: Thresholds, target: float, pairs: NDArray[np.int64], pull: Pull | None = None) -> Box:
        """Descend exactly from a box that keeps the target; the result is no worse."""
        pull = pull or self.free
        threshold = start.copy()
        box.descend(
            self.landscape.rank,
            self.landscape.order,
            self.sums.signal,
            self.sums.background,
            threshold,
            target - _ROUNDING,
            pull.limit,
            pull.pseudo,
            pull.penalty,
            pull.wish,
            pairs,
        )
        return self.box(threshold)

    def best(
        self, target: float, starts: list[Thresholds], faces: NDArray[np.int64], random: np.random.Generator
    ) -> list[Box]:
        """Find boxes of low background at a target, none held to anything.

        Args:
            target: signal efficiency.
            starts: thresholds that keep the target, to be finished beside what is found.
            faces: which faces may cut.
            random: for the starts.

        Returns:
            Boxes that keep the target, the best first.
        """
        pairs = all_pairs(faces)
        found = [
            self.landscape.edges[np.arange(len(thresholds)), thresholds]
            for thresholds in self._coarse(target, faces, pairs, random)
        ]
        boxes = [
            self.tightened(self.polished(start, target, random.permutation(pairs)), target)
            for start in (*starts, *found)
        ]
        return sorted(boxes, key=lambda found: (found.background, found.signal))

    def _coarse(
        self, target: float, faces: NDArray[np.int64], pairs: NDArray[np.int64], random: np.random.Generator
    ) -> list[Thresholds]:
        landscape, sums = self.landscape, self.sums
        results: list[tuple[float, Thresholds]] = []
        for attempt in range(1 + RANDOM_STARTS + KICKS):
            start = np.zeros(len(landscape.faces), dtype=np.int64)
            if attempt > RANDOM_STARTS:
                start[:] = min(results, key=lambda result: result[0])[1]
                start[random.choice(faces, min(_OPENED, len(faces)), replace=False)] = 0
            elif attempt:
                share = random.exponential(size=len(faces))
                start[faces] = np.floor((1 - target ** (share / share.sum())) ** (1 / 1.8) * coarse.BINS)
            objective = coarse.descend(
                landscape.bins, sums.signal, sums.background, start, target - _ROUNDING, self.free.pseudo,
                random.permutation(pairs),
            )  # fmt: skip
            if not any(np.array_equal(start, other) for _, other in results):
                results.append((objective, start))
        return [thresholds for _, thresholds in sorted(results, key=lambda result: result[0])[:FINISHED]]


def all_pairs(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """List all pairs of faces, shape (pairs, 2); none for a single face, which the target alone decides."""
    first, second = np.triu_indices(len(faces), 1)
    return np.stack([faces[first], faces[second]], axis=1).astype(np.int64)
