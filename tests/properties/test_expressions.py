"""Laws of the expression language, on expressions nobody would think of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import ExpressionError, parse
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import (
    FUNCTIONS,
    OVER_OBJECTS,
    And,
    Arithmetic,
    Call,
    Compare,
    Name,
    Negative,
    Not,
    Number,
    Or,
)

NAMES = ("a", "b", "jet0.pt", "_x1")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")

leaves = st.one_of(
    st.sampled_from(NAMES).map(Name),
    st.floats(allow_nan=False, allow_infinity=False).map(Number),
    st.integers(-5, 5).map(float).map(Number),
)


ONE_ARGUMENT = tuple(name for name, count in FUNCTIONS.items() if count == 1 and name not in OVER_OBJECTS)


@st.composite
def numbers(draw, depth=3):
    kind = draw(st.sampled_from(("leaf", "negative", "arithmetic", "call", "many", "where"))) if depth else "leaf"
    inner = numbers(depth - 1)
    match kind:
        case "leaf":
            return draw(leaves)
        case "negative":
            return Negative(draw(inner))
        case "arithmetic":
            operator = draw(st.sampled_from(("+", "-", "*", "/", "**", "%")))
            return Arithmetic(operator, draw(inner), draw(inner))
        case "call":
            return Call(draw(st.sampled_from(ONE_ARGUMENT)), (draw(inner),))
        case "many":
            name = draw(st.sampled_from(("min", "max", "atan2")))
            return Call(name, tuple(draw(st.lists(inner, min_size=2, max_size=2 if name == "atan2" else 3))))
        case _:
            return Call("where", (draw(conditions(depth - 1)), draw(inner), draw(inner)))


@st.composite
def conditions(draw, depth=3):
    kind = draw(st.sampled_from(("compare", "and", "or", "not"))) if depth else "compare"
    inner = conditions(depth - 1) if depth else None
    match kind:
        case "compare":
            operands = draw(st.lists(numbers(min(depth, 2)), min_size=2, max_size=4))
            operators = [draw(st.sampled_from(COMPARISONS)) for _ in operands[1:]]
            return Compare(tuple(operands), tuple(operators))
        case "not":
            return Not(draw(inner))
        case _:
            operands = tuple(draw(st.lists(inner, min_size=2, max_size=3)))
            return And(operands) if kind == "and" else Or(operands)


expressions = st.one_of(numbers(), conditions())

values = st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf]))
tables = st.lists(st.tuples(*[values] * len(NAMES)), min_size=1, max_size=9)


def columns_of(rows):
    types = (np.float64, np.float32, np.float64, np.float32)
    return {name: np.array([row[i] for row in rows], dtype=types[i]) for i, name in enumerate(NAMES)}


@given(expressions)
def test_what_is_rendered_parses_to_the_same_tree(node):
    assert parse(render(node)) == node


@given(
    st.lists(numbers(2), min_size=3, max_size=4), st.lists(st.sampled_from(COMPARISONS), min_size=3, max_size=3), tables
)
def test_a_chain_means_all_its_links(operands, operators, rows):
    columns = columns_of(rows)
    chain = Compare(tuple(operands), tuple(operators[: len(operands) - 1]))
    links = And(tuple(Compare(operands[i : i + 2], (operators[i],)) for i in range(len(operands) - 1)))
    np.testing.assert_array_equal(evaluate(chain, columns, len(rows)), evaluate(links, columns, len(rows)))


@given(conditions(), tables)
def test_not_negates_whatever_is_missing(node, rows):
    columns = columns_of(rows)
    np.testing.assert_array_equal(evaluate(Not(node), columns, len(rows)), ~evaluate(node, columns, len(rows)))


@given(numbers(), st.sampled_from(COMPARISONS), tables)
def test_a_missing_value_passes_no_comparison(node, operator, rows):
    columns = columns_of(rows)
    value = evaluate(node, columns, len(rows))
    passed = evaluate(Compare((node, Name("a")), (operator,)), columns, len(rows))
    assert not passed[np.isnan(value) | np.isnan(columns["a"])].any()


@given(expressions, tables, st.data())
def test_the_result_does_not_depend_on_chunks(node, rows, data):
    columns = columns_of(rows)
    at = data.draw(st.integers(0, len(rows)))
    whole = evaluate(node, columns, len(rows))
    parts = [
        evaluate(node, {name: column[part] for name, column in columns.items()}, size)
        for part, size in ((slice(0, at), at), (slice(at, None), len(rows) - at))
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_the_result_does_not_depend_on_strides_or_length():
    wide = np.random.default_rng(3).normal(size=(20_001, 3)).astype(np.float32)
    for text in ("exp(a)", "log(abs(a))", "sin(a) ** 3 / tanh(a)", "atan2(a, 0.3)"):
        node = parse(text)
        strided = evaluate(node, {"a": wide[:, 1]}, len(wide))
        single = [evaluate(node, {"a": wide[i : i + 1, 1]}, 1)[0] for i in range(0, len(wide), 997)]
        np.testing.assert_array_equal(strided, evaluate(node, {"a": wide[:, 1].copy()}, len(wide)))
        np.testing.assert_array_equal(strided[::997], single)


pieces = st.sampled_from(
    ["a", "1", "2.5e", "(", ")", "+", "-", "**", "not ", " and ", " or ", "<", "==", ",", "sqrt(", "where(", ".", " ",
     "lambda", ":", "'", "[", "]", "~", "&", "|", "=", "!", "#", "\\", "\n", "\0", "é", "٣", "\ud800", "e9", "0", "_"]
)  # fmt: skip


@pytest.mark.parametrize("text", [st.text(max_size=60), st.lists(pieces, max_size=25).map("".join)])
def test_arbitrary_text_parses_or_is_refused_in_words(text):
    @settings(max_examples=150)
    @given(text)
    def check(text):
        try:
            node = parse(text)
        except ExpressionError as error:
            assert len(str(error).split("\n")) == 3
            assert 0 <= error.position <= len(text)
        else:
            assert parse(render(node)) == node

    check()
