"""Fifty tasks at the same time on one plan directory, each started twice: nothing lost, nothing double."""

import multiprocessing
import sys

from cutflow_cli.batch import run as module
from cutflow_cli.batch.run import run_task
from cutflow_cli.batch.survey import survey
from cutflow_cli.batch.task_status import read_status
from cutflow_cli.errors import TemporaryError

TASKS = 50


def attempt(plan, number, together):
    """One job's attempt, in a process of its own; 75 where another one was at work."""
    together.wait()
    try:
        sys.exit(run_task(plan.path, number, job=f"{number}").exit_code)
    except TemporaryError:
        sys.exit(75)


def test_fifty_tasks_each_started_twice(make_plan, monkeypatch):
    plan = make_plan(TASKS)
    monkeypatch.setattr(
        module, "_command", lambda task: ["/bin/sh", "-c", f"echo {task.number} >> {task.out}; sleep 0.5; echo said"]
    )
    context = multiprocessing.get_context("fork")
    together = context.Barrier(2 * TASKS)
    jobs = [context.Process(target=attempt, args=(plan, n % TASKS, together)) for n in range(2 * TASKS)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert {job.exitcode for job in jobs} <= {0, 75}
    assert all(0 in (jobs[n].exitcode, jobs[n + TASKS].exitcode) for n in range(TASKS))
    assert survey(plan).counts() == {"done": TASKS}
    for task in plan.tasks:
        status = read_status(plan.directory(task.number))
        assert (status.attempt, status.job) == (1, f"{task.number}")
        assert (plan.path / task.out).read_text() == f"{task.number}\n", "its command ran twice"
        log = (plan.directory(task.number) / "log.txt").read_text()
        assert log.count("# attempt") == log.count("said\n") == 1
    assert sorted(path.name for path in plan.directory(0).iterdir()) == ["lock", "log.txt", "status.json"]
