"""Expressions written back: the fewest parentheses that keep the meaning."""

import math

import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import And, Arithmetic, AsFloat32, Compare, Name, Negative, Number, Or


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
        "jet.pt > 30.0 [any]",
        "jet.pt > 30.0 [all]",
        "veto jet.pt > 30.0 [any]",
        "veto jet.pt > 30.0 [all]",
        "veto not jet.pt > 30.0 [any]",
        "not jet.pt > 30.0 and a < 1.0 [any]",
        "(jet.pt > 30.0 [any]) and a < 1.0",
        "(jet.pt > 30.0 [any]) and (veto jet.b_tag == 1.0 [any])",
        "not (veto jet.pt > 30.0 [any])",
        "(jet.pt > 30.0 [any]) [any]",
        "((veto jet.pt > 30.0 [any]) [all]) [any]",
        "veto (veto jet.pt > 30.0 [any]) [all]",
        "where(jet.pt > 30.0 [any], 1.0, -1.0)",
        "count(jet.pt > 30.0) > 1.0",
        "max(muon0,muon1.inv_mass, 2.0)",
        "max((muon0,muon1.mine), abs((muon0,muon1.mine) - 1.0))",
        "muon0,muon1.mine > 2.0",
        "(veto) - 1.0 > 0.0",
        "veto * 2.0 > 0.0",
    ],
)
def test_what_is_written_as_it_should_be_stays_as_it_is(text):
    assert render(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("((a))", "a"),
        ("(a * b) + c", "a * b + c"),
        ("(a < 1) and (b < 1)", "a < 1.0 and b < 1.0"),
        ("+a", "a"),
        ("(jet.pt > 1) [any]", "jet.pt > 1.0 [any]"),
        ("jet.pt > 1[ all ]", "jet.pt > 1.0 [all]"),
    ],
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


def test_rounding_to_single_precision_is_shown():
    assert render(Negative(AsFloat32(Arithmetic("+", Name("a"), Number(1.0))))) == "-float32(a + 1.0)"


@pytest.mark.parametrize(
    "node",
    [
        Number(math.inf),
        Number(math.nan),
        And(()),
        Or((Compare((Name("a"), Number(1.0)), ("<",)),)),
        Negative(Number(math.nan)),
    ],
)
def test_what_has_no_form_in_the_language_is_refused(node):
    with pytest.raises(UsageError):
        render(node)
