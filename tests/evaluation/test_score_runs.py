"""Runs with scores and scans through the library: curves, what is quoted of them, and roc.parquet."""

from __future__ import annotations

import linear_scorer
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.curve_tables import MAX_POINTS
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.events.schema import SPLITS, EventsMetadata, ProcessInfo
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.metrics.curve_summary import curve_metrics
from cutflow_cli.metrics.options import read_options

ROC_COLUMNS = (
    "run method curve kind replica split hypothesis working_point target threshold signal_efficiency "
    "signal_efficiency_error background_efficiency background_efficiency_error"
)


def one(report, **wanted):
    (found,) = (row for row in report.metrics if all(getattr(row, name) == value for name, value in wanted.items()))
    return found


def expected_weights(sample, split):
    """Scale the weights of each process and mass point from a split to the whole sample; zero outside the split."""
    batch = sample.batch
    weight = np.where(batch.split == SPLITS.index(split), batch.weight, 0.0)
    masses = np.zeros(len(batch)) if batch.hypothesis is None else np.nan_to_num(batch.hypothesis)
    for cell in {*zip(batch.process.tolist(), masses.tolist(), strict=True)}:
        rows = (batch.process == cell[0]) & (masses == cell[1])
        weight[rows] *= batch.weight[rows].sum() / weight[rows].sum()
    return weight


@pytest.fixture
def positive(make_sample):
    """Events of positive weight, all with a score: scikit-learn refuses others."""

    def make(**options):
        sample = make_sample(**options)
        sample.batch.columns["x"][:5] = 0.0
        sample.batch.weight[:] = np.abs(sample.batch.weight)
        metadata = EventsMetadata(open_events(sample.path).metadata.features, sample.processes, luminosity=300.0)
        with EventsWriter(sample.path, metadata, hypothesis=sample.batch.hypothesis is not None) as writer:
            writer.write(sample.batch)
        return sample

    return make


@pytest.mark.parametrize("hypotheses", [(), (1.0, 2.0)])
def test_areas_are_those_of_scikit_learn(positive, make_score_run, tmp_path, hypotheses):
    sample = positive(hypotheses=hypotheses)
    run = make_score_run("net", sample.path, replicas=3)
    report = evaluate_runs([run], sample.path, tmp_path / "report")
    batch = sample.batch
    scores = linear_scorer.load_scorer(run, ("x", "y"), 3).scores(
        np.stack([batch.columns["x"], batch.columns["y"]], 1)
    )["score"]
    areas = []
    for split in ("train", "test"):
        weight = expected_weights(sample, split)
        for replica, score in enumerate((*scores, scores.mean(axis=0, dtype=np.float64))):
            kind = "consensus" if replica == 3 else "replica"
            row = one(report, metric="auc", split=split, kind=kind, replica=-1 if replica == 3 else replica)
            assert row.value == pytest.approx(roc_auc_score(batch.label, score, sample_weight=weight), abs=1e-4)
            assert row.working_point is None
            areas += [row.value] if split == "test" and replica < 3 else []
    assert one(report, metric="auc", split="test", kind="consensus").replica_spread == pytest.approx(np.std(areas))


def test_each_batch_is_scored_once(make_sample, make_score_run, tmp_path, monkeypatch):
    made = []
    load = linear_scorer.load_scorer
    monkeypatch.setattr(linear_scorer, "load_scorer", lambda *arguments: made.append(load(*arguments)) or made[-1])
    sample = make_sample()
    evaluate_runs([make_score_run("net", sample.path)], sample.path, tmp_path / "report")
    assert [scorer.calls for scorer in made] == [1]


def test_every_number_of_every_curve(make_sample, make_run, make_scan, make_score_run, tmp_path):
    sample = make_sample()
    runs = [make_score_run("net", sample.path), make_scan("scan", sample.path), make_run("cuts", sample.path)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report")
    for run, replicas in (("net", 2), ("scan", 2), ("cuts", 1)):
        for split in ("train", "test"):
            rows = [row for row in report.metrics if (row.run, row.split, row.metric) == (run, split, "auc")]
            assert len(rows) == replicas + 2
    found = {row.metric for row in report.metrics if row.working_point is None}
    assert found == {*curve_metrics(), "background_efficiency_at"}
    assert {(run["name"], run["curve"], run["working_point"]) for run in report.manifest.runs} == {
        ("net", "score", "default"),
        ("scan", "working points", "signal_efficiency=0.5"),
        ("cuts", "selection", "default"),
    }
    assert one(report, run="cuts", metric="auc", split="test", kind="consensus").value == pytest.approx(
        one(report, run="cuts", metric="balanced_accuracy", split="test", kind="consensus").value
    )


def test_curves_at_the_efficiency_of_a_selection(make_sample, make_run, make_score_run, tmp_path):
    sample = make_sample()
    runs = [make_score_run("net", sample.path), make_run("cuts", sample.path)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report")
    own = one(report, run="cuts", metric="signal_efficiency", split="test", kind="consensus").value
    row = one(report, metric="background_efficiency_at")
    assert (row.run, row.target, row.split) == ("net", own, "test")
    points = [point for point in report.roc if (point.run, point.curve, point.split) == ("net", "score", "test")]
    assert row.value == pytest.approx(
        np.interp(own, [p.signal_efficiency for p in points], [p.background_efficiency for p in points]), rel=0.05
    )


def test_roc_file(make_sample, make_run, make_scan, make_score_run, tmp_path):
    sample = make_sample(events=20_000)
    runs = [make_score_run("net", sample.path), make_scan("scan", sample.path), make_run("cuts", sample.path)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report")
    table = pq.read_table(report.path / "roc.parquet")
    assert table.schema.names == ROC_COLUMNS.split()
    curves = [row for row in report.roc if row.curve is not None]
    for run, kind in (("net", "score"), ("scan", "working points"), ("cuts", "selection")):
        for split in ("train", "test"):
            points = [row for row in curves if (row.run, row.split) == (run, split)]
            assert {(row.curve, row.kind, row.replica, row.working_point) for row in points} == {
                (kind, "consensus", -1, None)
            }
            assert len(points) == {"scan": 5, "cuts": 3}.get(run, len(points)) <= MAX_POINTS
            ends = [(row.signal_efficiency, row.background_efficiency) for row in (points[0], points[-1])]
            assert ends == [(0, 0), (1, 1)]
            assert all((row.threshold is not None) is (run == "net") for row in points[1:-1])
    selections = [row for row in report.roc if row.curve is None and row.split == "test"]
    assert {(row.run, row.kind, row.working_point): row.threshold for row in selections if row.run == "net"} == {
        ("net", "consensus", "default"): pytest.approx(0.55),
        ("net", "replica", "default"): pytest.approx(0.52),
    }
    assert {row.target for row in selections if row.run == "scan"} == {0.2, 0.5, 0.8}
    again = read_report(report.path)
    assert (again.roc, again.metrics, again.manifest) == (report.roc, report.metrics, report.manifest)


def test_another_working_point_can_be_quoted(make_sample, make_scan, make_run, tmp_path):
    sample = make_sample()
    runs = [make_scan("scan", sample.path), make_run("cuts", sample.path)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report", working_point="signal_efficiency=0.8")
    assert {row.working_point for row in report.headline} == {"signal_efficiency=0.8", "default"}
    with pytest.raises(UsageError, match=r"--working-point x: no run has it; there are: .*signal_efficiency=0\.2"):
        evaluate_runs(runs, sample.path, tmp_path / "other", working_point="x")
    with pytest.raises(UsageError, match="other inputs or settings"):
        evaluate_runs(runs, sample.path, tmp_path / "report")


def test_events_without_a_score_are_noted_once(make_sample, make_score_run, tmp_path):
    sample = make_sample()  # its first five events lack x
    report = evaluate_runs([make_score_run("net", sample.path)], sample.path, tmp_path / "report")
    said = [note for note in report.manifest.notes if "score" in note]
    assert said == [f"{sample.path}: 5 events have no 'net.score', for want of a feature; they pass no cut"]


def test_a_split_without_a_process_has_no_curve(make_sample, make_score_run, tmp_path):
    sample = make_sample()
    table = pq.read_table(sample.path)
    rows = ~((sample.batch.process == 1) & (sample.batch.split == 2))
    pq.write_table(table.filter(pa.array(rows)), sample.path)
    report = evaluate_runs([make_score_run("net", sample.path)], sample.path, tmp_path / "report")
    row = one(report, metric="auc", split="test", kind="consensus")
    assert row.value is None
    assert "process 'WZ'" in row.reason
    assert one(report, metric="auc", split="train", kind="consensus").value is not None


def test_area_on_train_and_test_is_compared(make_sample, make_score_run, tmp_path):
    sample = make_sample()
    report = evaluate_runs([make_score_run("net", sample.path)], sample.path, tmp_path / "report")
    assert [one.working_point for one in report.quoted_comparisons if one.metric == "auc"] == [None]


def test_systematics_of_processes_enter_the_maximum_over_thresholds(make_sample, make_score_run, tmp_path):
    processes = (ProcessInfo("WW", "signal"), ProcessInfo("QCD", "background"), ProcessInfo("tt", "background"))
    sample = make_sample(processes=processes, weight_scale=(0.1, 3.0, 1.0))
    runs = [make_score_run("net", sample.path)]

    def maximum(*systematics):
        options = read_options(systematics)
        out = tmp_path / f"report{len(list(tmp_path.iterdir()))}"
        report = evaluate_runs(runs, sample.path, out, options=options)
        return one(report, metric="max_asimov", split="test", kind="consensus").value

    both = maximum("QCD=0.3", "tt=0.3")  # independent: less than both together, more than one of them
    assert maximum("0.3") < both < maximum("QCD=0.3") < maximum()
    assert maximum("0.3", "tt=0.3") == pytest.approx(both)
