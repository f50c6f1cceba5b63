"""What one cut keeps: strictly, without missing values, the same in single and double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.tree import Compare, Name, Number, Or, names

VALUES = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, 2.0, np.inf, np.nan])
CUTS = {
    Region.BELOW: (Cut("x", Region.BELOW, upper=1.0), [True, True, True, True, False, False, False, False]),
    Region.ABOVE: (Cut("x", Region.ABOVE, lower=0.0), [False, False, False, True, True, True, True, False]),
    Region.INSIDE: (Cut("x", Region.INSIDE, 0.0, 1.0), [False, False, False, True, False, False, False, False]),
    Region.OUTSIDE: (Cut("x", Region.OUTSIDE, 0.0, 1.0), [True, True, False, False, False, True, True, False]),
    Region.ALL: (Cut("x", Region.ALL), [True] * 8),
}


@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_regions_are_strict_and_drop_missing_values(region, dtype):
    cut, kept = CUTS[region]
    assert cut.passes(VALUES.astype(dtype)).tolist() == kept


def test_integers_and_booleans_are_compared_as_numbers():
    assert Cut("n", Region.ABOVE, lower=1.5).passes(np.array([1, 2, 3])).tolist() == [False, True, True]
    assert Cut("b", Region.ABOVE, lower=0.5).passes(np.array([True, False])).tolist() == [True, False]


def test_no_events_are_no_error():
    assert Cut("x", Region.INSIDE, 0.0, 1.0).passes(np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("region", "lower", "upper", "complaint"),
    [
        (Region.BELOW, None, None, "needs upper boundary, got None"),
        (Region.BELOW, 0.0, 1.0, "has no lower boundary, got 0.0"),
        (Region.ABOVE, None, None, "needs lower boundary"),
        (Region.ABOVE, 0.0, 1.0, "has no upper boundary"),
        (Region.INSIDE, 0.0, None, "needs upper boundary"),
        (Region.OUTSIDE, None, 1.0, "needs lower boundary"),
        (Region.OUTSIDE, 0.0, math.nan, "needs upper boundary, got nan"),
        (Region.ALL, 0.0, None, "has no lower boundary"),
    ],
)
def test_boundaries_must_be_those_of_the_region(region, lower, upper, complaint):
    with pytest.raises(InputError, match=f"cut on tau21: region {region} {complaint}"):
        Cut("tau21", region, lower, upper)


def test_a_window_turned_round_keeps_nothing():
    assert not Cut("x", Region.INSIDE, 1.0, 0.0).passes(VALUES).any()


def test_a_value_on_a_rounded_boundary_fails_in_both_precisions():
    """0.1 is not a float32: unrounded, the same event would pass in double precision and fail in single."""
    column = np.array([0.1], dtype=np.float32)
    unrounded = Cut("x", Region.ABOVE, lower=0.1)
    assert unrounded.passes(column.astype(np.float64)).tolist() == [True]
    cut = unrounded.rounded("float32")
    assert cut.lower == 0.10000000149011612
    assert cut.passes(column).tolist() == cut.passes(column.astype(np.float64)).tolist() == [False]


def test_wide_columns_keep_their_boundaries():
    cut = Cut("x", Region.INSIDE, 0.1, 0.2)
    assert cut.rounded("float64") == cut


def test_a_boundary_beyond_single_precision_is_beyond_every_value():
    """Without a warning, which would be an error here, whether rounded first or not."""
    column = np.array([-3e38, 0.0, 3e38], dtype=np.float32)
    for cut in (Cut("x", Region.BELOW, upper=1e300), Cut("x", Region.BELOW, upper=1e300).rounded("float32")):
        assert cut.passes(column).all()
    assert Cut("x", Region.BELOW, upper=1e300).rounded("float32").upper == math.inf


def test_what_is_printed_is_what_is_applied():
    assert str(CUTS[Region.BELOW][0]) == "x < 1.0"
    assert str(CUTS[Region.ABOVE][0]) == "x > 0.0"
    assert str(CUTS[Region.INSIDE][0]) == "0.0 < x < 1.0"
    assert str(CUTS[Region.OUTSIDE][0]) == "x < 0.0 or x > 1.0"
    assert str(CUTS[Region.ALL][0]) == "x: all"
    assert str(Cut("x", Region.BELOW, upper=0.1).rounded("float32")) == "x < 0.10000000149011612"


def test_numbers_of_numpy_are_printed_as_numbers():
    assert str(Cut("x", Region.INSIDE, np.float32(0.5), np.float64(2))) == "0.5 < x < 2.0"  # type: ignore[arg-type]


def test_the_expression_is_the_same_cut():
    x, zero, one = Name("x"), Number(0.0), Number(1.0)
    assert CUTS[Region.BELOW][0].expression() == Compare((x, one), ("<",))
    assert CUTS[Region.ABOVE][0].expression() == Compare((x, zero), (">",))
    assert CUTS[Region.INSIDE][0].expression() == Compare((zero, x, one), ("<", "<"))
    outside = CUTS[Region.OUTSIDE][0].expression()
    assert outside == Or((Compare((x, zero), ("<",)), Compare((x, one), (">",))))
    assert names(outside) == ("x",)
    assert CUTS[Region.ALL][0].expression() is None
