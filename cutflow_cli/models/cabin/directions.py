"""Which side of each feature to keep: given, read off the classes, or found by trying both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin import coarse
from cutflow_cli.models.cabin.landscape import Landscape, survey
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.search import Sums, all_pairs
from cutflow_cli.models.cabin.settings import CabinSettings

Array = NDArray[np.float64]

#: A difference of means below this, in standard deviations, does not decide.
WEAK = 0.1
#: Working points at which both sides are tried, at most.
_TRIALS = 5
#: Standard deviations of the background by which the other side must win to be taken, or to be told of.
_WINS, _TOLD = 1.0, 5.0
#: √n times the distance of two distributions is beyond this by chance once in a few hundred (Kolmogorov-Smirnov).
_CHANCE = 1.8


@dataclass(frozen=True, slots=True)
class Directions:
    """The sides and how sure they are.

    Attributes:
        side: +1 keeps what is above, −1 what is below, shape (features,).
        notes: what a user should know, a sentence each.
    """

    side: Array
    notes: tuple[str, ...] = ()


def one_dimensional(data: Prepared, feature: int) -> tuple[float, float, float]:
    """Judge the two sides of one feature.

    Returns:
        Difference of the weighted class means in standard deviations, and the largest ε_s − ε_b of a hard cut that
        keeps what is above, and of one that keeps what is below.
    """
    known = np.flatnonzero(np.isfinite(data.z[:, feature]))
    sums = Sums.of(data.weight[known], data.signal[known])
    z = data.z[known, feature].astype(np.float64)
    order = np.argsort(z, kind="stable")
    last = np.append(np.diff(z[order]) > 0, True)
    rejected = np.cumsum((sums.background - sums.signal)[order])[last]
    return float((sums.signal - sums.background) @ z), float(max(rejected.max(), 0)), float(max(-rejected.min(), 0))


def find_directions(sample: EventSample, data: Prepared, settings: CabinSettings) -> Directions:
    """Choose a side for each feature.

    A side that was given is taken. Else the sign of the difference of means decides, or where that is weak the better
    hard cut on this feature alone. With the exact step, each feature whose other side separates by more than chance is
    then tried with both sides in boxes of all features, at a few of the targets, since one side may be better for a
    loose selection and the other for a tight one; that is told.

    Args:
        sample: the training split.
        data: the same, prepared.
        settings: of the training.
    """
    side, doubtful = np.ones(len(sample.features)), []
    smaller_class = min(np.bincount(sample.label, minlength=2))
    for i, name in enumerate(sample.features):
        if name in settings.directions:
            side[i] = 1.0 if settings.directions[name] == "above" else -1.0
            continue
        difference, above, below = one_dimensional(data, i)
        up = above >= below if abs(difference) < WEAK else difference > 0
        side[i] = 1.0 if up else -1.0
        if (below if up else above) * np.sqrt(smaller_class) > _CHANCE:
            doubtful.append(i)
    if not doubtful or not settings.exact or settings.windows or settings.learn_weights:
        return Directions(side)
    return _Trial(sample, data, settings.targets).decide(side, doubtful)


class _Trial:
    """Tries sides in coarse boxes of all features."""

    def __init__(self, sample: EventSample, data: Prepared, targets: tuple[float, ...]) -> None:
        features = np.arange(len(sample.features))
        faces = Neurons(np.concatenate([features, features]), np.repeat([1.0, -1.0], len(features)))
        self._names = sample.features
        self._landscape: Landscape = survey(sample, data, faces)
        self._sums = Sums.of(data.weight, data.signal)
        picks = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), _TRIALS)).round().astype(int))
        self._targets = [targets[pick] for pick in picks]

    def decide(self, side: Array, doubtful: list[int]) -> Directions:
        """Turn features around as long as that lowers the background, counted in its standard deviations."""
        now = self._backgrounds(side)
        turned: dict[int, Array] = {}
        improved = True
        while improved:
            improved = False
            for i in doubtful:
                other = side.copy()
                other[i] *= -1
                turned[i] = self._backgrounds(other)
                if self._gain(now, turned[i]).sum() > _WINS:
                    turned[i], now, side, improved = now, turned[i], other, True
        return Directions(side, tuple(self._told(side, i, self._gain(now, turned[i])) for i in doubtful
                                      if (self._gain(now, turned[i]) > _TOLD).any()))  # fmt: skip

    def _told(self, side: Array, feature: int, gain: Array) -> str:
        kept, other = ("above", "below") if side[feature] > 0 else ("below", "above")
        better = ", ".join(f"{target:g}" for target, won in zip(self._targets, gain > _TOLD, strict=True) if won)
        return (
            f"{self._names[feature]}: kept {kept} its boundary, but at a signal efficiency of {better} keeping {other} "
            "has less background; --windows allows both"
        )

    def _gain(self, before: Array, after: Array) -> Array:
        """Return by how many standard deviations of the lower background each target would gain."""
        event = self._sums.event
        error = np.sqrt(event / (np.minimum(before, after) + event))
        return np.asarray(np.log((before + event) / (after + event)) / error)

    def _backgrounds(self, side: Array) -> Array:
        """Return the background of a quickly found box at each target."""
        features = len(side)
        faces = np.where(side > 0, np.arange(features), features + np.arange(features)).astype(np.int64)
        pairs, found = all_pairs(faces), []
        for target in self._targets:
            threshold = np.zeros(2 * features, dtype=np.int64)
            objective = coarse.descend(
                self._landscape.bins, self._sums.signal, self._sums.background, threshold, target - 1e-9,
                self._sums.event, pairs,
            )  # fmt: skip
            found.append(np.exp(objective) - self._sums.event)
        return np.array(found)
