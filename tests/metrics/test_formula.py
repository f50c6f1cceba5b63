"""Figures of merit that the user writes down, and systematic uncertainties of the background."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.formula import parse_formula
from cutflow_cli.metrics.options import read_options
from cutflow_cli.metrics.punzi import minimum_signal, simple_figure
from cutflow_cli.metrics.sensitivity import PunziInputs, punzi_figure
from cutflow_cli.metrics.significance import (
    asimov,
    signal_over_background,
    signal_over_sqrt_all,
    signal_over_sqrt_background,
)
from cutflow_cli.metrics.summary import Kept, summarise
from cutflow_cli.metrics.systematics import BackgroundSystematics, parse_systematics, require_processes
from cutflow_cli.metrics.yields import Sums

YIELDS = st.floats(0.1, 1e4)
ASIMOV = (
    "z = sqrt(2 * ((s + b) * log((s + b) * (b + sigma_b**2) / (b**2 + (s + b) * sigma_b**2))"
    " - b**2 / sigma_b**2 * log(1 + sigma_b**2 * s / (b * (b + sigma_b**2)))))"
)


@given(s=YIELDS, b=YIELDS, share=st.floats(0.02, 0.3))
def test_written_down_they_are_the_built_in_ones(s, b, share):
    S, B = Estimate(s, share * s), Estimate(b, share * b)
    for text, figure in (
        ("s / b", signal_over_background),
        ("s / sqrt(b)", signal_over_sqrt_background),
        ("s / sqrt(s + b)", signal_over_sqrt_all),
    ):
        found, known = parse_formula(text).estimate(S, B), figure(S, B)
        assert found.value == pytest.approx(known.value, rel=1e-12)
        assert found.error == pytest.approx(known.error, rel=1e-5)


@pytest.mark.parametrize("systematic", [0.0, 0.1])
def test_asimov_written_down(systematic):
    S, B = Estimate(50.0, 3.0), Estimate(100.0, 7.0)
    found, known = parse_formula(ASIMOV).estimate(S, B, systematic), asimov(S, B, systematic)
    assert found.value == pytest.approx(known.value, rel=1e-9)
    assert found.error == pytest.approx(known.error, rel=1e-5)
    if not systematic:
        assert found.value == pytest.approx(3.7195, abs=5e-5)


def test_errors_are_the_scatter_of_repeated_simulations():
    formula = parse_formula("mine = s / sqrt(b + sigma_b**2 + sigma_s**2)")
    rng = np.random.default_rng(4)
    values, errors = [], []
    for s, b in zip(rng.poisson(300, 800), rng.poisson(300, 800), strict=True):
        found = formula.estimate(Estimate(0.5 * s, 0.5 * math.sqrt(s)), Estimate(2.0 * b, 2.0 * math.sqrt(b)), 0.05)
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.08)  # the scatter of 800 is known to 2.5 %


def test_names_of_formulas():
    assert parse_formula("mine=s/b").name == "mine"
    assert parse_formula(" s / b ").name == "s / b"
    assert str(parse_formula("mine =  s / b")) == "mine = s / b"
    where = parse_formula("where(b >= 1, s / b, 0)")
    assert where.name == "where(b >= 1, s / b, 0)"
    assert where.estimate(Estimate(2.0, 0.1), Estimate(0.5, 0.1)).value == 0
    assert not parse_formula("s**2").of_background
    assert parse_formula("s - sigma_b").of_background


@pytest.mark.parametrize(
    ("text", "reason", "caret"),
    [
        ("mine = s / bb", "no quantity 'bb'; there are s, b,", 11),
        ("s / (b + 1", "this parenthesis is never closed", 4),
        ("mine = s > b", "this is a condition", 7),
        ("mine = sum(s)", "runs over the objects", 7),
        ("mine = 3 +* s", "a value is missing before `*`", 10),
        ("mine = ", "empty", 7),
    ],
)
def test_mistakes_are_pointed_at(text, reason, caret):
    with pytest.raises(UsageError) as caught:
        parse_formula(text)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith("--fom: ")
    assert reason in first
    assert shown == f"  {text}"
    assert pointer == " " * (2 + caret) + "^"


def test_what_is_not_finite_is_undefined_in_words():
    S, B = Estimate(4.0, 1.0), Estimate(0.0, 0.0, "no simulated background event passes")
    found = parse_formula("mine = s / sqrt(b)").estimate(S, B)
    assert found.value is None
    assert found.reason == "no simulated background event passes; mine is not finite at s = 4, b = 0"
    root = parse_formula("mine = sqrt(s - b)").estimate(S, Estimate(9.0, 1.0))
    assert "it divides by zero or the like; mine is not finite at s = 4, b = 9" in root.reason
    edge = parse_formula("mine = sqrt(s - 4)").estimate(S, Estimate(9.0, 1.0))
    assert (edge.value, edge.error) == (0.0, None)
    assert "no derivative" in edge.reason
    assert parse_formula("s/b").estimate(Estimate.undefined("no split"), B).reason == "no split"


def test_systematics_are_read_and_said():
    assert str(parse_systematics(["0.1"])) == "10 % of B"
    both = parse_systematics(["0.1", "QCD = 0.3", "tt=0"])
    assert both == BackgroundSystematics(0.1, (("QCD", 0.3), ("tt", 0.0)))
    assert str(both) == "10 % of B without QCD, tt ⊕ 30 % of QCD"
    assert not parse_systematics([])
    assert not parse_systematics(["0"])
    for texts, message in (
        (["x"], "give a fraction"),
        (["-0.1"], "give a fraction"),
        (["=0.1"], "give a fraction"),
        (["QCD=nan"], "give a fraction"),
        (["0.1", "0.2"], "all background is given twice"),
        (["tt=0.1", "tt=0.2"], "of tt is given twice"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_systematics(texts)
    with pytest.raises(UsageError, match=r"no background process of that name; did you mean QCD\?"):
        require_processes(parse_systematics(["QDC=0.3"]), ["QCD", "tt"], "events.parquet")


def test_processes_move_alone_or_together():
    yields = {"QCD": 30.0, "tt": 10.0, "W": 60.0}
    assert parse_systematics(["0.1"]).relative(yields) == pytest.approx(0.1)  # together: linear
    own = parse_systematics(["QCD=0.1", "tt=0.3"])
    assert own.relative(yields) == pytest.approx(math.hypot(3, 3) / 100)  # independent: in quadrature
    both = parse_systematics(["0.1", "QCD=0.5"])
    assert both.relative(yields) == pytest.approx(math.hypot(0.1 * 70, 15) / 100)
    assert own.relative({"QCD": 0.0, "tt": 0.0, "W": 0.0}) == 0


def kept(events: int, weight: float, n_eff: float | None = None) -> Kept:
    squares = events * weight**2 if n_eff is None else (events * weight) ** 2 / n_eff
    sums = Sums(events, events * weight, squares)
    return Kept(sums, sums + Sums(100, 100.0 * weight, 100 * weight**2), (weight,), (("QCD", events * weight),))


def test_too_few_events_are_said_in_words():
    formulas = [parse_formula("mine = s / sqrt(b)"), parse_formula("signal = s")]
    found = summarise(kept(50, 1.0), kept(20, 0.1, 9.9), formulas=formulas)
    for name in (
        "s_over_b", "s_over_sqrt_b", "asimov", "exact_asimov", "binomial_z", "background_rejection", "mine",
    ):  # fmt: skip
        assert found[name].value is None, name
        assert found[name].reason == (
            "only 9.9 effective background events are left, fewer than 10: "
            "what grows without bound for B → 0 is not quoted"
        )
    assert found["signal"].value == 50
    assert found["s_over_sqrt_s_plus_b"].value is not None  # finite for B = 0, and marked
    assert found["s_over_sqrt_s_plus_b"].reason.startswith("only 9.9 effective")
    assert summarise(kept(50, 1.0), kept(20, 0.1, 9.9), min_effective_events=9)["s_over_sqrt_b"].value is not None
    assert "no simulated background" in summarise(kept(50, 1.0), kept(0, 0.1))["s_over_sqrt_b"].reason


def test_systematics_of_processes_enter_every_significance():
    plain = summarise(kept(50, 1.0), kept(100, 1.0))
    moved = summarise(kept(50, 1.0), kept(100, 1.0), parse_systematics(["QCD=0.2"]))
    for name in ("asimov", "exact_asimov", "binomial_z"):
        assert moved[name].value < plain[name].value
    assert moved["asimov"].value == pytest.approx(asimov(Estimate(50.0, 0.0), Estimate(100.0, 10.0), 0.2).value)


@given(efficiency=st.floats(0.01, 1.0), b=st.floats(0.0, 1e4), a=st.floats(1.0, 5.0))
def test_punzi_figures(efficiency, b, a):
    # for b = a the full form is proportional to the simple one (physics/0308063): S_min = a^2 + 2 a sqrt(B)
    assert float(minimum_signal(b, a, a)) == pytest.approx(a**2 + 2 * a * math.sqrt(b), rel=1e-12)
    ratio = float(simple_figure(efficiency, b, a)) / (efficiency / float(minimum_signal(b, a, a)))
    assert ratio == pytest.approx(2 * a, rel=1e-12)
    assert float(simple_figure(efficiency, 0.0, a)) == pytest.approx(2 * efficiency / a)


def test_errors_of_punzi_figures():
    inputs = PunziInputs(a=5.0, b=1.645)
    B = Estimate(25.0, 4.0)
    simple = punzi_figure(Estimate(0.3, 0.01), B, inputs, full=False)
    assert simple.value == pytest.approx(0.3 / 7.5)
    by_b = 0.3 / 7.5**2 / (2 * 5.0)
    assert simple.error == pytest.approx(math.hypot(0.01 / 7.5, by_b * 4.0), rel=1e-6)
    full = punzi_figure(Estimate(0.3, 0.01), B, inputs, full=True)
    assert full.value == pytest.approx(0.3 / float(minimum_signal(25.0, 5.0, 1.645)))
    assert "negative" in punzi_figure(Estimate(0.3, 0.0), Estimate(-1.0, 0.0), inputs, full=True).reason


def test_options_out_of_range():
    for options, message in (
        ({"min_effective_events": -1.0}, "--min-effective-events -1: give a number"),
        ({"punzi_a": 0.0}, "--punzi-a 0: give standard deviations"),
        ({"punzi_b": math.nan}, "--punzi-b nan"),
        ({"formulas": ["asimov = s"]}, "a number called 'asimov' already"),
        ({"formulas": ["a = s", "a = b"]}, "a number called 'a' already"),
    ):
        with pytest.raises(UsageError, match=message):
            read_options(**options)
