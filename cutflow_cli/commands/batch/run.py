"""`cutflow batch run`: what a job executes."""

from __future__ import annotations

from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch import options


def run(
    plan: options.PlanDirectory,
    task: Annotated[int, typer.Argument(metavar="TASK", help="Its number.", show_default=False)],
    *,
    job: Annotated[
        str, typer.Option(metavar="ID", help="What the batch system calls this job.", show_default="none")
    ] = "",
    transferred: Annotated[
        bool, typer.Option("--transferred", help="Inputs were copied into the plan directory, without their paths.")
    ] = False,
) -> None:
    """Run one task of a plan here; jobs do this, and anyone may.

    Exits with the code of the task: 85 after TERM, USR1 or USR2 with a checkpoint saved, 75 if another attempt may do
    better or is at work on the task just now. A task that is done is not run again.
    """
    from cutflow_cli.batch.run import run_task

    attempt = run_task(plan, task, job=job, transferred=transferred, say=terminal.note)
    status = attempt.status
    if attempt.already_done:
        terminal.note(f"{attempt.task.out}: already done")
    elif status.state == "done":
        terminal.note(f"{attempt.task.out}: done")
    else:
        terminal.note(f"cutflow: task {task} {status.state} ({status.exit_code}): {status.reason}")
    if attempt.exit_code:
        raise typer.Exit(attempt.exit_code)
