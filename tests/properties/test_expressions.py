"""Laws of the expression language, on expressions nobody would think of."""

import ast
import math

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


def from_python(tree):
    """Our tree from Python's own reading of an expression that both languages have."""
    match tree:
        case ast.Constant(value):
            return Number(float(value))
        case ast.Name(name):
            return Name(name)
        case ast.Attribute(ast.Name(path), name):
            return Name(f"{path}.{name}")
        case ast.UnaryOp(operator, operand):
            inner = from_python(operand)
            return {ast.USub: Negative, ast.Not: Not, ast.UAdd: lambda node: node}[type(operator)](inner)
        case ast.BinOp(left, operator, right):
            return Arithmetic(PYTHONS[type(operator)], from_python(left), from_python(right))
        case ast.BoolOp(operator, operands):
            return (And if isinstance(operator, ast.And) else Or)(tuple(map(from_python, operands)))
        case ast.Compare(first, operators, rest):
            words = tuple(PYTHONS[type(operator)] for operator in operators)
            return Compare(tuple(map(from_python, (first, *rest))), words)
        case ast.Call(ast.Name(function), arguments):
            return Call(function, tuple(map(from_python, arguments)))
    raise AssertionError


def without_negative_literals(node):
    """Our tree with `-1` as the negative of 1, which Python's tree does not tell from `-(1)`."""
    match node:
        case Number(value) if math.copysign(1, value) < 0:
            return Negative(Number(-value))
        case Negative(operand) | Not(operand):
            return type(node)(without_negative_literals(operand))
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, without_negative_literals(left), without_negative_literals(right))
        case Call(function, arguments):
            return Call(function, tuple(map(without_negative_literals, arguments)))
        case And(operands) | Or(operands):
            return type(node)(tuple(map(without_negative_literals, operands)))
        case Compare(operands, operators):
            return Compare(tuple(map(without_negative_literals, operands)), operators)
    return node


PYTHONS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
spaces = st.sampled_from(["", " "])


@st.composite
def number_texts(draw, depth=3):
    """Draw the text of a number, with parentheses and spaces where they need not be."""
    if depth == 0:
        return draw(st.sampled_from(["a", "b", "jet0.pt", "1", "2.5", ".5", "1e-3", "3."]))
    form = draw(
        st.sampled_from(
            ["{0}", "({0})", "-{0}", "- {0}", "+{0}", "sqrt( {0})", "min({0},{1})", "{0}{op}{1}", "{0} {op} {1}"]
        )
    )
    operator = draw(st.sampled_from(["+", "-", "*", "/", "**", "%"]))
    return form.format(*(draw(number_texts(depth - 1)) for _ in range(1 + ("{1}" in form))), op=operator)


@st.composite
def condition_texts(draw, depth=3):
    if depth == 0:
        sides = draw(st.lists(number_texts(2), min_size=2, max_size=4))
        return sides[0] + "".join(f"{draw(st.sampled_from(COMPARISONS))}{draw(spaces)}{side}" for side in sides[1:])
    form = draw(st.sampled_from(["{0}", "{0} and {1}", "{0} or {1}", "not {0}", "({0})", "not({0})"]))
    return form.format(*(draw(condition_texts(depth - 1)) for _ in range(1 + ("{1}" in form))))


@given(st.one_of(number_texts(4), condition_texts()))
def test_precedence_is_pythons(text):
    ours = without_negative_literals(parse(text))
    assert ours == from_python(ast.parse(text, mode="eval").body)


pieces = st.sampled_from(
    ["a", "1", "2.5e", "(", ")", "+", "-", "**", "not ", " and ", " or ", "<", "==", ",", "sqrt(", "where(", ".", " ",
     "lambda", ":", "'", "[", "]", "~", "&", "|", "=", "!", "#", "\\", "\n", "\0", "é", "٣", "\ud800", "e9", "0", "_",
     "jet", "muon0,", ".pt", ".inv_mass", ":4", "veto ", " [any]", "[all]", "[ANY]", "any ", "count(", "max(", "sum(",
     "&&", "||", "TMath::", "Abs(", "Sum$(", "Max$(", "$", "Jet_pt[0]", "[1]", "^", "pow(", "= =", " GeV", "float32("]
)  # fmt: skip


@pytest.mark.parametrize("dialect", ["cutflow", "root"])
@pytest.mark.parametrize("text", [st.text(max_size=60), st.lists(pieces, max_size=25).map("".join)])
def test_arbitrary_text_parses_or_is_refused_in_words(text, dialect):
    @settings(max_examples=150)
    @given(text)
    def check(text):
        try:
            node = parse(text, dialect=dialect)
        except ExpressionError as error:
            assert len(str(error).split("\n")) == 3
            assert 0 <= error.position <= len(text)
        else:
            assert parse(render(node)) == node

    check()
