"""`cutflow merge`: shards of an ingest into an events file, cut flows into their sum, replica blocks into a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
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
            "directories, their cutflow.parquet, or what `cutflow apply --cut-flow` wrote; or runs of replica blocks, "
            "trained with --keep-state.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Events file, cut flow or run directory to write.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="EVENTS", help="Of blocks: the events they were trained on.", show_default="where they were then"
        ),
    ] = None,
    replicas: Annotated[
        str | None,
        typer.Option(
            metavar="R", help="Of blocks: which replicas there should be.", show_default="up to the last one given"
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Of blocks: threads.", show_default="as cutflow train")
    ] = None,
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

    Or put blocks of replicas of a training together: the run that one job with all replicas would have written.

    cutflow train bdt events.parquet --replicas 0:5 --keep-state --out block0

    cutflow train bdt events.parquet --replicas 5:10 --keep-state --out block5

    cutflow merge block0 block5 --out run
    """
    _refuse_missing(shards)
    if _all_or_none(shards, _is_run, "a run"):
        _blocks(shards, out, data, replicas, threads, force=force, as_json=as_json)
        return
    for name, value in (("--data", data), ("--replicas", replicas), ("--threads", threads)):
        if value is not None:
            msg = f"{name}: is for blocks of replicas, and {shards[0]} is no run directory; leave it out"
            raise UsageError(msg)
    from cutflow_cli.evaluation.saved_cut_flow_files import is_cut_flow

    if _all_or_none(shards, is_cut_flow, "a cut flow"):
        _cut_flows(shards, out, force=force, as_json=as_json)
        return
    _shards(shards, out, force=force, as_json=as_json)


def _refuse_missing(parts: list[Path]) -> None:
    for path in parts:
        if not path.exists():
            msg = f"{path}: no such file or directory"
            raise InputError(msg)


def _is_run(path: Path) -> bool:
    from cutflow_cli.runs import MANIFEST

    return (path / MANIFEST).is_file()


def _all_or_none(parts: list[Path], is_kind: Callable[[Path], bool], what: str) -> bool:
    """Whether all parts are of a kind.

    Raises:
        UsageError: if only some are.
    """
    kinds = [is_kind(path) for path in parts]
    if any(kinds) and not all(kinds):
        kind, other = parts[kinds.index(True)], parts[kinds.index(False)]
        msg = f"{kind} is {what}, {other} is none; merge shards of an ingest, cut flows, or runs, not two kinds"
        raise UsageError(msg)
    return all(kinds)


def _blocks(
    runs: list[Path],
    out: Path,
    data: Path | None,
    replicas: str | None,
    threads: int | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from cutflow_cli.commands.train.running import report
    from cutflow_cli.engine.replicas import parse_replicas
    from cutflow_cli.models.blocks import merge_blocks

    wanted = None if replicas is None else parse_replicas(replicas)
    said: list[str] = []
    with terminal.progress("merge") as progress:
        training = merge_blocks(
            runs, out, data=data, replicas=wanted, threads=threads, force=force, command=_command(), say=said.append,
            progress=progress,
        )  # fmt: skip
    for text in said:
        terminal.note(text)
    report(training, said, as_json=as_json, how=f"merged from {len(runs)} runs")


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
        terminal.tables(merged_tables(merged))
    terminal.note(f"{out}: {f'sum of {len(parts)} cut flows' if merged.written else 'already done'}")


def _command() -> str:
    return shlex.join(["cutflow", *sys.argv[1:]])
