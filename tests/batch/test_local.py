"""Tasks on this machine: what somebody else is doing is waited for, what failed for a passing reason is tried again."""

import os
import signal
import threading
import time

import pytest

from cutflow_cli.batch import local
from cutflow_cli.batch.local import run_local
from cutflow_cli.batch.lock import Owner, held
from cutflow_cli.batch.task_status import TaskStatus
from cutflow_cli.errors import Interrupted

SCRIPT = """#!/bin/sh
# stands for the program: argv is -m cutflow_cli batch run PLAN TASK
cd "$5"
echo "$6" >> started
{body}
"""


@pytest.fixture
def instead(monkeypatch, tmp_path):
    """Run a line of shell in the place of `cutflow batch run`; it finds the plan at hand and its number in $6."""

    def replace(body):
        script = tmp_path / "program"
        script.write_text(SCRIPT.format(body=body))
        script.chmod(0o755)
        monkeypatch.setattr(local.sys, "executable", str(script))

    return replace


def started(plan):
    return (plan.path / "started").read_text().split() if (plan.path / "started").exists() else []


def test_a_task_of_somebody_else_is_left_to_them(make_plan, instead, monkeypatch):
    monkeypatch.setattr(local, "LOOK", 0.1)
    plan = make_plan(2)
    instead("exit 0")
    entered, leave, said = threading.Event(), threading.Event(), []

    def other():
        with held(plan.directory(0), Owner.me()):
            entered.set()
            leave.wait(30)
            (plan.path / plan.task(0).out).parent.mkdir(exist_ok=True)
            (plan.path / plan.task(0).out).touch()
            TaskStatus("done", 1, "here", 1, "", "then", "then", 0).write(plan.directory(0))

    def say(text):
        said.append(text)
        if "task 1" in text:  # the next one is not kept waiting
            leave.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(30)
    codes = run_local(plan, [0, 1], 1, say=say)
    thread.join()
    assert codes == {0: 0, 1: 0}
    assert started(plan) == ["1"]
    assert said == ["task 0: somebody else is at work on it", "task 1 (lcf part 1): done"]


def test_a_passing_reason_is_worth_some_attempts(make_plan, instead, monkeypatch):
    monkeypatch.setattr(local, "PAUSE", 0.1)
    plan = make_plan(1)
    instead("exit 75")
    said = []
    assert run_local(plan, [0], 1, say=said.append) == {0: 75}
    assert len(started(plan)) == local.ATTEMPTS
    assert said[-1] == "task 0 (lcf part 0): ended with 75"


def test_a_signal_reaches_what_runs_and_nothing_more_is_started(make_plan, instead):
    plan = make_plan(3)
    instead("trap 'exit 85' TERM; touch ready; while :; do sleep 0.05; done")

    def stop():
        while not (plan.path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted, match="stopped by SIGTERM; 1 of 3 tasks had ended or saved a checkpoint"):
        run_local(plan, [0, 1, 2], 1)
    thread.join()
    assert started(plan) == ["0"]
