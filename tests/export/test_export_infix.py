"""How expressions are written in each language: precedence, and words that would mean something else."""

from __future__ import annotations

import math

import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.export.python import NumpyPrinter
from cutflow_cli.export.rdataframe import CppPrinter
from cutflow_cli.export.root import TCutPrinter
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.tree import And, AsFloat32, Call, Compare, Name, Negative, Not, Number, Or

NUMPY = NumpyPrinter({name: name for name in "abcd"})


@pytest.mark.parametrize(
    ("expression", "numpy", "tcut"),
    [
        ("a < 1 and b > 2", "(a < 1.0) & (b > 2.0)", "a < 1.0 && b > 2.0"),
        ("a < 1 or b > 2 and c > 3", "(a < 1.0) | ((b > 2.0) & (c > 3.0))", "a < 1.0 || (b > 2.0 && c > 3.0)"),
        ("(a < 1 or b > 2) and c > 3", "((a < 1.0) | (b > 2.0)) & (c > 3.0)", "(a < 1.0 || b > 2.0) && c > 3.0"),
        ("a < 1 and (b > 2 and c > 3)", "(a < 1.0) & (b > 2.0) & (c > 3.0)", "a < 1.0 && b > 2.0 && c > 3.0"),
        ("-2.4 < a < 2.4", "(-2.4 < a) & (a < 2.4)", "-2.4 < a && a < 2.4"),
        ("1 < a < 2 or b > 1", "((1.0 < a) & (a < 2.0)) | (b > 1.0)", "(1.0 < a && a < 2.0) || b > 1.0"),
        ("a != 1", "(a < 1.0) | (a > 1.0)", "a < 1.0 || a > 1.0"),
        ("not a != 1", "~((a < 1.0) | (a > 1.0))", "!(a < 1.0 || a > 1.0)"),
        ("not a < 1 and b > 2", "~(a < 1.0) & (b > 2.0)", "!(a < 1.0) && b > 2.0"),
        ("not not a < 1", "~(~(a < 1.0))", "!(!(a < 1.0))"),
        ("a - (b - c) > 0", "a - (b - c) > 0.0", "a - (b - c) > 0.0"),
        ("(a - b) - c > 0", "a - b - c > 0.0", "a - b - c > 0.0"),
        ("a * (b + c) > 0", "a * (b + c) > 0.0", "a * (b + c) > 0.0"),
        ("a - -1 > -b", "a - (-1.0) > -b", "a - (-1.0) > -b"),
        ("-(-a) > -(b + c)", "-(-a) > -(b + c)", "-(-a) > -(b + c)"),
        ("a ** 2 ** b > 0", "np.power(a, np.power(2.0, b)) > 0.0", "TMath::Power(a, TMath::Power(2.0, b)) > 0.0"),
        ("-a ** 2 > 0", "-np.power(a, 2.0) > 0.0", "-TMath::Power(a, 2.0) > 0.0"),
        ("a / 2 / 4 > 0", "a / 2.0 / 4.0 > 0.0", "a / 2.0 / 4.0 > 0.0"),
        ("veto a > 1 [any]", "~(a > 1.0)", "!(a > 1.0)"),  # with one value for each event [any] and [all] say nothing
        ("(a < 1 or b > 2) [all]", "(a < 1.0) | (b > 2.0)", "a < 1.0 || b > 2.0"),
        ("(a < 1 or b > 2 [any]) and c > 3", "((a < 1.0) | (b > 2.0)) & (c > 3.0)", "(a < 1.0 || b > 2.0) && c > 3.0"),
        ("log(a) > 0", "np.log(a) > 0.0", "TMath::Log(a) > 0.0"),
        ("1e-30 < a", "1e-30 < a", "1e-30 < a"),
    ],
)
def test_words_and_parentheses(expression, numpy, tcut):
    assert NUMPY.text(parse(expression)) == numpy
    assert TCutPrinter().text(parse(expression)) == tcut


def test_python_never_leaves_arithmetic_of_numbers_to_python():
    """Python stops at `1 / 0`, makes `(-8) ** 0.5` complex and `~True` -2."""
    assert NUMPY.text(parse("a > 1 / 0")) == "a > np.float64(1.0) / 0.0"
    assert NUMPY.text(parse("not 1 < 2")) == "~np.bool_(1.0 < 2.0)"


def test_cpp_promotes_columns_where_types_could_matter():
    assert CppPrinter().text(parse("n > 2")) == "n > 2.0"
    assert CppPrinter().text(parse("n > m")) == "double(n) > double(m)"
    assert CppPrinter().text(parse("n / 2 > 0.5")) == "double(n) / 2.0 > 0.5"
    assert CppPrinter().text(parse("abs(n) > 2")) == "std::abs(double(n)) > 2.0"


def test_infinity_is_written_in_each_language():
    cut = Compare((Negative(Number(math.inf)), Name("a"), Number(math.inf)), ("<", "<"))
    assert NUMPY.text(cut) == "(-np.inf < a) & (a < np.inf)"
    assert TCutPrinter().text(cut) == "-TMath::Infinity() < a && a < TMath::Infinity()"
    infinity = "std::numeric_limits<double>::infinity()"
    assert CppPrinter().text(Compare((Name("a"), Number(-math.inf)), (">",))) == f"a > -{infinity}"


@pytest.mark.parametrize("printer", [NUMPY, TCutPrinter(), CppPrinter()])
def test_logic_of_fewer_than_two_conditions(printer):
    one = Compare((Name("a"), Number(1.0)), ("<",))
    assert printer.text(And((one,))) == printer.text(Or((one,))) == "a < 1.0"
    assert printer.text(And(())) == printer.words.true
    assert printer.text(Or(())) == printer.words.false


def test_tcut_compares_rounded_values_at_the_equivalent_double():
    rounded = AsFloat32(Name("a"))
    below = TCutPrinter().text(Compare((rounded, Number(1.0)), ("<",)))
    assert below == f"a < {1.0 - 2.0**-25!r}"
    assert TCutPrinter().text(Compare((Number(1.0), rounded), (">",))) == below
    assert TCutPrinter().text(Compare((rounded, Number(1.0)), (">",))) == f"a > {1.0 + 2.0**-24!r}"
    equal = TCutPrinter().text(Compare((rounded, Number(1.0)), ("==",)))
    assert equal == f"a >= {1.0 - 2.0**-25!r} && a <= {1.0 + 2.0**-24!r}"
    assert TCutPrinter().text(Not(Compare((rounded, Number(1.0)), ("!=",)))).startswith("!(a < ")


@pytest.mark.parametrize(
    ("printer", "node", "message"),
    [
        (TCutPrinter(), Compare((AsFloat32(Name("a")), Name("b")), ("<",)), "rounding to single precision of: a"),
        (TCutPrinter(), Compare((Name("jet pt"), Number(1.0)), ("<",)), "a TCut can't say the column name 'jet pt'"),
        (CppPrinter(), Compare((Name("class"), Number(1.0)), ("<",)), "C\\+\\+ can't say the column name 'class'"),
        (CppPrinter(), Compare((Name("a"), Number(math.nan)), ("<",)), "missing"),
        (NUMPY, parse("max(a) > 1"), r"Python can't say what is taken over the objects of an event: max\(a\)"),
        (CppPrinter(), parse("count(a > 1) > 1"), r"over the objects of an event: count\(a > 1.0\)"),
        (NUMPY, Compare((Name("a"), Number(math.nan)), ("<",)), "Python can't say a number that is missing"),
        (TCutPrinter(), Compare((Call("erf", (Name("a"),)), Number(0.0)), ("<",)), "this function: erf\\(a\\)"),
    ],
)
def test_what_a_language_cannot_say_is_refused(printer, node, message):
    with pytest.raises(UsageError, match=message):
        printer.text(node)


def test_text_that_grows_without_bound_is_refused():
    """Each level of `min` doubles the text of a TCut."""
    expression = "a"
    for _ in range(12):
        expression = f"min({expression}, b)"
    with pytest.raises(UsageError, match="characters"):
        TCutPrinter().text(parse(f"{expression} > 0"))
