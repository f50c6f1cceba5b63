"""Where every task stands: from what tasks say of themselves, and from the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cutflow_cli.batch import htcondor, slurm
from cutflow_cli.batch.lock import is_held
from cutflow_cli.batch.manifest import Plan, Task, current_digests
from cutflow_cli.batch.queue import Job
from cutflow_cli.batch.submission import Submission, submissions
from cutflow_cli.batch.task_status import HOPELESS, TaskStatus, read_status
from cutflow_cli.batch.tools import ToolError
from cutflow_cli.errors import TemporaryError, UsageError

StateName = Literal["planned", "queued", "running", "evicted", "stopped", "held", "lost", "failed", "done"]
#: In the order in which tables show them.
STATES: tuple[StateName, ...] = (
    "planned", "queued", "running", "evicted", "stopped", "held", "lost", "failed", "done",
)  # fmt: skip
#: Seconds between looks at tasks that are waited for: soon at first, then as rarely as a busy scheduler likes.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class TaskState:
    """Where a task stands.

    Attributes:
        task: which.
        state: `planned` before its submission; `queued`; `running`; `evicted`, in the queue to go on; `stopped` with a
            checkpoint and no job to go on; `held` by the batch system; `lost`, submitted, not in the queue and not
            done; `failed`; `done`.
        reason: why, in words; None where there is nothing to say.
        status: what it says of itself; None before its first attempt.
        submission: by which it was submitted last; None if it was not.
    """

    task: Task
    state: StateName
    reason: str | None = None
    status: TaskStatus | None = None
    submission: Submission | None = None

    @property
    def job(self) -> str:
        """What the batch system calls it; empty without one."""
        return "" if self.submission is None else self.submission.jobs.get(self.task.number, "")

    @property
    def hopeless(self) -> bool:
        """Whether it failed for a reason that another attempt with the same inputs can't mend."""
        return self.state == "failed" and self.status is not None and self.status.exit_code in HOPELESS


@dataclass(frozen=True, slots=True)
class Survey:
    """Where all tasks stand.

    Attributes:
        plan: the plan.
        tasks: by number.
        notes: what a user should know, a sentence each.
    """

    plan: Plan
    tasks: tuple[TaskState, ...]
    notes: tuple[str, ...]

    def counts(self) -> dict[StateName, int]:
        """Return how many tasks are in each state that occurs."""
        found = [task.state for task in self.tasks]
        return {state: found.count(state) for state in STATES if state in found}

    @property
    def done(self) -> bool:
        """Whether all tasks are."""
        return all(task.state == "done" for task in self.tasks)

    @property
    def share_done(self) -> float:
        """How much of the plan is done, 0 to 1."""
        return self.counts().get("done", 0) / max(1, len(self.tasks))

    @property
    def in_words(self) -> str:
        """How many tasks are in each state, on one line."""
        return ", ".join(f"{count} {state}" for state, count in self.counts().items())

    @property
    def settled(self) -> bool:
        """Whether nothing will change unless somebody does something."""
        return not any(task.state in ("queued", "running", "evicted") for task in self.tasks)


@dataclass(frozen=True, slots=True)
class _Queue:
    """What a batch system says of jobs: those it knows, and what it said last of those that it does not."""

    jobs: dict[str, Job]
    last_words: dict[str, str]
    asked: bool = True


def survey(plan: Plan, *, ask_queue: bool = True) -> Survey:
    """Find out where every task stands.

    Args:
        plan: the plan.
        ask_queue: ask the batch systems too; else the files of the tasks alone decide.

    Raises:
        InputError: if a file in the plan directory is damaged.
    """
    made = submissions(plan)
    latest = {number: one for one in made for number in one.jobs}
    queues: dict[str, _Queue] = {}
    notes = [
        f"submission {one.name} was interrupted; jobs may be in the queue that are not known here"
        for one in made if not one.complete
    ]  # fmt: skip
    current = {one.name: one for one in latest.values()}  # later submissions may have taken all tasks of earlier ones
    for name, one in current.items():
        queues[name] = _Queue({}, {}, asked=False)
        if ask_queue:
            try:
                queues[name] = _ask(plan, one, [job for number, job in one.jobs.items() if latest[number] is one])
            except (ToolError, UsageError, TemporaryError) as error:
                notes.append(f"{error}; what follows is from the tasks' own files alone")
    # Files after the queue, so that a job which ends in between is seen as done, not as lost.
    tasks = []
    for task in plan.tasks:
        submission = latest.get(task.number)
        queue = _Queue({}, {}, asked=False) if submission is None else queues[submission.name]
        tasks.append(_state(plan, task, submission, queue))
    return Survey(plan, tuple(tasks), tuple(dict.fromkeys(notes)))


def survey_when_settled(
    plan: Plan, *, ask_queue: bool = True, told: Callable[[Survey], None] = lambda found: None
) -> Survey:
    """Wait until nothing of a plan is running or going to run by itself, and say where every task stands then.

    Args:
        plan: the plan.
        ask_queue: as for `survey`.
        told: given what each look shows before that.

    Raises:
        InputError: if a file in the plan directory is damaged.
    """
    pause = FIRST_PAUSE
    while not (found := survey(plan, ask_queue=ask_queue)).settled:
        told(found)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return found


def _ask(plan: Plan, submission: Submission, jobs: Sequence[str]) -> _Queue:
    """Ask a batch system for the jobs of a submission."""
    if submission.system == "htcondor":
        clusters = list(dict.fromkeys(job.partition(".")[0] for job in jobs))
        return _Queue(htcondor.queue(clusters, submission.scheduler), htcondor.last_words(submission.log(plan)))
    arrays = list(dict.fromkeys(job.partition("_")[0] for job in jobs))
    found = slurm.queue(arrays)
    words = {name: job.reason or "" for name, job in found.items() if job.state == "gone"}
    if any(job not in found for job in jobs):
        words = {**slurm.accounted(arrays), **words}
    return _Queue({name: job for name, job in found.items() if job.state != "gone"}, words)


def _state(plan: Plan, task: Task, submission: Submission | None, queue: _Queue) -> TaskState:
    status = read_status(plan.directory(task.number))
    name = "" if submission is None else submission.jobs[task.number]
    there = (plan.path / task.out).exists()

    def state(of: StateName, reason: str | None = None) -> TaskState:
        return TaskState(task, of, reason, status, submission)

    if status is not None and status.state == "done" and there:
        return state("done")
    job = queue.jobs.get(name)
    if job is not None:
        return _in_queue(job, status, state)
    words = queue.last_words.get(name) or None
    match None if status is None else status.state:
        case None:
            if submission is None:
                return state("planned")
            return state("lost", words or "it never began") if queue.asked else state("queued")
        case "done":
            return state("lost", f"{task.out}: was written, but is gone")
        case "running":
            if is_held(plan.directory(task.number)):
                return state("running")
            return state("lost", words or "it was running, and shows no sign of life")
        case "stopped":
            assert status is not None
            return state("stopped", "; ".join(filter(None, (status.reason, words))) or None)
        case _:
            assert status is not None
            return state("failed", status.reason)


def _in_queue(job: Job, status: TaskStatus | None, state: Callable[[StateName, str | None], TaskState]) -> TaskState:
    """Say where a task stands whose job is in the queue."""
    match job.state:
        case "held":
            return state("held", job.reason)
        case "running":
            return state("running", None)
        case _:
            mine = status is not None and status.job == job.name and status.state in ("running", "stopped")
            return state("evicted" if mine else "queued", job.reason)


def inputs_differ(plan: Plan, state: TaskState) -> bool:
    """Whether an input is not what the last attempt found."""
    return state.status is not None and current_digests(plan, state.task) != state.status.inputs
