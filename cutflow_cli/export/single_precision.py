"""Cuts on single-precision features in languages that have no rounding to single precision.

Rounding to float32 is monotonic, so a cut on a rounded value is a cut on the value itself at another, exactly
known boundary: the double at which the rounded value jumps over the boundary. IEEE 754 rounds a value halfway between
two neighbours to the one whose last bit is zero, and values from 2¹²⁸ − 2¹⁰³ on to infinity.
"""

from __future__ import annotations

import math

import numpy as np

#: Half of the way from the largest float32 to the next one, 2¹²⁸, which is infinity.
_OVERFLOW = math.ldexp(1.0, 128) - math.ldexp(1.0, 103)


def to_float32(value: float) -> float:
    """Round a double to the nearest float32, ties to even, overflow to infinity."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def _neighbour(value: float, towards: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.nextafter(np.float32(value), np.float32(towards)))


def _midpoint(low: float, high: float) -> float:
    """Return the double halfway between two neighbouring float32 values; it is exact."""
    if high == math.inf:
        return _OVERFLOW
    if low == -math.inf:
        return -_OVERFLOW
    return (low + high) / 2


def smallest_rounding_up_to(boundary: float) -> float:
    """Return the smallest double v with float32(v) >= boundary.

    With it, float32(v) < boundary is v < this, and float32(v) >= boundary is v >= this.

    Args:
        boundary: any double but NaN; from -inf on everything reaches.

    Returns:
        A double; -inf if all values reach the boundary, NaN never.
    """
    if boundary == -math.inf:
        return -math.inf
    ceiling = to_float32(boundary)
    if ceiling < boundary:
        ceiling = _neighbour(ceiling, math.inf)
    middle = _midpoint(_neighbour(ceiling, -math.inf), ceiling)
    return middle if to_float32(middle) >= boundary else math.nextafter(middle, math.inf)


def largest_rounding_down_to(boundary: float) -> float:
    """Return the largest double v with float32(v) <= boundary.

    With it, float32(v) > boundary is v > this, and float32(v) <= boundary is v <= this.
    """
    return -smallest_rounding_up_to(-boundary)
