"""From run directories and events to a report directory, through the library."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.report import CutFlowRow, MetricRow, read_report
from cutflow_cli.events.schema import FeatureInfo, ProcessInfo
from cutflow_cli.events.splits import SplitFractions, hashed_splits
from cutflow_cli.metrics.options import read_options

METRIC_COLUMNS = (
    "run method working_point target hypothesis kind replica split metric value stat_error replica_spread reason"
)
CUT_FLOW_COLUMNS = (
    "run working_point kind replica split hypothesis position cut process n_raw n_eff yield yield_error "
    "efficiency_step efficiency_step_error efficiency_cumulative efficiency_cumulative_error "
    "efficiency_total efficiency_total_error"
)


def value(report, run, metric, split="test", kind="consensus"):
    (found,) = (
        row for row in report.metrics if (row.run, row.metric, row.split, row.kind) == (run, metric, split, kind)
    )
    return found.value


def test_report_directory(make_sample, make_run, tmp_path):
    sample = make_sample()
    runs = [make_run("par", sample.path, ((0.0, 0.5), (0.1, 0.4))), make_run("seq", sample.path)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report", command="cutflow evaluate")
    assert sorted(path.name for path in report.path.iterdir()) == [
        "correlations.parquet", "cutflow.parquet", "cutflow_totals.parquet", "metrics.parquet", "n_minus_1.parquet",
        "overlap.parquet", "report.html", "report.json", "roc.parquet", "stability.parquet", "variations.parquet",
    ]  # fmt: skip
    assert pq.read_schema(report.path / "metrics.parquet").names == METRIC_COLUMNS.split()
    assert pq.read_schema(report.path / "cutflow.parquet").names == CUT_FLOW_COLUMNS.split()
    assert {row.run for row in report.metrics} == {"par", "seq"}
    assert report.manifest.versions["numpy"] == np.__version__
    assert not list(tmp_path.glob("*.partial"))


def test_reads_back_what_was_written(make_sample, make_run, tmp_path):
    sample = make_sample(hypotheses=(1.0, 2.0))
    run = make_run("par", sample.path, ((0.0, 0.5), (9.0, 0.4)))  # the second keeps nothing: nulls and reasons
    report = evaluate_runs([run], sample.path, tmp_path / "report")
    again = read_report(tmp_path / "report")
    assert again.metrics == report.metrics
    assert again.cut_flow == report.cut_flow
    assert again.roc == report.roc
    assert again.manifest == report.manifest
    assert again.comparisons == report.comparisons
    assert any(row.value is None and row.reason for row in again.metrics)
    assert not again.fresh


def test_same_settings_are_already_done(make_sample, make_run, tmp_path):
    sample = make_sample()
    run, out = make_run("par", sample.path), tmp_path / "report"
    first = evaluate_runs([run], sample.path, out)
    stamp = (out / "metrics.parquet").stat().st_mtime_ns
    again = evaluate_runs([run], sample.path, out)
    assert (out / "metrics.parquet").stat().st_mtime_ns == stamp
    assert again.metrics == first.metrics
    with pytest.raises(UsageError, match="other inputs or settings"):
        evaluate_runs([run], sample.path, out, options=read_options(["0.1"]))
    forced = evaluate_runs([run], sample.path, out, options=read_options(["0.1"]), force=True)
    assert value(forced, "par", "asimov") < value(first, "par", "asimov")


def test_retrained_run_is_not_already_done(make_sample, make_run, tmp_path):
    sample = make_sample()
    run, other, out = make_run("a/par", sample.path), make_run("b/par", sample.path, ((0.3, 0.3),)), tmp_path / "report"
    evaluate_runs([run], sample.path, out)
    (other / "cuts.parquet").replace(run / "cuts.parquet")
    with pytest.raises(UsageError, match="other inputs or settings"):
        evaluate_runs([run], sample.path, out)


def test_another_split_can_be_quoted(make_sample, make_run, tmp_path):
    sample = make_sample()
    report = evaluate_runs([make_run("par", sample.path)], sample.path, tmp_path / "r", split="train")
    assert {row.split for row in report.headline} == {"train"}
    assert report.comparisons == ()


def test_plain_file_is_split_as_for_training(make_sample, make_run, tmp_path):
    sample = make_sample()
    batch = sample.batch
    plain = tmp_path / "plain.parquet"
    pq.write_table(pa.table({**batch.columns, "label": batch.label}), plain)
    run = make_run("par", plain, split=([0.5, 0.0, 0.5], 7))
    report = evaluate_runs([run], plain, tmp_path / "report")
    test = hashed_splits(0, len(batch), SplitFractions(0.5, 0.0, 0.5), 7) == 2
    kept = (batch.columns["x"] > 0) & (batch.columns["y"] < 0.5) & (batch.label == 1)
    assert value(report, "par", "tp") == (kept & test).sum()
    assert {row.process for row in report.cut_flow} == {"signal", "background"}  # once each
    other = make_run("seq", plain, split=([0.5, 0.0, 0.5], 8))
    with pytest.raises(UsageError, match="assigned splits differently"):
        evaluate_runs([run, other], plain, tmp_path / "both")


def test_runs_of_one_name_are_told_apart(make_sample, make_run, tmp_path):
    sample = make_sample()
    runs = [make_run("a/par", sample.path), make_run("b/par", sample.path, ((0.3, 0.3),))]
    report = evaluate_runs(runs, sample.path, tmp_path / "report")
    assert {row.run for row in report.metrics} == {str(run) for run in runs}
    with pytest.raises(UsageError, match="named twice"):
        evaluate_runs([runs[0], runs[0]], sample.path, tmp_path / "twice")


def test_other_events_are_noted(make_sample, make_run, tmp_path):
    trained, fresh = make_sample(), make_sample("fresh.parquet", seed=1)
    report = evaluate_runs([make_run("par", trained.path)], fresh.path, tmp_path / "report")
    assert any("not the events that run 'par' was trained on" in note for note in report.manifest.notes)


def test_missing_and_infinite_values_are_counted(make_run, make_sample, tmp_path):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 400)).astype(np.float32)
    x[[3, 300, 301]], x[7] = np.nan, -np.inf
    plain = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"x": x, "y": y, "label": np.arange(400, dtype=np.int8) % 2}), plain)
    report = evaluate_runs([make_run("par", make_sample().path)], plain, tmp_path / "report")
    said = f"{plain}: feature 'x' has 3 missing (NaN) and 1 infinite values; missing ones fail every cut on it, "
    said += "+∞ is above every boundary, −∞ below"
    assert [note for note in report.manifest.notes if "missing (NaN)" in note] == [said]


def test_mass_points_are_noted_and_sums_quoted(make_sample, make_run, tmp_path):
    sample = make_sample(hypotheses=(1.0, 2.0))
    report = evaluate_runs([make_run("par", sample.path)], sample.path, tmp_path / "report")
    assert any("2 mass points" in note for note in report.manifest.notes)
    assert {row.hypothesis for row in report.headline} == {None}


def test_one_selection_for_each_mass_point(make_sample, make_run, tmp_path):
    sample = make_sample(hypotheses=(1.0, 2.0))
    run = make_run("par", sample.path, hypotheses=(1.0, 2.0))
    report = evaluate_runs([run], sample.path, tmp_path / "report")
    assert {row.hypothesis for row in report.headline} == {1.0, 2.0}
    with pytest.raises(InputError, match=r"run 'bad' has a selection for hypothesis 3; the events have: 1, 2"):
        evaluate_runs([make_run("bad", sample.path, hypotheses=(3.0,))], sample.path, tmp_path / "bad-report")
    assert not list(tmp_path.glob("bad-report*"))


def test_process_missing_from_the_split_is_warned_of(make_sample, make_run, tmp_path):
    sample = make_sample()
    table = pq.read_table(sample.path)
    rows = ~((sample.batch.process == 1) & (sample.batch.split == 2))
    pq.write_table(table.filter(pa.array(rows)), sample.path)
    report = evaluate_runs([make_run("par", sample.path)], sample.path, tmp_path / "report")
    assert any("process 'WZ'" in warning for warning in report.manifest.warnings)
    assert value(report, "par", "signal_yield") is None
    assert value(report, "par", "background_yield") is not None
    assert value(report, "par", "tp") > 0


def test_empty_selection_is_found(make_sample, make_run, tmp_path):
    sample = make_sample()
    run = make_run("par", sample.path, ((99.0, 0.5),))
    report = evaluate_runs([run], sample.path, tmp_path / "report")
    assert [row.run for row in report.empty_selections] == ["par"]
    assert value(report, "par", "s_over_sqrt_b") is None


def test_refusals(make_sample, make_run, make_flow, tmp_path):
    sample = make_sample()
    run, out = make_run("par", sample.path), tmp_path / "report"
    lacking = make_run("lacking", sample.path, features=(FeatureInfo("x"), FeatureInfo("yy")))
    replica_only = make_run("single", sample.path, flows=[make_flow(0.0, 0.5)])
    same = make_sample("same.parquet", processes=(ProcessInfo("a", "signal"), ProcessInfo("b", "signal")))
    for runs, data, options, error, message in (
        ([], sample.path, {}, UsageError, "no runs to evaluate"),
        ([run], sample.path, {"options": read_options(["QDC=0.1"])}, UsageError, "no background process.*mean QCD"),
        ([run], sample.path, {"options": read_options(["WW=0.1"])}, UsageError, "no background process of that name"),
        ([lacking], sample.path, {}, InputError, "run 'lacking' was trained on feature 'yy', .* did you mean y"),
        ([replica_only], sample.path, {}, InputError, "single: holds no consensus selection"),
        ([run], tmp_path / "none.parquet", {}, InputError, "no such file"),
        ([run], same.path, {}, InputError, "holds no background event"),
        ([run], make_sample("tt.parquet", shares=(1, 0, 0)).path, {}, InputError, "split 'test' holds no signal event"),
        ([run], make_sample("w.parquet", weight_scale=(0, 0, 0)).path, {}, InputError, "all weights of the signal"),
    ):
        with pytest.raises(error, match=message):
            evaluate_runs(runs, data, out, **options)
        assert not list(tmp_path.glob("report*")), message


def test_damaged_report_is_refused(make_sample, make_run, tmp_path):
    sample = make_sample()
    run, out = make_run("par", sample.path), tmp_path / "report"
    evaluate_runs([run], sample.path, out)
    (out / "metrics.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"damaged report .*--force"):
        evaluate_runs([run], sample.path, out)
    (out / "metrics.parquet").unlink()
    with pytest.raises(InputError, match="incomplete"):
        evaluate_runs([run], sample.path, out)


def test_rows_have_the_columns_of_the_files(make_sample, make_run, tmp_path):
    sample = make_sample()
    report = evaluate_runs([make_run("par", sample.path)], sample.path, tmp_path / "report")
    values = report.as_json()
    assert list(values["metrics"][0]) == METRIC_COLUMNS.split()
    assert list(values["cutflow"][0]) == CUT_FLOW_COLUMNS.split()
    assert values["metrics"] == pq.read_table(report.path / "metrics.parquet").to_pylist()
    assert values["cutflow"] == pq.read_table(report.path / "cutflow.parquet").to_pylist()
    assert values["roc"] == pq.read_table(report.path / "roc.parquet").to_pylist()
    assert isinstance(report.metrics[0], MetricRow)
    assert isinstance(report.cut_flow[0], CutFlowRow)
