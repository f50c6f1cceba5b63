"""TCut strings: what C++ and TTreeFormula mean by them, and what is refused because they would mean something else."""

import math
import random
import shutil
import subprocess

import awkward as ak
import numpy as np
import pytest

from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import ExpressionError, parse, parse_condition
from cutflow_cli.selection.text import render


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("Jet_pt[0] > 30 && abs(Jet_eta[0]) < 2.4", "Jet0.pt > 30 and abs(Jet0.eta) < 2.4 [any]"),
        ("Jet.PT[ 1 ] > 30", "Jet1.PT > 30 [any]"),
        ("Jet_pt[07] > 30", "Jet7.pt > 30 [any]"),
        ("Jet_pt > 30 && TMath::Abs(Jet_eta) < 2.4", "Jet_pt > 30 and abs(Jet_eta) < 2.4 [any]"),
        ("fabs(x) > 2 || std::sqrt(x) > 1", "abs(x) > 2 or sqrt(x) > 1 [any]"),
        ("pow(x, 2) + TMath::Power(y, 2) > 3", "x ** 2 + y ** 2 > 3 [any]"),
        ("x^2 > 3", "x ** 2 > 3 [any]"),
        ("-x^2 > (x^y)^z", "-x ** 2 > (x ** y) ** z [any]"),
        ("TMath::Max(x,Muon.mt) > TMath::Pi()", "max(x, Muon.mt) > 3.141592653589793 [any]"),
        ("TMath::TwoPi( ) > 1 && TMath::PiOver2() > 1", f"{2 * math.pi!r} > 1 and {math.pi / 2!r} > 1 [any]"),
        ("!(a > b) && c > 1", "not a > b and c > 1 [any]"),
        ("!(a > b && c > 1)", "not (a > b and c > 1.0) [any]"),
        ("a > 1 || b > 1 && c > 1", "a > 1 or b > 1 and c > 1 [any]"),
        ("a == b && c > 1", "a == b and c > 1 [any]"),
        ("nJet >= 2 && (HLT_a || !HLT_b)", "nJet >= 2 and (HLT_a != 0 or not HLT_b != 0) [any]"),
        ("Sum$(Jet_pt) > 3", "sum(Jet_pt) > 3 [any]"),
        ("Sum$(Jet_pt > 30 && Jet_id) >= 2", "count(Jet_pt > 30 and Jet_id != 0) >= 2 [any]"),
        ("Max$(Jet_pt) < 30", "where(count(Jet_pt == Jet_pt) > 0, max(Jet_pt), 0) < 30 [any]"),
        ("Jet_pt > 30 [all]", "Jet_pt > 30 [all]"),
    ],
)
def test_what_a_tcut_is_in_our_language(text, own):
    node = parse(text, dialect="root")
    assert node == parse(own)
    assert parse(render(node)) == node


def test_a_number_is_a_condition():
    assert parse_condition("HLT_mu", dialect="root") == parse("HLT_mu != 0 [any]")
    with pytest.raises(ExpressionError, match="a condition is needed"):
        parse_condition("HLT_mu")


@pytest.mark.parametrize(
    ("text", "says", "position"),
    [
        ("a > 1 & b > 1", "write `&&`", 6),
        ("a | b", "write `||`", 2),
        ("~a", "write `!`", 0),
        ("a << 2 > 1", "write `* 2^n`", 2),
        ("a % 2 == 0", "whole numbers", 2),
        ("a > 0 ? b : c", "where(condition, a, b)", 6),
        ("1 < a < 2", "`a < x && x < b`", 6),
        ("a == b != c", "`a < x && x < b`", 7),
        ("!a > b", "a comparison needs numbers", 0),
        ("(a > 1) + (b > 1) >= 1", "`+` needs numbers, this is a condition; combine conditions with `&&`", 1),
        ("weight*(a > 1)", "write `where(…, 1, 0)`", 8),
        ("x^2^3 > 1", "powers side by side", 3),
        ("x^-y^3 > 1", "powers side by side", 4),
        ("Length$(Jet_pt) > 1", "`Length$` has no counterpart", 0),
        ("a > 1 && Alt$(Jet_pt[0], 0) > 1", "`Alt$` has no counterpart", 9),
        ("Iteration$ < 3", "`Iteration$`", 9),
        ("Max$(Jet_pt, 2) > 1", "takes 1 argument, not 2", 0),
        ("Max$(Jet_pt > 2) > 1", "max$ needs numbers", 5),
        ("Sum$(Max$(Jet_pt)) > 1", "which has no elements", 0),
        ("TMath::DeltaR(a) > 1", "no function `TMath::DeltaR`", 0),
        ("TMath::Log2(a) > 1", "did you mean log", 0),
        ('sample == "WW"', "no text", 10),
        ("a and b", "write `&&`", 2),
        ("not a", "write `!(…)`", 0),
        ("veto a > 1", "write `!(…)`", 0),
        ("veto(a > 1)", "no function `veto`", 0),
        ("Jet4_pt[1] > 30", "ends in a digit", 0),
        ("Jet_pt[i] > 30", "with a whole number", 6),
        ("FatJet_tau[0][1] > 30", "with a whole number", 10),
        ("jet:4.pt > 1", "not in the language", 3),
        ("muon0,muon1.inv_mass > 1", "a comma can only stand", 5),
        ("@Jet.size() > 1", "jet.size", 0),
        ("a =! 1", "write `!=`", 2),
        ("a ! = 1", "write `!=`", 2),
        ("int(a) == 1", "no function `int`", 0),
    ],
)
def test_what_would_mean_something_else_is_refused(text, says, position):
    with pytest.raises(ExpressionError) as caught:
        parse(text, dialect="root")
    assert says in caught.value.reason
    assert caught.value.position == position


JETS = ak.Array([[50.0, 20.0], [], [10.0]])


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("Jet_pt > 30", [True, False, False]),
        ("Jet_pt < 30", [True, False, True]),
        ("met > 100 && Jet_pt > 5", [False, False, True]),
        ("met > 0 || Jet_pt > 30", [True, False, True]),  # without elements there is nothing to hold
        ("Sum$(Jet_pt > 15) == 2", [True, False, False]),
        ("Sum$(Jet_pt) < 20", [False, True, True]),
        ("Max$(Jet_pt) < 30", [False, True, True]),  # 0 over no elements
        ("Min$(Jet_pt) > 15", [True, False, False]),
        ("!(Jet_pt > 30)", [True, False, True]),
    ],
)
def test_a_condition_on_an_array_holds_if_any_element_does(text, passed):
    columns = {"Jet_pt": JETS, "met": np.array([50.0, 60.0, 200.0])}
    assert evaluate(parse(text, dialect="root"), columns, 3).tolist() == passed


VALUES = (0.0, 1.0, 2.0, -1.5)
NAMES = "abc"


def random_tcut(generator, depth):
    """Make a condition of what is both C++ and TCut."""
    if depth == 0 or generator.random() < 0.2:
        return generator.choice([generator.choice(NAMES), comparison(generator)])
    match generator.choice(("&&", "||", "!", "()")):
        case "!":
            return "!" + generator.choice([generator.choice(NAMES), f"({random_tcut(generator, depth - 1)})"])
        case "()":
            return f"({random_tcut(generator, depth - 1)})"
        case word:
            return f"{random_tcut(generator, depth - 1)} {word} {random_tcut(generator, depth - 1)}"


def comparison(generator):
    return f"{number(generator)} {generator.choice(('<', '<=', '>', '>=', '==', '!='))} {number(generator)}"


def number(generator, depth=2):
    if depth == 0 or generator.random() < 0.3:
        return generator.choice([*NAMES, "1", "2.", "-0.5", "1e0"])
    left, right = number(generator, depth - 1), number(generator, depth - 1)
    operator = generator.choice("+-*")
    return generator.choice(
        [f"{left} {operator} {right}", f"({left} {operator} {right})", f"-({left})", f"TMath::Abs({left})",
         f"TMath::Max({left}, {right})", f"pow({left}, 2)"]
    )  # fmt: skip


def test_precedence_is_that_of_a_compiler(tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) to ask")
    generator = random.Random(7)
    cuts = [random_tcut(generator, 3) for _ in range(250)]
    lines = "\n".join(f"std::putchar(({cut}) ? '1' : '0');" for cut in cuts)
    (tmp_path / "cuts.cpp").write_text(
        "#include <cstdio>\n#include <cmath>\nusing std::pow;\n"
        "namespace TMath { double Abs(double x) { return std::fabs(x); }\n"
        "double Max(double x, double y) { return x > y ? x : y; } }\n"
        f"int main() {{ const double values[] = {{{', '.join(map(str, VALUES))}}};\n"
        "for (double a : values) for (double b : values) for (double c : values) {\n"
        f"{lines}\nstd::putchar('\\n'); }} }}\n"
    )
    command = [compiler, "-std=c++17", "-O0", "-w", "-ffp-contract=off", "-o", "cuts", "cuts.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "cuts"], capture_output=True, text=True, check=True).stdout.split()
    grid = np.array(np.meshgrid(VALUES, VALUES, VALUES, indexing="ij")).reshape(3, -1)
    columns = dict(zip(NAMES, grid, strict=True))
    for i, cut in enumerate(cuts):
        ours = evaluate(parse_condition(cut, dialect="root"), columns, grid.shape[1])
        assert ours.tolist() == [line[i] == "1" for line in output], cut
