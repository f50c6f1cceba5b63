"""What makes a sample unfit to train on, found before any time is spent on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.schema import ROLES

#: A single observable that separates better than this was most likely made from the label.
LEAK_AUC = 0.999


def check_sample(sample: EventSample, path: Path, *, features_named: bool) -> tuple[str, ...]:
    """Refuse a sample that no method can learn from, or that gives the label away.

    Args:
        sample: the training split.
        path: where it came from, for messages.
        features_named: whether the user named the features; then a feature may separate as well as it likes.

    Returns:
        What a user should know, a sentence each (missing and infinite values).

    Raises:
        InputError: if a class is absent or without weight, a feature constant, or a feature tells the label.
    """
    for value, role in enumerate(ROLES):
        of_class = sample.label == value
        if not of_class.any():
            msg = f"{path}: no {role} events (label {value}) in the training split"
            raise InputError(msg)
        if not sample.weight[of_class].any():
            msg = f"{path}: column 'weight' is zero for every {role} event"
            raise InputError(msg)
    notes = []
    for position, name in enumerate(sample.features):
        values = sample.x[:, position]
        finite = np.isfinite(values)
        good = values[finite]
        if not len(good):
            msg = f"{path}: feature {name!r} has no finite value in the training split; leave it out with --features"
            raise InputError(msg)
        if good.min() == good.max():
            msg = f"{path}: feature {name!r} is constant ({good[0]:g}); leave it out with --features"
            raise InputError(msg)
        if not finite.all():
            missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
            counts = " and ".join(f"{n} {what}" for n, what in ((missing, "missing"), (infinite, "infinite")) if n)
            notes.append(f"feature {name!r}: {counts} values in the training split; missing ones fail every cut on it")
        if not features_named:
            _refuse_leak(name, good, sample.label[finite], path)
    return tuple(notes)


def _refuse_leak(name: str, values: NDArray[Any], label: NDArray[np.int8], path: Path) -> None:
    remedy = "name the features with --features to use it all the same, or leave it out"
    for value, role in enumerate(ROLES):
        of_class = values[label == value]
        if len(of_class) > 1 and of_class.min() == of_class.max():
            msg = (
                f"{path}: feature {name!r} is {of_class[0]:g} for every {role} event and gives the label away; {remedy}"
            )
            raise InputError(msg)
    area = separation(values, label)
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
