"""The workflows for make and Snakemake: what is up to date is left alone, what is not is made anew, never by halves."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

CUTFLOW = f"{sys.executable} -m cutflow_cli"
LCF = "--epochs 1000 --replicas 1 --threads 1"


@pytest.fixture
def home(root, tmp_path):
    directory = tmp_path / "workflow"
    shutil.copytree(root / "examples" / "workflow", directory, ignore=shutil.ignore_patterns("work", ".snakemake"))
    return directory


def start_make(home, *words):
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    settings = [f"CUTFLOW={CUTFLOW}", "EVENTS=1000", f"TRAIN_lcf-parallel={LCF}", "EVALUATE=--no-figures"]
    return subprocess.Popen(
        ["make", *settings, *words], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, env={**outer, "CUTFLOW_LOG_INTERVAL": "0"},
    )  # fmt: skip


def make(home, *words):
    process = start_make(home, *words)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    return said


def steps(said):
    """What cutflow was to do."""
    return [line.split(" -m cutflow_cli ")[1].split()[:2] for line in said.splitlines() if "cutflow_cli" in line]


def touch(path):
    """Make a file newer than all others."""
    os.utime(path, (time.time() + 1,) * 2)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make(home):
    work = home / "work"
    interrupted = start_make(home, "work/lcf-parallel/run.json")
    assert any(line.startswith("train lcf-parallel: ") for line in interrupted.stdout), "it is training"
    os.killpg(interrupted.pid, signal.SIGINT)  # as Ctrl-C does
    said = interrupted.communicate(timeout=240)[0]
    assert "cutflow: stopped by SIGINT after epoch " in said
    assert interrupted.returncode != 0
    assert not (work / "lcf-parallel").exists()

    first = make(home)
    assert "generate-mock" not in first, "it was complete"
    assert "continuing from its checkpoint" in first
    made = {path.name for path in work.iterdir()}
    assert made == {"mock1.parquet", "events.parquet", "lcf-parallel", "cut-and-count", "report", "cuts.json", "cuts.h"}
    assert make(home) == "make: Nothing to be done for 'all'.\n"

    shown = [["export-cuts", "work/lcf-parallel"]] * 2
    evaluated = ["evaluate", "work/lcf-parallel"]
    touch(work / "lcf-parallel" / "run.json")
    assert sorted(steps(make(home, "-n"))) == sorted([evaluated, *shown])
    touch(home / "samples.toml")
    trained = [["train", "lcf-parallel"], ["train", "cut-and-count"]]
    assert sorted(steps(make(home, "-n"))) == sorted([["ingest", "samples.toml"], *trained, evaluated, *shown])
    batch = make(home, "-n", "batch", "ON=--slurm")
    assert [words[1] for words in steps(batch) if words[0] == "batch"] == ["plan", "submit", "status", "merge"]
    assert "batch submit work/scan --slurm\n" in batch


@pytest.mark.skipif(shutil.which("snakemake") is None, reason="there is no snakemake here")
def test_snakemake(home, tmp_path):
    def run(*words):
        config = [f"cutflow={CUTFLOW}", "events=1000", "evaluate=--no-figures", f'train={{"lcf-parallel": "{LCF}"}}']
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            ["snakemake", "--cores", "2", *words, "--config", *config], cwd=home, env=environment, capture_output=True,
            text=True, check=False, timeout=240,
        )  # fmt: skip

    first = run()
    assert first.returncode == 0, first.stderr
    assert (home / "work" / "report" / "report.json").exists()
    again = run()
    assert (again.returncode, "Nothing to be done" in again.stderr) == (0, True), again.stderr
    settings = home / "samples.toml"
    settings.write_text(settings.read_text().replace("1e-3", "2e-3"))  # Snakemake looks at what small files hold
    rebuilt = run()
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "rule ingest" in rebuilt.stderr
    assert "rule generate" not in rebuilt.stderr
    assert not list((home / "work").glob("*.partial"))
