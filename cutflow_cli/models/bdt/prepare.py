"""From events to what trees are grown on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.schema import ROLES
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.weights import training_weights


@dataclass(frozen=True, slots=True)
class Prepared:
    """Events of one split as trees see them.

    Attributes:
        x: features, float32, NaN for what is missing or infinite, shape (events, features).
        label: 1 signal, 0 background, float32, shape (events,).
        weight: training weights, shape (events,).
        incomplete: events that lack a feature; scikit-learn is not given them.
        total: events of the split.
    """

    x: NDArray[np.float32]
    label: NDArray[np.float32]
    weight: NDArray[np.float64]
    incomplete: int
    total: int

    def __len__(self) -> int:
        return len(self.label)

    def bootstrapped(self, seed: int, replica: int) -> Prepared:
        """Return a replica's own bootstrap: each event Poisson(1) times, those never drawn left out.

        Raises:
            InputError: if it draws no event of a class.
        """
        counts = generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(self))
        drawn = counts > 0
        for value, role in enumerate(ROLES):
            if not (drawn & (self.label == value)).any():
                msg = f"the bootstrap of replica {replica} holds no {role} events; there are too few of them"
                raise InputError(msg)
        return Prepared(self.x[drawn], self.label[drawn], (self.weight * counts)[drawn], self.incomplete, self.total)


def prepare(sample: EventSample, settings: BdtSettings, split: str) -> Prepared:
    """Weigh events, and see to those that lack a feature.

    Both libraries compare in float32, so a feature that needs more than that is rounded here, in training and in
    evaluation alike.

    Args:
        sample: one split.
        settings: how to weigh.
        split: its name, for messages.

    Raises:
        InputError: if no event of a class is left, or its weights do not sum to a positive number.
        UsageError: if scikit-learn would have to keep negative weights.
    """
    x = finite_or_nan(sample.x)
    incomplete = np.isnan(x).any(axis=1)
    kept = ~incomplete if settings.backend == "sklearn" else np.ones(len(x), dtype=np.bool_)
    for value, role in enumerate(ROLES):
        if not (kept & (sample.label == value)).any():
            msg = f"every {role} event of the {split} split lacks a feature, and scikit-learn needs all of them; "
            raise InputError(msg + "leave features out with --features, or use --backend xgboost")
    weight = training_weights(
        sample.weight[kept], sample.label[kept], settings.class_weights, settings.negative_weights
    )
    if settings.backend == "sklearn" and (weight < 0).any():
        msg = "--negative-weights keep: scikit-learn's trees can't, and the events have negative weights; "
        raise UsageError(msg + "use drop or abs, or --backend xgboost")
    used = weight != 0
    return Prepared(
        np.ascontiguousarray(x[kept][used]),
        sample.label[kept][used].astype(np.float32),
        weight[used],
        int(incomplete.sum()),
        len(sample),
    )


def finite_or_nan(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Round features to float32 and take infinite ones for missing."""
    with np.errstate(over="ignore"):
        rounded = np.array(x, dtype=np.float32, order="C")
    rounded[np.isinf(rounded)] = np.nan
    return rounded
