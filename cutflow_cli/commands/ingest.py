"""`cutflow ingest`: a user's files into an events file."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import ingest_options as options
from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError

_INSTEAD = "Instead of a settings file"
_BOTH = "Instead of a settings file, or replacing its value"

#: Exit code of an ingest that went on without some files.
SKIPPED_FILES = 5


class EventFormat(StrEnum):
    """How files spell objects and their observables."""

    DELPHES = "Delphes"
    NANOAOD = "NanoAOD"
    LHE = "LHE"
    FLAT = "flat"


class CutDialect(StrEnum):
    """In which language conditions are written."""

    CUTFLOW = "cutflow"
    ROOT = "root"


class OnBadFile(StrEnum):
    """What to do about a file that can't be used."""

    FAIL = "fail"
    SKIP = "skip"


def ingest(
    settings_file: Annotated[
        Path | None,
        typer.Argument(metavar="SETTINGS", help="TOML or YAML file with features and processes.", show_default=False),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The events file to write.", show_default=False)],
    signal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILES",
            help="File, quoted pattern or @list.txt with signal; repeat it.",
            rich_help_panel=_INSTEAD,
            show_default=False,
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILES",
            help="File, quoted pattern or @list.txt with background; repeat it.",
            rich_help_panel=_INSTEAD,
            show_default=False,
        ),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=EXPR]",
            help="Column or observable, or 'ratio=jet0.pt/met.pt'; repeat it, in order.",
            rich_help_panel=_INSTEAD,
            show_default=False,
        ),
    ] = None,
    spectator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column or observable to carry along, never trained on; repeat it.",
            rich_help_panel=_INSTEAD,
            show_default=False,
        ),
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option(
            help="TTree or RNTuple in ROOT files.",
            show_default="the only one, or NanoAOD's Events",
            rich_help_panel=_INSTEAD,
        ),
    ] = None,
    event_format: Annotated[
        EventFormat | None,
        typer.Option(
            "--format",
            help="How files spell objects.",
            metavar="Delphes|NanoAOD|LHE|flat",
            case_sensitive=False,
            show_default="recognised",
            rich_help_panel=_INSTEAD,
        ),
    ] = None,
    weight_column: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR",
            help="Generator weight (or yield): column or expression.",
            show_default="1",
            rich_help_panel=_INSTEAD,
        ),
    ] = None,
    weights_are_yields: Annotated[
        bool,
        typer.Option("--weights-are-yields", help="Weights are expected events already.", rich_help_panel=_INSTEAD),
    ] = False,
    signal_cross_section: Annotated[
        str | None,
        typer.Option(
            metavar="PB|header", help="In pb, or from LHE headers.", rich_help_panel=_INSTEAD, show_default="none"
        ),
    ] = None,
    background_cross_section: Annotated[
        str | None,
        typer.Option(
            metavar="PB|header", help="In pb, or from LHE headers.", rich_help_panel=_INSTEAD, show_default="none"
        ),
    ] = None,
    signal_sum_of_weights: Annotated[
        float | None,
        typer.Option(help="Over all generated events.", show_default="summed over the files", rich_help_panel=_INSTEAD),
    ] = None,
    background_sum_of_weights: Annotated[
        float | None,
        typer.Option(help="Over all generated events.", show_default="summed over the files", rich_help_panel=_INSTEAD),
    ] = None,
    sum_of_weights_from: Annotated[
        str | None,
        typer.Option(
            metavar="TREE:COLUMN",
            help="Where files hold it, such as Runs:genEventSumw.",
            rich_help_panel=_INSTEAD,
            show_default="the events",
        ),
    ] = None,
    preselect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CUT",
            help="Condition that events must pass, after those of a settings file; repeat it, in order.",
            rich_help_panel=_BOTH,
            show_default="all pass",
        ),
    ] = None,
    cut_dialect: Annotated[
        CutDialect | None,
        typer.Option(help="Language of conditions.", show_default="cutflow", rich_help_panel=_BOTH),
    ] = None,
    keep_quantiles: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="Keep events between these quantiles of every feature in train, such as 0.05,0.95.",
            show_default="all",
            rich_help_panel=_BOTH,
        ),
    ] = None,
    luminosity: Annotated[
        float | None,
        typer.Option(
            help="In fb⁻¹, for cross sections.", rich_help_panel=_BOTH, show_default="none: every event counts 1"
        ),
    ] = None,
    variation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=EXPR",
            help="Generator weight under a systematic variation, beside those of a settings file; repeat it.",
            rich_help_panel=_BOTH,
            show_default="none",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="TRAIN,VALIDATION,TEST", help="Shares.", show_default="0.6,0.2,0.2", rich_help_panel=_BOTH
        ),
    ] = None,
    split_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Columns that tell an event, such as run,event, whose hash decides its split.",
            show_default="row number",
            rich_help_panel=_BOTH,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split.", show_default="0", rich_help_panel=_BOTH)
    ] = None,
    on_bad_file: Annotated[
        OnBadFile | None,
        typer.Option(
            help="Stop at files that can't be used, or go on without them.",
            show_default="fail",
            rich_help_panel=_BOTH,
        ),
    ] = None,
    observables_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py", help="Python file with observables of your own; it is executed.", show_default="none"
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Read one part of the files only, for `cutflow merge`.", show_default="all files"
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER",
            help="Have a dask.distributed cluster read the files: tcp://HOST:PORT, local:N, or a file that describes "
            "one. Its workers must see the same disk.",
            show_default="this process reads",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Read ROOT, Parquet, CSV and LHE files into one events file, normalised to a luminosity.

    What to read is said in a settings file, or for one signal and one background in options. Features and conditions
    name columns, or observables of objects in Delphes, NanoAOD and LHE files. Each event is worth cross section ×
    luminosity × generator weight ÷ sum of generator weights. The table shows it for each process.

    cutflow ingest samples.toml --out events.parquet

    cutflow ingest --signal 'ww/*.root' --background qcd.root --feature m=fatjet0.mass --feature tau21=fatjet0.tau21
    --preselect 'fatjet.size > 0' --luminosity 139 --signal-cross-section 0.13 --background-cross-section 17444
    --out events.parquet
    """
    if dask is not None and shard is not None:
        msg = "--dask makes and merges shards itself; leave out --shard"
        raise UsageError(msg)
    from cutflow_cli.cluster.connect import open_executor
    from cutflow_cli.commands.ingest_result import print_ingested
    from cutflow_cli.events.ingest import ingest as run
    from cutflow_cli.observables import NOTHING, load_user_observables

    per_process = {
        "signal": options.given_only(
            files=signal,
            cross_section=options.cross_section(signal_cross_section),
            sum_of_weights=signal_sum_of_weights,
        ),
        "background": options.given_only(
            files=background,
            cross_section=options.cross_section(background_cross_section),
            sum_of_weights=background_sum_of_weights,
        ),
    }
    common = options.given_only(
        tree=tree,
        format=event_format,
        weight=weight_column,
        weights_are_yields=weights_are_yields or None,
        sum_of_weights=options.tree_sum(sum_of_weights_from),
    )
    overrides = options.given_only(
        luminosity=luminosity,
        split=split,
        seed=seed,
        cut_dialect=cut_dialect,
        keep_quantiles=None if keep_quantiles is None else options.parts(keep_quantiles),
        split_by=None if split_by is None else options.parts(split_by),
        on_bad_file=on_bad_file,
    )
    tables = options.given_only(features=feature, spectators=spectator)
    more = {"preselection": preselect or [], "variations": options.variations(variation or [])}
    settings, base = options.settings_of(settings_file, per_process, common, tables, overrides, more)
    with open_executor(dask, terminal.note) as executor, terminal.progress("ingest") as progress:
        made = run(
            settings,
            out,
            base=base,
            shard=None if shard is None else options.shard_of(shard),
            user_defined=NOTHING if observables_from is None else load_user_observables(observables_from),
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
            executor=executor,
        )
    print_ingested(made, as_json=as_json)
    if made.skipped:
        raise typer.Exit(SKIPPED_FILES)
