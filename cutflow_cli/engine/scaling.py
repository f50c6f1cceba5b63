"""Units in which a network sees its inputs: a shift and a scale for each feature, kept with the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Unit = Literal["robust", "moments", "min-max", "none"]

#: With `robust` units, distances above this many units count logarithmically.
TAIL = 5.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Turns features into what a network sees: u = (x - shift) / scale, compressed beyond `tail`.

    Attributes:
        shift: origin of each feature's unit, shape (features,).
        scale: that unit, positive, same shape.
        tail: where |u| > tail, it becomes tail · (1 + ln(|u| / tail)), which is monotonic and smooth to first order, so
            that a long tail neither dominates a layer nor loses its order; infinity for none of that.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    tail: float = float("inf")

    @classmethod
    def measure(cls, x: NDArray[Any], unit: Unit) -> Scaling:
        """Measure the units of a sample; every event counts once, values that are not finite do not count.

        Args:
            x: shape (events, features).
            unit: `robust` for median and half the 16-84 % interval, with compressed tails; `moments` for mean and
                standard deviation (of the population, as Keras' Normalization and scikit-learn's StandardScaler);
                `min-max` for the range, which becomes 0 to 1; `none` for the features as they are.

        Returns:
            The scaling. A feature without width, or without a finite value, keeps the scale one.
        """
        measured = [_measure(column, unit) for column in x.T]
        shift, scale = np.array(measured, dtype=np.float64).reshape(-1, 2).T
        usable = np.isfinite(scale) & (scale > 0)
        return cls(shift.copy(), np.where(usable, scale, 1.0), TAIL if unit == "robust" else float("inf"))

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the network sees; computed in double precision, and NaN where a value is not finite.

        Args:
            x: shape (events, features), or one event's (features,).
        """
        values = np.asarray(x, dtype=np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        u = (values - self.shift) / self.scale
        if np.isfinite(self.tail):
            far = np.maximum(np.abs(u) / self.tail, 1.0)
            u = np.where(far > 1.0, np.copysign(self.tail * (1.0 + np.log(far)), u), u)
        limit = float(np.finfo(np.float32).max)
        return np.clip(u, -limit, limit).astype(np.float32)


def _measure(values: NDArray[Any], unit: Unit) -> tuple[float, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if unit == "none" or not len(finite):
        return 0.0, 1.0
    if unit == "min-max":
        return float(finite.min()), float(finite.max() - finite.min())
    if unit == "robust":
        low, middle, high = np.quantile(finite, [0.16, 0.5, 0.84])
        if high > low:
            return float(middle), float(high - low) / 2
    return float(finite.mean()), float(finite.std())
