"""`cutflow merge`: shards of an ingest into one events file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal


def merge(
    shards: Annotated[list[Path], typer.Argument(help="All shards that `cutflow ingest --shard` made.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The events file to write.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put the shards of an ingest together: the same file that one job would have written.

    cutflow ingest samples.toml --shard 1/2 --out part1.parquet

    cutflow ingest samples.toml --shard 2/2 --out part2.parquet

    cutflow merge part1.parquet part2.parquet --out events.parquet
    """
    from cutflow_cli.commands.ingest import SKIPPED_FILES
    from cutflow_cli.commands.ingest_result import print_ingested
    from cutflow_cli.events.merge import merge as run

    with terminal.progress("merge") as progress:
        made = run(shards, out, force=force, command=shlex.join(["cutflow", *sys.argv[1:]]), progress=progress)
    print_ingested(made, as_json=as_json)
    if made.skipped:
        raise typer.Exit(SKIPPED_FILES)
