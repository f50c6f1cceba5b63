"""What makes a sample unfit to train on, found before any time is spent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.not_finite import count_not_finite, what_cuts_do
from cutflow_cli.events.schema import ROLES

#: Effective events of a class below which what is learned is chance.
FEW = 10.0
#: A single observable that separates better than this was most likely made from the label.
LEAK_AUC = 0.999


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """What is to be known of a class.

    Attributes:
        events: how many there are.
        weighted: whether any of them has a weight that is not zero.
    """

    events: int
    weighted: bool


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """What is to be known of a feature.

    Attributes:
        name: of its column.
        missing: events without a value.
        infinite: events with an infinite one.
        ranges: of background and signal, number of finite values, the lowest and the highest.
        separation: finds how well it separates the classes (`separation`); asked for only where needed.
    """

    name: str
    missing: int
    infinite: int
    ranges: tuple[tuple[int, float, float], ...]
    separation: Callable[[], float]


def check_sample(sample: EventSample, path: Path, *, features_named: bool) -> tuple[str, ...]:
    """Refuse a sample that no method can learn from, or that gives the label away.

    Args:
        sample: the training split.
        path: where it came from, for messages.
        features_named: whether the user named the features; then a feature may separate as well as it likes.

    Returns:
        What a user should know, a sentence each (missing and infinite values, few events).

    Raises:
        InputError: if a class is absent or without weight, a feature constant, or a feature tells the label.
    """
    classes = []
    for value in range(len(ROLES)):
        of_class = sample.label == value
        classes.append(ClassFacts(int(np.count_nonzero(of_class)), bool(sample.weight[of_class].any())))
    features = (_facts(name, sample.x[:, position], sample.label) for position, name in enumerate(sample.features))
    return (*check_facts(classes, features, path, features_named=features_named), *_few(sample))


def _few(sample: EventSample) -> Iterator[str]:
    for value, role in enumerate(ROLES):
        weight = sample.weight[sample.label == value]
        effective = weight.sum() ** 2 / (weight**2).sum()
        if effective < FEW:
            yield (
                f"{role}: {len(weight)} events in the training split, which count as {effective:.2g} of equal weight; "
                "what is learned from so few is mostly chance"
            )


def _facts(name: str, values: NDArray[Any], label: NDArray[np.int8]) -> FeatureFacts:
    finite = np.isfinite(values)
    good, of_good = values[finite], label[finite]
    ranges = []
    for value in range(len(ROLES)):
        mine = good[of_good == value]
        ranges.append((len(mine), float(mine.min()), float(mine.max())) if len(mine) else (0, np.inf, -np.inf))
    missing = int(np.isnan(values).sum())
    infinite = len(values) - len(good) - missing
    return FeatureFacts(name, missing, infinite, tuple(ranges), lambda: separation(good, of_good))


def check_facts(
    classes: Sequence[ClassFacts], features: Iterable[FeatureFacts], path: Path, *, features_named: bool
) -> tuple[str, ...]:
    """Do what `check_sample` does, for a sample of which only this is known.

    Args:
        classes: background and signal.
        features: in the order of the flow.
        path: where they came from, for messages.
        features_named: whether the user named the features.

    Raises:
        InputError: as `check_sample`.
    """
    for value, (role, facts) in enumerate(zip(ROLES, classes, strict=True)):
        if not facts.events:
            msg = f"{path}: no {role} events (label {value}) in the training split"
            raise InputError(msg)
        if not facts.weighted:
            msg = f"{path}: column 'weight' is zero for every {role} event"
            raise InputError(msg)
    notes = []
    for feature in features:
        name = feature.name
        if not any(count for count, _, _ in feature.ranges):
            msg = f"{path}: feature {name!r} has no finite value in the training split; leave it out with --features"
            raise InputError(msg)
        lowest, highest = min(low for _, low, _ in feature.ranges), max(high for _, _, high in feature.ranges)
        if lowest == highest:
            msg = f"{path}: feature {name!r} is constant ({lowest:g}); leave it out with --features"
            raise InputError(msg)
        if feature.missing or feature.infinite:
            counts = count_not_finite(feature.missing, feature.infinite)
            fate = what_cuts_do(feature.missing, feature.infinite)
            notes.append(f"feature {name!r}: {counts} in the training split; {fate}")
        if not features_named:
            _refuse_leak(feature, path)
    return tuple(notes)


def _refuse_leak(feature: FeatureFacts, path: Path) -> None:
    name = feature.name
    remedy = "name the features with --features to use it all the same, or leave it out"
    for (count, low, high), role in zip(feature.ranges, ROLES, strict=True):
        if count > 1 and low == high:
            msg = f"{path}: feature {name!r} is {low:g} for every {role} event and gives the label away; {remedy}"
            raise InputError(msg)
    area = feature.separation()
    if area > LEAK_AUC:
        msg = (
            f"{path}: feature {name!r} alone separates the classes (AUC {area:.4f}) and gives the label away; {remedy}"
        )
        raise InputError(msg)


def separation(values: NDArray[Any], label: NDArray[np.int8]) -> float:
    """Area under the ROC curve of one observable, whichever side the signal is on (Mann-Whitney statistic).

    Args:
        values: finite numbers, shape (events,).
        label: 1 signal, 0 background.

    Returns:
        Between 0.5 and 1; ties count half. Unweighted: it looks for leaks, not for physics.
    """
    levels, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    signal = int(label.sum())
    background = len(label) - signal
    if not signal or not background or not len(levels):
        return 0.5
    area = (rank[inverse][label == 1].sum() - signal * (signal + 1) / 2) / (signal * background)
    return float(max(area, 1 - area))
