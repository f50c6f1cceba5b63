"""A training that is told to stop saves a checkpoint, and the same command goes on to the same result bit for bit."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import resolve_settings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.training import CHECKPOINT, run_training

EPOCHS = 500


@pytest.fixture(scope="module")
def mock(run_here, tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "mock1.parquet"
    assert run_here("generate-mock", "mock1", "--out", path, "--events", "3000", "--seed", "1").returncode == 0
    return path


def interrupted(command, number):
    """Start a training, send it a signal while it trains; return exit code, stdout and stderr."""
    training = subprocess.Popen(
        [sys.executable, "-m", "cutflow_cli", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "NO_COLOR": "1", "CUTFLOW_LOG_INTERVAL": "0"},
    )  # fmt: skip
    assert training.stderr is not None
    first = training.stderr.readline()  # it says how far it is from its first epoch on
    assert re.match(r"train lcf-\w+: \d+ %, loss \d+\.\d+, about \d+ s left\n", first), first
    training.send_signal(number)
    stdout, stderr = training.communicate(timeout=60)
    said = [line for line in stderr.splitlines(keepends=True) if not line.startswith("train lcf-")]
    return training.returncode, stdout, "".join(said)


def command(strategy, mock, out, *more):
    return (
        *("train", f"lcf-{strategy}", mock, "--out", out, "--epochs", EPOCHS, "--batch-size", "256"),
        *("--replicas", "2", "--seed", "3", "--device", "cpu", "--threads", "1", *more),
    )


def uninterrupted(strategy, mock, out, **chosen):
    """The same training without a stop, by the library."""
    settings, _ = resolve_settings(strategy, {"epochs": EPOCHS, "batch_size": 256, **chosen})
    run_training(
        TrainingPlan(
            f"lcf-{strategy}", LearnableCutFlow(settings), mock, out, replicas=range(2), seed=3, device="cpu", threads=1
        )
    )


def saved_by(strategy, mock, out, number, *options):
    """Interrupt a training and check what it leaves."""
    code, stdout, stderr = interrupted(command(strategy, mock, out, *options), number)
    assert code == 85, stderr
    assert stdout == ""
    assert stderr.startswith(f"cutflow: stopped by {signal.Signals(number).name} after epoch ")
    assert stderr.endswith(f"of {EPOCHS}; the same command continues from there\n")
    partial = out.with_name("run.partial")
    assert sorted(entry.name for entry in partial.iterdir()) == [CHECKPOINT, "started.json"]
    assert not out.exists()
    with np.load(partial / CHECKPOINT) as stored:
        assert 1 <= int(stored["epochs_done"]) < EPOCHS
    return partial


def assert_continues(run_here, typed, out, whole):
    """Go on, and compare with the training that was never stopped."""
    done = run_here(*typed)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"{out}.partial: continuing from its checkpoint"
    for file in ("cuts.parquet", "history.parquet"):
        assert (out / file).read_bytes() == (whole / file).read_bytes()
    assert sorted(entry.name for entry in out.iterdir()) == ["cuts.parquet", "history.parquet", "run.json"]
    assert not out.with_name("run.partial").exists()


def test_ctrl_c_in_a_parallel_training_with_bootstrap(run_here, mock, tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    saved_by("parallel", mock, out, signal.SIGINT, "--bootstrap")
    uninterrupted("parallel", mock, whole, bootstrap=True)
    assert_continues(run_here, command("parallel", mock, out, "--bootstrap"), out, whole)


def test_term_in_a_sequential_training_and_a_checkpoint_damaged_meanwhile(run_here, mock, tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    checkpoint = saved_by("sequential", mock, out, signal.SIGTERM) / CHECKPOINT
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:-100])
    typed = command("sequential", mock, out)
    refused = run_here(*typed)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "checkpoint.npz: damaged checkpoint" in refused.stderr.splitlines()[-1]
    assert "start over with --fresh" in refused.stderr.splitlines()[-1]
    assert len([line for line in refused.stderr.splitlines() if line.startswith("cutflow: ")]) == 1
    checkpoint.write_bytes(content)
    uninterrupted("sequential", mock, whole)
    assert_continues(run_here, typed, out, whole)
