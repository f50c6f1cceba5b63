"""`cutflow train box` as it is typed."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def events(tmp_path):
    rng = np.random.default_rng(4)
    label = np.arange(4000) % 2
    table = {
        "label": label,
        "mass": rng.normal(90.0, np.where(label == 1, 2.0, 8.0)).astype(np.float32),
        "tau21": rng.normal(0.6 - 0.2 * label, 0.15).astype(np.float32),
        "noise": rng.normal(size=4000).astype(np.float32),
        "weight": np.where(label == 1, 0.1, 1.0),
    }
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    return tmp_path


FAST = ("--starts", "3", "--optimism-folds", "2")


def test_it_says_what_to_expect_and_is_judged_and_exported(events, run_here):
    done = run_here("train", "box", "events.parquet", "--out", "run", *FAST, cwd=events)
    assert done.returncode == 0, done.stderr
    assert "learned by box" in done.stdout
    assert "< mass <" in done.stdout
    assert "noise (no region of it adds enough to the objective" in done.stdout
    assert "Asimov Z" in done.stderr
    assert "expected on fresh events" in done.stderr
    assert "3 starts reached the same objective" in done.stderr
    names = sorted(path.name for path in (events / "run").iterdir())
    assert names == ["box.parquet", "budget.parquet", "cuts.parquet", "history.parquet", "run.json"]
    again = run_here("train", "box", "events.parquet", "--out", "run", *FAST, cwd=events)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "expected on fresh events" in again.stderr
    judged = run_here("evaluate", "run", "--data", "events.parquet", "--out", "report", "--no-figures", cwd=events)
    assert judged.returncode == 0, judged.stderr
    assert "Asimov Z against the number of cuts of run" in judged.stdout
    assert re.search(r"^ [12] \* +\d", judged.stdout, re.MULTILINE), judged.stdout
    assert "against the number of cuts of run" in (events / "report" / "report.html").read_text()
    code = run_here("export-cuts", "run", "--format", "python", cwd=events)
    assert "mass" in code.stdout


def test_targets_and_a_budget_of_cuts(events, run_here):
    done = run_here(
        "train", "box", "events.parquet", "--out", "run", "--signal-efficiencies", "0.5,0.8", "--max-cuts", "1",
        "--optimism-folds", "0", "--json", cwd=events,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [flow["target"] for flow in found["cut_flows"]] == [0.5, 0.8]
    assert all(len(flow["cuts"]) == 1 for flow in found["cut_flows"])
    assert found["recommended"].startswith("signal_efficiency=")


def test_what_is_wrong_is_said_in_a_line(events, run_here):
    for arguments, code, words in (
        (["--objective", "asimvo"], 2, "did you mean asimov"),
        (["--objective", "s / c"], 2, "no quantity 'c'"),
        (["--objective", "punzi", "--background-systematic", "0.1"], 2, "knows of no uncertainty"),
        (["--signal-efficiencies", "1.5"], 2, "between 0 and 1"),
        (["--replicas", "3", "--no-bootstrap"], 2, "nothing random"),
        (["--objective", "accuracy", "--min-effective-events", "5"], 2, "has no such rule"),
    ):
        done = run_here("train", "box", "events.parquet", "--out", "run", *arguments, cwd=events)
        assert (done.returncode, done.stdout) == (code, ""), (arguments, done.stderr)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (events / "run").exists()
