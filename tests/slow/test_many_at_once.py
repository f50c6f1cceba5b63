"""Fifty real tasks on one plan directory at the same time, some of them started twice: nothing lost, nothing double.

All processes are there at once, and so are the commands that they run; how many of them compute at a moment is for the
cores of the machine to say.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.batch.manifest import read_plan
from cutflow_cli.batch.task_status import read_status

FILES, SHARDS, BLOCKS = 38, 8, 4
#: Tasks that are started twice, and users who share the tasks of a small plan.
TWICE, USERS = 10, 10
#: Seconds in which they all have to end; a minute on idle cores, a quarter of an hour on busy ones.
WAIT = 1800

PLAN = """
[samples]
events = "events.parquet"

[[apply]]
name = "flow"
cuts = "cuts.json"
files = ["part-*.parquet"]

[[ingest]]
name = "ingested"
settings = "samples.toml"
shards = SHARDS

[[train]]
name = "count"
method = "cut-and-count"
replicas = BLOCKS
block = 1
settings = { bootstrap = true }
"""

SAMPLES = """
features = ["x", "y"]
[processes.signal]
role = "signal"
files = ["signal-*.parquet"]
[processes.background]
role = "background"
files = ["background-*.parquet"]
"""


@pytest.fixture
def make_plan(tmp_path, run_cutflow):
    def make(files, shards, blocks):
        write_inputs(tmp_path, files, shards)
        text = PLAN.replace("SHARDS", str(shards)).replace("BLOCKS", str(blocks))
        (tmp_path / "plan.toml").write_text(text)
        made = run_cutflow("batch", "plan", tmp_path / "plan.toml", "--out", tmp_path / "plan")
        assert made.returncode == 0, made.stderr
        return read_plan(tmp_path / "plan")

    return make


def write_inputs(tmp_path, files, shards):
    rng = np.random.default_rng(1)
    label = np.repeat([1, 0], 18 * files).astype(np.int8)
    columns = {name: (rng.normal(size=len(label)) + label).astype(np.float32) for name in "xy"}
    events = pa.table({**columns, "label": label})
    pq.write_table(events, tmp_path / "events.parquet")
    for part in range(files):
        pq.write_table(events.slice(part * 36, 36), tmp_path / f"part-{part:02d}.parquet")
    for part in range(shards):
        for name, first in (("signal", 0), ("background", 18 * files)):
            rows = events.select(["x", "y"]).slice(first + part * 12, 12)
            pq.write_table(rows, tmp_path / f"{name}-{part}.parquet")
    (tmp_path / "cuts.json").write_text('{"cuts": ["x > 0.5", "y > 0"]}')
    (tmp_path / "samples.toml").write_text(SAMPLES)


@pytest.fixture
def start():
    processes = []

    def begin(*words):
        command = [sys.executable, "-m", "cutflow_cli", "batch", *map(str, words)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return processes[-1]

    yield begin
    for process in processes:  # none is left after a failure
        process.terminate()
    for process in processes:
        process.communicate(timeout=WAIT)


def watch(plan, processes, run_cutflow):
    """Ask where tasks stand as long as they change; give what the processes said."""
    deadline, looks = time.monotonic() + WAIT, 0
    while any(process.poll() is None for process in processes):
        assert time.monotonic() < deadline
        seen = run_cutflow("batch", "status", plan.path, "--json", "--no-queue")
        assert seen.returncode in (0, 4), seen.stderr
        states = json.loads(seen.stdout)["states"]
        assert sum(states.values()) == len(plan.tasks)
        assert set(states) <= {"planned", "running", "done"}, seen.stdout
        looks += 1
        time.sleep(3)
    assert looks > 1
    return [process.communicate()[0] for process in processes]


def assert_all_done_once(plan, run_cutflow, said):
    for task in plan.tasks:
        home = plan.directory(task.number)
        status = read_status(home)
        assert (status.state, status.attempt, status.exit_code) == ("done", 1, 0), (status, said)
        assert (home / "log.txt").read_text().count("# attempt") == 1, "its command ran twice"
        assert {path.name for path in home.iterdir()} - {"job.txt"} == {"lock", "log.txt", "status.json"}
        assert (home / "lock").read_text() == ""
    outputs = {plan.path / task.out for task in plan.tasks}
    beside = set((plan.path / "results").glob("*/*"))
    assert beside == outputs, "something half was left"
    merged = run_cutflow("batch", "merge", plan.path)
    assert merged.returncode == 0, merged.stderr
    for group in plan.groups:
        whole = [word.replace(group.merged, f"whole/{group.name}") for word in group.whole]
        made = run_cutflow(*whole, cwd=plan.path)
        assert made.returncode == 0, made.stderr
    whole = plan.path / "whole"
    flows = [pq.read_table(path) for path in (plan.path / "merged" / "flow.parquet", whole / "flow")]
    assert flows[0].column("n_raw").to_pylist() == flows[1].column("n_raw").to_pylist()
    assert pq.read_table(plan.path / "merged" / "ingested.parquet").equals(pq.read_table(whole / "ingested"))
    cuts = [path / "count" / "cuts.parquet" for path in (plan.path / "merged", whole)]
    assert cuts[0].read_bytes() == cuts[1].read_bytes()


def test_fifty_tasks_some_started_twice(make_plan, start, run_cutflow):
    """As after a network fault, when a batch system takes a job for dead and starts it again elsewhere."""
    plan = make_plan(FILES, SHARDS, BLOCKS)
    tasks = len(plan.tasks)
    assert tasks == 50
    numbers = [*range(tasks), *range(0, tasks, tasks // TWICE)]
    jobs = [start("run", plan.path, number, "--job", f"1.{place}") for place, number in enumerate(numbers)]
    said = watch(plan, jobs, run_cutflow)
    codes = [job.returncode for job in jobs]
    assert set(codes) <= {0, 75}, said
    assert {number for number, code in zip(numbers, codes, strict=True) if code == 0} == set(range(tasks))
    assert_all_done_once(plan, run_cutflow, said)


def test_users_of_one_plan_share_its_tasks(make_plan, start, run_cutflow):
    plan = make_plan(8, 2, 2)
    users = [start("submit", plan.path, "--local", "1") for _ in range(USERS)]
    said = watch(plan, users, run_cutflow)
    assert [one.returncode for one in users] == [0] * USERS, said
    assert_all_done_once(plan, run_cutflow, said)
