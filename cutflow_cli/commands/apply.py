"""`cutflow apply`: cuts from a JSON file on events."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import NegativeAnswer, UsageError

_SOURCES = "For files that are no events files"


def apply(
    cuts: Annotated[
        Path,
        typer.Argument(
            metavar="CUTS.json",
            help='What `export-cuts --format json` wrote, or cuts by hand: {"cuts": ["60 < m_jet < 110"]}.',
            show_default=False,
        ),
    ],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Events files, or ROOT, Parquet, CSV and LHE files.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Parquet file to write, of the events that pass.", show_default="only count"),
    ] = None,
    cut_flow: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet",
            help="Save the counts as a cut flow, for `merge` and `compare`.",
            show_default="only print them",
        ),
    ] = None,
    process: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What --cut-flow calls the events of files that know of no processes.",
            show_default="events",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Write all events, with a column of this name that says which pass.",
            show_default="drop those that fail",
        ),
    ] = None,
    weight_column: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR",
            help="Weight of an event: column or expression.",
            show_default="weight of events files, else none",
        ),
    ] = None,
    working_point: Annotated[
        str | None, typer.Option(help="A working point by name or target.", show_default="all; --out needs one")
    ] = None,
    hypothesis: Annotated[
        float | None, typer.Option(help="A signal mass hypothesis.", show_default="all; --out needs one")
    ] = None,
    replica: Annotated[int | None, typer.Option(help="One replica by number.", show_default="the consensus")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every replica beside the consensus.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Column or observable to write beside the features; repeat it.",
            show_default="all of flat files, none of files of objects",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option(help="TTree or RNTuple in ROOT files.", show_default="the only one", rich_help_panel=_SOURCES),
    ] = None,
    event_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="Delphes|NanoAOD|LHE|flat",
            help="How files spell objects.",
            show_default="recognised",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    observables_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py",
            help="Python file with observables of your own; it is executed.",
            show_default=False,
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that hold something else.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
) -> None:
    """Count the events that pass cuts, and write them.

    On an events file the cuts are applied alone, since it has passed its preselection. On any other file that `ingest`
    reads the preselection comes first, and features are computed from their expressions, as ingest does.

    cutflow apply cuts.json events.parquet --out passing.parquet

    cutflow apply cuts.json 'delphes.root' --column 'met.pt' --out passing.parquet

    Jobs of a batch system count parts of the events and save their cut flows, which `cutflow merge` adds:

    cutflow apply cuts.json part1.parquet --cut-flow flow1.parquet

    cutflow merge flow1.parquet flow2.parquet --out flow.parquet

    Exits with 4 if no event passes, unless the counts are saved and no events were to be written.
    """
    from cutflow_cli.apply.apply import ApplyOptions, apply_cuts
    from cutflow_cli.apply.cut_flow import PROCESS, CutFlowFile
    from cutflow_cli.apply.inputs import SourceOptions
    from cutflow_cli.apply.present import tables
    from cutflow_cli.export.choose import Choice
    from cutflow_cli.observables import NOTHING, load_user_observables

    if force and out is None and cut_flow is None:
        msg = "--force is of no use without --out or --cut-flow; nothing is replaced"
        raise UsageError(msg)
    if process is not None and cut_flow is None:
        msg = "--process is a name in the file of --cut-flow; add that, or leave it out"
        raise UsageError(msg)
    user_defined = NOTHING if observables_from is None else load_user_observables(observables_from)
    options = ApplyOptions(
        Choice(replica, all_, working_point, hypothesis),
        weight_column,
        mask,
        SourceOptions(tree, event_format, user_defined, None if column is None else tuple(column)),
    )
    with terminal.progress("apply") as progress:
        applied = apply_cuts(
            cuts,
            files,
            out,
            options=options,
            cut_flow=None if cut_flow is None else CutFlowFile(cut_flow, process or PROCESS),
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
        )
    for text in applied.notes:
        terminal.note(text)
    if json:
        terminal.result_json(applied.as_json())
    else:
        terminal.tables(tables(applied))
    if applied.out is not None:
        terminal.note(f"{applied.out}: {'written' if applied.written else 'already done'}")
    if applied.cut_flow is not None:
        terminal.note(f"{applied.cut_flow}: {'written' if applied.cut_flow_written else 'already done'}")
    if applied.empty and cut_flow is not None and out is None:
        terminal.note(f"{cuts}: no event passes")
    elif applied.empty:
        msg = f"{cuts}: no event passes" + ("" if out is None or mask is not None else f"; {out} is not written")
        raise NegativeAnswer(msg)
