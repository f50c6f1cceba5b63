"""Training weights: what an event counts in a loss, bootstrapped or not. Never a yield."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import ROLES

ClassWeights = Literal["balanced", "physical", "unit"]
NegativeWeights = Literal["keep", "drop", "abs"]


def resolve_bootstrap(chosen: bool | None, replicas: range, same: str | None) -> bool:
    """Settle whether replicas have their own bootstrap: if nothing was chosen, where there is more than one.

    The highest number among them decides, so that a block of a longer run is trained as that run would train it.

    Args:
        chosen: what the user chose; None for nothing.
        replicas: which replicas.
        same: why they would all be the same without it, and what to do; None if they would not.

    Raises:
        UsageError: for several replicas that would all be the same.
    """
    several = replicas.stop > 1
    if chosen is None:
        return several
    if several and not chosen and same is not None:
        msg = f"--no-bootstrap: {same}"
        raise UsageError(msg)
    return chosen


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
