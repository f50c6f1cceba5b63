"""`--folds` from training to evaluation and export, through the command line."""

import json

import pytest


@pytest.fixture
def mock(run_here, tmp_path):
    path = tmp_path / "mock1.parquet"
    assert run_here("generate-mock", "mock1", "--out", path, "--events", "6000", "--seed", "3").returncode == 0
    return path


def test_folds_are_trained_judged_and_handed_over(run_here, mock, tmp_path):
    run, report = tmp_path / "seq", tmp_path / "report"
    train = ("train", "lcf-sequential", mock, "--out", run, "--folds", "3", "--epochs", "3", "--replicas", "2")
    done = run_here(*train)
    assert done.returncode == 0, done.stderr
    assert f"{mock}: divided into 3 folds by row number with seed 0; its column 'split' is not used" in done.stderr
    assert "Consensus of 3 folds, working point default" in done.stdout
    assert run_here(*train).stderr.splitlines()[-1] == f"{run}: already done"

    judged = run_here("evaluate", run, "--data", mock, "--out", report, "--no-figures", "--json")
    assert judged.returncode == 0, judged.stderr
    assert "run 'seq': each event is judged by the training that did not see it; all events are quoted" in judged.stderr
    found = json.loads(judged.stdout)
    counts = {row["metric"]: row["value"] for row in found["metrics"] if row["kind"] == "consensus"}
    assert sum(counts[name] for name in ("tp", "fp", "tn", "fn")) == 6000
    assert found["runs"][0]["folds"] == 3

    tables = run_here("evaluate", run, "--data", mock, "--out", report, "--no-figures").stdout
    assert "lcf-sequential, 3 folds, each a consensus of 2 replicas" in tables
    one = run_here("export-cuts", run, "--format", "root", "--replica", "2")
    assert one.returncode == 0
    assert "x2 > " in one.stdout


@pytest.mark.parametrize(("count", "words"), [("1", "--folds 1: give 2 to 100"), ("x", "must be a whole number")])
def test_impossible_folds_are_one_line(run_here, mock, tmp_path, count, words):
    done = run_here("train", "bdt", mock, "--out", tmp_path / "bdt", "--folds", count)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "bdt").exists()


def test_a_fold_that_is_gone_is_said(run_here, mock, tmp_path):
    run = tmp_path / "count"
    assert run_here("train", "cut-and-count", mock, "--out", run, "--folds", "2").returncode == 0
    (run / "fold-1" / "run.json").unlink()
    done = run_here("evaluate", run, "--data", mock, "--out", tmp_path / "report", "--no-figures")
    assert (done.returncode, done.stdout) == (3, "")
    assert "fold-1: is no run directory" in done.stderr
