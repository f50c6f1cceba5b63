"""`cutflow train` on bad input: one line that names file, column and remedy, the right code, nothing left behind."""

import os
import resource
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.training import run_training

FAST = ("--epochs", "2", "--replicas", "2", "--device", "cpu")


def columns(events=600, **changed):
    """A plain file's columns: label, two features."""
    rng = np.random.default_rng(4)
    label = np.arange(events) % 2
    table = {"label": label, "mass": rng.normal(90.0 + label), "tau21": rng.uniform(0.1, 0.9, events) - 0.05 * label}
    return {**table, **changed}


@pytest.fixture
def write(tmp_path):
    """Write a plain events file; everything else in the directory is what the command left."""

    def written(name="events.parquet", **changed):
        pq.write_table(pa.table(columns(**changed)), tmp_path / name)
        return tmp_path / name

    return written


@pytest.fixture
def refuse(run_here, tmp_path):
    """Run a training that must fail with one line, and leave the directory as it was."""

    def run(code, *arguments, words=(), notes=()):
        before = sorted(entry.name for entry in tmp_path.iterdir())
        out = () if "--out" in arguments else ("--out", "run")
        done = run_here("train", "lcf-parallel", *FAST, *arguments, *out, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("cutflow: ")]
        assert errors == lines[-1:], done.stderr
        for word in words:
            assert word in errors[0], errors[0]
        for line in lines[:-1]:
            assert line.startswith("events.parquet: "), line  # how a plain file was understood
        assert sorted(entry.name for entry in tmp_path.iterdir()) == before
        return errors[0]

    return run


def test_a_missing_file_names_the_nearest(refuse, write):
    write()
    refuse(3, "event.parquet", words=("event.parquet: no such file", "did you mean events.parquet?"))


def test_a_directory_is_no_events_file(refuse, tmp_path):
    (tmp_path / "folder").mkdir()
    refuse(3, "folder", words=("folder: is a directory",))


def test_a_text_file_is_no_parquet(refuse, tmp_path):
    (tmp_path / "events.parquet").write_text("label,mass\n1,2\n")
    refuse(3, "events.parquet", words=("events.parquet: not readable as Parquet", "cutflow ingest"))


def test_a_truncated_file_says_so(refuse, write):
    path = write()
    path.write_bytes(path.read_bytes()[:-200])
    refuse(3, "events.parquet", words=("events.parquet", "truncated or damaged Parquet file"))


def test_a_missing_column_names_the_nearest(refuse, write):
    write()
    words = ("events.parquet: no column 'tau12'", "did you mean tau21?")
    refuse(3, "events.parquet", "--features", "mass,tau12", words=words)


def test_a_feature_of_text_is_refused(refuse, write):
    write(tau21=["low", "high"] * 300)
    words = ("column 'tau21' holds string", "must be numeric")
    refuse(3, "events.parquet", "--features", "mass,tau21", words=words)


def test_a_feature_named_twice_is_refused(refuse, write):
    write()
    refuse(3, "events.parquet", "--features", "mass,tau21,mass", words=("'mass' is named twice",))


@pytest.mark.parametrize(("value", "role"), [(1, "background"), (0, "signal")])
def test_both_classes_are_needed(refuse, write, value, role):
    write(label=np.full(600, value))
    refuse(3, "events.parquet", words=(f"events.parquet: no {role} events",))


def test_weights_that_are_all_zero_are_refused(refuse, write):
    write(weight=np.zeros(600))
    refuse(3, "events.parquet", words=("column 'weight' is zero for every background event",))


def test_a_class_of_negative_weight_is_refused(refuse, write):
    write(weight=np.tile([-1.0, 1.0], 300))
    words = ("column 'weight': the training weights of the background sum to -", "--negative-weights")
    refuse(3, "events.parquet", words=words)


def test_a_constant_feature_is_refused(refuse, write):
    write(tau21=np.full(600, 0.5))
    refuse(3, "events.parquet", words=("feature 'tau21' is constant (0.5)", "--features"))


def leaking():
    """A column that is the label, but for some noise."""
    return np.arange(600) % 2 * 2.0 + np.random.default_rng(0).normal(0, 0.01, 600)


def test_a_column_that_gives_the_label_away_is_refused(refuse, write):
    write(tau21=leaking())
    words = ("feature 'tau21' alone separates the classes (AUC 1.0000)", "--features")
    refuse(3, "events.parquet", words=words)


def test_what_is_named_may_tell_the_label_and_what_is_no_number_is_counted(write, run_here, tmp_path):
    mass = columns()["mass"]
    mass[:40:4], mass[1], mass[2] = np.nan, np.inf, -np.inf
    write(mass=mass, tau21=leaking(), split=["train"] * 400 + ["test"] * 200)
    done = run_here(
        "train", "lcf-parallel", "events.parquet", "--out", "run", "--features", "tau21,mass", *FAST, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "feature 'mass'" in line]
    assert notes == [
        "feature 'mass': 10 missing (NaN) and 2 infinite values in the training split; "
        "missing ones fail every cut on it, +∞ is above every boundary, −∞ below"
    ]


def test_a_centre_outside_the_data_says_how_far_they_run(refuse, write):
    write()
    words = ("--center mass=800: outside its training data, which run from 8",)
    refuse(2, "events.parquet", "--center", "mass=800", words=words)


def test_a_centre_for_an_unknown_feature_names_the_nearest(refuse, write):
    write()
    refuse(2, "events.parquet", "--center", "tau12=0.4", words=("--center tau12: no such feature", "tau21?"))


def test_a_centre_that_is_none_is_refused(refuse, write):
    write()
    refuse(2, "events.parquet", "--center", "mass=heavy", words=("--center mass", "such as --center tau21=0.4"))


def test_an_output_that_is_something_else_is_kept(refuse, write, tmp_path):
    write()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    refuse(2, "events.parquet", words=("run: exists", "--out"))
    refuse(2, "events.parquet", "--force", words=("run: holds files but no run.json",))
    assert (tmp_path / "run" / "thesis.tex").read_text() == "mine"


def test_an_unwritable_directory_is_named(refuse, write, tmp_path):
    write()
    (tmp_path / "file").write_text("")
    refuse(2, "events.parquet", "--out", "file/run", words=("file: can't make this directory",))


def test_replicas_that_are_none_are_refused(refuse, write):
    write()
    refuse(2, "events.parquet", "--replicas", "7:3", words=("--replicas 7:3: give a number of replicas",))


def test_cuda_where_there_is_none_is_refused(run_here, write, tmp_path, monkeypatch):
    write()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = run_here("train", "lcf-parallel", "events.parquet", "--out", "run", "--device", "cuda", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cutflow: --device cuda: torch finds no CUDA device here; use --device cpu or auto\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["events.parquet"]


def test_a_full_disk_is_temporary_and_leaves_nothing(write, tmp_path):
    plan = TrainingPlan("lcf-parallel", LearnableCutFlow(LcfSettings(epochs=1)), write(), tmp_path / "done")
    run_training(plan)  # so that compiled kernels are in their cache, which the limit would keep from growing
    done = subprocess.run(
        [sys.executable, "-m", "cutflow_cli", "train", "lcf-parallel", "events.parquet", "--out", "run", *FAST],
        capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert done.stdout == ""
    assert "no space left to write" in done.stderr.splitlines()[-1]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["done", "events.parquet"]
