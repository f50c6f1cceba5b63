"""Which tasks to give to a batch system, the first time and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutflow_cli.batch import htcondor, slurm
from cutflow_cli.batch.survey import StateName, Survey, TaskState, inputs_differ
from cutflow_cli.errors import UsageError

_IN_QUEUE: tuple[StateName, ...] = ("queued", "running", "evicted")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tasks.

    Attributes:
        tasks: to submit.
        refused: those that were asked for, but failed for a reason that another attempt can't mend.
    """

    tasks: tuple[TaskState, ...]
    refused: tuple[TaskState, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Their numbers."""
        return tuple(state.task.number for state in self.tasks)


def never_submitted(survey: Survey, *, stopped: bool) -> Choice:
    """Choose tasks for a first submission.

    Args:
        survey: where tasks stand.
        stopped: those too that were stopped, as a task on this machine is by Ctrl-C.
    """
    wanted: tuple[StateName, ...] = ("planned", "stopped", "lost") if stopped else ("planned",)
    return Choice(tuple(state for state in survey.tasks if state.state in wanted))


def to_resubmit(
    survey: Survey, numbers: Sequence[int] = (), *, failed: bool = False, all_missing: bool = False, force: bool = False
) -> Choice:
    """Choose tasks for another submission: by default those that failed, stopped, were lost or are held.

    Args:
        survey: where tasks stand.
        numbers: these tasks only.
        failed: those that failed only.
        all_missing: those too that were never submitted.
        force: those too that failed for a reason that another attempt with the same inputs can't mend.

    Raises:
        UsageError: if options contradict one another, or a task by number is done or in the queue.
    """
    if (bool(numbers), failed, all_missing).count(True) > 1:
        msg = "tasks by number, --failed and --all-missing: give one of them"
        raise UsageError(msg)
    if numbers:
        found = [survey.tasks[survey.plan.task(number).number] for number in dict.fromkeys(numbers)]
        for state in found:
            if state.state == "done" or state.state in _IN_QUEUE:
                msg = f"task {state.task.number}: is {state.state}; there is nothing to resubmit"
                raise UsageError(msg)
    else:
        wanted: tuple[StateName, ...] = ("failed",) if failed else ("failed", "stopped", "lost", "held")
        wanted = (*wanted, "planned") if all_missing else wanted
        found = [state for state in survey.tasks if state.state in wanted]
    refused = [] if force else [one for one in found if one.hopeless and not inputs_differ(survey.plan, one)]
    return Choice(tuple(one for one in found if one not in refused), tuple(refused))


def take_back(choice: Choice) -> int:
    """Remove those of the chosen tasks from the queue that are held there, and return how many.

    Raises:
        ToolError: if the batch system refuses.
    """
    held = [state for state in choice.tasks if state.state == "held" and state.submission is not None]
    by_submission: dict[str, list[TaskState]] = {}
    for state in held:
        assert state.submission is not None
        by_submission.setdefault(state.submission.name, []).append(state)
    for states in by_submission.values():
        submission = states[0].submission
        assert submission is not None
        jobs = [state.job for state in states]
        if submission.system == "htcondor":
            htcondor.remove(jobs, submission.scheduler)
        else:
            slurm.remove(jobs)
    return len(held)
