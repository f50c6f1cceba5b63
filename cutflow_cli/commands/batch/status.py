"""`cutflow batch status`: where tasks stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch import options
from cutflow_cli.errors import NegativeAnswer

if TYPE_CHECKING:
    from cutflow_cli.batch.survey import Survey, TaskState

#: Rows of tasks that are shown unless all are asked for.
SHOWN = 20


def status(
    plan: options.PlanDirectory,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Show every task, also those that are done or wait.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until no task runs or waits in the queue any more; for scripts.")
    ] = False,
    no_queue: options.NoQueue = False,
    as_json: options.AsJson = False,
) -> None:
    """Say where tasks stand: by what they say themselves, and by the queue of the batch system.

    Exits with 0 if all are done, and with 4 if not.
    """
    from cutflow_cli.batch.survey import survey, survey_when_settled

    made = options.open_plan(plan)
    if wait:
        with terminal.progress(f"tasks of {plan}") as progress:
            found = survey_when_settled(
                made, ask_queue=not no_queue, told=lambda seen: progress(seen.share_done, seen.in_words)
            )
    else:
        found = survey(made, ask_queue=not no_queue)
    for text in found.notes:
        terminal.warning(text)
    if as_json:
        counts = {"plan": str(plan), "done": found.done, "states": found.counts()}
        terminal.result_json({**counts, "tasks": [_record(state) for state in found.tasks]})
    else:
        _show(found, all_=all_)
    if not found.done:
        raise typer.Exit(NegativeAnswer.exit_code)


def _show(found: Survey, *, all_: bool) -> None:
    counts = [(state, str(count)) for state, count in found.counts().items()]
    terminal.table(f"{len(found.tasks)} tasks", ("state", "tasks"), counts)
    told = [one for one in found.tasks if all_ or one.state not in ("done", "planned", "queued")]
    shown = told if all_ else told[:SHOWN]
    if shown:
        show_tasks("where they stand", shown)
    if len(told) > len(shown):
        terminal.result(f"and {len(told) - len(shown)} more; --all shows them")


def show_tasks(title: str, states: list[TaskState] | tuple[TaskState, ...]) -> None:
    """Print a table of tasks and where they stand."""
    rows = [(f"{one.task.number} {one.task.name}", one.state, one.job or "-", _attempts(one)) for one in states]
    terminal.table(title, ("task", "state", "job", "attempts"), rows)
    for one in states:
        if one.reason is not None:
            terminal.result(f"{one.task.number} {one.state}: {one.reason}")


def _attempts(state: TaskState) -> str:
    return "0" if state.status is None else str(state.status.attempt)


def _record(state: TaskState) -> dict[str, Any]:
    status = state.status
    return {
        "number": state.task.number,
        "name": state.task.name,
        "state": state.state,
        "reason": state.reason,
        "job": state.job or None,
        "attempts": 0 if status is None else status.attempt,
        "exit_code": None if status is None else status.exit_code,
        "host": None if status is None else status.host,
        "started": None if status is None else status.started,
        "ended": None if status is None else status.ended,
        "out": state.task.out,
    }
