"""The array script as one would write it by hand, and what Slurm 22.05 said of jobs when asked."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.batch.profile import Profile
from cutflow_cli.batch.queue import Job
from cutflow_cli.batch.slurm import arrays, chunk_of, clock, job_name, parse_accounting, parse_queue, ranges
from cutflow_cli.errors import UsageError

RECORDED = Path(__file__).parent / "recorded"

HEAD = """\
#!/bin/bash
# cutflow batch submit --slurm: 3 tasks of PLAN
# One element a task. The task writes its status and log itself.
#SBATCH --job-name=cutflow-scan
#SBATCH --array=0,2-3%10
#SBATCH --output=PLAN/tasks/00%3a/job.txt
#SBATCH --open-mode=append
#SBATCH --export=NONE
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2000M
#SBATCH --time=1:30:00
#SBATCH --partition=short
#SBATCH --constraint=skylake

task=$((0 + SLURM_ARRAY_TASK_ID))
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
module load python

/opt/python -m cutflow_cli batch run PLAN "$task" --job "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" &
child=$!
"""


def test_an_array_script(make_plan):
    plan = make_plan(4)
    profile = Profile(
        python="/opt/python", time="1h30m", partition="short", max_running=10, signal_before=120,
        setup="module load python", extra=("--constraint=skylake",),
    )  # fmt: skip
    (name, text), *others = arrays(plan, [3, 0, 2], profile, "0001", 1001).items()
    assert (name, others) == ("0001.sbatch", [])
    assert text.startswith(HEAD.replace("PLAN", str(plan.path)))
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_more_tasks_than_an_array_holds_are_divided(make_plan):
    plan = make_plan(1)
    scripts = arrays(plan, [*range(998, 1003), 12_345], Profile(), "0007", 1001)
    assert list(scripts) == ["0007-0.sbatch", "0007-1.sbatch", "0007-12.sbatch"]
    text = scripts["0007-1.sbatch"]
    assert "#SBATCH --array=0-2\n" in text
    assert f"#SBATCH --output={plan.path}/tasks/01%3a/job.txt\n" in text
    assert "task=$((1000 + SLURM_ARRAY_TASK_ID))" in text
    assert f"{plan.path}/tasks/12%3a/job.txt\n" in scripts["0007-12.sbatch"]


@given(st.integers(1, 4_000_001), st.integers(0, 99_999))
def test_every_task_has_its_place_in_an_array_and_its_own_directory(limit, number):
    size = chunk_of(limit)
    assert 1 <= size <= limit
    index = int(job_name("5", number, size).partition("_")[2])
    assert 0 <= index < min(limit, size)
    assert number // size * size + index == number
    width = len(str(size)) - 1
    part = f"{number // size:0{5 - width}d}" if width < 5 else ""
    assert part + (f"{index:0{width}d}" if width else "") == f"{number:05d}"


def test_a_slurm_without_arrays_and_a_path_that_it_would_misread(make_plan):
    with pytest.raises(UsageError, match="takes no job arrays"):
        chunk_of(0)
    with pytest.raises(UsageError, match="has spaces, quotes, % or"):
        arrays(make_plan(name="50%"), [0], Profile(), "0001", 1001)


def test_numbers_as_slurm_reads_them():
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert clock(93_784) == "26:03:04"


def test_the_queue_as_recorded():
    jobs = parse_queue((RECORDED / "squeue.txt").read_text())
    assert jobs["8_0"] == Job("8_0", "queued", "BeginTime")
    assert jobs["8_1"] == Job("8_1", "held", "job requeued in held state")
    assert jobs["8_2"] == Job("8_2", "running", None)
    assert jobs["8_3"] == Job("8_3", "gone", "cancelled")
    assert jobs["2_0"].state == "gone"
    assert parse_queue("") == {}


def test_the_accounting():
    """As `sacct -n -P -X -o JobID,State` prints it (manual of sacct)."""
    text = "8_0|COMPLETED\n8_1|OUT_OF_MEMORY\n8_3|CANCELLED by 1000\n8_4|NODE_FAIL\n9|FAILED\n"
    assert parse_accounting(text) == {"8_1": "out of memory", "8_3": "cancelled by 1000", "8_4": "node fail"}
