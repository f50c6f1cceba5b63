"""Expressions applied to columns: doubles throughout, missing values never pass, no warnings."""

import math

import numpy as np
import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.tree import And, Arithmetic, AsFloat32, Compare, Name, Not, Number, Or

NAN = math.nan
COLUMNS = {
    "x": np.array([1.0, -2.0, 0.0, NAN]),
    "f": np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32),
    "n": np.array([3, 5, -7, 2], dtype=np.int32),
    "u": np.array([1, 2, 3, 4], dtype=np.uint8),
    "flag": np.array([True, False, True, False]),
}


def run(text):
    return evaluate(parse(text), COLUMNS, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 1", [2, -1, 1, NAN]),
        ("u - n", [-2, -3, 10, 2]),  # an unsigned byte would wrap
        ("n / 2", [1.5, 2.5, -3.5, 1]),
        ("n % 3", [0, 2, 2, 2]),  # the sign of the right side
        ("n ** 2", [9, 25, 49, 4]),
        ("-n", [-3, -5, 7, -2]),
        ("1 / x", [1, -0.5, math.inf, NAN]),
        ("sqrt(x)", [1, NAN, 0, NAN]),
        ("log(x)", [0, NAN, -math.inf, NAN]),
        ("abs(n)", [3, 5, 7, 2]),
        ("floor(n / 2) + ceil(n / 2)", [3, 5, -7, 2]),
        ("min(n, 2, x)", [1, -2, -7, NAN]),
        ("max(x, n)", [3, 5, 0, NAN]),
        ("where(x > 0, n, -n)", [3, -5, 7, -2]),
        ("atan2(u, 0)", [math.pi / 2] * 4),
        ("log10(10 ** u)", [1, 2, 3, 4]),
        ("flag * 2", [2, 0, 2, 0]),
        ("2 * 3", [6, 6, 6, 6]),
        ("exp(1000)", [math.inf] * 4),
    ],
)
def test_arithmetic_is_in_double_precision(text, expected):
    result = run(text)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-15)


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "sqrt"])
def test_functions_are_what_their_names_say(name):
    np.testing.assert_allclose(run(f"{name}(f)"), [getattr(math, name)(v) for v in COLUMNS["f"].tolist()], rtol=4e-16)


def test_float32_columns_are_promoted_before_anything_is_computed():
    columns = {"a": np.array([16777216.0], np.float32)}
    assert evaluate(parse("a + 1 - a"), columns, 1)[0] == 1.0  # single precision would give 0
    assert evaluate(parse("a * a * a * a * a * a"), columns, 1)[0] == 2.0**144


def test_rounding_to_single_precision_is_a_node_of_its_own():
    node = AsFloat32(Arithmetic("/", Number(1.0), Number(3.0)))
    assert evaluate(node, {}, 1)[0] == float(np.float32(1 / 3))
    assert evaluate(AsFloat32(Number(1e300)), {}, 1)[0] == math.inf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x < 1", [False, True, True, False]),
        ("x != 1", [False, True, True, False]),
        ("x == x", [True, True, True, False]),
        ("x >= x", [True, True, True, False]),
        ("not x < 1", [True, False, False, True]),  # after the comparison with NaN became false
        ("not x != 1", [True, False, False, True]),
        ("-3 < x < 1", [False, True, True, False]),
        ("1 != x != 2", [False, True, True, False]),
        ("x > 0 or n > 4", [True, True, False, False]),
        ("x > 0 and n > 4", [False, False, False, False]),
        ("1 < 2", [True, True, True, True]),
        ("1 / x > 100", [False, False, True, False]),
    ],
)
def test_conditions_never_let_a_missing_value_pass_a_comparison(text, expected):
    result = run(text)
    assert result.dtype == np.bool_
    assert result.tolist() == expected


def test_infinities_compare_as_numbers():
    columns = {"x": np.array([math.inf, -math.inf])}
    assert evaluate(parse("x != 0"), columns, 2).tolist() == [True, True]
    assert evaluate(parse("x > 1e308"), columns, 2).tolist() == [True, False]


def test_conjunction_of_nothing_is_true_and_disjunction_of_nothing_false():
    assert evaluate(And(()), {}, 2).tolist() == [True, True]
    assert evaluate(Or(()), {}, 2).tolist() == [False, False]


def test_the_result_is_the_callers_own():
    result = run("x")
    result[:] = 9
    assert COLUMNS["x"][0] == 1.0


def test_a_wrong_column_is_named_with_its_neighbours():
    with pytest.raises(InputError, match=r"no column 'flg'; did you mean flag"):
        run("flg > 0")
    with pytest.raises(InputError, match="column 'p' holds text"):
        evaluate(parse("p + 1"), {"p": np.array(["WW"], dtype=object)}, 1)


def test_trees_that_parse_never_makes_are_refused():
    condition = Compare((Name("x"), Number(0.0)), ("<",))
    with pytest.raises(UsageError, match="Compare is a condition where a number is needed"):
        evaluate(Arithmetic("+", condition, Number(1.0)), COLUMNS, 4)
    with pytest.raises(UsageError, match="Name is a number where a condition is needed"):
        evaluate(Not(Name("x")), COLUMNS, 4)
