"""Plans on a real HTCondor and a real Slurm: what comes back is what one machine gives, whatever happens on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from real_systems import SCRIPTS, WAIT, settled, system_of, wait

from cutflow_cli.batch.manifest import read_plan
from cutflow_cli.engine.checkpoint import load_checkpoint
from cutflow_cli.models.training import CHECKPOINT

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason=f"no start scripts for batch systems at {SCRIPTS}")

EPOCHS = 6_000  # some seconds, in which it is evicted

GRID = """
[samples]
mock1 = "mock1.parquet"

[[train]]
name = "lcf"
method = "lcf-parallel"
replicas = 4
block = 2
seeds = [7]
settings = { epochs = 20 }
grid = { learning_rate = [0.001, 0.003] }
options = ["--threads", "1"]
"""

LONG = f"""
[samples]
mock1 = "mock1.parquet"

[[train]]
name = "lcf"
method = "lcf-parallel"
replicas = 1
settings = {{ epochs = {EPOCHS} }}
options = ["--threads", "1"]
"""

TWO_SAMPLES = """
[samples]
good = "good.parquet"
away = "away.parquet"

[[train]]
name = "count"
method = "cut-and-count"
replicas = 1
"""


def planned(work: Path, name: str, text: str) -> Path:
    """Write a plan file and plan it."""
    file, out = work / f"{name}.toml", work / name
    file.write_text(text)
    command = [sys.executable, "-m", "cutflow_cli", "batch", "plan", file, "--out", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def job_of(plan: Path) -> str:
    """Return what the batch system calls the only task of a plan."""
    (one,) = wait(plan, lambda found: True).tasks
    return one.job


def by_hand(plan: Path) -> None:
    """Train on one machine, in one go, what each result of a plan is."""
    for group in read_plan(plan).groups:
        argv = [word.replace(group.merged, f"whole/{group.name}") for word in group.whole]
        done = subprocess.run(
            [sys.executable, "-m", "cutflow_cli", *argv], cwd=plan, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def whole_grid(work):
    """The four tasks of the grid as two trainings on one machine."""
    plan = planned(work, "by-hand", GRID)
    by_hand(plan)
    return plan / "whole"


@pytest.fixture(scope="session")
def whole_long(work):
    """The long training, not interrupted."""
    plan = planned(work, "long-by-hand", LONG)
    by_hand(plan)
    return plan / "whole"


def same_cuts(one: Path, other: Path) -> None:
    """Cuts and histories, bit for bit."""
    assert pq.read_table(one / "cuts.parquet").num_rows > 0
    for file in ("cuts.parquet", "history.parquet"):
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


def test_a_grid_comes_back_as_one_machine_would_have_trained_it(system, work, whole_grid):
    plan = planned(work, f"grid-{system.name}", GRID)
    shown = system.cutflow("batch", "submit", plan, f"--{system.name}", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert not list(plan.glob("submit/*")), "a dry run wrote something"
    unmerged = system.cutflow("batch", "merge", plan)
    assert unmerged.returncode == 4
    assert "4 of 4 outputs are missing" in unmerged.stderr
    system.submit(plan)
    (written,) = (path for path in plan.glob("submit/0001.s*") if path.suffix != ".json")
    assert written.read_text() == shown.stdout
    again = system.cutflow("batch", "submit", plan, f"--{system.name}")
    assert (again.returncode, "all of its tasks were submitted" in again.stderr) == (0, True)
    wait(plan, settled)
    status = system.cutflow("batch", "status", plan, "--json")
    assert status.returncode == 0, status.stdout
    assert json.loads(status.stdout)["states"] == {"done": 4}
    merged = system.cutflow("batch", "merge", plan)
    assert merged.returncode == 0, merged.stderr
    for group in read_plan(plan).groups:
        same_cuts(plan / group.merged, whole_grid / group.name)
    assert sorted(path.name for path in plan.glob("merged/*")) == sorted(path.name for path in whole_grid.iterdir())


def test_a_task_that_fails_is_reported_and_resubmitted_once_its_input_is_back(system, work):
    home = work / f"fails-{system.name}"
    home.mkdir()
    for name in ("good", "away"):
        (home / f"{name}.parquet").write_bytes((work / "mock1.parquet").read_bytes())
    plan = planned(home, "plan", TWO_SAMPLES)
    (home / "away.parquet").rename(home / "hidden")
    system.submit(plan)
    found = wait(plan, settled)
    assert found.counts() == {"failed": 1, "done": 1}
    status = system.cutflow("batch", "status", plan)
    assert status.returncode == 4
    assert "1 failed: " in status.stdout
    assert "away.parquet: no such file" in status.stdout
    assert found.tasks[1].status.exit_code == 3
    assert found.tasks[1].status.attempt == 1, "an input at fault is not worth a retry"
    refused = system.cutflow("batch", "resubmit", plan)
    assert refused.returncode == 4
    assert "would fail again" in refused.stderr
    (home / "hidden").rename(home / "away.parquet")
    resubmitted = system.cutflow("batch", "resubmit", plan)
    assert resubmitted.returncode == 0, resubmitted.stderr
    assert resubmitted.stdout.startswith(f"1 tasks submitted to {system.name} as ")
    found = wait(plan, settled)
    assert found.counts() == {"done": 2}
    assert system.cutflow("batch", "merge", plan).returncode == 0


def seconds_used(plan: Path) -> float:
    """Return how long the processor has worked for the training that writes into a plan directory; 0 without one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"train" in words and (process / "cwd").resolve() == plan.resolve():
                user, kernel = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                return (int(user) + int(kernel)) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return 0.0


def wait_until_it_trains(plan: Path) -> None:
    """Wait until a training has its directory, and then for as much work as loading and some epochs take."""
    deadline = time.monotonic() + WAIT
    while not list(plan.glob("results/lcf/*.partial")):
        assert time.monotonic() < deadline, wait(plan, lambda found: True)
        time.sleep(0.05)
    begun = seconds_used(plan)
    while seconds_used(plan) < begun + 1.5:
        assert time.monotonic() < deadline, wait(plan, lambda found: True)
        time.sleep(0.05)


def test_a_training_that_is_evicted_goes_on_from_its_checkpoint(system, work, whole_long):
    plan = planned(work, f"evicted-{system.name}", LONG)
    system.submit(plan)
    wait_until_it_trains(plan)
    job = job_of(plan)
    system.evict(job)
    seen = wait(plan, lambda found: found.tasks[0].status.state == "stopped" or found.tasks[0].status.attempt > 1)
    assert seen.tasks[0].state != "done"
    (partial,) = plan.glob("results/lcf/*.partial")
    assert 1 <= int(load_checkpoint(partial / CHECKPOINT)["epochs_done"]) < EPOCHS
    if system.name == "slurm":
        wait(plan, lambda found: found.tasks[0].state == "evicted")
    system.restart_now(job)
    found = wait(plan, settled)
    assert found.counts() == {"done": 1}
    assert found.tasks[0].status.attempt == 2
    log = (plan / "tasks" / "00000" / "log.txt").read_text()
    assert "cutflow: stopped by SIGTERM after epoch " in log
    assert "continuing from its checkpoint" in log
    assert system.cutflow("batch", "merge", plan).returncode == 0
    same_cuts(plan / "merged" / "lcf", whole_long / "lcf")


@pytest.fixture
def htcondor(htcondor_environment, monkeypatch):
    return system_of("htcondor", htcondor_environment, monkeypatch)


def test_a_job_that_is_held_is_said_to_be_and_goes_on_when_resubmitted(htcondor, work, whole_long):
    plan = planned(work, "held", LONG)
    htcondor.submit(plan)
    wait_until_it_trains(plan)
    htcondor.tool("condor_hold", "-reason", "memory usage exceeded request_memory", job_of(plan))
    found = wait(plan, lambda found: found.tasks[0].state == "held")
    assert found.tasks[0].reason.startswith("memory usage exceeded request_memory")
    again = htcondor.cutflow("batch", "resubmit", plan, "--memory", "2500")
    assert again.returncode == 0, again.stderr
    assert "1 held jobs removed from the queue" in again.stderr
    assert "request_memory = 2500" in (plan / "submit" / "0002.sub").read_text()
    assert wait(plan, settled).counts() == {"done": 1}
    assert htcondor.cutflow("batch", "merge", plan).returncode == 0
    same_cuts(plan / "merged" / "lcf", whole_long / "lcf")


def test_files_that_htcondor_copies_come_back_after_an_eviction_too(htcondor, work, whole_long):
    profile = work / "files.toml"
    profile.write_text('system = "htcondor"\ntransfer = "files"\n')
    plan = planned(work, "copied", LONG)
    htcondor.submit(plan, "--profile", str(profile))
    wait(plan, lambda found: found.tasks[0].state == "running")
    time.sleep(5)
    htcondor.evict(job_of(plan))
    found = wait(plan, settled)
    assert found.counts() == {"done": 1}
    assert found.tasks[0].status.attempt == 2
    assert htcondor.cutflow("batch", "merge", plan).returncode == 0
    same_cuts(plan / "merged" / "lcf", whole_long / "lcf")
