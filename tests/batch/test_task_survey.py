"""Where a task stands, for all that it may say itself and all that a queue may say; and what is worth another go."""

import pytest

from cutflow_cli.batch import htcondor
from cutflow_cli.batch.lock import Owner, held
from cutflow_cli.batch.queue import Job
from cutflow_cli.batch.resubmit import never_submitted, take_back, to_resubmit
from cutflow_cli.batch.submission import Submission, submissions
from cutflow_cli.batch.survey import survey, survey_when_settled
from cutflow_cli.batch.task_status import TaskStatus, now
from cutflow_cli.batch.tools import ToolError
from cutflow_cli.errors import UsageError


def says(plan, number, state, code=None, job="", **more):
    """Let a task say where it stands."""
    TaskStatus(state, 1, "node", 1, job, now(), exit_code=code, **more).write(plan.directory(number))
    if state == "done":
        (plan.path / plan.task(number).out).parent.mkdir(exist_ok=True)
        (plan.path / plan.task(number).out).touch()


@pytest.fixture
def queue(monkeypatch):
    """Let condor_q know of some jobs, and remember which are removed."""

    def fill(*jobs, removed=None):
        monkeypatch.setattr(htcondor, "queue", lambda clusters, scheduler: {job.name: job for job in jobs})
        monkeypatch.setattr(htcondor, "remove", lambda names, scheduler: removed.extend(names))

    return fill


def submitted(plan, *numbers, name="0001", cluster="7"):
    jobs = {number: f"{cluster}.{position}" for position, number in enumerate(numbers)}
    Submission(name, "htcondor", now(), jobs=jobs, complete=True, tasks=numbers).write(plan)


def states(plan, **options):
    return [task.state for task in survey(plan, **options).tasks]


def test_tasks_are_waited_for_as_long_as_they_change_by_themselves(make_plan, monkeypatch):
    plan = make_plan(3)
    submitted(plan, 0, 1)
    looks = [(Job("7.0", "running"), Job("7.1", "queued")), (Job("7.1", "running"),), (Job("7.1", "held", "memory"),)]
    pauses, seen = [], []

    def queue(clusters, scheduler):
        if len(looks) == 2:
            says(plan, 0, "done", 0)
        return {job.name: job for job in looks.pop(0)}

    monkeypatch.setattr(htcondor, "queue", queue)
    monkeypatch.setattr("cutflow_cli.batch.survey.time.sleep", pauses.append)
    found = survey_when_settled(plan, told=lambda found: seen.append((found.share_done, found.in_words)))
    assert [task.state for task in found.tasks] == ["done", "held", "planned"]
    assert pauses == [1, 2]
    assert seen == [(0, "1 planned, 1 queued, 1 running"), (1 / 3, "1 planned, 1 running, 1 done")]


def test_every_state_from_files_and_queue(make_plan, queue):
    plan = make_plan(9)
    submitted(plan, *range(8))
    says(plan, 0, "done", 0)
    says(plan, 1, "failed", 3, reason="no such file")
    says(plan, 2, "stopped", 85, job="7.2")
    says(plan, 3, "stopped", 85, job="7.3")
    says(plan, 4, "running", job="7.4")
    queue(Job("7.3", "queued"), Job("7.5", "held", "memory usage exceeded request_memory"), Job("7.6", "running"))
    found = survey(plan).tasks
    assert [task.state for task in found] == [
        "done", "failed", "stopped", "evicted", "lost", "held", "running", "lost", "planned"
    ]  # fmt: skip
    assert found[1].reason == "no such file"
    assert found[4].reason == "it was running, and shows no sign of life"
    assert found[5].reason == "memory usage exceeded request_memory"
    assert found[7].reason == "it never began"
    assert not survey(plan).done


def test_without_a_queue_files_decide(make_plan, monkeypatch):
    plan = make_plan(3)
    submitted(plan, 0, 1, 2)
    says(plan, 1, "running")
    with held(plan.directory(1), Owner.me()):
        assert states(plan, ask_queue=False) == ["queued", "running", "queued"]

        def refuses(clusters, scheduler):
            msg = "condor_q failed (1): Failed to connect"
            raise ToolError(msg)

        monkeypatch.setattr(htcondor, "queue", refuses)
        found = survey(plan)
    assert [task.state for task in found.tasks] == ["queued", "running", "queued"]
    assert found.notes == ("condor_q failed (1): Failed to connect; what follows is from the tasks' own files alone",)


def test_an_output_that_is_gone_is_lost(make_plan):
    plan = make_plan(1)
    says(plan, 0, "done", 0)
    assert states(plan) == ["done"]
    (plan.path / plan.task(0).out).unlink()
    assert states(plan) == ["lost"]


def test_a_submission_that_was_interrupted_is_said(make_plan, queue):
    plan = make_plan(2)
    Submission("0001", "htcondor", now(), tasks=(0, 1)).write(plan)
    queue()
    assert survey(plan).notes == ("submission 0001 was interrupted; jobs may be in the queue that are not known here",)
    assert submissions(plan)[0].tasks == (0, 1)


def test_a_failure_in_the_queue_again_is_queued_and_not_failed(make_plan, queue):
    plan = make_plan(1)
    submitted(plan, 0)
    submitted(plan, 0, name="0002", cluster="8")
    says(plan, 0, "failed", 75, job="7.0")
    queue(Job("8.0", "queued"))
    assert states(plan) == ["queued"]
    queue()
    assert states(plan) == ["failed"]


def test_what_is_worth_another_attempt(make_plan, queue, tmp_path):
    plan = make_plan(6)
    submitted(plan, *range(5))
    digests = {file.path: file.digest for file in plan.task(0).inputs}
    says(plan, 0, "failed", 75, inputs=digests)
    says(plan, 1, "failed", 3, inputs=digests, reason="no column y")
    says(plan, 2, "done", 0)
    removed = []
    queue(Job("7.3", "held", "why"), Job("7.4", "running"), removed=removed)
    found = survey(plan)
    choice = to_resubmit(found)
    assert choice.numbers == (0, 3)
    assert [state.task.number for state in choice.refused] == [1]
    assert to_resubmit(found, failed=True).numbers == (0,)
    assert to_resubmit(found, all_missing=True).numbers == (0, 3, 5)
    assert to_resubmit(found, force=True).numbers == (0, 1, 3)
    assert to_resubmit(found, [1]).refused
    assert never_submitted(found, stopped=False).numbers == (5,)
    for number, said in ((2, "is done"), (4, "is running"), (9, "no task 9")):
        with pytest.raises(UsageError, match=said):
            to_resubmit(found, [number])
    with pytest.raises(UsageError, match="give one of them"):
        to_resubmit(found, [1], failed=True)
    assert take_back(choice) == 1
    assert removed == ["7.3"]
    (tmp_path / "input.txt").write_text("mended")
    assert to_resubmit(found).numbers == (0, 1, 3), "an input is another now"
