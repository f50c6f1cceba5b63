"""`cutflow ingest`: a user's files into an events file."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.events.settings import IngestSettings

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
        typer.Option(help="TTree or RNTuple in ROOT files.", show_default="the only one", rich_help_panel=_INSTEAD),
    ] = None,
    event_format: Annotated[
        EventFormat | None,
        typer.Option("--format", help="How files spell objects.", show_default="recognised", rich_help_panel=_INSTEAD),
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
            metavar="PB|header", help="In pb, or from LHE headers.", rich_help_panel=_INSTEAD, show_default=False
        ),
    ] = None,
    background_cross_section: Annotated[
        str | None,
        typer.Option(
            metavar="PB|header", help="In pb, or from LHE headers.", rich_help_panel=_INSTEAD, show_default=False
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
            show_default=False,
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
            show_default=False,
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
            metavar="FILE.py", help="Python file with observables of your own; it is executed.", show_default=False
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Read one part of the files only, for `cutflow merge`.", show_default="all files"
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
    from cutflow_cli.commands.ingest_result import print_ingested
    from cutflow_cli.events.ingest import ingest as run
    from cutflow_cli.observables import NOTHING, load_user_observables

    per_process = {
        "signal": _given(
            files=signal, cross_section=_cross_section(signal_cross_section), sum_of_weights=signal_sum_of_weights
        ),
        "background": _given(
            files=background,
            cross_section=_cross_section(background_cross_section),
            sum_of_weights=background_sum_of_weights,
        ),
    }
    common = _given(
        tree=tree,
        format=event_format,
        weight=weight_column,
        weights_are_yields=weights_are_yields or None,
        sum_of_weights=_tree_sum(sum_of_weights_from),
    )
    overrides = _given(
        luminosity=luminosity,
        split=split,
        seed=seed,
        cut_dialect=cut_dialect,
        keep_quantiles=None if keep_quantiles is None else _parts(keep_quantiles),
        split_by=None if split_by is None else _parts(split_by),
        on_bad_file=on_bad_file,
    )
    tables = _given(features=feature, spectators=spectator)
    more = {"preselection": preselect or [], "variations": _variations(variation or [])}
    settings, base = _settings(settings_file, per_process, common, tables, overrides, more)
    with terminal.progress("ingest") as progress:
        made = run(
            settings,
            out,
            base=base,
            shard=None if shard is None else _shard(shard),
            user_defined=NOTHING if observables_from is None else load_user_observables(observables_from),
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
        )
    print_ingested(made, as_json=as_json)
    if made.skipped:
        raise typer.Exit(SKIPPED_FILES)


def _given(**options: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever the options hold)
    return {name: value for name, value in options.items() if value is not None and value not in ([], {})}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _cross_section(text: str | None) -> float | str | None:
    if text in (None, "header"):
        return text
    try:
        return float(str(text))
    except ValueError as error:
        msg = f"cross section {text!r}: give a number in pb, or 'header' for LHE files"
        raise UsageError(msg) from error


def _tree_sum(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    tree, colon, column = text.rpartition(":")
    if not (colon and tree and column):
        msg = f"--sum-of-weights-from {text!r}: give a tree and a column, such as Runs:genEventSumw"
        raise UsageError(msg)
    return {"tree": tree, "column": column}


def _variations(items: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        name, equals, expression = item.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            msg = f"--variation {item!r}: give each a name and a weight, such as 'pileup_up=genWeight*puUp'"
            raise UsageError(msg)
        found[name.strip()] = expression.strip()
    return found


def _shard(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        msg = f"--shard {text!r}: give which part and of how many, such as 3/8"
        raise UsageError(msg)
    return int(number), int(of)


def _settings(
    path: Path | None,
    per_process: dict[str, dict[str, Any]],
    common: dict[str, Any],
    tables: dict[str, Any],
    overrides: dict[str, Any],
    more: dict[str, Any],
) -> tuple[IngestSettings, Path]:
    """Put a settings file and options together; return the directory that file patterns start from, too.

    Args:
        path: the settings file; None for options only.
        per_process: settings of the processes `signal` and `background`.
        common: settings of both.
        tables: features and spectators.
        overrides: settings that replace the file's.
        more: conditions and variations that are added to the file's.
    """
    from cutflow_cli.events.settings_file import load_settings, validate

    if path is None:
        return validate({**_from_options(per_process, common, {**tables, **overrides}), **more}), Path()
    _refuse_beside_file(path, per_process, common, tables)
    return load_settings(path, overrides, more), path.parent


#: How a setting is spelled as an option.
_OPTION = {"files": "", "features": "feature", "spectators": "spectator", "weight": "weight-column"}


def _option(name: str, process: str = "") -> str:
    words = _OPTION.get(name, name.replace("_", "-"))
    if name == "sum_of_weights" and not process:
        words = "sum-of-weights-from"
    return "--" + "-".join(part for part in (process, words) if part)


def _refuse_beside_file(
    path: Path, per_process: dict[str, dict[str, Any]], common: dict[str, Any], tables: dict[str, Any]
) -> None:
    """Refuse options that a settings file would make ambiguous."""
    given = [_option(name, process) for process, options in per_process.items() for name in options]
    given += [_option(name) for name in (*common, *tables)]
    if given:
        msg = f"{given[0]} can't stand beside a settings file; set it in {path}, for the processes that it holds for"
        raise UsageError(msg)


def _from_options(
    per_process: dict[str, dict[str, Any]], common: dict[str, Any], tables: dict[str, Any]
) -> dict[str, Any]:
    """Spell options as settings: one process `signal`, one `background`."""
    missing = [_option("files", process) for process, options in per_process.items() if "files" not in options]
    missing += ["--feature"] if "features" not in tables else []
    if missing:
        msg = f"{missing[0]} is missing; give a settings file, or --signal, --background and --feature"
        raise UsageError(msg)
    for process, options in per_process.items():
        if "sum_of_weights" in options and "sum_of_weights" in common:
            msg = f"--sum-of-weights-from and {_option('sum_of_weights', process)}: give one of them"
            raise UsageError(msg)
    return {
        **tables,
        "processes": {role: {"role": role, **common, **options} for role, options in per_process.items()},
    }
