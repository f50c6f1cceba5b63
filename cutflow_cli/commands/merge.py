"""`cutflow merge`: shards of an ingest into one events file, or cut flows of parts of the events into their sum."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import InputError, UsageError


def merge(
    shards: Annotated[
        list[Path],
        typer.Argument(
            metavar="PART",
            help="All shards that `cutflow ingest --shard` made; or cut flows of disjoint parts of the events: report "
            "directories, their cutflow.parquet, or what `cutflow apply --cut-flow` wrote.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The events file or cut flow to write.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put the shards of an ingest together: the same file that one job would have written.

    cutflow ingest samples.toml --shard 1/2 --out part1.parquet

    cutflow ingest samples.toml --shard 2/2 --out part2.parquet

    cutflow merge part1.parquet part2.parquet --out events.parquet

    Or add the cut flows of disjoint parts of the events, such as eras, processes or blocks of a file: events and
    yields add, errors in quadrature, and efficiencies are computed anew. Different cuts are an error, and so are
    events that are in two parts.

    cutflow merge report-2024 report-2025 --out cutflow.parquet
    """
    from cutflow_cli.evaluation.saved_cut_flow_files import is_cut_flow

    kinds = {path: is_cut_flow(path) for path in shards}
    if all(kinds.values()):
        _cut_flows(shards, out, force=force, as_json=as_json)
        return
    if any(kinds.values()):
        missing = next((path for path in shards if not path.exists()), None)
        if missing is not None:
            msg = f"{missing}: no such file"
            raise InputError(msg)
        flow, other = (next(path for path, kind in kinds.items() if kind is wanted) for wanted in (True, False))
        msg = f"{flow} is a cut flow, {other} is none; merge shards of an ingest, or cut flows, not both"
        raise UsageError(msg)
    _shards(shards, out, force=force, as_json=as_json)


def _shards(shards: list[Path], out: Path, *, force: bool, as_json: bool) -> None:
    from cutflow_cli.commands.ingest import SKIPPED_FILES
    from cutflow_cli.commands.ingest_result import print_ingested
    from cutflow_cli.events.merge import merge as run

    with terminal.progress("merge") as progress:
        made = run(shards, out, force=force, command=_command(), progress=progress)
    print_ingested(made, as_json=as_json)
    if made.skipped:
        raise typer.Exit(SKIPPED_FILES)


def _cut_flows(parts: list[Path], out: Path, *, force: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from cutflow_cli.evaluation.saved_cut_flow_merge import merge_cut_flows
    from cutflow_cli.evaluation.saved_cut_flow_tables import merged_tables
    from cutflow_cli.evaluation.table_files import as_record

    merged = merge_cut_flows(parts, out, force=force, command=_command())
    for text in merged.notes:
        terminal.note(text)
    if as_json:
        rows = [as_record(row) for row in merged.rows]
        terminal.result_json({"out": str(out), **asdict(merged.origin), "cutflow": rows})
    else:
        for table in merged_tables(merged):
            terminal.table(table.title, table.header, table.rows)
            for line in table.footnotes:
                terminal.result(line)
            terminal.result("")
    terminal.note(f"{out}: {f'sum of {len(parts)} cut flows' if merged.written else 'already done'}")


def _command() -> str:
    return shlex.join(["cutflow", *sys.argv[1:]])
