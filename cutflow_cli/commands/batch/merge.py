"""`cutflow batch merge`: the results of all tasks, put together."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch import options
from cutflow_cli.errors import NegativeAnswer


def merge(
    plan: options.PlanDirectory,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to put results.", show_default="PLAN/merged"),
    ] = None,
    result: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One result of the plan; repeat it.", show_default="all"),
    ] = None,
    no_queue: options.NoQueue = False,
    force: Annotated[bool, typer.Option("--force", help="Replace results that were made from something else.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Put what tasks wrote together: what one job with all replicas, files or shards would have written.

    Exits with 4, and lists what is missing and why, if tasks are not done; nothing is merged then.
    """
    from cutflow_cli.batch.merge import chosen_groups, merge_group, missing
    from cutflow_cli.commands.batch.status import show_tasks
    from cutflow_cli.commands.ingest import SKIPPED_FILES

    made = options.open_plan(plan)
    groups = chosen_groups(made, result or ())
    absent = missing(made, groups, ask_queue=not no_queue)
    if absent:
        if as_json:
            rows = [{"number": one.task.number, "name": one.task.name, "out": one.task.out, "state": one.state,
                     "reason": one.reason} for one in absent]  # fmt: skip
            terminal.result_json({"complete": False, "missing": rows})
        else:
            show_tasks("missing", absent)
        total = sum(len(made.tasks_of(group)) for group in groups)
        msg = (
            f"{plan}: {len(absent)} of {total} outputs are missing, nothing was merged; `cutflow batch resubmit {plan}`"
        )
        raise NegativeAnswer(msg)
    done = []
    for group in groups:
        target = made.path / group.merged if out is None else out / Path(group.merged).name
        with terminal.progress(f"merge {group.name}"):
            merged = merge_group(made, group, target, force=force, command=shlex.join(["cutflow", *sys.argv[1:]]))
        for text in merged.notes:
            terminal.note(text)
        terminal.note(f"{target}: {f'merged from {merged.parts} tasks' if merged.written else 'already done'}")
        done.append(merged)
    if as_json:
        rows = [{"name": one.name, "kind": one.kind, "path": str(one.path), "tasks": one.parts} for one in done]
        terminal.result_json({"complete": True, "results": rows})
    else:
        table = [(one.name, one.kind, str(one.parts), str(one.path)) for one in done]
        terminal.table(f"{len(done)} results", ("result", "of", "tasks", "at"), table)
    if any(one.skipped for one in done):
        raise typer.Exit(SKIPPED_FILES)
