"""Training weights: what an event counts in a loss, bootstrapped or not. Never a yield."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    _require_positive(sums)
    if classes == "unit":
        return treated
    if classes == "physical":
        return np.asarray(treated * (len(weight) / sums.sum()))
    return np.asarray(treated * (len(weight) / 2 / sums)[label])


def _require_positive(sums: NDArray[Any]) -> None:
    for role, total in zip(ROLES, sums, strict=True):
        if not total > 0:
            msg = f"column 'weight': the training weights of the {role} sum to {total:g}; "
            raise InputError(msg + "a class must have a positive sum (see --negative-weights)")


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How physical weights become training weights where only sums over the sample are known.

    Attributes:
        classes: as of `training_weights`.
        negative: likewise.
        factors: of background and signal, by which treated weights are multiplied.
    """

    classes: ClassWeights
    negative: NegativeWeights
    factors: tuple[float, float]

    @classmethod
    def of(
        cls,
        events: NDArray[np.int64],
        weights: NDArray[np.float64],
        below: NDArray[np.int64],
        classes: ClassWeights,
        negative: NegativeWeights,
    ) -> WeightRule:
        """Find the factors.

        Args:
            events: number of events of background and signal, shape (2,).
            weights: sum of the weights that are not negative, and of those that are, shape (2, 2).
            below: events of negative weight, shape (2,).
            classes: as of `training_weights`.
            negative: likewise.

        Raises:
            InputError: if the weights of a class sum to zero or less.
        """
        if classes == "unit":
            sums = (events - (below if negative == "drop" else 0)).astype(np.float64)
        else:
            sign = {"keep": 1.0, "drop": 0.0, "abs": -1.0}[negative]
            sums = weights[:, 0] + sign * weights[:, 1]
        _require_positive(sums)
        total = float(events.sum())
        factors = np.ones(2) if classes == "unit" else total / 2 / sums
        if classes == "physical":
            factors = np.full(2, total / sums.sum())
        return cls(classes, negative, (float(factors[0]), float(factors[1])))

    def apply(self, weight: NDArray[np.float64], label: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return training weights, as `training_weights` would up to rounding."""
        treated = np.ones(len(weight)) if self.classes == "unit" else weight
        if self.negative == "drop":
            treated = np.where(weight < 0, 0.0, treated)
        elif self.negative == "abs":
            treated = np.abs(treated)
        return np.asarray(treated * np.array(self.factors)[label])


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
