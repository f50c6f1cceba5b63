"""From events to what networks train on: complete events, their training weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.schema import ROLES
from cutflow_cli.models.weights import ClassWeights, NegativeWeights, training_weights


@dataclass(frozen=True, slots=True)
class Prepared:
    """Events of one split that a network can learn from or be judged on.

    Attributes:
        sample: those whose features are all finite.
        weight: their training weights, shape (events,).
        left_out: how many others there were.
    """

    sample: EventSample
    weight: NDArray[np.float64]
    left_out: int


def prepare(sample: EventSample, classes: ClassWeights, negative: NegativeWeights, split: str) -> Prepared:
    """Leave out events with a feature that is not finite, and weigh the others.

    Args:
        sample: one split.
        classes: how classes weigh, see `training_weights`.
        negative: what to do with negative weights.
        split: its name, for messages.

    Raises:
        InputError: if no complete event of a class is left, or its weights do not sum to a positive number.
    """
    complete = np.isfinite(sample.x).all(axis=1)
    left_out = int(np.count_nonzero(~complete))
    kept = sample.take(complete) if left_out else sample
    for value, role in enumerate(ROLES):
        if not (kept.label == value).any():
            msg = f"every {role} event of the {split} split lacks a feature, and a network needs all of them; "
            raise InputError(msg + "leave features out with --features")
    return Prepared(kept, training_weights(kept.weight, kept.label, classes, negative), left_out)
