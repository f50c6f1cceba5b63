"""`cutflow batch plan`: a file that says what to fan out, checked and frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch.options import AsJson
from cutflow_cli.errors import UsageError


def plan(
    context: typer.Context,
    plan_file: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN.toml", help="Samples, and what to train, ingest, apply or evaluate.", show_default=False
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Plan directory to write.", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the plan, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    r"""Freeze a grid of trainings, an ingest in shards, or counts and reports file by file into a plan directory.

    PLAN.toml names events files under \[samples]. It holds entries \[\[train]] (name, method, samples, replicas, block,
    seeds, folds, features, settings, grid, options), \[\[ingest]] (name, settings, shards, options), \[\[apply]] (name,
    cuts, files, options) and \[\[evaluate]] (name, runs, cuts, files, options). Blocks of replicas, shards and files
    are a task each. Methods, settings, samples and features are checked now, not by a thousand jobs.

    cutflow batch plan plan.toml --out scan, then cutflow batch submit scan --htcondor
    """
    from cutflow_cli.batch.planning import make_plan

    root = context.find_root().command
    planned = make_plan(plan_file, out, dry_run=dry_run, check_command=lambda argv: _parse(root, argv))
    for text in planned.notes:
        terminal.note(text)
    made = planned.plan
    if as_json:
        rows = [
            {"name": g.name, "kind": g.kind, "tasks": len(made.tasks_of(g)), "merged": g.merged} for g in made.groups
        ]
        terminal.result_json({"plan": str(out), "digest": made.digest, "tasks": len(made.tasks), "results": rows})
    else:
        table = [(group.name, group.whole[1] if group.kind == "train" else group.kind,
                  str(len(made.tasks_of(group))), group.merged) for group in made.groups]  # fmt: skip
        terminal.table(f"{len(made.tasks)} tasks", ("result", "by", "tasks", "will be at"), table)
    if planned.written:
        terminal.note(f"{out}: written; next: cutflow batch submit {out} --htcondor | --slurm | --local N")
    elif dry_run:
        terminal.note("nothing was written (--dry-run)")


def _parse(root: Any, argv: Sequence[str]) -> None:  # noqa: ANN401  (a command of typer's own click)
    """Parse a command line as the job will, without running it.

    Raises:
        UsageError: if it can't be parsed.
    """
    try:
        context = root.make_context("cutflow", list(argv))
        while isinstance(context.command, TyperGroup):
            name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None
            context = command.make_context(name, rest, parent=context)
    except TyperException as error:
        raise UsageError(" ".join(error.format_message().split())) from error
