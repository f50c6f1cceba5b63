"""`cutflow ingest`: a user's files into an events file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.events.ingest import Ingested
    from cutflow_cli.events.schema import ProcessInfo
    from cutflow_cli.events.settings import IngestSettings

_INSTEAD = "Instead of a settings file"
_BOTH = "Instead of a settings file, or replacing its value"


def ingest(
    settings_file: Annotated[
        Path | None,
        typer.Argument(metavar="[SETTINGS]", help="TOML or YAML file with features and processes.", show_default=False),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The events file to write.", show_default=False)],
    signal: Annotated[
        list[str] | None,
        typer.Option(help="File or quoted pattern with signal; repeat it.", rich_help_panel=_INSTEAD),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(help="File or quoted pattern with background; repeat it.", rich_help_panel=_INSTEAD),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=EXPR]", help="Column, or 'ratio=pt/mass'; repeat it, in order.", rich_help_panel=_INSTEAD
        ),
    ] = None,
    spectator: Annotated[
        list[str] | None,
        typer.Option(help="Column to carry along, never trained on; repeat it.", rich_help_panel=_INSTEAD),
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option(help="TTree or RNTuple in ROOT files.", show_default="the only one", rich_help_panel=_INSTEAD),
    ] = None,
    weight_column: Annotated[
        str | None,
        typer.Option(
            help="Generator weight (or yield): column or expression.", show_default="1", rich_help_panel=_INSTEAD
        ),
    ] = None,
    weights_are_yields: Annotated[
        bool,
        typer.Option("--weights-are-yields", help="Weights are expected events already.", rich_help_panel=_INSTEAD),
    ] = False,
    signal_cross_section: Annotated[float | None, typer.Option(help="In pb.", rich_help_panel=_INSTEAD)] = None,
    background_cross_section: Annotated[float | None, typer.Option(help="In pb.", rich_help_panel=_INSTEAD)] = None,
    signal_sum_of_weights: Annotated[
        float | None,
        typer.Option(help="Over all generated events.", show_default="summed over the files", rich_help_panel=_INSTEAD),
    ] = None,
    background_sum_of_weights: Annotated[
        float | None,
        typer.Option(help="Over all generated events.", show_default="summed over the files", rich_help_panel=_INSTEAD),
    ] = None,
    luminosity: Annotated[float | None, typer.Option(help="In fb⁻¹.", rich_help_panel=_BOTH)] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="TRAIN,VALIDATION,TEST", help="Shares.", show_default="0.6,0.2,0.2", rich_help_panel=_BOTH
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split.", show_default="0", rich_help_panel=_BOTH)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Read ROOT, Parquet and CSV files into one events file, normalised to a luminosity.

    What to read is said in a settings file, or for one signal and one background in options. Each event is worth
    cross section × luminosity × generator weight ÷ sum of generator weights. The table shows it for each process.

    cutflow ingest samples.toml --out events.parquet

    cutflow ingest --signal 'ww/*.root' --background qcd.root --feature m_jet --feature 'tau21=tau2/tau1'
    --luminosity 139 --signal-cross-section 0.13 --background-cross-section 17444 --out events.parquet
    """
    from cutflow_cli.events.ingest import ingest as run
    from cutflow_cli.events.settings_file import load_settings, validate

    shared = {"luminosity": luminosity, "split": split, "seed": seed}
    overrides = {name: value for name, value in shared.items() if value is not None}
    per_process = {
        "signal": _given(files=signal, cross_section=signal_cross_section, sum_of_weights=signal_sum_of_weights),
        "background": _given(
            files=background, cross_section=background_cross_section, sum_of_weights=background_sum_of_weights
        ),
    }
    common = _given(tree=tree, weight=weight_column, weights_are_yields=weights_are_yields or None)
    tables = _given(features=feature, spectators=spectator)
    settings: IngestSettings
    if settings_file is not None:
        _refuse_beside_file(settings_file, per_process, common, tables)
        settings, base = load_settings(settings_file, overrides), settings_file.parent
    else:
        settings, base = validate(_from_options(per_process, common, {**tables, **overrides})), Path()
    with terminal.progress("ingest") as progress:
        made = run(
            settings,
            out,
            base=base,
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
        )
    for text in made.notes:
        terminal.warning(text)
    if not made.written:
        terminal.note(f"{out}: already done, made from the same files and settings")
    if as_json:
        terminal.result_json(_as_json(made))
    else:
        _print(made)


def _given(**options: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever the options hold)
    return {name: value for name, value in options.items() if value is not None and value != []}


#: How a setting is spelled as an option.
_OPTION = {"files": "", "features": "feature", "spectators": "spectator", "weight": "weight-column"}


def _option(name: str, process: str = "") -> str:
    words = _OPTION.get(name, name.replace("_", "-"))
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
    return {
        **tables,
        "processes": {role: {"role": role, **options, **common} for role, options in per_process.items()},
    }


def _as_json(made: Ingested) -> dict[str, Any]:
    from dataclasses import asdict

    processes = {process.name: _numbers(process) for process in made.metadata.processes}
    return {
        "out": str(made.path),
        "written": made.written,
        "notes": list(made.notes),
        "files": made.files,
        "yields": processes,
        **asdict(made.metadata),
    }


def _numbers(process: ProcessInfo) -> dict[str, float]:
    """Expected events with their statistical error, and how many unweighted events would be as good."""
    total = process.total
    return {
        "events": total.events,
        "expected": total.sumw,
        "expected_error": total.sumw2**0.5,
        "effective_events": total.sumw**2 / total.sumw2,
    }


def _print(made: Ingested) -> None:
    from cutflow_cli.events.schema import SPLITS

    rows = []
    for process in made.metadata.processes:
        numbers, total = _numbers(process), process.total
        rows.append(
            [
                process.name,
                process.role,
                str(made.files[process.name]),
                str(total.events),
                _number(process.generated_sumw),
                _number(process.cross_section),
                f"{numbers['expected']:.6g} ± {numbers['expected_error']:.3g}",
                f"{numbers['effective_events']:.6g}",
                "/".join(f"{100 * process.splits[split].events / total.events:.1f}" for split in SPLITS),
            ]
        )
    metadata = made.metadata
    luminosity = "no luminosity" if metadata.luminosity is None else f"{metadata.luminosity:g} fb⁻¹"
    events = sum(process.total.events for process in metadata.processes)
    header = ["process", "role", "files", "events", "Σw generated", "σ [pb]", "expected events", "effective events"]
    terminal.table(
        f"{made.path}: {events} events, {len(metadata.features)} features, {luminosity}, seed {metadata.seed}",
        [*header, "/".join(SPLITS) + " [%]"],
        rows,
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
