"""Expressions written back: the fewest parentheses that keep the meaning."""

import math

import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import And, AsFloat32, Compare, Name, Negative, Number, Or


@pytest.mark.parametrize(
    "text",
    [
        "a + b * c",
        "(a + b) * c",
        "a - (b - c)",
        "a / b / c",
        "a / (b / c)",
        "a ** b ** c",
        "(a ** b) ** c",
        "(-a) ** 2.0",
        "(-2.0) ** 2.0",
        "-a ** 2.0",
        "-2.0 ** 2.0",
        "a ** -b",
        "a ** -2.0",
        "a - -2.0",
        "-(a + b)",
        "-(2.0)",
        "--a",
        "-(-2.0)",
        "-sqrt(a) * b",
        "min(a, b + 1.0, -c)",
        "where(a < 1.0 and b > 2.0, a, b)",
        "1.0 < a <= 2.0",
        "a + 1.0 < b",
        "a < 1.0 and b < 1.0 or c < 1.0",
        "a < 1.0 and (b < 1.0 or c < 1.0)",
        "(a < 1.0 and b < 1.0) and c < 1.0",
        "(a < 1.0 or b < 1.0) or c < 1.0",
        "not a < 1.0",
        "not (a < 1.0 and b < 1.0)",
        "not not a < 1.0",
        "not a < 1.0 and b < 1.0",
        "0.1 < jet0.pt < 1e+300",
    ],
)
def test_what_is_written_as_it_should_be_stays_as_it_is(text):
    assert render(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "shorter"),
    [("((a))", "a"), ("(a * b) + c", "a * b + c"), ("(a < 1) and (b < 1)", "a < 1.0 and b < 1.0"), ("+a", "a")],
)
def test_needless_parentheses_go(text, shorter):
    assert render(parse(text)) == shorter


def test_cuts_say_the_same_as_their_expression():
    for cut in (
        Cut("m", Region.INSIDE, 60.0, 110.5),
        Cut("m", Region.OUTSIDE, -1.0, 1e-30),
        Cut("m", Region.BELOW, None, -0.0),
        Cut("m", Region.ABOVE, 0.1, None),
    ):
        assert render(cut.expression()) == str(cut)


@pytest.mark.parametrize(
    "node",
    [
        AsFloat32(Name("a")),
        Number(math.inf),
        Number(math.nan),
        And(()),
        Or((Compare((Name("a"), Number(1.0)), ("<",)),)),
        Negative(AsFloat32(Name("a"))),
    ],
)
def test_what_has_no_form_in_the_language_is_refused(node):
    with pytest.raises(UsageError):
        render(node)
