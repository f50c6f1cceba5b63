"""What is written for a publication: LaTeX, HEPData, ADL, YAML and CSV, and the report that tables are taken from."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_export_golden import FLOW, PRESELECTION, SELECTIONS, TABLE

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.cut_flow_table import read_cut_flow
from cutflow_cli.export.digits import plain_cut, shortest
from cutflow_cli.export.handover import Rounding, export_cuts
from cutflow_cli.export.hepdata import HepData, validated
from cutflow_cli.export.registry import DIALECTS, find_dialect
from cutflow_cli.export.rounding import Rounded
from cutflow_cli.export.tex_text import escaped
from cutflow_cli.runs import Run, RunManifest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

MANIFEST = RunManifest(
    "lcf-parallel", {}, SELECTIONS.features, {"path": "events.parquet"}, "0", preselection=PRESELECTION, seed=1
)
RUN = Run(Path("runs/par"), replace(MANIFEST, replicas=(0, 10)), (FLOW,))


def render(name: str, *cuts: LearnedCut, **changes) -> str:
    flows = (CutFlow(cuts),) if cuts else SELECTIONS.flows
    return DIALECTS[name].render(replace(SELECTIONS, flows=flows, **changes))


def test_shortest_digits_name_the_same_number():
    assert [shortest(float(v), "float64") for v in (0.1, 1e-7, 3e20, 100, -2.5)] == [
        "0.1",
        "1e-7",
        "3e+20",
        "100",
        "-2.5",
    ]
    assert shortest(68.33999633789062, "float32") == "68.34"
    assert shortest(68.33999633789062, "float64") == "68.33999633789062"
    assert plain_cut(Cut("x", Region.OUTSIDE, 0.3499999940395355, 10.0), "float32") == "x < 0.35 or x > 10"
    assert plain_cut(Cut("x10.05", Region.INSIDE, 0.0, 10.05), "float64") == "0 < x10.05 < 10.05"


def test_yaml_says_what_json_says():
    assert yaml.safe_load(render("yaml")) == json.loads(render("json"))
    infinite = yaml.safe_load(render("yaml", LearnedCut(Cut("d2", Region.BELOW, upper=float("inf")))))
    assert infinite["cut_flows"][0]["cuts"][0]["upper"] == float("inf")


def test_csv_is_a_table_of_preselection_and_cuts():
    rows = list(csv.DictReader(io.StringIO(render("csv"))))
    assert [row["kind"] for row in rows] == ["preselection"] * 2 + ["cut"] * 3
    assert [row["position"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["expression"] for row in rows[:2]] == list(PRESELECTION)
    assert float(rows[2]["lower"]) == FLOW.cuts[0].lower
    assert (rows[3]["lower"], rows[3]["expression"]) == ("", "fatjet_tau2 / fatjet_tau1")


def test_latex_escapes_what_it_would_read_itself():
    assert escaped(r"a_b%c&d#e$f{g}h~i^j\k") == (
        r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k"
    )
    features = (FeatureInfo("m", label=r"$m_{J}$", unit="GeV/%"), FeatureInfo("t", label=r"\tau_{21}"))
    cuts = (LearnedCut(Cut("m", Region.ABOVE, 1e-7)), LearnedCut(Cut("t", Region.OUTSIDE, -1e30, 2.0)))
    text = render("latex", *cuts, features=features, preselection=())
    assert r"1 & $m_{J}$ $> 1 \times 10^{-7}$\,GeV/\% \\" in text
    assert r"2 & $\tau_{21}$ $< -1 \times 10^{30}$ or $\tau_{21}$ $> 2$ \\" in text
    assert r"\begin{tabular}{ll}" in text  # no errors, no column for them


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("Δφ(ℓ, MET)", r"\ensuremath{\Delta}\ensuremath{\phi}(\ensuremath{\ell}, MET)"),
        (
            "Σ_λΛΑο",
            r"\ensuremath{\Sigma}\_\ensuremath{\lambda}\ensuremath{\Lambda}\ensuremath{\mathrm{A}}\ensuremath{o}",
        ),
        ("fb⁻¹ p₁² µm", r"fb\ensuremath{^{-}}\ensuremath{^{1}} p\ensuremath{_{1}}\ensuremath{^{2}} \ensuremath{\mu}m"),
        ("a ≤ b … Müller–Škoda", r"a \ensuremath{\leq} b \ldots{} Müller--Škoda"),
        ("𝑚 ﬁ ☃", "m fi [U+2603]"),
    ],
)
def test_latex_writes_other_letters_in_its_own_words(text, tex):
    assert escaped(text) == tex


@given(st.text(max_size=20))
def test_latex_is_left_with_letters_that_it_knows(text):
    found = escaped(text)
    assert all(letter.isascii() or (letter.isalpha() and ord(letter) <= 0x17F) for letter in found)


def test_latex_of_names_and_labels_beyond_ascii():
    features = (
        FeatureInfo("Δφ_ℓ"), FeatureInfo("a", label="Δφ & 1"), FeatureInfo("b", label="$ε_1$"),
        FeatureInfo("c", label="m_τ"),
    )  # fmt: skip
    cuts = [LearnedCut(Cut(one.name, Region.ABOVE, 1.0)) for one in features]
    text = render("latex", *cuts, features=features, preselection=())
    assert r"1 & \texttt{\ensuremath{\Delta}\ensuremath{\phi}\_\ensuremath{\ell}} $> 1$ \\" in text
    assert r"2 & \ensuremath{\Delta}\ensuremath{\phi} \& 1 $> 1$ \\" in text
    assert r"3 & ${\ensuremath{\varepsilon}}_1$ $> 1$ \\" in text
    assert r"4 & $m_{\ensuremath{\tau}}$ $> 1$ \\" in text
    assert text.isascii()


def test_latex_writes_six_digits_and_says_so():
    features = (FeatureInfo("x", dtype="float64"), FeatureInfo("y", dtype="float64"))
    x = LearnedCut(Cut("x", Region.ABOVE, 1.2624538551130788))
    said = "% Boundaries are rounded to 6 digits here; --format json gives those that are applied.\n"
    text = render("latex", x, features=features, preselection=())
    assert r"\texttt{x} $> 1.26245$ \\" in text
    assert said in text
    assert said not in render("latex", LearnedCut(Cut("x", Region.ABOVE, 1.26245)), features=features)
    narrow = LearnedCut(Cut("y", Region.INSIDE, 1.00000001, 1.00000002))
    text = render("latex", narrow, features=features, preselection=())
    assert r"$1.00000001 <$ \texttt{y} $< 1.00000002$" in text, "six digits would say that nothing is kept"
    assert said not in text
    published = (Rounded("x", "lower", 1.2624538551130788, 1.2624538, 1e-7),)
    rounded = LearnedCut(Cut("x", Region.ABOVE, 1.2624538))
    text = render("latex", rounded, features=features, preselection=(), rounded=(published,))
    assert "$> 1.2624538$" in text
    assert said not in text


def test_latex_sets_numbers_with_as_many_digits_as_their_errors_bear():
    text = render("latex", table=TABLE)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    rows = {line.partition(" &")[0].strip(): line for line in text.splitlines()}
    assert rows["before any cut"].endswith(r"\num{110.2 +- 1.4} & \num{934600 +- 7100} \\")
    assert rows[r"\texttt{n\_jets} $< 1.5$ or \texttt{n\_jets} $> 4.5$"].endswith(r"\num{60.001} & -- \\")


def test_hepdata_is_valid_and_has_the_numbers_of_the_table():
    text = render("hepdata", table=TABLE)
    _, table = yaml.safe_load_all(text)
    (cuts,), (signal, background) = table["independent_variables"], table["dependent_variables"]
    assert [value["value"] for value in cuts["values"]][3] == "68.34 < m_jet < 101.2 GeV"
    assert [value["value"] for value in signal["values"]] == [line.expected[0].value for line in TABLE.lines]
    assert signal["values"][0]["errors"] == [{"symerror": 1.5, "label": "stat"}]
    assert (signal["values"][-1]["errors"], background["values"][-1]) == ([], {"value": "-"})
    pytest.importorskip("hepdata_validator", reason="hepdata-validator is not installed")
    assert validated(text) == ()
    assert HepData().remarks(text) == ("validated by hepdata-validator, schema 1.1.1",)
    assert any("symerror" in fault for fault in validated(text.replace("symerror", "error")))
    assert any("name" in fault for fault in validated(text.replace("Cut flow", "Cut flow " * 20)))


def test_hepdata_that_does_not_validate_is_not_given(monkeypatch):
    monkeypatch.setattr("cutflow_cli.export.hepdata.validated", lambda _: ("no keywords",))
    with pytest.raises(UsageError, match="the HEPData validator objects: no keywords"):
        render("hepdata", table=TABLE)
    monkeypatch.setattr("cutflow_cli.export.hepdata.validated", lambda _: None)
    assert HepData().remarks(render("hepdata", table=TABLE))[0].startswith("not validated; ")


def test_adl_defines_features_and_writes_choices_out():
    features = (
        FeatureInfo("r", expression="a / b"), FeatureInfo("k", "float64", expression="min(a, b)"),
        FeatureInfo("a", expression="a"), FeatureInfo("e", "float64", expression="abs(a) ** 2 * 1e-7"),
    )  # fmt: skip
    cuts = [LearnedCut(Cut(name, Region.BELOW, upper=0.5)) for name in "rkae"]
    text = render("adl", *cuts, features=features, preselection=("not (a != 1) or b > 1e20",))
    assert "define r = a / b\n" in text
    assert "define e = abs(a) ^ 2.0 * 0.0000001\n" in text
    assert "define a" not in text  # a name of the source already
    assert text.partition("region selection\n")[2].splitlines() == [
        "  select NOT (a < 1.0 or a > 1.0) or b > 100000000000000000000.0",
        "  select r < 0.4999999850988388  # r < 0.5",
        "  select (a < b and a < 0.5) or (a >= b and b < 0.5)  # k < 0.5",
        "  select a < 0.4999999850988388  # a < 0.5",
        "  select e < 0.5",
    ]
    for expression, what in (("atan(a)", "this function: atan"), ("a % b", "a remainder: a % b")):
        with pytest.raises(UsageError, match=f"ADL can't say {what}"):
            render("adl", *cuts[:1], features=(FeatureInfo("r", expression=expression),))
    with pytest.raises(UsageError, match="ADL can't say the column name 'select'"):
        render("adl", LearnedCut(Cut("select", Region.ABOVE, 1.0)), features=(FeatureInfo("select"),))


def test_rounding_is_said_in_or_beside_every_dialect():
    said = "m_jet, lower boundary: 68.34 → 68 (within 0.41)"
    for name in (name for name, dialect in DIALECTS.items() if dialect.report != "required"):
        export = export_cuts(RUN, name, rounding=Rounding())
        assert re.search(r"\b68(\.0|,|\b)", export.text.replace(said, "")), name
        assert (said in export.text) != (f"rounded: {said}" in export.notes), name
        assert not export.warnings
    text = export_cuts(RUN, "text", rounding=Rounding()).text
    assert "  1  68 < m_jet < 101 GeV" in text
    assert "rounded\n    m_jet, lower boundary: 68.34 → 68 (within 0.41)\n" in text
    (flow,) = json.loads(export_cuts(RUN, "json", rounding=Rounding()).text)["cut_flows"]
    assert flow["rounded"][1] == {"observable": "m_jet", "side": "upper", "before": FLOW.cuts[0].upper, "after": 101.0}
    assert "rounded" not in json.loads(export_cuts(RUN, "json").text)["cut_flows"][0]


def test_rounding_in_vain_is_said():
    single = CutFlow((LearnedCut(Cut("m_jet", Region.BELOW, upper=68.34)),))
    run = replace(RUN, flows=(single,))
    assert export_cuts(run, "text", rounding=Rounding()).warnings == (
        "runs/par: no boundary was rounded, none has an error (train with --replicas); or add --round-within",
    )
    assert "m_jet < 70 GeV" in export_cuts(run, "text", rounding=Rounding(0.05)).text
    known = CutFlow((LearnedCut(Cut("m_jet", Region.BELOW, upper=70.0), upper_error=0.5),))
    (warning,) = export_cuts(replace(RUN, flows=(known,)), "text", rounding=Rounding()).warnings
    assert warning.endswith("all are as round as they may be")


@pytest.mark.parametrize(
    ("dialect", "options", "message"),
    [
        ("hepdata", {}, "--format hepdata gives a cut-flow table; add --report"),
        ("root", {"report": Path("r")}, "--report is for latex and hepdata, .* leave it away for root"),
        ("latex", {"report": Path("r"), "data": Path("e.parquet")}, "take either it or --data"),
        ("root", {"data": Path("e.parquet")}, "--data is what rounding is counted on, .* leave it away for root"),
    ],
)
def test_reports_where_they_belong(dialect, options, message):
    with pytest.raises(UsageError, match=message):
        export_cuts(RUN, dialect, **options)


def test_unknown_formats_are_answered_with_all_there_are_in_groups():
    everything = (
        "for people: text; data: json, yaml, csv, correctionlib; Python: python, query, awkward; "
        "ROOT and C\\+\\+: root, rdataframe, cpp; publication: latex, hepdata, adl; scores: onnx"
    )
    with pytest.raises(
        UsageError, match=f"--format qery: no such format; did you mean query\\? .there are, {everything}"
    ):
        find_dialect("qery")
    with pytest.raises(UsageError, match=f"--format zzz: no such format; there are, {everything}"):
        find_dialect("zzz")


def report(**changes) -> SimpleNamespace:
    """Return what `read_report` gives of an evaluated run of one signal and two backgrounds."""
    rows = [
        SimpleNamespace(
            run="par", working_point="default", kind=kind, replica=replica, split=split, hypothesis=None,
            position=position, cut=cut, process=process, yield_=10.0 * position + len(process), yield_error=1.0,
        )
        for kind, replica in (("consensus", -1), ("replica", 0))
        for split in ("test", "train", "all")
        for position, cut in enumerate(["all events", *PRESELECTION, "before any cut", *map(str, FLOW.cuts)], start=-3)
        for process in ("signal", "background", "QCD", "top")
        if (split == "all") == (position < 0)
    ]  # fmt: skip
    known = {
        "split": "test", "luminosity": 139.0, "runs": ({"name": "par", "digest": "0"},),
        "processes": (("signal", "signal"), ("QCD", "background"), ("top", "background")),
    }  # fmt: skip
    return SimpleNamespace(path=Path("report"), manifest=SimpleNamespace(**known | changes), cut_flow=tuple(rows))


def test_the_cut_flow_of_a_report(monkeypatch):
    monkeypatch.setattr("cutflow_cli.evaluation.report.read_report", lambda _: report())
    table = read_cut_flow(Path("report"), RUN, FLOW)
    assert table.processes == (
        ("signal", "signal"), ("QCD", "background"), ("top", "background"), ("background", "background")
    )  # fmt: skip
    assert [line.position for line in table.lines] == [-3, -2, -1, 0, 1, 2, 3]
    assert table.lines[-1].cut == str(FLOW.cuts[-1])
    assert [one.value for one in table.lines[4].expected] == [16.0, 13.0, 13.0, 20.0]
    text = export_cuts(RUN, "hepdata", report=Path("report")).text
    assert [value["value"] for value in list(yaml.safe_load_all(text))[1]["dependent_variables"][3]["values"]] == [
        -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0
    ]  # fmt: skip
    text = export_cuts(RUN, "latex", report=Path("report")).text
    assert r"     & signal & QCD (background) & top (background) & background \\" in text
    assert r"$68.34 <$ \texttt{m\_jet} $< 101.2$\,GeV & \num{16.0 +- 1.0} & \num{13.0 +- 1.0} &" in text


def test_a_report_of_something_else(monkeypatch):
    monkeypatch.setattr("cutflow_cli.evaluation.report.read_report", lambda _: report())
    moved = replace(RUN, flows=(replace(FLOW, steps=FLOW.steps[:2]),))
    with pytest.raises(InputError, match="report: has evaluated another selection of this name; run `cutflow evaluate"):
        export_cuts(moved, "hepdata", report=Path("report"))
    unknown = replace(RUN, flows=(replace(FLOW, working_point="tight"),))
    with pytest.raises(InputError, match="report: has not evaluated this selection; run `cutflow evaluate runs/par"):
        export_cuts(unknown, "latex", report=Path("report"))
    monkeypatch.setattr(
        "cutflow_cli.evaluation.report.read_report", lambda _: report(runs=({"name": "bdt", "digest": "1"},))
    )
    with pytest.raises(InputError, match="report: has not evaluated runs/par as it is now, but bdt; evaluate again"):
        export_cuts(RUN, "hepdata", report=Path("report"))


def test_no_report(tmp_path):
    with pytest.raises(InputError, match="no-report"):
        read_cut_flow(tmp_path / "no-report", RUN, FLOW)


def test_one_replica_agrees_with_nobody_and_is_called_no_consensus():
    said = {name: render(name, replicas=1, table=TABLE) for name in ("text", "latex", "python")}
    assert "Selection of 1 replica, working point default" in said["text"]
    assert r"\caption{Event selection of 1 replica, working point default." in said["latex"]
    assert "It is the selection of 1 replica, working point default, seed 1." in said["python"]
    assert not any("onsensus" in text for text in said.values())
    assert "Consensus of 2 replicas" in render("text", replicas=2)
