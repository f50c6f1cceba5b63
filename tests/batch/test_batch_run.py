"""What a job does with a task: whatever happens, its status says so, and its exit code is the task's."""

import os
import signal
import sys
import threading
import time

import pytest

from cutflow_cli.batch import run as module
from cutflow_cli.batch.lock import Owner, held
from cutflow_cli.batch.run import run_task
from cutflow_cli.batch.task_status import TaskStatus, read_status, reason_in_log
from cutflow_cli.errors import Interrupted, TemporaryError, UsageError


@pytest.fixture
def instead(monkeypatch):
    """Run some Python in the place of the task's command, in the plan's directory."""

    def replace(code):
        monkeypatch.setattr(module, "_command", lambda task: [sys.executable, "-c", code.replace("OUT", task.out)])

    return replace


def test_a_task_that_is_done_is_not_run_again(make_plan, instead):
    plan = make_plan()
    instead("open('OUT', 'w').close()")
    attempt = run_task(plan.path, 1, job="12.1")
    assert (attempt.exit_code, attempt.already_done) == (0, False)
    status = read_status(plan.directory(1))
    assert (status.state, status.attempt, status.job, status.exit_code) == ("done", 1, "12.1", 0)
    assert status.inputs == {file.path: file.digest for file in plan.task(1).inputs}
    assert run_task(plan.path, 1).already_done
    assert read_status(plan.directory(1)) == status
    (plan.path / plan.task(1).out).unlink()
    assert run_task(plan.path, 1).status.attempt == 2, "its output is gone"


@pytest.mark.parametrize(
    ("code", "state", "exit_code", "reason"),
    [
        ("print('warm'); print('cutflow: x: no column y', flush=True); raise SystemExit(3)", "failed", 3,
         "x: no column y"),
        ("raise SystemExit(75)", "failed", 75, "ended with 75"),
        ("open('OUT', 'w').close(); raise SystemExit(5)", "done", 5, None),
        ("pass", "failed", 1, "results/lcf/0: was not written, though the command ended with 0"),
        ("print('cutflow: stopped by SIGTERM after epoch 3'); raise SystemExit(85)", "stopped", 85,
         "stopped by SIGTERM after epoch 3"),
        ("import os; os.kill(os.getpid(), 9)", "failed", 137, "killed by SIGKILL; out of memory, perhaps"),
    ],
)  # fmt: skip
def test_its_end_is_written_down(make_plan, instead, code, state, exit_code, reason):
    plan = make_plan(1)
    instead(code)
    attempt = run_task(plan.path, 0)
    status = read_status(plan.directory(0))
    assert attempt.status == status
    assert (status.state, status.exit_code, status.reason) == (state, exit_code, reason)
    assert attempt.exit_code == exit_code


def test_an_input_that_changed_or_went_is_not_worked_on(make_plan, instead, tmp_path):
    plan = make_plan(1)
    instead("open('OUT', 'w').close()")
    source = tmp_path / "input.txt"
    source.write_text("others")
    status = run_task(plan.path, 0).status
    assert (status.exit_code, status.reason) == (
        3, f"{source}: has changed since the plan was made; plan again, in another directory"
    )  # fmt: skip
    source.unlink()
    status = run_task(plan.path, 0).status
    assert status.reason == f"{source}: no such file, though it was there when the plan was made"
    assert status.inputs == {str(source): None}
    source.write_text("events")
    assert run_task(plan.path, 0).status.state == "done"


def test_inputs_that_were_copied_are_found_by_their_names(make_plan, instead, tmp_path, monkeypatch):
    plan = make_plan(1)
    (tmp_path / "input.txt").rename(plan.path / "input.txt")
    seen = []
    monkeypatch.setattr(module, "_command", lambda task: seen.append(task.argv) or [sys.executable, "-c", "exit(85)"])
    status = run_task(plan.path, 0, transferred=True).status
    assert status.state == "stopped"
    assert seen == [("apply", "input.txt", "--cut-flow=results/lcf/0")]
    assert status.inputs == {file.path: file.digest for file in plan.task(0).inputs}, "by the names of the plan"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_signals_go_on_to_the_command(make_plan, instead, number):
    plan = make_plan(1)
    instead(
        "import signal, time, pathlib\n"
        f"signal.signal({int(number)}, lambda *_: exit(85))\n"
        "pathlib.Path('ready').touch(); time.sleep(30)"
    )

    def send():
        while not (plan.path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    status = run_task(plan.path, 0).status
    thread.join()
    assert (status.state, status.exit_code) == ("stopped", 85)


def test_a_command_that_is_stopped_before_it_can_save_anything_is_no_failure(make_plan, instead):
    plan = make_plan(1)
    instead("import pathlib, time; pathlib.Path('ready').touch(); time.sleep(30)")

    def send():
        while not (plan.path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send)
    thread.start()
    status = run_task(plan.path, 0).status
    thread.join()
    assert (status.state, status.exit_code, status.reason) == ("stopped", 85, "stopped by SIGTERM before it began")


def test_a_second_attempt_leaves_and_touches_nothing(make_plan, instead):
    plan = make_plan(1)
    instead("open('OUT', 'w').close()")
    with held(plan.directory(0), Owner.me()), pytest.raises(TemporaryError, match="is at work here; nothing was done"):
        run_task(plan.path, 0)
    assert read_status(plan.directory(0)) is None


def test_a_job_waits_for_an_attempt_that_is_on_its_way_out(make_plan, instead):
    """As after condor_hold and `cutflow batch resubmit`: the job that was held is still saving its checkpoint."""
    plan = make_plan(1)
    instead("open('OUT', 'w').close()")
    said, entered, leave = [], threading.Event(), threading.Event()

    def before():
        with held(plan.directory(0), Owner.me("1.0")):
            entered.set()
            leave.wait(30)
            TaskStatus("stopped", 1, "here", 1, "1.0", "then", "then", 85, "stopped by SIGTERM").write(
                plan.directory(0)
            )

    thread = threading.Thread(target=before)
    thread.start()
    assert entered.wait(30)
    status = run_task(plan.path, 0, job="2.0", say=lambda text: (said.append(text), leave.set())).status
    thread.join()
    assert (status.state, status.attempt, status.job) == ("done", 2, "2.0")
    assert [text for text in said if "waiting up to 60 s for it to end" in text] == said[:1]


def test_a_job_that_waits_can_be_stopped_and_leaves_the_status_to_the_other(make_plan, instead):
    plan = make_plan(1)
    instead("open('OUT', 'w').close()")
    with held(plan.directory(0), Owner.me("1.0")), pytest.raises(Interrupted, match="stopped by SIGTERM before it"):
        run_task(plan.path, 0, job="2.0", say=lambda text: os.kill(os.getpid(), signal.SIGTERM))
    assert read_status(plan.directory(0)) is None


def test_no_such_task(make_plan):
    plan = make_plan(3)
    with pytest.raises(UsageError, match="has tasks 0 to 2, no task 3"):
        run_task(plan.path, 3)


def test_the_command_needs_neither_path_nor_home(make_plan, instead, monkeypatch):
    plan = make_plan(1)
    for name in ("PATH", "HOME"):
        monkeypatch.delenv(name, raising=False)
    instead("import os; assert os.environ['PATH'] and 'HOME' not in os.environ; open('OUT', 'w').close()")
    assert run_task(plan.path, 0).status.state == "done"


def test_the_reason_is_the_last_line_of_a_log(tmp_path):
    log = tmp_path / "log.txt"
    assert reason_in_log(log) is None
    log.write_text("x\n" * 20_000 + "cutflow: the reason\n\n")
    assert reason_in_log(log) == "the reason"
    log.write_text("# attempt 1, now: cutflow train\ncutflow: an old one\n# attempt 2, now: cutflow train\n")
    assert reason_in_log(log) is None, "the last attempt said nothing"
    with log.open("a") as stream:
        stream.write("Segmentation fault\n")
    assert reason_in_log(log) == "Segmentation fault"
