"""Conditions that people write keep the same events as plain cuts, wherever they are turned into these."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.apply.conditions import Condition, columns_of, make_condition, plain_cut, resolved
from cutflow_cli.errors import InputError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import ExpressionError, parse_condition

numbers = st.floats(-1e39, 1e39, allow_nan=False) | st.sampled_from([0.1, 0.35, -0.7, 1 / 3, 3.4028236e38, 1e-46])


def around(value: float, dtype: str) -> list[float]:
    """Values of a type that are next to a boundary."""
    with np.errstate(over="ignore"):
        near = np.dtype(dtype).type(value)
        return [near, np.nextafter(near, -np.inf, dtype=dtype), np.nextafter(near, np.inf, dtype=dtype)]


@given(low=numbers, high=numbers, dtype=st.sampled_from(["float32", "float64"]))
def test_a_plain_cut_keeps_what_the_condition_keeps(low, high, dtype):
    with np.errstate(over="ignore"):
        x = np.array([*around(low, dtype), *around(high, dtype), 0, np.nan, np.inf, -np.inf], dtype=dtype)
    for text in (
        f"x < {low!r}", f"x > {low!r}", f"{low!r} < x", f"{low!r} > x", f"{low!r} < x < {high!r}",
        f"{high!r} > x > {low!r}", f"x < {low!r} or x > {high!r}", f"{high!r} < x or {low!r} > x",
    ):  # fmt: skip
        tree = parse_condition(text)
        cut = plain_cut(tree, {"x": dtype})
        assert cut is not None, text
        np.testing.assert_array_equal(cut.passes(x), evaluate(tree, {"x": x}, len(x)), text)
        assert cut.rounded(dtype) == cut


@pytest.mark.parametrize(
    "text",
    ["x <= 1", "1 <= x < 2", "x < y", "abs(x) < 1", "x < 1 and x > 0", "x < 1 or y > 2", "x < 1 or x < 2", "not x < 1",
     "1 < x > 0", "z < 1", "x == 1", "x < 1 [all]"],
)  # fmt: skip
def test_what_no_strict_cut_on_a_column_says_stays_a_condition(text):
    condition = make_condition(text)
    assert plain_cut(condition.tree, {"x": "float32", "y": "float32"}) is None
    flow = resolved(CutFlow((LearnedCut(condition),)), {"x": "float32", "y": "float32"})
    assert flow.cuts == (condition,)
    assert str(flow.cuts[0]) == text
    assert flow.expression() is not None


def test_a_condition_is_a_cut_on_a_column_of_its_own():
    condition = make_condition("  x\n <= 1 ")
    assert (condition.observable, condition.region) == ("x <= 1", Region.ABOVE)
    assert condition.passes(np.array([0, 1, np.nan], dtype=np.float32)).tolist() == [False, True, False]
    assert condition.expression() == parse_condition("x <= 1")
    assert condition != Cut("x <= 1", Region.ABOVE, 0.5)


def test_columns_of_flows_in_order():
    steps = (LearnedCut(make_condition("b / a < 1")), LearnedCut(Cut("c", Region.BELOW, None, 1.0)))
    assert columns_of([CutFlow(steps), CutFlow((LearnedCut(make_condition("d < a")),))]) == ("b", "a", "c", "d")


def test_boundaries_of_cuts_are_rounded_to_their_columns_and_need_one():
    flow = CutFlow((LearnedCut(Cut("x", Region.BELOW, None, 0.1)), LearnedCut(make_condition("x > 0.1"))))
    below, above = resolved(flow, {"x": "float32"}).cuts
    assert below.upper == float(np.float32(0.1))
    assert above.lower == float(np.nextafter(np.float32(0.1), np.float32(-math.inf)))
    assert not isinstance(above, Condition)
    with pytest.raises(InputError, match="whose type is not known"):
        resolved(flow, {"y": "float32"})


def test_a_condition_without_columns_is_refused():
    with pytest.raises(ExpressionError, match="names no column"):
        make_condition("1 < 2")
