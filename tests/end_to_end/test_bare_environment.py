"""As in a batch job: no PATH, no HOME or an unwritable one, no terminal; and every method stops at a time limit."""

import json
import subprocess
import sys
from itertools import count

import pytest

#: With what each method looks at the clock four times at least.
METHODS = {
    "lcf-parallel": ("--epochs", "5"),
    "cabin-scan": ("--epochs", "5", "--targets", "0.5,0.9"),
    "cut-and-count": ("--replicas", "4"),
    "bdt": ("--trees", "2", "--replicas", "2"),
    "mlp": ("--epochs", "5"),
}


@pytest.fixture(scope="module")
def mock(run_here, tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "mock1.parquet"
    assert run_here("generate-mock", "mock1", "--out", path, "--events", "1500", "--seed", "1").returncode == 0
    return path


def run_bare(*arguments, **environment):
    """Run a command with nothing in its environment but what is given."""
    command = [sys.executable, "-m", "cutflow_cli", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120
    )


def test_the_chain_without_path_and_home_writes_only_outputs_and_scratch(mock, tmp_path):
    home, scratch, run = tmp_path / "home", tmp_path / "scratch", tmp_path / "run"
    home.mkdir()
    scratch.mkdir()
    trained = run_bare("train", "mlp", mock, "--out", run, "--epochs", "1", TMPDIR=str(scratch))
    assert trained.returncode == 0, trained.stderr
    drawn = run_bare("evaluate", run, "--data", mock, "--out", tmp_path / "report", HOME=str(home), TMPDIR=str(scratch))
    assert drawn.returncode == 0, drawn.stderr
    report = tmp_path / "report"
    named = json.loads((report / "report.json").read_text())["figures"]
    assert sorted(named) == sorted(str(path.relative_to(report)) for path in (report / "figures").iterdir()) != []
    assert list(home.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "report", "run", "scratch"]
    assert all(path.name.startswith("cutflow-") for path in scratch.iterdir())


@pytest.fixture
def clock(monkeypatch):
    """A clock that is ten seconds later whenever a training looks at it."""
    monkeypatch.setattr("cutflow_cli.engine.stop.monotonic", count(0, 10).__next__)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("clock")
def test_a_time_limit_ends_every_method_with_a_checkpoint_that_is_gone_on_from(run_here, mock, tmp_path, method):
    typed = ("train", method, mock, "--out", tmp_path / "run", *METHODS[method])
    stopped = run_here(*typed, "--time-limit", "35")  # looks at 10, 20 and 30, when ten more are too many
    assert (stopped.returncode, stopped.stdout) == (85, ""), stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith("cutflow: stopped by --time-limit 35 after ")
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    assert sorted(path.name for path in (tmp_path / "run.partial").iterdir()) == ["checkpoint.npz", "started.json"]
    done = run_here(*typed)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not (tmp_path / "run" / "checkpoint.npz").exists()


@pytest.mark.usefixtures("clock")
def test_a_time_limit_too_short_for_anything_is_no_reason_to_go_on(run_here, mock, tmp_path):
    stopped = run_here("train", "bdt", mock, "--out", tmp_path / "run", "--trees", "5", "--time-limit", "9")
    assert stopped.returncode == 2, stopped.stderr
    assert stopped.stderr.splitlines()[-1] == (
        "cutflow: --time-limit 9 (the first step took longer): nothing was finished that could be kept for the next "
        "start; give more time"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_time_limit_that_is_no_time(run_here, mock, tmp_path):
    stopped = run_here("train", "bdt", mock, "--out", tmp_path / "run", "--time-limit", "soon")
    assert stopped.returncode == 2
    assert stopped.stderr == "cutflow: --time-limit soon: give seconds such as 3600, or a time such as 1h30m\n"


def test_blocks_are_merged_by_typing(run_here, mock, tmp_path):
    quick = ("train", "cut-and-count", mock, "--keep-state", "--bootstrap")
    for block in ("0:1", "1:2"):
        done = run_here(*quick, "--replicas", block, "--out", f"block{block[0]}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    merged = run_here("merge", "block0", "block1", "--out", "run", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout.startswith("Run run, learned by cut-and-count, seed 0")
    assert merged.stderr.splitlines()[-1] == "run: merged from 2 runs"
    again = run_here("merge", "block1", "block0", "--out", "run", cwd=tmp_path)
    assert (again.returncode, again.stderr.splitlines()[-1]) == (0, "run: already done")
    missing = run_here("merge", "block1", "--out", "other", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (4, "")
    assert missing.stderr == "cutflow: replicas 0:1 of 0:2 are missing; nothing was merged\n"


def test_what_merge_can_not_mix(run_here, mock, tmp_path):
    assert run_here("train", "cut-and-count", mock, "--out", "run", cwd=tmp_path).returncode == 0
    mixed = run_here("merge", "run", mock, "--out", "all", cwd=tmp_path)
    assert mixed.returncode == 2
    assert mixed.stderr.startswith(f"cutflow: run is a run, {mock} is none; merge shards of an ingest, cut flows, or")
    needless = run_here("merge", mock, "--replicas", "4", "--out", "all", cwd=tmp_path)
    assert needless.returncode == 2
    assert "--replicas: is for blocks of replicas" in needless.stderr
