"""Observables that users define: what they may do, and what is said when they fail."""

from __future__ import annotations

import hashlib
import math
import sys

import numpy as np
import pytest
from fake_source import FakeSource, compute, make_sample

from cutflow_cli.errors import InputError
from cutflow_cli.observables import bind, load_user_observables

SOURCE = make_sample("nanoaod", events=15).source
HEAD = "from cutflow_cli.observables import observable\nimport awkward as ak\nimport numpy as np\n"


@pytest.fixture
def load(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(HEAD + text, encoding="utf-8")
        return load_user_observables(path)

    return write


EXAMPLE = """
@observable("pt_balance", "{0}.pt", "{1}.pt")
def pt_balance(first, second):
    return (first - second) / (first + second)

@observable("ht_ratio", "jet.ht", "met.pt")
def ht_ratio(ht, met):
    return ht / met

@observable("n_hard", "jet.pt", per_object=False)
def n_hard(pt):
    return ak.sum(pt > 30, axis=1)

@observable("scaled", "{0}.pt_balance")
def scaled(balance):
    return 100 * balance
"""


def test_observables_of_objects_and_plain_ones(load):
    mine = load(EXAMPLE)
    names = ("jet0,jet1.pt_balance", "jet,jet0.pt_balance", "ht_ratio", "n_hard", "JET0,muon0.PT_Balance")
    found = compute(SOURCE, *names, "jet.pt", "jet0.pt", "muon0.pt", "jet.ht", "met.pt", user_defined=mine)
    for event, pts in enumerate(found["jet.pt"]):
        balance = (pts[0] - pts[1]) / (pts[0] + pts[1]) if len(pts) > 1 else math.nan
        assert found["jet0,jet1.pt_balance"][event] == pytest.approx(balance, nan_ok=True)
        assert found["jet,jet0.pt_balance"][event] == pytest.approx([(pt - pts[0]) / (pt + pts[0]) for pt in pts])
        assert found["ht_ratio"][event] == pytest.approx(found["jet.ht"][event] / found["met.pt"][event])
        assert found["n_hard"][event] == sum(pt > 30 for pt in pts)
    bound = bind(["jet0,jet1.pt_balance"], SOURCE, where="f", user_defined=mine)
    assert [column.name for column in bound.columns] == ["Jet_pt"]
    assert not bound.per_object("jet0,jet1.pt_balance")
    assert bind(["jet,jet0.pt_balance"], SOURCE, where="f", user_defined=mine).per_object("jet,jet0.pt_balance")


def test_the_digest_is_that_of_the_text(load, tmp_path):
    mine = load(EXAMPLE)
    assert mine.digest == hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    assert list(mine.by_name) == ["pt_balance", "ht_ratio", "n_hard", "scaled"]
    assert not (tmp_path / "__pycache__").exists()


def test_a_file_may_hold_whatever_python_may(load):
    mine = load("""
from dataclasses import dataclass
@dataclass
class Window:
    low: float
    def __call__(self, value): return (value > self.low)
class Twice:
    def __call__(self, pt): return 2 * pt
observable("hard", "{0}.pt")(Window(50.0))
observable("twice", "{0}.pt")(Twice())
""")
    found = compute(SOURCE, "jet.hard", "jet.pt", "jet0.twice", user_defined=mine)
    assert found["jet.hard"] == [[float(pt > 50.0) for pt in event] for event in found["jet.pt"]]


def test_the_decorator_leaves_the_function_as_it_is():
    from cutflow_cli.observables import observable

    @observable("double", "{0}.pt")
    def double(pt):
        return 2 * pt

    assert double(3) == 6


def test_registering_needs_no_heavy_library(run_python):
    code = "import sys, cutflow_cli.observables as o; print(o.observable.__name__, {'awkward'} & set(sys.modules))"
    assert run_python(code).stdout.strip() == "observable set()"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "defines no observables; put @observable"),
        ("x = (1", "line 4: the file failed with SyntaxError"),
        ("import no_such_module", "line 4: the file failed with ModuleNotFoundError: No module named"),
        ("\n1 / 0", "line 5: the file failed with ZeroDivisionError"),
        ("raise SystemExit(3)", "line 4: the file failed with SystemExit"),
        ("observable('pt', 'jet0.m')(abs)", "observable 'pt': the name belongs to a built-in"),
        ("observable('Tau21', 'jet0.m')(abs)", "belongs to a built-in"),
        ("observable('a b', 'jet0.m')(abs)", "a name has letters, digits and underscores"),
        ("observable('and', 'jet0.m')(abs)", "no word of Python"),
        ("observable('x')(abs)", "name the observables that it is computed from"),
        ("observable('x', 'jet0.m', 'jet1.m')(lambda a: a)", "names 2 arguments"),
        ("observable('x', '{a}.m')(lambda a: a)", "write objects as {0}, {1}"),
        ("observable('x', 'jet0.m')(abs)\nobservable('X', 'jet0.m')(abs)", "'X': is defined twice"),
    ],
)
def test_files_that_can_not_be_used(load, tmp_path, text, words):
    before = {name for name in sys.modules if name.startswith("cutflow_user")}
    with pytest.raises(InputError) as caught:
        load(text)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert message.startswith(str(tmp_path / "mine.py"))
    if "failed" in words:
        assert {name for name in sys.modules if name.startswith("cutflow_user")} == before


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="observables can't be read"):
        load_user_observables(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("def f(pt): return pt.nonsense", "jet0.own", "line 5: observable 'own' failed with AttributeError"),
        ("def f(pt): raise ValueError('first\\nsecond')", "jet0.own", "failed with ValueError: first"),
        ("def f(pt): return 1.0", "jet0.own", "one number for each of 15 events expected"),
        ("def f(pt): return pt[:-1]", "jet0.own", "function 'f' gave 14 * float64"),
        ("def f(pt): return np.stack([pt, pt], axis=1)", "jet0.own", "gave 15 * 2 * float64"),
        ("def f(pt): return ['a'] * len(pt)", "jet0.own", "one number for each of 15 events expected"),
        ("def f(pt): return None", "jet0.own", "gave NoneType, not numbers"),
        ("def f(pt): return pt * 1j", "jet0.own", "gave 15 * complex128"),
        ("def f(pt): return ak.sum(pt, axis=1)", "jet.own", "expected; if that is meant, write per_object=False"),
        ("def f(pt): return ak.Array([[x, x] for x in pt])", "jet0.own", "if that is meant, write per_object=True"),
    ],
)
def test_functions_that_fail_or_give_something_else(load, text, name, words):
    mine = load(f"@observable('own', '{{0}}.pt')\n{text}\n")
    bound = bind([name], SOURCE, where="a.root", user_defined=mine)
    with pytest.raises(InputError) as caught:
        bound.compute(SOURCE.data)
    message = str(caught.value)
    assert message.startswith(f"a.root: observable {name!r}: ")
    assert words in message
    assert "mine.py" in message
    assert "\n" not in message


def test_missing_values_may_be_none(load):
    mine = load("""
@observable("leading", "jet.pt", per_object=False)
def leading(pt): return ak.firsts(pt)
@observable("masked", "jet.pt")
def masked(pt): return ak.mask(pt, pt > 30)
""")
    found = compute(SOURCE, "leading", "masked", "jet0.pt", "jet.pt", user_defined=mine)
    assert found["leading"] == pytest.approx(found["jet0.pt"], nan_ok=True)
    for masked, pts in zip(found["masked"], found["jet.pt"], strict=True):
        assert masked == pytest.approx([pt if pt > 30 else math.nan for pt in pts], nan_ok=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jet0.pt_balance", "takes 2 objects; write jet0,jet1.pt_balance"),
        ("jet0,jet1,jet2.pt_balance", "takes 2 objects"),
        ("pt_balance", "takes 2 objects; write jet0,jet1.pt_balance"),
        ("jet0.ht_ratio", "takes no objects; write ht_ratio"),
        ("jte0,jet1.pt_balance", "pt_balance of "),
        ("jte0,jet1.pt_balance", "observable 'jte0.pt': no objects 'jte'"),
        ("ht_rati", "no column 'ht_rati'; did you mean ht_ratio"),
        ("jet0,jet1.pt_balanc", "did you mean pt_balance"),
        ("jet0.scaled", "takes 2 objects"),
    ],
)
def test_names_that_do_not_fit(load, name, words):
    with pytest.raises(InputError) as caught:
        bind([name], SOURCE, where="a.root", user_defined=load(EXAMPLE))
    assert words in str(caught.value)


def test_names_of_both_file_and_user_are_refused(load):
    source = FakeSource({"Jet_pt": [[1.0]], "Jet_score": [[0.5]], "plain": np.array([1.0])})
    mine = load("""
observable("score", "{0}.pt")(lambda pt: pt)
observable("plain", "jet0.pt")(lambda pt: pt)
""")
    for name in ("jet0.score", "plain"):
        with pytest.raises(InputError, match=r"both the file and .* have"):
            bind([name], source, where="f", user_defined=mine)


def test_observables_of_themselves_are_refused(load):
    mine = load("""
observable("a", "b")(lambda b: b)
observable("b", "a")(lambda a: a)
""")
    with pytest.raises(InputError, match="is defined by itself"):
        bind(["a"], SOURCE, where="f", user_defined=mine)
