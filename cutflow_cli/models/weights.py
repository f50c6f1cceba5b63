"""Training weights: what an event counts in a loss. Never a yield."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.schema import ROLES

ClassWeights = Literal["balanced", "physical", "unit"]
NegativeWeights = Literal["keep", "drop", "abs"]


def training_weights(
    weight: NDArray[np.float64], label: NDArray[np.int8], classes: ClassWeights, negative: NegativeWeights
) -> NDArray[np.float64]:
    """Turn physical weights into training weights.

    With σ·L weights a background a million times larger would push every boundary of a cross entropy off the data, so
    by default each class is rescaled to the same sum with mean one overall; relative weights inside a class, hence
    process fractions, stay.

    Args:
        weight: physical weights, shape (events,).
        label: 1 signal, 0 background, same shape.
        classes: `balanced` (as above), `physical` (as they are, rescaled to mean one), `unit` (one for every event, as
            the published codes have it, negative ones included unless dropped).
        negative: what to do with negative weights in training: `keep` them, `drop` those events (weight zero), or take
            their absolute value (`abs`).

    Returns:
        Weights of shape (events,).

    Raises:
        InputError: if the weights of a class sum to zero or less.
    """
    treated = np.ones(len(weight)) if classes == "unit" else weight.copy()
    if negative == "drop":
        treated[weight < 0] = 0.0
    elif negative == "abs":
        treated = np.abs(treated)
    sums = np.bincount(label, weights=treated, minlength=2)
    for role, total in zip(ROLES, sums, strict=True):
        if not total > 0:
            msg = f"column 'weight': the training weights of the {role} sum to {total:g}; "
            raise InputError(msg + "a class must have a positive sum (see --negative-weights)")
    if classes == "unit":
        return treated
    if classes == "physical":
        return np.asarray(treated * (len(weight) / sums.sum()))
    return np.asarray(treated * (len(weight) / 2 / sums)[label])


def weighted_quantiles(
    values: NDArray[np.floating], weight: NDArray[np.float64], shares: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return quantiles of a weighted sample; negative weights count as zero.

    Args:
        values: finite numbers, shape (events,).
        weight: their weights.
        shares: which quantiles, in [0, 1].
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.clip(weight[order], 0.0, None))
    positions = np.searchsorted(cumulative, np.array(shares) * cumulative[-1], side="left")
    return np.asarray(values[order][np.clip(positions, 0, len(values) - 1)], dtype=np.float64)
