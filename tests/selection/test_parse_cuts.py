"""Cuts on objects as HEP ML LAB writes them: what they mean, and how what is close to them is refused."""

import time

import pytest

from cutflow_cli.selection.grammar import MAX_DEPTH, MAX_PARENTHESES
from cutflow_cli.selection.parse import ExpressionError, parse
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tokens import MAX_LENGTH
from cutflow_cli.selection.tree import (
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    Call,
    Compare,
    Name,
    Negative,
    Not,
    Number,
)

jet = Name("jet.pt")
hard = Compare((jet, Number(30.0)), (">",))
veto = Name("veto")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("jet.pt > 30", hard),
        ("jet.pt > 30 [any]", AnyObject(hard)),
        ("jet.pt > 30[all]", AllObjects(hard)),
        ("jet.pt > 30 [ any ]", AnyObject(hard)),
        ("veto jet.pt > 30", Not(AllObjects(hard))),
        ("veto jet.pt > 30 [any]", Not(AnyObject(hard))),
        ("veto (jet.pt > 30) [any]", Not(AnyObject(hard))),
        ("veto(jet.pt > 30 [any])", Not(AllObjects(AnyObject(hard)))),
        ("jet.pt > 30 and not jet.pt > 30 [any]", AnyObject(And((hard, Not(hard))))),
        ("jet.pt > 30 and (veto jet.pt > 30 [any])", And((hard, Not(AnyObject(hard))))),
        ("where(jet.pt > 30 [any], 1, 0)", Call("where", (AnyObject(hard), Number(1.0), Number(0.0)))),
        ("count(jet.pt > 30)", Call("count", (hard,))),
        ("max(jet.pt)", Call("max", (jet,))),
        # A column called veto is still a column, where nothing follows that a veto could be of.
        ("veto > 30", Compare((veto, Number(30.0)), (">",))),
        ("veto veto > 30", Not(AllObjects(Compare((veto, Number(30.0)), (">",))))),
        ("(veto) - 1", Arithmetic("-", veto, Number(1.0))),
        ("jet.pt > veto [any]", AnyObject(Compare((jet, veto), (">",)))),
        ("1 - veto - 2", Arithmetic("-", Arithmetic("-", Number(1.0), veto), Number(2.0))),
        ("veto * 2", Arithmetic("*", veto, Number(2.0))),
        ("veto -jet.pt > 1", Not(AllObjects(Compare((Negative(jet), Number(1.0)), (">",))))),
        # Commas join objects outside of functions; inside, only before an observable of several objects.
        ("muon0,muon1.inv_mass", Name("muon0,muon1.inv_mass")),
        ("jet:4,missinget0.min_delta_phi", Name("jet:4,missinget0.min_delta_phi")),
        ("fatjet0.constituents:100.pt", Name("fatjet0.constituents:100.pt")),
        ("jet1:.pt + jet:.pt", Arithmetic("+", Name("jet1:.pt"), Name("jet:.pt"))),
        ("min(jet0.pt,jet1.pt)", Call("min", (Name("jet0.pt"), Name("jet1.pt")))),
        ("min(a,b,c)", Call("min", (Name("a"), Name("b"), Name("c")))),
        ("abs(muon0,muon1.delta_phi)", Call("abs", (Name("muon0,muon1.delta_phi"),))),
        ("abs(muon0,muon1.DeltaPhi)", Call("abs", (Name("muon0,muon1.DeltaPhi"),))),
        ("max(jet0,jet1.delta_r, 2)", Call("max", (Name("jet0,jet1.delta_r"), Number(2.0)))),
        ("max(jet0,jet1.delta_r,2)", Call("max", (Name("jet0,jet1.delta_r"), Number(2.0)))),
        ("max(x, jet0,jet1.delta_r)", Call("max", (Name("x"), Name("jet0,jet1.delta_r")))),
        ("max(x.pt,jet0,jet1.ht)", Call("max", (Name("x.pt"), Name("jet0,jet1.ht")))),
        ("max(a,b,c.d,e,f.mt)", Call("max", (Name("a"), Name("b"), Name("c.d"), Name("e,f.mt")))),
        (
            "max(fatjet0.constituents:9,jet0.delta_r, 1)",
            Call("max", (Name("fatjet0.constituents:9,jet0.delta_r"), Number(1.0))),
        ),
        ("max((jet0,jet1.mine), 2)", Call("max", (Name("jet0,jet1.mine"), Number(2.0)))),
        ("where(jet.pt > 30,jet0,jet1.mt,b)", Call("where", (hard, Name("jet0,jet1.mt"), Name("b")))),
        ("jet0.pt\N{NO-BREAK SPACE}+\v1", Arithmetic("+", Name("jet0.pt"), Number(1.0))),
    ],
)  # fmt: skip
def test_trees(text, tree):
    assert parse(text) == tree
    assert parse(render(tree)) == tree


@pytest.mark.parametrize(
    ("text", "says", "position"),
    [
        # as the stored text of the paper is typeset
        ("muon0.charge = = muon1.charge", "write `==`", 13),
        ("muon0.charge ! = muon1.charge", "write `!=`", 13),
        ("muon.pt > = 10 and a < 1", "write `>=`", 8),
        ("a < = 1", "write `<=`", 2),
        ("a === 1", "write `==`", 2),
        ("a !== 1", "write `!=`", 2),
        ("a =! 1", "write `!=`", 2),
        # as HEP ML LAB 0.4.3 also has it, and what is like it
        ("any jet.pt > 30", "write `[any]` behind the condition", 0),
        ("veto any jet.pt > 30", "write `[any]` behind the condition", 5),
        ("[all] jet.pt > 30", "write `[all]` behind the condition", 0),
        ("veto [any] jet.pt > 30", "`[any]` stands behind a condition", 5),
        ("any(jet.pt > 30)", "jet.pt > 30 [any]", 0),
        ("jet.pt > 30 any", "write `[any]` behind the condition", 12),
        ("jet.pt > 30 [ANY]", "write `[any]`, in small letters", 12),
        ("jet.pt > 30 [some]", "`[any]` or `[all]`", 12),
        ("VETO jet.pt > 30", "write `veto`, in small letters", 0),
        ("Veto (jet.pt > 30)", "write `veto`, in small letters", 0),
        ("a > 1 AND b > 1", "write `and`, in small letters", 6),
        ("NOT a > 1", "write `not`, in small letters", 0),
        ("a > 1 and NOT(a > 1)", "write `not`, in small letters", 10),
        # where they can't stand
        ("a > 1 and veto jet.b_tag == 1 [any]", "put parentheses around `veto", 10),
        ("a > 1 and veto -1 < b", "put parentheses around `veto", 10),
        ("a > 1 or veto (b < 1)", "put parentheses around `veto", 9),
        ("not veto a > 1", "put parentheses around `veto", 4),
        ("jet.pt > 30 [any] and a > 1", "put parentheses around `… [any]`", 12),
        ("jet.pt > 30 [any] [all]", "can stand once", 18),
        ("jet.pt [any] > 30", "behind a condition", 7),
        ("veto jet.pt", "`jet.pt != 0`", 5),
        # objects
        ("jet:4", "none of their observables: write for example `jet:4.pt`", 0),
        ("a + muon0,muon1 > 3", "write for example `muon0,muon1.inv_mass`", 4),
        ("jet0:pt > 3", "a dot stands before the observable", 4),
        ("muon0, muon1.inv_mass > 3", "without spaces, as in `muon0,muon1.inv_mass`", 5),
        ("muon0 .pt > 3", "without spaces: `jet0.pt`", 6),
        ("jet.pt[0] > 30", "write `jet0.pt`", 6),
        ("jet[1].eta > 30", "write `jet1.eta`", 3),
        ("a + jet[1:4].eta > 30", "write `jet1:4.eta`", 7),
        ("Jet_pt[0] > 30", "write `Jet0.pt`", 6),
        ("jet:" + "9" * 5_000 + ".pt > 1", "is no observable", 0),
        ("jet:." + "a." * 3_000 + "pt > 1", "is no observable", 0),
        # names with words of Python: the caret is under the word, not under the letters earlier on
        ("classy.class > 1", "`class` is a reserved word", 7),
        ("a0,island.is > 1", "`is` is a reserved word, not a name: write `==`", 10),
        ("flag == True", "write `x != 0`", 8),
        # numbers, units, functions
        ("jet.pt > 30 GeV", "leave `GeV` away", 12),
        ("jet.pt > 1,000", "without commas between their digits: `1000`", 9),
        ("jet.pt ≥ 30", "write `>=`", 7),
        ("a − 1", "write `-`", 2),
        ("|eta| < 2.4", "abs(x)", 0),
        ("a > 1; b > 1", "write `and`", 5),
        ("a->b", "write a dot", 1),
        ("abs(jet.eta < 2.4)", "close the parenthesis before the comparison, `abs(…) > 1`", 4),
        ("sum(jet.pt > 30)", "write `count(…)`", 4),
        ("count(jet.pt)", "`jet.pt != 0`", 6),
        ("sum(jet.pt, 2)", "sum takes 1 argument, not 2", 0),
        ("len(jet.pt)", "write `jet.size`", 0),
        ("jet.size()", "write `jet.size`", 0),
    ],
)  # fmt: skip
def test_refusals_say_where_and_what_to_write(text, says, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert says in caught.value.reason
    assert caught.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "max(" + "a," * 2_400 + "a)",
        "max(" + "a,b.pt," * 1_000 + "a)",
        "a," * 4_900 + "a.pt > 1",
        "jet" + "1" * 9_000 + ".pt > 1",
        "a" + ".a" * 4_900 + " > 1",
        "a:" * 4_900 + "a.pt",
        "max(" + "a:," * 3_300 + "a)",
        "[" + " " * 9_900,
        "a[" + " " * 9_900 + "0",
        " " * 9_990 + "a",
        "a" * 9_000 + "(1)",
        "TMath::" * 1_400,
        "Max$(" * 39 + "a" + ")" * 39 + " > 1",
        "Jet_pt[0] > 1 && " * 550 + "a > 1",
    ],
)
@pytest.mark.parametrize("dialect", ["cutflow", "root"])
def test_the_longest_text_takes_no_time(text, dialect):
    start = time.perf_counter()
    try:
        render(parse(text, dialect=dialect))
    except ExpressionError as error:
        assert len(error.reason) < 300
    assert time.perf_counter() - start < 1.0  # what is quadratic takes many seconds, this milliseconds


def test_what_is_deepest_fits_pythons_stack():
    deep = "(" * MAX_PARENTHESES + "-" * (MAX_DEPTH - 1) + "a" + ")" * MAX_PARENTHESES
    assert parse(render(parse(deep))) == parse(deep)
    calls = "abs(-" * MAX_PARENTHESES + "a" + ")" * MAX_PARENTHESES
    assert parse(render(parse(calls))) == parse(calls)


def test_what_would_be_too_long_once_written_with_spaces_is_refused():
    with pytest.raises(ExpressionError, match="when it is written with spaces"):
        parse("a" + "<a" * (MAX_LENGTH // 2 - 1))
