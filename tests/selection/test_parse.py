"""What the expression language accepts, what it means, and how helpfully it refuses the rest."""

import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.grammar import MAX_DEPTH
from cutflow_cli.selection.parse import ExpressionError, parse, parse_arithmetic, parse_condition
from cutflow_cli.selection.tree import And, Arithmetic, Call, Compare, Name, Negative, Not, Number, Or

a, b, c, x = Name("a"), Name("b"), Name("c"), Name("x")
one, two = Number(1.0), Number(2.0)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x", x),
        ("jet0.pt", Name("jet0.pt")),
        ("Jet.PT + _e1", Arithmetic("+", Name("Jet.PT"), Name("_e1"))),
        ("2", two),
        (".5", Number(0.5)),
        ("1.", one),
        ("1e-3", Number(0.001)),
        ("2E+2", Number(200.0)),
        ("-2", Number(-2.0)),
        ("- 2", Number(-2.0)),
        ("-(2)", Negative(two)),
        ("+x", x),
        ("-x", Negative(x)),
        ("--x", Negative(Negative(x))),
        ("a + b * c", Arithmetic("+", a, Arithmetic("*", b, c))),
        ("(a + b) * c", Arithmetic("*", Arithmetic("+", a, b), c)),
        ("a - b - c", Arithmetic("-", Arithmetic("-", a, b), c)),
        ("a / b % c", Arithmetic("%", Arithmetic("/", a, b), c)),
        ("a ** b ** c", Arithmetic("**", a, Arithmetic("**", b, c))),
        ("-a ** 2", Negative(Arithmetic("**", a, two))),
        ("-2 ** 2", Negative(Arithmetic("**", two, two))),
        ("(-2) ** 2", Arithmetic("**", Number(-2.0), two)),
        ("a ** -b", Arithmetic("**", a, Negative(b))),
        ("min(a, b, 1)", Call("min", (a, b, one))),
        ("where(a > 1, b, c)", Call("where", (Compare((a, one), (">",)), b, c))),
        ("a < b", Compare((a, b), ("<",))),
        ("1 < x <= 2 != a", Compare((one, x, two, a), ("<", "<=", "!="))),
        ("a < 1 and b < 1 and c < 1", And(tuple(Compare((v, one), ("<",)) for v in (a, b, c)))),
        (
            "a < 1 or b < 1 and not c < 1",
            Or((Compare((a, one), ("<",)), And((Compare((b, one), ("<",)), Not(Compare((c, one), ("<",))))))),
        ),
        (" \n a\t+\r\n b ", Arithmetic("+", a, b)),
        ("9007199254740992", Number(9007199254740992.0)),
    ],
)
def test_trees(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "says", "position"),
    [
        ("pt > 3 & eta < 2", "write `and`", 7),
        ("(pt > 3) | (eta < 2)", "write `or`", 9),
        ("~(pt > 3)", "write `not`", 0),
        ("pt > 3 && eta < 2", "write `and`", 7),
        ("pt > 3 || eta < 2", "write `or`", 7),
        ("!(pt > 3)", "write `not`", 0),
        ("a ^ 2", "write `**`", 2),
        ("pt = 3", "write `==`", 3),
        ("pt =< 3", "write `<=`", 3),
        ("pt => 3", "write `>=`", 3),
        ("pt <> 3", "write `!=`", 3),
        ("a // b", "floor(a / b)", 2),
        ("a ? b : c", "where(condition, a, b)", 2),
        ("a if b > 1 else c", "where(condition, a, b)", 2),
        ("srqt(x)", "did you mean sqrt", 0),
        ("np.sqrt(x)", "write `sqrt(…)`", 0),
        ("TMath::Abs(x)", "leave the namespace away", 5),
        ("jet.pt(1)", "no function `jet.pt`", 0),
        ("sqrt(a, b)", "sqrt takes 1 argument, not 2", 0),
        ("atan2(a)", "atan2 takes 2 arguments, not 1", 0),
        ("sqrt()", "a value is missing before `)`", 5),
        ("jets[0]", "no subscripts", 4),
        ("x == 'WW'", "only numbers", 5),
        ('x == "WW"', "only numbers", 5),
        ("lambda x: x", "reserved word", 0),
        ("a.class.b", "reserved word", 2),
        ("True", "reserved word", 0),
        ("a # b", "no comments", 2),
        ("{a}", "parentheses", 0),
        ("µ > 3", "letters, digits", 0),
        ("a\x00b", "letters, digits", 1),
        ("(a + b", "never closed", 0),
        ("a + (b * (c)", "never closed", 4),
        ("a + b)", "never opened", 5),
        ("a b", "an operator is missing before `b`", 2),
        ("2 x", "an operator is missing", 2),
        ("2x", "neither a number nor a name", 0),
        ("1_000", "neither a number nor a name", 0),
        ("1.2.3", "neither a number nor a name", 0),
        ("0x10", "neither a number nor a name", 0),
        ("1j", "neither a number nor a name", 0),
        ("007", "leading zeros", 0),
        ("a +", "a value is missing before the end", 3),
        ("* a", "a value is missing before `*`", 0),
        ("a, b", "a comma can only stand between", 1),
        ("max(a, b,)", "a value is missing before `)`", 9),
        ("()", "a value is missing", 1),
        ("(a)(b)", "an operator is missing", 3),
        ("sqrt(*a)", "a value is missing before `*`", 5),
        ("", "empty", 0),
        (" \t ", "empty", 0),
        ("1e999", "too large", 0),
        ("9007199254740993", "more digits than a double", 0),
        ("flag and a > 1", "`flag != 0`", 0),
        ("not flag", "`flag != 0`", 4),
        ("not a + 1", "compare it", 4),
        ("(a > 1) + 1", "`+` needs numbers", 1),
        ("(a < b) < c", "a comparison needs numbers", 1),
        ("-(a > 1)", "`-` needs numbers", 2),
        ("sqrt(a > 1)", "sqrt() needs numbers", 5),
        ("where(a, b, c)", "where() needs conditions", 6),
        ("a < not b", "parentheses around `not", 4),
    ],
)
def test_refusals_say_where_and_what_to_write(text, says, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert says in error.reason
    assert error.position == position
    lines = str(error).split("\n")
    assert len(lines) == 3
    assert lines[2] == " " * (2 + position) + "^"


def test_errors_name_the_owner_of_the_expression_and_are_usage_errors():
    with pytest.raises(UsageError, match=r"^feature 'r': a value is missing before the end\n  pt/\n     \^$"):
        parse("pt/", "feature 'r': ")


def test_the_caret_finds_its_place_in_a_long_expression():
    text = " + ".join(["abcdef"] * 60) + " & x"
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 110
    assert shown[caret.index("^")] == "&"


def test_numbers_and_conditions_are_told_apart():
    assert parse_arithmetic("a / b") == Arithmetic("/", a, b)
    assert parse_condition("a > b") == Compare((a, b), (">",))
    with pytest.raises(ExpressionError, match="a number is needed here"):
        parse_arithmetic("a > b")
    with pytest.raises(ExpressionError, match="a condition is needed here"):
        parse_condition("a / b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(" * 41 + "x" + ")" * 41, "parentheses inside each other"),
        ("-" * 9_999 + "x", "levels deep"),
        ("not " * 2_000 + "x > 1", "levels deep"),
        ("2**" * 3_000 + "2", "levels deep"),
        ("+".join(["a"] * (MAX_DEPTH + 2)), "levels deep"),
        ("a" * 10_001, "longer than"),
        ("1" * 9_000, "too large"),
    ],
)
def test_what_could_exhaust_the_parser_is_refused(text, says):
    with pytest.raises(ExpressionError, match=says):
        parse(text)


def test_many_terms_side_by_side_are_no_depth():
    assert len(parse(" and ".join(["a < 1"] * 500)).operands) == 500
    assert len(parse("a" + " < a" * 1_000).operands) == 1_001
    assert parse("(" * 40 + "x" + ")" * 40) == x
    parse("+".join(["a"] * MAX_DEPTH))
