"""ONNX models give the scores of the run and pass its events, whatever runs them, and are refused otherwise."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest

from cutflow_cli.artifacts import file_digest
from cutflow_cli.commands.export_cuts import export_cuts as command
from cutflow_cli.engine.architecture import Architecture
from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.choose import Choice
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.handover import export_cuts
from cutflow_cli.export.onnx import Onnx
from cutflow_cli.models.bdt.prepare import Prepared
from cutflow_cli.models.bdt.scorer import BdtScorer
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.bdt.watch import Watch
from cutflow_cli.models.mlp.scorer import MlpScorer
from cutflow_cli.models.punzi.scorer import PunziScorer
from cutflow_cli.models.scores import mean_score
from cutflow_cli.runs import CUTS, RunManifest, open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
trial = importlib.import_module("cutflow_cli.export.onnx_trial")

NAMES = ("m_jet", "tau21", "d2")
FEATURES = (FeatureInfo("m_jet", unit="GeV"), FeatureInfo("tau21", expression="tau2 / tau1"), FeatureInfo("d2"))
MASS = FeatureInfo("mass", "float64", unit="GeV")


def events(count=3000, seed=0, strange=0.03):
    """Draw features of unlike scale, whole numbers among them so that values meet splits, and strange values."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal((80, 0.4, 2), (30, 0.2, 1), (count, 3)), 1).astype(np.float32)
    odd = rng.random(x.shape) < strange
    x[odd] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], odd.sum())
    return x


def networks(seed=0, replicas=3, unit="robust", **architecture):
    made = Architecture(3, **{"hidden": (16, 8), **architecture})
    drawn = Networks.drawn(made, Scaling.measure(events(), unit), seed, range(replicas))
    return Networks(drawn.architecture, drawn.scaling, 2 * drawn.values.numpy())


@cache
def trees(backend, replicas=2):
    module = importlib.import_module(f"cutflow_cli.models.bdt.{backend}_trees")
    members = []
    for replica in range(replicas):
        x = events(400, replica, 0.1 if backend == "xgboost" else 0.0)
        x[~np.isfinite(x)] = np.nan
        label = (np.nan_to_num(x[:, 0]) / 80 + x[:, 2] > 3).astype(np.float32)
        sample = Prepared(x, label, np.ones(len(x)), 0, len(x))
        watch = Watch(sample, None, 0, lambda: None, lambda *_: None)
        more = {"device": "cpu", "threads": 1} if backend == "xgboost" else {}
        settings = BdtSettings(backend=backend, trees=12)
        members.append(module.grow(sample, None, settings, seed=replica, watch=watch, **more))
    return BdtScorer(NAMES, backend, members, range(replicas))


SCORERS = {
    "mlp": lambda: MlpScorer(NAMES, networks()),
    "one replica, units of moments": lambda: MlpScorer(NAMES, networks(replicas=1, unit="moments", activation="tanh")),
    "softmax without bias": lambda: MlpScorer(NAMES, networks(outputs=2, bias=False, unit="min-max")),
    "linear": lambda: MlpScorer(NAMES, networks(hidden=())),
    "punzi": lambda: PunziScorer(NAMES, {"score": networks(1), "pretrained_score": networks(2)}),
    "xgboost": lambda: trees("xgboost"),
    "sklearn": lambda: trees("sklearn"),
}


def selections(*steps, kind="consensus", replica=-1, **more):
    flow = CutFlow(tuple(LearnedCut(step) for step in steps), kind=kind, replica=replica)
    return Selections("run", "mlp", (flow,), (*FEATURES, MASS), replicas=3, digest="d1", **more)


def ran(content, x, **others):
    """Run a model as a user would; it makes nothing that nobody takes, of which onnxruntime would warn."""
    graph = onnx.load_from_string(content).graph
    taken = {name for node in graph.node for name in node.input} | {one.name for one in graph.output}
    assert {one.name for one in graph.initializer} | {name for node in graph.node for name in node.output} <= taken
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    score, passed = session.run(["score", "passed"], {"features": x, **others})
    assert (score.dtype, passed.dtype, score.shape) == (np.float32, bool, (len(x),))
    return score, passed


@pytest.mark.parametrize("name", SCORERS)
def test_random_selections_pass_the_events_that_the_engine_passes(name):
    """All regions of the score, boundaries on scores that occur, and a window in another column."""
    scorer, rng, x = SCORERS[name](), np.random.default_rng(3), events(seed=4)
    mass = rng.choice([np.nan, np.inf, 90.1, 90.2, 90.3, 91.0], len(x))
    own = scorer.scores(x)["score"]
    replicas = range(len(own))
    for region, which in product((Region.ABOVE, Region.BELOW, Region.INSIDE, Region.OUTSIDE), (-1, replicas[-1])):
        score = mean_score(own) if which < 0 else own[which]
        low, high = (float(edge) for edge in np.sort(rng.choice(score[np.isfinite(score)], 2)))
        cut = Cut("score", region, low if region.has_lower else None, high if region.has_upper else None)
        window = Cut("mass", region, 90.1 if region.has_lower else None, 91.0 if region.has_upper else None)
        chosen = selections(window, cut, kind="replica" if which >= 0 else "consensus", replica=which)
        content = Onnx().build(chosen, scorer, replicas)
        found, passed = ran(content, x, mass=mass)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(score))
        np.testing.assert_allclose(found, score, atol=2e-6)
        # exact where it can be: the cuts on the model's own score, and so all events but those within rounding
        np.testing.assert_array_equal(passed, chosen.flow.mask({"score": found, "mass": mass}, len(x)))
        near = (np.abs(score - low) < trial.TOLERANCE) | (np.abs(score - high) < trial.TOLERANCE)
        np.testing.assert_array_equal(passed[~near], chosen.flow.mask({"score": score, "mass": mass}, len(x))[~near])
        assert 0 < passed.sum() < len(x)


def test_missing_features_pass_nothing_for_networks_and_go_their_way_in_xgboost():
    x = events(strange=0)[:4]
    x[1, 0], x[2, 1], x[3, 2] = np.nan, np.inf, -np.inf
    chosen = selections(Cut("score", Region.ABOVE, -1.0))
    for name, wanted in (("mlp", [1, 0, 0, 0]), ("sklearn", [1, 0, 0, 0]), ("xgboost", [1, 1, 1, 1])):
        scorer = SCORERS[name]()
        replicas = range(len(scorer.scores(x)["score"]))
        score, passed = ran(Onnx().build(chosen, scorer, replicas), x)
        assert passed.tolist() == [bool(one) for one in wanted], name
        assert np.isfinite(score).tolist() == passed.tolist(), name
    everything = ran(Onnx().build(selections(), SCORERS["mlp"](), range(3)), x)[1]
    assert everything.all()  # no cut, as without the model


def test_what_the_file_says_of_itself():
    chosen = selections(Cut("score", Region.ABOVE, 0.25), preselection=("pt > 200",))
    content = Onnx().build(chosen, SCORERS["mlp"](), range(3))
    assert content == Onnx().build(chosen, SCORERS["mlp"](), range(3))
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert {one.domain: one.version for one in model.opset_import} == {"": 13}
    of_trees = onnx.load_from_string(Onnx().build(selections(), trees("sklearn"), range(2)))
    assert {one.domain: one.version for one in of_trees.opset_import} == {"": 13, "ai.onnx.ml": 1}
    (features,) = model.graph.input
    assert features.doc_string == "in this order: m_jet, tau21, d2"
    assert features.type.tensor_type.shape.dim[1].dim_value == 3
    said = {one.key: one.value for one in model.metadata_props}
    assert (said["threshold"], said["run_digest"], said["working_point"]) == ("0.25", "d1", "default")
    assert json.loads(said["preselection"]) == ["pt > 200"]
    assert json.loads(said["features"])[:2] == [
        {"name": "m_jet", "unit": "GeV", "expression": None, "dtype": "float32"},
        {"name": "tau21", "unit": None, "expression": "tau2 / tau1", "dtype": "float32"},
    ]


def test_a_model_of_other_networks_is_refused():
    scorer, chosen = SCORERS["mlp"](), selections(Cut("score", Region.ABOVE, 0.5))
    content = Onnx().build(chosen, scorer, range(3))
    assert "the same events pass" in trial.compare(content, chosen, scorer, range(3), ())
    other = MlpScorer(NAMES, networks(seed=9))
    with pytest.raises(InputError, match=r"run: the ONNX model disagrees .* m_jet = .* nothing is written"):
        trial.compare(content, chosen, other, range(3), ())
    moved = selections(Cut("score", Region.ABOVE, 0.7))
    with pytest.raises(InputError, match=r"and passes it: True, the run .* and False"):
        trial.compare(content, moved, scorer, range(3), [trial.Sample("events", events(), {})])
    with pytest.raises(InputError, match="onnxruntime can't open the model"):
        trial.compare(content[:200], chosen, scorer, range(3), ())
    with pytest.raises(UsageError, match="no room for a cut on the column 'passed'"):
        Onnx().build(selections(Cut("passed", Region.ABOVE, 0.5)), scorer, range(3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three networks with the events that it was trained on, one feature in double precision."""
    directory = tmp_path_factory.mktemp("onnx")
    x = events(2000).astype(np.float64)
    frame = pd.DataFrame(
        {"m_jet": x[:, 0], **{name: x[:, n].astype(np.float32) for n, name in ((1, "tau21"), (2, "d2"))}}
    )
    frame["label"] = np.arange(len(x)) % 2
    frame.to_parquet(directory / "events.parquet", index=False)
    path = directory / "mlp"
    path.mkdir()
    data = {"path": str(directory / "events.parquet"), "digest": file_digest(directory / "events.parquet")}
    features = (replace(FEATURES[0], dtype="float64"), *FEATURES[1:])
    RunManifest("mlp", {}, features, data, "d1", scores=("score",), replicas=(5, 8), preselection=("pt > 200",)).write(
        path
    )
    flows = [
        CutFlow((LearnedCut(Cut("score", Region.ABOVE, 0.4 + n / 10)),), kind="replica", replica=5 + n)
        for n in range(3)
    ]
    agreed = CutFlow((LearnedCut(Cut("score", Region.ABOVE, 0.5)),), kind="consensus", replica=-1)
    write_cut_flows(path / CUTS, [*(flow.rounded({"score": "float32"}) for flow in flows), agreed])
    MlpScorer(NAMES, networks()).save(path)
    return path


def test_a_run_is_compared_on_its_own_events_before_it_is_given(run, tmp_path, monkeypatch, capsys):
    export = export_cuts(open_run(run), "onnx")
    assert any("validation and test events of" in note and "scores differ by at most" in note for note in export.notes)
    assert "the model does not apply the preselection: pt > 200" in export.notes
    assert any("double precision in: m_jet" in note for note in export.notes)
    frame = pd.read_parquet(run.parent / "events.parquet")
    x = frame[list(NAMES)].to_numpy(np.float32)
    own = MlpScorer(NAMES, networks()).scores(frame[list(NAMES)].to_numpy())["score"]
    np.testing.assert_allclose(ran(export.content, x)[0], mean_score(own), atol=2e-6)
    replica = export_cuts(open_run(run), "onnx", choice=Choice(replica=6)).content
    np.testing.assert_allclose(ran(replica, x)[0], own[1], atol=2e-6)
    with pytest.raises(TypeError, match="bytes"):
        _ = export.text
    with pytest.raises(UsageError, match="leave --all away"):
        export_cuts(open_run(run), "onnx", choice=Choice(every_replica=True))

    out = tmp_path / "model.onnx"
    command(run, format="onnx", out=out)
    assert out.read_bytes() == export.content
    command(run, format="onnx", out=out)
    assert "already done" in capsys.readouterr().err
    monkeypatch.setitem(importlib.import_module("cutflow_cli.export.onnx_networks")._ACTIVATIONS, "relu", "Tanh")
    with pytest.raises(InputError, match="disagrees with the run"):
        command(run, format="onnx", out=tmp_path / "other.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_events_that_changed_are_said_and_absent_ones_are_made_up(run, tmp_path):
    opened = open_run(run)
    changed = replace(opened, manifest=replace(opened.manifest, data=opened.manifest.data | {"digest": "0"}))
    assert any("has changed since the run was trained on it" in note for note in export_cuts(changed, "onnx").notes)
    absent = replace(opened, manifest=replace(opened.manifest, data={"path": str(tmp_path / "gone.parquet")}))
    (note,) = [note for note in export_cuts(absent, "onnx").notes if "made-up events alone" in note]
    assert note.endswith("are not there; give them with --data")
    with pytest.raises(InputError, match=r"gone\.parquet: no such file"):
        export_cuts(absent, "onnx", data=tmp_path / "gone.parquet")


def test_what_onnx_is_not_for(run, tmp_path):
    opened = open_run(run)
    cuts = replace(opened, manifest=replace(opened.manifest, method="lcf-parallel", scores=()))
    with pytest.raises(UsageError, match="cuts on observables and computes no score; --format onnx is for mlp, bdt"):
        export_cuts(cuts, "onnx")
    with pytest.raises(UsageError, match="no one score for every event; give the training of one fold, such as"):
        export_cuts(replace(opened, folds=(opened,)), "onnx")
    with pytest.raises(UsageError, match="binary file; add --out, such as --out model"):
        command(run, format="onnx")
    with pytest.raises(UsageError, match="--columns is for code"):
        export_cuts(opened, "onnx", columns="source")


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_without_the_extra(run, monkeypatch, absent):
    for name in [name for name in sys.modules if name.startswith("cutflow_cli.export.onnx_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UsageError, match=rf"needs {absent}, which is not installed: pip install 'cutflow-cli\[onnx\]'"):
        export_cuts(open_run(run), "onnx")
