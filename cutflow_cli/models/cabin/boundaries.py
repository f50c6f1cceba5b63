"""From boxes to cuts: where in the gap between kept and rejected events a boundary lies, in the feature's own unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cabin.landscape import Landscape, Thresholds
from cutflow_cli.models.cabin.loss import OUTSKIRTS
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

Array = NDArray[np.float64]

#: A boundary that follows its neighbours stays this share of the gap away from the gap's ends.
_MARGIN = 0.25
#: How often boundaries are adapted to their neighbours.
_PASSES = 3
NO_CUT = "rejects no training event that passes the other cuts"


@dataclass(frozen=True, slots=True)
class Placed:
    """Boundaries of one box for each target.

    Attributes:
        value: boundary of each face in its own coordinate (side × feature), exclusive and rounded to the column's type;
            −∞ where the face does not cut; shape (targets, faces).
        position: the same in standard deviations; where a face does not cut, the nearest to its neighbours' boundaries
            at which it still would not; shape (targets, faces).
    """

    value: Array
    position: Array


def interpolated(position: Array, between: Array) -> Array:
    """Return what each row would be on a straight line between its neighbours; the first and last row as they are."""
    result = position.copy()
    if len(between):
        result[1:-1] += position[:-2] - position[1:-1] + between[:, None] * (position[2:] - position[:-2])
    return result


def roughness(position: Array, between: Array) -> float:
    """Return the mean distance of a boundary from the line between its neighbours, in standard deviations.

    Boundaries in the outskirts, where a face rejects hardly anything, count as at their edge.
    """
    if not len(between):
        return float("nan")
    inside = np.maximum(position, OUTSKIRTS)
    return float(np.abs(inside - interpolated(inside, between))[1:-1].mean())


def place(
    landscape: Landscape,
    boxes: Sequence[Thresholds],
    between: Array,
    dtypes: Sequence[str],
    means: Array,
    scales: Array,
    *,
    follow: bool,
) -> Placed:
    """Find boundaries that keep exactly the events of each box, all of the same events; see `place_rows`."""
    return place_rows([landscape] * len(boxes), boxes, between, dtypes, means, scales, follow=follow)


def place_rows(
    landscapes: Sequence[Landscape],
    boxes: Sequence[Thresholds],
    between: Array,
    dtypes: Sequence[str],
    means: Array,
    scales: Array,
    *,
    follow: bool,
) -> Placed:
    """Find boundaries that keep exactly the events of each box.

    A face that rejects no event which the other faces keep does not cut. Else its boundary may lie anywhere between the
    highest value it rejects and the lowest it keeps, of events that pass the other faces: in the middle, or, to
    `follow` the neighbouring targets, as near to the line between them as the gap allows.

    Args:
        landscapes: the events of each target by ranks, with the same faces.
        boxes: thresholds of each target.
        between: where each inner target lies between its neighbours (`loss.positions`).
        dtypes: type of each feature's column.
        means: of the features.
        scales: their standard deviations.
        follow: whether boundaries follow their neighbours.
    """
    thresholds = [box.copy() for box in boxes]
    position = np.stack(
        [np.where(box > 0, landscape.at(box), np.inf) for landscape, box in zip(landscapes, boxes, strict=True)]
    )
    cuts = np.stack([box > 0 for box in boxes])
    value = np.full(position.shape, -np.inf)
    for turn in range(_PASSES if follow else 1):
        for t, threshold in enumerate(thresholds):
            landscape = landscapes[t]
            wish = interpolated(position, between)[t] if turn else position[t]
            for j in range(len(threshold)):
                low, high, binding = _gap(landscape, threshold, j)
                if not binding:
                    cuts[t, j] = False
                    position[t, j] = min(wish[j], high)
                    threshold[j], value[t, j] = 0, -np.inf
                    continue
                middle = (low + high) / 2
                feature, side = landscape.faces.feature[j], landscape.faces.side[j]
                if turn and dtypes[feature].startswith("float"):  # between whole numbers only the middle looks right
                    room = _MARGIN * (high - low)
                    middle = min(max(wish[j], low + room), high - room)
                value[t, j] = _rounded(
                    landscape.values[j], landscape.standard[j], middle,
                    middle * scales[feature] + side * means[feature], dtypes[feature],
                )  # fmt: skip
                position[t, j] = middle
                threshold[j] = 1 + int(np.searchsorted(landscape.values[j], value[t, j], side="right"))
    return Placed(value, position)


def _gap(landscape: Landscape, threshold: Thresholds, face: int) -> tuple[float, float, bool]:
    """Return the highest rejected and the lowest kept position of a face among events that the others keep."""
    failed = landscape.rank < threshold[:, None]
    others = failed.sum(axis=0) - failed[face] == 0
    ranks = landscape.rank[face, others]
    kept, rejected = ranks[ranks >= max(threshold[face], 1)], ranks[ranks < threshold[face]]
    standard = landscape.standard[face]
    high = standard[kept.min() - 1] if len(kept) else standard[-1] + 1.0
    if not len(rejected):
        return -np.inf, float(high), False
    highest = rejected.max()
    # only missing values are rejected: anything below the lowest value will do
    return float(standard[highest - 1] if highest > 0 else high - 1.0), float(high), True


def _rounded(values: Array, standard: Array, middle: float, value: float, dtype: str) -> float:
    """Round a boundary to the column's type such that it still separates the same values."""
    above = int(np.searchsorted(standard, middle, side="right"))  # the first distinct value that is kept
    stored = float(np.float32(value)) if dtype == "float32" else value
    lowest = values[above] if above < len(values) else np.inf
    highest = values[above - 1] if above > 0 else -np.inf
    if highest <= stored < lowest:
        return stored
    if highest > -np.inf:
        return float(highest)
    return float(np.nextafter(np.float32(lowest), np.float32(-np.inf)))


def to_flow(
    names: Sequence[str], landscape_faces: tuple[NDArray[np.int64], Array], value: Array, template: CutFlow
) -> CutFlow:
    """Turn the boundaries of one box into a flow, one step for each feature in their order.

    Args:
        names: of the features.
        landscape_faces: feature and side of each face.
        value: boundary of each face in its own coordinate, −∞ for none, shape (faces,).
        template: a flow whose everything but the steps is taken.
    """
    lower: dict[int, float] = {}
    upper: dict[int, float] = {}
    for feature, side, at in zip(*landscape_faces, value, strict=True):
        if at > -np.inf:
            (lower if side > 0 else upper)[int(feature)] = float(at if side > 0 else -at)
    steps = []
    for i, name in enumerate(names):
        low, high = lower.get(i), upper.get(i)
        if low is None and high is None:
            steps.append(LearnedCut(Cut(name, Region.ALL), active=False, note=NO_CUT))
            continue
        region = Region.BELOW if low is None else Region.ABOVE if high is None else Region.INSIDE
        steps.append(LearnedCut(Cut(name, region, low, high)))
    return replace(template, steps=tuple(steps))
