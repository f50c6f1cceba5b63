"""One sample, seven runs of seven methods, one table: what a user sees who compares them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

METHODS = {
    "lcf-parallel": ("--replicas", "2", "--epochs", "5"),
    "lcf-sequential": ("--replicas", "2", "--epochs", "5"),
    "cabin-scan": ("--targets", "0.2,0.5,0.8", "--epochs", "20"),
    "cut-and-count": ("--order", "greedy"),
    "bdt": ("--trees", "10"),
    "mlp": ("--replicas", "2", "--epochs", "3", "--hidden", "8"),
    "punzi": ("--replicas", "2", "--mass-column", "m2_recoil", "--bce-epochs", "3", "--epochs", "3",
              "--holdout-hypotheses", "every-second"),
}  # fmt: skip
SCORES = ("bdt", "mlp", "punzi")


@pytest.fixture(scope="module")
def place(run_here, tmp_path_factory):
    """A directory with events, a run of each method, and the report of all of them."""
    folder = tmp_path_factory.mktemp("methods")

    def run(*arguments):
        done = run_here(*arguments, cwd=folder)
        assert done.returncode == 0, (arguments, done.stderr)
        return done

    run("generate-mock", "zprime", "--out", "events.parquet", "--seed", "5", "--events", "8000")
    for method, options in METHODS.items():
        run("train", method, "events.parquet", "--out", f"runs/{method}", *options)
    runs = [f"runs/{method}" for method in METHODS]
    evaluate = ("evaluate", *runs, "--data", "events.parquet", "--out", "report", "--no-figures")
    done = run(*evaluate)
    (folder / "brief.txt").write_text(done.stdout)
    (folder / "printed.txt").write_text(run(*evaluate, "--details").stdout)
    (folder / "said.txt").write_text(done.stderr)
    return folder


def table(place, title):
    """Return the printed lines of a table, from its title to the next empty one after its footnotes."""
    text = (place / "printed.txt").read_text()
    blocks = re.split(r"\n(?=(?:Runs side|Background|Working|Hypotheses|Selection|Consensus|Cut flow|report:))", text)
    (found,) = (block for block in blocks if block.startswith(title))
    return found


def metric(place, run, name, **wanted):
    wanted = {"kind": "consensus", "split": "test", **wanted}
    rows = pq.read_table(place / "report" / "metrics.parquet").to_pylist()
    (row,) = (
        row
        for row in rows
        if (row["run"], row["metric"]) == (run, name) and all(row[key] == value for key, value in wanted.items())
    )
    return row["value"]


def test_one_table_of_all_methods_comes_first(place):
    text = (place / "printed.txt").read_text()
    assert text.startswith("Runs side by side on events.parquet, split test, 50 fb⁻¹")
    lines = table(place, "Runs side by side").splitlines()
    rows = {line.split()[0]: line for line in lines if line.split() and line.split()[0] in METHODS}
    assert list(rows) == list(METHODS)
    for method in SCORES:
        shown = re.search(r"(\d\.\d+)±[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ *$", rows[method])
        assert float(shown[1]) == pytest.approx(metric(place, method, "auc"), abs=6e-3)
    assert re.search(r"score > 0\.\d+", rows["mlp"])
    assert re.search(r"ε_s=0\.[258]", rows["cabin-scan"])
    assert "17 masses" in rows["punzi"]
    assert max(map(len, text.splitlines())) <= 140
    for title in (
        "Background efficiency at equal signal efficiency",
        "Background efficiency at the signal efficiency of each selection",
        "Working points of cabin-scan",
        "Hypotheses of punzi",
        "Selection lcf-sequential",
        "Cut flow bdt",
        "Consensus on train against test",
    ):
        assert table(place, title)


def test_of_many_runs_only_what_compares_them_is_printed(place):
    """And a line that says where the rest is; what is printed, with details or without, is not part of the report."""
    brief = (place / "brief.txt").read_text()
    full = (place / "printed.txt").read_text()
    *compared, pointer, last = brief.splitlines()
    assert full.startswith(table(place, "Runs side by side"))
    assert set(compared) < set(full.splitlines())
    assert pointer.endswith(f": {Path('report', 'report.html')} and the Parquet files beside it, or --details")
    assert (place / "report" / "report.html").is_file()
    assert last == "report: report"
    titles = [
        line for line in compared if line and not line.startswith(" ") and not re.match(r"\[|±|curve|max|ε", line)
    ]
    for title in (
        "Runs side by side on events.parquet, split test, 50 fb⁻¹",
        "Background efficiency at equal signal efficiency",
        "Background efficiency at the signal efficiency of each selection",
        "Hypotheses of punzi: consensus, split test",  # the only table that has numbers of it
        "Asimov Z: σ_B = MC statistics",
    ):
        assert title in titles
    for left_out in ("Working points", "Selection ", "Consensus on", "Cut flow", "Without one cut", "Linear"):
        assert left_out in full
        assert left_out not in brief
    assert "already done" not in (place / "said.txt").read_text()


def test_details_and_boundaries_are_printed_when_asked_for(place, run_here):
    arguments = ("evaluate", "runs/lcf-parallel", "runs/cut-and-count", "--data", "events.parquet", "--no-figures")
    two = run_here(*arguments, "--out", "two", cwd=place).stdout
    assert "Cut flow" in two
    assert "--details" not in two
    brief = run_here(*arguments, "--out", "two", "--no-details", "--stability", cwd=place).stdout
    assert "Cut flow" not in brief
    assert "each boundary" in brief  # asked for by itself
    assert "--details" in brief


def test_area_is_that_of_the_scores_in_the_events(place):
    """Score the events without the evaluation, and count the area with scikit-learn."""
    from cutflow_cli.evaluation.inputs import open_scorer
    from cutflow_cli.events.table import open_events
    from cutflow_cli.runs import open_run

    sample = open_events(place / "events.parquet").load("test")
    for method in ("bdt", "mlp"):
        scorer = open_scorer(open_run(place / "runs" / method))
        columns = [sample.features.index(name) for name in scorer.features]
        score = scorer.scores(sample.x[:, columns])["score"].mean(axis=0, dtype=np.float64)
        area = roc_auc_score(sample.label, score, sample_weight=sample.expected)
        assert metric(place, method, "auc") == pytest.approx(area, abs=1e-4)


def test_hypotheses_of_punzi(place):
    text = table(place, "Hypotheses of punzi")
    assert re.search(r"^ *0\.5 ", text, re.MULTILINE)
    assert re.search(r"^ *1 h ", text, re.MULTILINE)
    assert "σ_min in fb ± statistical error ± spread over replicas" in text
    assert "over 9 trained hypotheses" in text or "left out of these means" in text
    values = [metric(place, "punzi", "punzi_sigma_min", working_point="fixed", hypothesis=mass) for mass in (0.5, 8.5)]
    assert all(value is None or value > 0 for value in values)


def test_curves_in_the_file(place):
    rows = pq.read_table(place / "report" / "roc.parquet").to_pandas()
    curves = rows[rows.curve.notna()]
    kinds = dict(zip(curves.run, curves.curve, strict=True))
    assert kinds == {
        "lcf-parallel": "selection", "lcf-sequential": "selection", "cut-and-count": "selection",
        "cabin-scan": "working points", "bdt": "score", "mlp": "score", "punzi": "score",
    }  # fmt: skip
    assert curves.groupby(["run", "split"]).size().max() <= 500
    assert set(curves.split) == {"train", "test"}
    points = rows[rows.curve.isna() & (rows.split == "test") & (rows.kind == "consensus")]
    assert set(points.run) == set(METHODS)
    assert len(points[(points.run == "punzi") & (points.working_point == "best")]) == 17


def test_json_and_another_working_point(place, run_here):
    arguments = ("evaluate", "runs/cabin-scan", "runs/punzi", "--data", "events.parquet", "--no-figures")
    done = run_here(*arguments, "--out", "other", "--working-point", "best", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1  # too long to be indented
    values = json.loads(done.stdout)
    assert [run["working_point"] for run in values["runs"]][1] == "best"
    assert {one["working_point"] for one in values["hypotheses"]} == {
        "fixed", "best", "pretrained_fixed", "pretrained_best",
    }  # fmt: skip
    assert {one["held_out"] for one in values["cut_distances"]} == {True, False}
    assert values["roc"] == pq.read_table(place / "other" / "roc.parquet").to_pylist()
    unknown = run_here(*arguments, "--out", "third", "--working-point", "bset", cwd=place)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "--working-point bset: no run has it; did you mean best" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
