"""From events to what CABIN trains on: standardised features, training weights, neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.weights import training_weights


@dataclass(frozen=True, slots=True)
class Prepared:
    """The training split in the units of the network.

    Attributes:
        z: standardised features, NaN where missing, float32 of shape (events, features).
        signal: which events are signal, shape (events,).
        weight: training weights, float64 of shape (events,).
        mean: of each feature on the training split, by training weights.
        std: standard deviation of the population, likewise.
    """

    z: NDArray[np.float32]
    signal: NDArray[np.bool_]
    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neurons:
    """Which feature each neuron looks at, and which side it keeps.

    Attributes:
        feature: position of the feature, shape (neurons,).
        side: +1 keeps what is above its boundary, −1 what is below, shape (neurons,).
        start: bias that it starts with, shape (neurons,); None for the publication's zero.
    """

    feature: NDArray[np.int64]
    side: NDArray[np.float64]
    start: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.feature)

    def initial_bias(self, replicas: int, networks: int) -> NDArray[np.float64]:
        """Return what training starts from, shape (replicas, networks, neurons)."""
        start = np.zeros(len(self)) if self.start is None else self.start
        return np.tile(start, (replicas, networks, 1))


def prepare(sample: EventSample, settings: CabinSettings) -> Prepared:
    """Standardise the training split.

    Moments are those of the training weights, negative ones counting as zero; with a weight of one for each event, as
    published, they are sklearn's StandardScaler's. Values that are not finite are left out of them.

    Args:
        sample: the training split, already checked.
        settings: of the training.

    Raises:
        UsageError: if a direction is for no feature.
        InputError: if the training weights of a class do not sum to a positive number.
    """
    _refuse_unknown(sample, settings)
    weight = training_weights(sample.weight, sample.label, settings.class_weights, settings.negative_weights)
    mean, std = np.empty(len(sample.features)), np.empty(len(sample.features))
    z = np.empty(sample.x.shape, dtype=np.float32)
    for i in range(len(sample.features)):
        values = sample.x[:, i].astype(np.float64)
        mean[i], std[i] = _moments(values, weight)
        z[:, i] = standardised(values, mean[i], std[i])
    return Prepared(z, sample.label == 1, weight, mean, std)


def prepare_part(
    sample: EventSample, settings: CabinSettings, mean: NDArray[np.float64], std: NDArray[np.float64]
) -> Prepared:
    """Standardise a part of the training split by what is known of the whole.

    Args:
        sample: the part.
        settings: of the training.
        mean: of each feature, shape (features,).
        std: standard deviations.

    Raises:
        UsageError: if a direction is for no feature.
        InputError: if the training weights of a class do not sum to a positive number.
    """
    _refuse_unknown(sample, settings)
    weight = training_weights(sample.weight, sample.label, settings.class_weights, settings.negative_weights)
    z = np.stack([standardised(sample.x[:, i], mean[i], std[i]) for i in range(len(sample.features))], axis=1)
    return Prepared(z, sample.label == 1, weight, mean, std)


def standardised(values: NDArray[Any], mean: float, std: float) -> NDArray[np.float32]:
    """Return values of one feature in standard deviations from its mean."""
    return np.clip((values.astype(np.float64) - mean) / std, -1e30, 1e30).astype(np.float32)


def _refuse_unknown(sample: EventSample, settings: CabinSettings) -> None:
    for name in settings.directions:
        if name not in sample.features:
            msg = f"--direction {name}: no such feature; {nearest(name, sample.features)}"
            raise UsageError(msg)


def _moments(values: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Return weighted mean and standard deviation of finite values, unweighted where the weights leave no spread."""
    known = np.isfinite(values)
    finite, w = values[known], np.clip(weight[known], 0.0, None)
    for weights in (w, np.ones_like(w)):
        if weights.sum() > 0:
            mean = np.average(finite, weights=weights)
            std = np.sqrt(np.average((finite - mean) ** 2, weights=weights))
            if std > 0:
                break
    return float(mean), float(std)


def replica_weights(data: Prepared, bootstrap: bool, seed: int, replica: int) -> NDArray[np.float64]:
    """Return a replica's training weights: everybody's, or its own bootstrap of them (Poisson counts of mean one)."""
    if not bootstrap:
        return data.weight
    return data.weight * generator(seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(data.weight))
