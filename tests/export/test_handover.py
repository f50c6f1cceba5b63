"""Which flows an export takes, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cutflow_cli.artifacts import Action
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.choose import Choice
from cutflow_cli.export.handover import export_cuts, save
from cutflow_cli.export.registry import DIALECTS
from cutflow_cli.runs import Run, RunManifest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

CODE = [name for name, dialect in DIALECTS.items() if dialect.executes]
#: Code that has no word for objects.
OF_COLUMNS = [name for name in CODE if not DIALECTS[name].objects]
#: What is written from the run alone.
OF_RUNS = [name for name, dialect in DIALECTS.items() if dialect.report != "required"]
MANIFEST = RunManifest(
    "lcf-parallel",
    {},
    (FeatureInfo("m", unit="GeV"), FeatureInfo("r", expression="t2 / t1"), FeatureInfo("q", "float64")),
    {"path": "events.parquet"},
    "0",
    preselection=("pt > 200", "eta != 0"),
    replicas=(0, 2),
)


def flow(upper: float, **what) -> CutFlow:
    return CutFlow((LearnedCut(Cut("m", Region.BELOW, upper=upper)), LearnedCut(Cut("r", Region.ABOVE, 0.5))), **what)


CONSENSUS = flow(0.5, kind="consensus", replica=-1)
RUN = Run(Path("runs/par"), MANIFEST, (flow(0.25), flow(0.75, replica=1), CONSENSUS))
SCAN = replace(
    RUN,
    flows=tuple(
        flow(target, working_point=f"signal_efficiency={target}", target=target, kind="consensus", replica=-1)
        for target in (0.5, 0.75)
    ),
)
MASSES = replace(RUN, flows=tuple(replace(CONSENSUS, hypothesis=mass) for mass in (1.5, 2.5)))
TWO_SEEDS = replace(RUN, flows=RUN.flows[:2])


def uppers(run: Run, **options) -> list[float]:
    document = json.loads(export_cuts(run, "json", **options).text)
    return [found["cuts"][0]["upper"] for found in document["cut_flows"]]


def test_the_consensus_unless_something_else_is_asked_for():
    assert uppers(RUN) == [0.5]
    assert uppers(RUN, choice=Choice(replica=1)) == [0.75]
    assert uppers(RUN, choice=Choice(every_replica=True)) == [0.25, 0.75, 0.5]
    assert uppers(replace(RUN, flows=RUN.flows[1:2])) == [0.75]  # a single training agrees with itself


def test_a_scan_gives_all_working_points_as_data_and_one_as_code():
    assert uppers(SCAN) == [0.5, 0.75]
    assert uppers(SCAN, choice=Choice(working_point="signal_efficiency=0.75")) == [0.75]
    assert uppers(SCAN, choice=Choice(working_point="0.75")) == [0.75]
    for dialect in CODE:
        with pytest.raises(UsageError, match=r"--working-point: signal_efficiency=0\.5, signal_efficiency=0\.75"):
            export_cuts(SCAN, dialect)
        assert "0.75" in export_cuts(SCAN, dialect, choice=Choice(working_point="0.75")).text


def test_all_working_points_are_said_to_be_all_with_the_recommended_one():
    recommended = "signal_efficiency=0.75"
    run = replace(SCAN, manifest=replace(SCAN.manifest, recommended=recommended))
    for name in ("text", "json", "yaml", "csv", "latex"):
        export = export_cuts(run, name)
        assert export.notes == (
            f"all 2 working points, of which {recommended} is the recommended one; --working-point takes one",
        )
        assert export_cuts(run, name, choice=Choice(working_point="0.5")).notes == ()
    assert export_cuts(SCAN, "text").notes == ("all 2 working points; --working-point takes one",)
    text, latex = (export_cuts(run, name).text for name in ("text", "latex"))
    assert "working point signal_efficiency=0.75 (recommended)\n" in text
    assert text.count("(recommended)") == latex.count("(recommended)") == 1
    assert "recommended" not in export_cuts(run, "text", choice=Choice(working_point="0.75")).text


def test_choices_in_every_dialect_that_carries_several_flows_and_in_all_others():
    several = [name for name, dialect in DIALECTS.items() if dialect.several]
    assert several == ["text", "json", "yaml", "csv", "latex"]  # as the help of --all says
    uppers_in = re.compile(r"(?<![\d.])0\.(?:25|5|75)(?!\d)")
    tight = tuple(replace(one, working_point="tight", steps=one.steps[:1]) for one in RUN.flows)
    run = replace(RUN, flows=tuple(replace(one, steps=one.steps[:1]) for one in RUN.flows))
    both = replace(run, flows=(*(replace(one, steps=()) for one in run.flows), *tight))
    for name in OF_RUNS:
        assert uppers_in.findall(export_cuts(run, name, choice=Choice(replica=1)).text)[:1] == ["0.75"], name
        assert "0.5" in uppers_in.findall(export_cuts(both, name, choice=Choice(working_point="tight")).text), name
        if name in several:
            found = uppers_in.findall(export_cuts(run, name, choice=Choice(every_replica=True)).text)
            assert set(found) == {"0.25", "0.75", "0.5"}, name
            assert "0.5" in uppers_in.findall(export_cuts(both, name).text), name
        else:
            with pytest.raises(UsageError, match="leave --all away"):
                export_cuts(run, name, choice=Choice(every_replica=True))


def test_hypotheses():
    assert len(uppers(MASSES)) == 2
    assert len(uppers(MASSES, choice=Choice(hypothesis=2.5))) == 1
    with pytest.raises(UsageError, match=r"add --hypothesis: 1\.5, 2\.5"):
        export_cuts(MASSES, "root")
    assert "m < 0.5" in export_cuts(MASSES, "root", choice=Choice(hypothesis=1.5)).text


@pytest.mark.parametrize(
    ("run", "choice", "message"),
    [
        (RUN, Choice(replica=7), "--replica 7: the run has no such replica; there are: 0, 1"),
        (RUN, Choice(replica=1, every_replica=True), "exclude each other"),
        (RUN, Choice(working_point="tight"), "no such working point; there is: default"),
        (SCAN, Choice(working_point="signal_efficency=0.5"), "did you mean signal_efficiency=0.5"),
        (RUN, Choice(hypothesis=3.0), "--hypothesis 3: .* the same for all hypotheses"),
        (MASSES, Choice(hypothesis=3.0), r"--hypothesis 3: .* there are: 1\.5, 2\.5"),
        (SCAN, Choice(replica=0), "--replica 0: the run has no such replica; there are: none"),
        (TWO_SEEDS, Choice(), "holds no consensus; add --replica or --all"),
    ],
)
def test_what_is_not_there_is_listed(run, choice, message):
    with pytest.raises(UsageError, match=message):
        export_cuts(run, "text", choice=choice)


def test_code_carries_one_flow():
    with pytest.raises(UsageError, match="leave --all away, or add --replica: 0, 1"):
        export_cuts(RUN, "python", choice=Choice(every_replica=True))


def test_a_run_without_cuts_and_cuts_without_a_feature():
    with pytest.raises(InputError, match="runs/par: holds no cuts to export; train again"):
        export_cuts(replace(RUN, flows=()), "text")
    stray = CutFlow((LearnedCut(Cut("mm", Region.BELOW, upper=1.0)),))
    with pytest.raises(InputError, match="runs/par: cuts on 'mm', which is no feature of the run; did you mean m"):
        export_cuts(replace(RUN, flows=(stray,)), "text")


def test_a_score_is_described_but_not_turned_into_code():
    flow = CutFlow((LearnedCut(Cut("score", Region.ABOVE, 0.1)),), kind="consensus", replica=-1)
    run = replace(RUN, flows=(flow,), manifest=replace(MANIFEST, scores=("score",)))
    assert "score > 0.10000000149011612" in export_cuts(run, "text").text  # as float32, like the score itself
    for dialect in CODE:
        with pytest.raises(UsageError, match=f"cuts on its score, which no {dialect} code computes; --format text"):
            export_cuts(run, dialect)


def test_code_takes_the_recommended_working_point_of_a_scan():
    names = dict.fromkeys(flow.working_point for flow in SCAN.flows)
    recommended = list(names)[-1]
    run = replace(SCAN, manifest=replace(SCAN.manifest, recommended=recommended))
    export = export_cuts(run, "root")
    assert export.text == export_cuts(SCAN, "root", choice=Choice(working_point=recommended)).text
    assert export.notes == (f"working point {recommended}, the recommended one; --working-point takes another",)


@pytest.mark.parametrize("dialect", CODE)
def test_an_expression_of_the_run_that_is_not_in_the_language(dialect):
    features = (MANIFEST.features[0], FeatureInfo("r", expression="t2 // t1"))
    damaged = replace(RUN, manifest=replace(MANIFEST, features=features))
    with pytest.raises(InputError, match=r"runs/par/run\.json: feature 'r': `//` is not in the language"):
        export_cuts(damaged, dialect)


@pytest.mark.parametrize("dialect", OF_RUNS)
def test_preselection_is_rendered_or_said_to_be_left_out(dialect):
    assert re.search(r"\bpt\b", export_cuts(RUN, dialect).text)
    left_out = export_cuts(RUN, dialect, preselection=False)
    assert not re.search(r"\bpt\b", left_out.text)
    assert left_out.notes[0] == "preselection left out: (pt > 200) and (eta != 0)"
    bare = replace(RUN, manifest=replace(MANIFEST, preselection=()))
    assert export_cuts(bare, dialect, preselection=False).notes[0] == "the run has no preselection to leave out"


@pytest.mark.parametrize("dialect", CODE)
def test_feature_columns_instead_of_source_columns(dialect):
    source, features = export_cuts(RUN, dialect), export_cuts(RUN, dialect, columns="features")
    assert re.search(r"\bt2\b.* / .*\bt1\b", source.text)
    assert source.notes == (DIALECTS[dialect].remarks("") if dialect == "query" else ())
    assert "t2" not in features.text
    assert "r > 0.5" in features.text
    assert "pt >" not in features.text
    assert (
        features.notes[0] == "preselection left out, the events file's columns are after it: (pt > 200) and (eta != 0)"
    )


OBJECTS = replace(
    RUN,
    manifest=replace(
        MANIFEST,
        features=(FeatureInfo("m", expression="fatjet0.mass"), FeatureInfo("r", expression="t2 / t1")),
        preselection=("jet:4.pt > 30.0 [any]", "veto muon0,muon1.inv_mass > 80.0"),
        per_object=("fatjet0.mass", "jet:4.pt", "muon0,muon1.inv_mass"),
    ),
)


@pytest.mark.parametrize("dialect", ["text", "json"])
def test_observables_of_objects_are_handed_over_as_they_are(dialect):
    text = export_cuts(OBJECTS, dialect).text
    for expected in ("fatjet0.mass", "t2 / t1", *OBJECTS.manifest.preselection):
        assert expected in text


@pytest.mark.parametrize("dialect", OF_COLUMNS)
def test_code_refuses_observables_of_objects(dialect):
    remedy = "add --columns features for code that is applied to the events file, or take --format text or json"
    with pytest.raises(UsageError, match=rf"runs/par: preselection `jet:4.pt > 30.0 \[any\]`: `jet:4.pt` .*{remedy}"):
        export_cuts(OBJECTS, dialect)
    with pytest.raises(UsageError, match=f"feature 'm': `fatjet0.mass` is an observable of objects, .*{remedy}"):
        export_cuts(OBJECTS, dialect, preselection=False)
    export = export_cuts(OBJECTS, dialect, columns="features")
    assert "m < 0.5" in export.text
    assert "fatjet0" not in export.text
    assert export.notes[0].startswith("preselection left out, the events file's columns are after it: (jet:4.pt > 30.0")
    reduced = replace(OBJECTS, manifest=replace(MANIFEST, preselection=("count(Jet_pt > 30) >= 2",)))
    with pytest.raises(UsageError, match=r"`count\(Jet_pt > 30.0\)` is taken over the objects of an event"):
        export_cuts(reduced, dialect)


@pytest.mark.parametrize("dialect", [name for name in OF_COLUMNS if name != "adl"])
def test_a_column_of_the_same_name_is_a_column(dialect):
    """A flat table may have a column `jet0.pt`; a feature made of nothing but an observable may be called as it."""
    features = (FeatureInfo("m", expression="jet0.pt / 2"), FeatureInfo("r"))
    flat = replace(OBJECTS, manifest=replace(MANIFEST, features=features, preselection=("jet1.pt > 30",)))
    text = export_cuts(flat, dialect).text
    assert "jet0.pt" in text
    assert "jet1.pt" in text
    of_objects = replace(OBJECTS, manifest=replace(flat.manifest, per_object=("jet1.pt",)))
    with pytest.raises(UsageError, match=r"`jet1\.pt` is an observable of objects"):
        export_cuts(of_objects, dialect)
    named = replace(flat.manifest, features=(FeatureInfo("m"), FeatureInfo("r")), preselection=(), per_object=("r",))
    with pytest.raises(UsageError, match="feature 'r': `r` is an observable of objects"):
        export_cuts(replace(OBJECTS, manifest=named), dialect)


@pytest.mark.parametrize("dialect", CODE)
def test_an_observable_that_no_applied_cut_takes_is_no_matter(dialect):
    only_r = CutFlow((LearnedCut(Cut("m", Region.BELOW, upper=0.5), active=False), CONSENSUS.steps[1]))
    manifest = replace(OBJECTS.manifest, preselection=())
    assert "t2" in export_cuts(replace(OBJECTS, flows=(only_r,), manifest=manifest), dialect).text


@pytest.mark.parametrize("dialect", ["text", "json"])
def test_columns_are_a_matter_of_code(dialect):
    with pytest.raises(UsageError, match="--columns is for code"):
        export_cuts(RUN, dialect, columns="source")


@pytest.mark.parametrize(("dialect", "kept"), [("root", "1\n"), ("rdataframe", "return df;"), ("text", "no cut")])
def test_no_active_cut_keeps_everything_and_warns(dialect, kept):
    idle = CutFlow((LearnedCut(Cut("m", Region.BELOW, upper=0.5), active=False, note="importance below 0.05"),))
    bare = replace(RUN, flows=(idle,), manifest=replace(MANIFEST, preselection=()))
    export = export_cuts(bare, dialect)
    assert kept in export.text
    assert export.warnings == ("runs/par: no cut is active (working point default); the selection keeps every event",)
    assert not export_cuts(RUN, dialect).warnings


def test_boundaries_are_the_shortest_decimals_of_what_was_counted():
    """A float32 boundary that was written with fewer digits is rounded as it was when events were counted."""
    run = replace(RUN, flows=(CutFlow((LearnedCut(Cut("m", Region.BELOW, upper=0.1)),)),))
    assert float(np.float32(0.1)) == 0.10000000149011612
    for dialect in set(OF_RUNS) - {"latex"}:
        assert "0.10000000149011612" in export_cuts(run, dialect).text
    assert "$< 0.1$" in export_cuts(run, "latex").text  # for people, who know the column's type
    run = replace(RUN, flows=(CutFlow((LearnedCut(Cut("q", Region.BELOW, upper=0.1)),)),))
    for dialect in set(OF_RUNS) - {"latex"}:
        assert "0.100" not in export_cuts(run, dialect).text


def test_json_refuses_an_infinite_boundary_and_text_says_it():
    run = replace(RUN, flows=(CutFlow((LearnedCut(Cut("m", Region.BELOW, upper=np.inf)),)),))
    with pytest.raises(UsageError, match="JSON can't say the infinite boundary of the cut m < inf"):
        export_cuts(run, "json")
    assert "m < inf GeV" in export_cuts(run, "text").text


def test_json_shape():
    document = json.loads(export_cuts(RUN, "json").text)
    assert document == {
        "schema_version": 1,
        "features": {
            "m": {"expression": None, "unit": "GeV", "dtype": "float32"},
            "r": {"expression": "t2 / t1", "unit": None, "dtype": "float32"},
        },
        "preselection": ["pt > 200", "eta != 0"],
        "cut_flows": [
            {
                "working_point": "default",
                "target": None,
                "hypothesis": None,
                "replica": -1,
                "cuts": [
                    {"observable": "m", "region": "below", "lower": None, "upper": 0.5},
                    {"observable": "r", "region": "above", "lower": 0.5, "upper": None},
                ],
            }
        ],
    }


def test_names_that_python_cannot_use_become_variables_that_it_can():
    names = ("jet pt", "class", "jet_pt", "np", "fatjet0.tau21", "1st", 'odd"name')
    features = (*(FeatureInfo(name) for name in names), FeatureInfo("jet.pt", expression="jet_pt * 2"))
    steps = tuple(LearnedCut(Cut(feature.name, Region.ABOVE, 0.5)) for feature in features)
    run = replace(RUN, flows=(CutFlow(steps),), manifest=replace(MANIFEST, features=features, preselection=()))
    namespace: dict = {}
    exec(compile(export_cuts(run, "python").text, "selection.py", "exec"), namespace)
    events = {name: np.array([1.0, 1.0, 0.0]) for name in names}
    events["jet_pt"] = np.array([1.0, 0.3, 1.0])
    assert namespace["select"](events).tolist() == [True, False, False]
    assert namespace["cuts"](events)["jet.pt > 0.5"].tolist() == [True, True, True]


def test_save(tmp_path):
    out = tmp_path / "deep" / "cuts.json"
    assert save(out, "one\n", force=False) is Action.START
    assert save(out, "one\n", force=False) is Action.DONE
    assert save(out, "one\n", force=True) is Action.DONE
    with pytest.raises(UsageError, match=r"cuts\.json: exists"):
        save(out, "two\n", force=False)
    assert out.read_text() == "one\n"
    assert save(out, "two\n", force=True) is Action.START
    assert out.read_text() == "two\n"
    assert [path.name for path in out.parent.iterdir()] == ["cuts.json"]
