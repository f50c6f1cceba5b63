"""`cutflow batch resubmit`: what failed, was lost, or is held, once more."""

from __future__ import annotations

from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch import options
from cutflow_cli.commands.batch.submit import give
from cutflow_cli.errors import NegativeAnswer, UsageError


@options.takes_where
def resubmit(
    plan: options.PlanDirectory,
    tasks: Annotated[
        list[int] | None, typer.Argument(metavar="[TASK]...", help="Tasks by number.", show_default=False)
    ] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    all_missing: Annotated[bool, typer.Option("--all-missing", help="Those too that were never submitted.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Those too whose failure (wrong usage or input) another attempt can't mend."),
    ] = False,
    where: options.Where,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Submit tasks again that failed, stopped, were lost, or are held; held jobs are removed first.

    Goes to the batch system of the last submission, unless another is named. Tasks that failed for a wrong option or a
    bad input are refused, unless an input is another now, or with --force.

    cutflow batch resubmit scan --memory 4000
    """
    from cutflow_cli.batch.resubmit import take_back, to_resubmit
    from cutflow_cli.batch.submission import submissions
    from cutflow_cli.batch.survey import survey

    made = options.open_plan(plan)
    system = where.system
    if system is None:
        earlier = submissions(made)
        if not earlier:
            msg = f"{plan}: nothing of it was submitted to a batch system; say where: --htcondor, --slurm or --local N"
            raise UsageError(msg)
        system = earlier[-1].system
    found = survey(made)
    for text in found.notes:
        terminal.warning(text)
    choice = to_resubmit(found, tasks or (), failed=failed, all_missing=all_missing, force=force)
    for state in choice.refused:
        terminal.note(
            f"task {state.task.number} ({state.task.name}): not again, since it would fail again: {state.reason}"
        )
    if not choice.tasks:
        if choice.refused:
            msg = f"{plan}: nothing is worth another attempt; mend the inputs, or --force"
            raise NegativeAnswer(msg)
        terminal.note(f"{plan}: nothing failed, was lost, or is held")
        if as_json:
            terminal.result_json({"submitted": {}})
        return
    if not dry_run:
        removed = take_back(choice)
        if removed:
            terminal.note(f"{removed} held jobs removed from the queue")
    give(made, choice.numbers, where, system, dry_run=dry_run, as_json=as_json)
