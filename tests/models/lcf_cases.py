"""Small samples for LCF, and its loss written down a second time, in numpy, from the published definition."""

from __future__ import annotations

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.lcf.constants import BL, BU, WL, WU, K
from cutflow_cli.models.lcf.prepare import Prepared, prepare
from cutflow_cli.models.lcf.settings import LcfSettings


def make_sample(x, label, weight=None, features=None, dtype="float32") -> EventSample:
    """A sample of given values; weights of one unless given."""
    x = np.asarray(x, dtype=dtype)
    names = features or tuple(f"x{i + 1}" for i in range(x.shape[1]))
    label = np.asarray(label, dtype=np.int8)
    weight = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=np.float64)
    return EventSample(
        features=tuple(names),
        x=x,
        dtypes=dict.fromkeys(names, dtype),
        label=label,
        weight=weight,
        expected=weight,
        process=label.astype(np.int32),
        processes=("background", "signal"),
    )


def mock_sample(events: int, seed: int = 0, kinds: str = "left right middle edge") -> EventSample:
    """Features of the LCF paper's kinds (normal, width 2), signal and background in turn."""
    rng = np.random.default_rng(seed)
    label = np.arange(events) % 2
    side = np.where(label == 1, -1.0, 1.0)
    peaks = rng.choice([-5.0, 5.0], size=events)
    means = {
        "left": 2 * side,
        "right": -2 * side,
        "middle": np.where(label == 1, 0.0, peaks),
        "edge": np.where(label == 1, peaks, 0.0),
        "weak": side,
        "noise": np.full(events, -5.0),
    }
    names = kinds.split()
    x = np.stack([rng.normal(means[name], 2.0) for name in names], axis=1)
    return make_sample(x, label, features=names)


def unit_prepared(sample: EventSample, centers: dict[str, float]) -> Prepared:
    """What LCF trains on in the published units: mean and standard deviation, weights of one."""
    return prepare(sample, LcfSettings(centers=centers, class_weights="unit", scale="moments", trim=0.0))


def sigmoid(logit):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logit))


def published_loss(sample: EventSample, weight, params, centers, *, sequential: bool, threshold: float = 0.5) -> float:
    """Loss of one batch as the authors define it, with probabilities and masks on raw values.

    1/(2n) sum_i sum_side 1/B sum_e w_e m_ie M_ie BCE(y_e, p_ie); the moments are those of the sample.
    """
    x, y = sample.x.astype(np.float64), sample.label
    importance = np.exp(params[:, K]) / np.exp(params[:, K]).sum()
    mask, total = np.ones(len(x)), 0.0
    for i in range(x.shape[1]):
        z = importance[i] * (x[:, i] - x[:, i].mean()) / x[:, i].std()
        lower = sigmoid(params[i, WL] * z + params[i, BL])
        upper = sigmoid(params[i, WU] * z + params[i, BU])
        for p, side in ((lower, x[:, i] < centers[i]), (upper, x[:, i] > centers[i])):
            clipped = np.clip(p, 1e-7, 1 - 1e-7)
            entropy = -(y * np.log(clipped) + (1 - y) * np.log(1 - clipped))
            total += (weight * side * mask * entropy).sum() / len(x)
        if sequential:
            mask = mask * (lower > threshold) * (upper > threshold)
    return total / (2 * x.shape[1])


def random_parameters(features: int, seed: int = 0, scale: float = 2.0):
    """Parameters of one replica, importances unequal, shape (features, 5)."""
    return np.random.default_rng(seed).normal(0.0, scale, (features, 5))
