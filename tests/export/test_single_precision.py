"""A cut on float32(v) is the same as a cut on v at another double, for every v."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cutflow_cli.export.single_precision import largest_rounding_down_to, smallest_rounding_up_to, to_float32

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.float32(1e-45))
BOUNDARIES = st.one_of(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False))


def around(boundary: float) -> list[float]:
    """Return doubles at and beside the boundary, its float32 neighbours and the midpoints to them."""
    nearest = np.float32(to_float32(boundary))
    with np.errstate(over="ignore", under="ignore"):
        neighbours = [float(np.nextafter(nearest, np.float32(side))) for side in (-math.inf, math.inf)]
    points = [boundary, float(nearest), *neighbours, 2.0**128 - 2.0**103, -(2.0**128) + 2.0**103]
    points += [(float(nearest) + side) / 2 for side in neighbours if math.isfinite(side) and math.isfinite(nearest)]
    beside = [math.nextafter(point, side) for point in points for side in (-math.inf, math.inf)]
    return [*points, *beside, 0.0, -0.0, math.inf, -math.inf, math.nan]


@given(BOUNDARIES, st.floats())
@example(0.0, 0.0)
@example(SMALLEST, 0.0)
@example(LARGEST, 0.0)
@example(-LARGEST, 0.0)
@example(math.inf, 0.0)
@example(-math.inf, 0.0)
@example(1.0, 1.0)
def test_all_comparisons_agree(boundary, anywhere):
    low, high = smallest_rounding_up_to(boundary), largest_rounding_down_to(boundary)
    for value in [*around(boundary), anywhere]:
        rounded = to_float32(value)
        assert (rounded < boundary) == (value < low), value
        assert (rounded >= boundary) == (value >= low), value
        assert (rounded > boundary) == (value > high), value
        assert (rounded <= boundary) == (value <= high), value


@pytest.mark.parametrize(
    ("boundary", "low", "high"),
    [
        (1.0, 1 - 2.0**-25, 1 + 2.0**-24),  # 1 ends in a zero bit: both midpoints round to it
        (1 + 2.0**-23, math.nextafter(1 + 2.0**-24, 2), math.nextafter(1 + 3 * 2.0**-24, 0)),  # ends in a one bit
        (0.0, -SMALLEST / 2, SMALLEST / 2),
        (math.inf, 2.0**128 - 2.0**103, math.inf),
        (-math.inf, -math.inf, -(2.0**128) + 2.0**103),
    ],
)
def test_known_boundaries(boundary, low, high):
    """By hand from IEEE 754, round to nearest, ties to even."""
    assert smallest_rounding_up_to(boundary) == low
    assert largest_rounding_down_to(boundary) == high
