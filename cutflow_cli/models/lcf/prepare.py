"""From events to what LCF trains on: moments, centres, training weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.lcf.settings import LcfSettings, Scale
from cutflow_cli.models.weights import training_weights, weighted_quantiles

#: Quantiles of the signal between which its mean is taken as the centre: a tail does not move it.
TRIM = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Units:
    """The units of the network, without any events.

    Attributes:
        mean: origin of each feature's unit: its mean or median on the training split.
        std: that unit: its standard deviation (population) or half its 16-84 % interval.
        centre: where each feature is divided, in its own unit.
        limits: first and last value of u that counts in a feature's own loss, float32 of shape (features, 2).
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    centre: NDArray[np.float64]
    limits: NDArray[np.float32]

    @property
    def standard_centre(self) -> NDArray[np.float64]:
        """Centres in standardised units."""
        return (self.centre - self.mean) / self.std


@dataclass(frozen=True, slots=True)
class Prepared:
    """The training split in the units of the network.

    Attributes:
        u: standardised features less their centre, NaN where missing, float32 of shape (events, features). Its sign
            is that of the raw difference to the centre, zero for exactly none.
        sign: +1 background, -1 signal, float32 of shape (events,).
        weight: training weights, float32 of shape (events,).
        mean: origin of each feature's unit: its mean or median on the training split.
        std: that unit: its standard deviation (population) or half its 16-84 % interval.
        centre: where each feature is divided, in its own unit.
        limits: first and last value of u that counts in a feature's own loss, float32 of shape (features, 2).
    """

    u: NDArray[np.float32]
    sign: NDArray[np.float32]
    weight: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    centre: NDArray[np.float64]
    limits: NDArray[np.float32]

    @property
    def units(self) -> Units:
        """The units alone."""
        return Units(self.mean, self.std, self.centre, self.limits)

    @property
    def standard_centre(self) -> NDArray[np.float64]:
        """Centres in standardised units."""
        return self.units.standard_centre

    def raw(self, feature: int, u: float) -> float:
        """Turn a distance from the centre into the feature's own unit."""
        return float(self.mean[feature] + self.std[feature] * (u + self.standard_centre[feature]))


def prepare(sample: EventSample, settings: LcfSettings) -> Prepared:
    """Standardise the training split and divide each feature at its centre.

    Moments and quantiles count every event once, as published; values that are not finite are left out of them.

    Args:
        sample: the training split, already checked.
        settings: of the training.

    Raises:
        UsageError: if a centre is for no feature, or lies outside its data.
        InputError: if the training weights of a class do not sum to a positive number.
    """
    refuse_unknown(settings.centers, sample.features)
    weight = training_weights(sample.weight, sample.label, settings.class_weights, settings.negative_weights)
    origin, unit, centre = (np.empty(len(sample.features)) for _ in range(3))
    u = np.empty(sample.x.shape, dtype=np.float32)
    limits = np.empty((len(sample.features), 2), dtype=np.float32)
    for i, name in enumerate(sample.features):
        values = sample.x[:, i].astype(np.float64)
        finite = np.isfinite(values)
        origin[i], unit[i] = _unit(values[finite], settings.scale)
        signal = finite & (sample.label == 1)
        centre[i] = _centre(name, settings.centers, values[finite], values[signal], weight[signal])
        u[:, i] = distance(values, centre[i], unit[i])
        limits[i] = distance(_limits(values[finite], sample.label[finite], settings.trim), centre[i], unit[i])
    sign = np.where(sample.label == 1, np.float32(-1), np.float32(1)).astype(np.float32)
    return Prepared(u, sign, weight.astype(np.float32), origin, unit, centre, limits)


def refuse_unknown(centers: Mapping[str, float], features: Sequence[str]) -> None:
    """Refuse centres of what is no feature.

    Raises:
        UsageError: at the first.
    """
    for name in centers:
        if name not in features:
            msg = f"--center {name}: no such feature; {nearest(name, features)}"
            raise UsageError(msg)


def _unit(values: NDArray[np.float64], scale: Scale) -> tuple[float, float]:
    """Return origin and unit of a feature; moments where most values are equal and quantiles give no width."""
    if scale == "quantiles":
        low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
        if high > low:
            return float(middle), float(high - low) / 2
    return float(values.mean()), float(values.std())


def _limits(values: NDArray[np.float64], label: NDArray[np.int8], trim: float) -> NDArray[np.float64]:
    """Return the interval that loses a share of the events at either end, counting both classes alike.

    Were every event to count the same, a rare signal that stands apart would be trimmed away, which is the best there
    is; this way at most twice the share of a class is.
    """
    if not trim:
        return np.array([-np.inf, np.inf])
    sizes = np.bincount(label, minlength=2).astype(np.float64)
    return weighted_quantiles(values, 1 / sizes[label], (trim, 1 - trim))


def _centre(
    name: str,
    centers: Mapping[str, float],
    values: NDArray[np.float64],
    signal: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> float:
    low, high = float(values.min()), float(values.max())
    if name in centers:
        return given_centre(name, float(centers[name]), low, high)
    if not len(signal):
        return (low + high) / 2
    first, last = weighted_quantiles(signal, weight, TRIM)
    core = (signal >= first) & (signal <= last)
    w = np.clip(weight[core], 0.0, None)
    mean = float(np.average(signal[core], weights=w)) if w.sum() > 0 else float(signal[core].mean())
    return within(mean, low, high)


def given_centre(name: str, given: float, low: float, high: float) -> float:
    """Return a centre that was given.

    Raises:
        UsageError: if it lies outside the data.
    """
    if not low < given < high:
        msg = f"--center {name}={given:g}: outside its training data, which run from {low:g} to {high:g}"
        raise UsageError(msg)
    return given


def within(centre: float, low: float, high: float) -> float:
    """Move a centre off the edge of the data, where it would leave one neuron without events."""
    return float(min(max(centre, np.nextafter(low, high)), np.nextafter(high, low)))


def distance(values: NDArray[np.float64], centre: float, std: float) -> NDArray[np.float32]:
    """Standardised distance from the centre whose sign is exact, whatever the rounding."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        difference = values - centre
        u = np.clip(difference / std, -1e30, 1e30).astype(np.float32)
    tiny = np.finfo(np.float32).tiny
    return np.where((u == 0) & (difference != 0) & ~np.isnan(u), np.sign(difference) * tiny, u).astype(np.float32)
