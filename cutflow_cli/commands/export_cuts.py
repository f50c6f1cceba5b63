"""cutflow export-cuts: hand a learned selection over to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError, nearest

if TYPE_CHECKING:
    from cutflow_cli.export.dialect import ColumnNames
    from cutflow_cli.export.rounding import Rounding

_COLUMNS: tuple[ColumnNames, ...] = ("source", "features")


def _formats(incomplete: str) -> list[tuple[str, str]]:
    """Complete `--format`, with what each is."""
    from cutflow_cli.export.registry import DIALECTS, MODEL_DIALECTS

    known = (*DIALECTS.values(), *MODEL_DIALECTS.values())
    return [(one.name, one.summary) for one in known if one.name.startswith(incomplete)]


def _column_names(incomplete: str) -> list[str]:
    return [name for name in _COLUMNS if name.startswith(incomplete)]


def _figures(incomplete: str) -> list[tuple[str, str]]:
    from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT

    return [(name, words) for name, words in FIGURES_OF_MERIT.items() if name.startswith(incomplete)]


def export_cuts(
    run: Annotated[Path, typer.Argument(help="Run directory that `cutflow train` wrote.", show_default=False)],
    *,
    format: Annotated[
        str | None,
        typer.Option(
            autocompletion=_formats,
            show_default="text",
            help="For people: text; data: json, yaml, csv, correctionlib; Python: python (numpy), query (pandas), "
            "awkward (coffea); ROOT and C++: root (TCut), rdataframe, cpp (struct); publication: latex, hepdata, adl; "
            "scores of mlp, bdt and punzi: onnx, which needs --out.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file.", show_default="stdout")] = None,
    replica: Annotated[
        int | None, typer.Option(help="One replica by number.", show_default="the consensus of all")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every replica beside the consensus (text, json, yaml, csv, latex).")
    ] = False,
    working_point: Annotated[
        str | None,
        typer.Option(help="A working point by name or target; code formats need one.", show_default="all"),
    ] = None,
    hypothesis: Annotated[
        float | None,
        typer.Option(help="A signal mass hypothesis; code formats need one.", show_default="all"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            autocompletion=_column_names,
            help="Names in code: the columns of the ingested files (source), or of the events file (features).",
            show_default="source",
        ),
    ] = None,
    without_preselection: Annotated[
        bool, typer.Option("--without-preselection", help="Leave the preselection out.")
    ] = False,
    round_: Annotated[
        bool,
        typer.Option(
            "--round", help="Round each boundary to the roundest number within its error, as one would publish it."
        ),
    ] = False,
    round_within: Annotated[
        float | None,
        typer.Option(help="Round within this fraction of each boundary instead.", show_default="its error"),
    ] = None,
    round_loss: Annotated[
        float | None,
        typer.Option(
            help="Round as far as the figure of merit loses at most this fraction, on the validation events.",
            show_default="no limit",
        ),
    ] = None,
    fom: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=_figures,
            help="Figure of merit of --round-loss: asimov, s_over_sqrt_b, s_over_sqrt_s_plus_b, punzi, "
            "balanced_accuracy or accuracy.",
            show_default="asimov",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Events on which the cost of rounding and the cut-flow table of latex and hepdata are counted, and an "
            "onnx model is tried.",
            show_default="what the run was trained on",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Report directory of `cutflow evaluate`, for its cut-flow table (latex, hepdata); with --round that "
            "of the rounded cuts is counted on the same events.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out if it holds something else.")] = False,
) -> None:
    """Write the cuts that a run learned, for people, programs, numpy, pandas, awkward, ROOT, C++ or a publication.

    All formats say the same selection, preselection first, and select the same events, missing values included.
    Observables of objects, such as jet0.pt, are for text, data, latex and awkward; other code takes them from the
    events file, with --columns features.
    """
    from cutflow_cli.artifacts import Action
    from cutflow_cli.export.choose import Choice
    from cutflow_cli.export.handover import export_cuts as exported
    from cutflow_cli.export.handover import save
    from cutflow_cli.export.registry import MODEL_DIALECTS
    from cutflow_cli.runs import open_run

    name = _format(format, json=json)
    if force and out is None:
        msg = "--force is of no use without --out; nothing is replaced on stdout"
        raise UsageError(msg)
    if out is None and name in MODEL_DIALECTS:
        msg = f"--format {name} is a binary file; add --out, such as --out model.{name}"
        raise UsageError(msg)
    rounding = _rounding(round_, round_within, round_loss, fom)
    with terminal.progress("export-cuts") as progress:
        result = exported(
            open_run(run),
            name,
            choice=Choice(replica, all_, working_point, hypothesis),
            columns=_columns(columns),
            preselection=not without_preselection,
            rounding=rounding,
            report=report,
            data=data,
            progress=progress,
        )
    for text in result.notes:
        terminal.note(text)
    for text in result.warnings:
        terminal.warning(text)
    if out is None:
        terminal.result(result.text.rstrip("\n"))
    elif save(out, result.content, force=force) is Action.DONE:
        terminal.note(f"{out}: already done")
    else:
        terminal.note(f"{out}: written")


def _format(given: str | None, *, json: bool) -> str:
    """Return the format that is meant.

    Raises:
        UsageError: if two are asked for.
    """
    if json and given not in (None, "json"):
        msg = f"--json is short for --format json; leave it away, or --format {given}"
        raise UsageError(msg)
    return "json" if json else given or "text"


def _rounding(wanted: bool, within: float | None, loss: float | None, fom: str | None) -> Rounding | None:
    """Put the options on rounding together.

    Raises:
        UsageError: if they contradict each other.
    """
    from cutflow_cli.export.rounding import Rounding

    if fom is not None and loss is None:
        msg = "--fom is what --round-loss may lose of; add that, or leave --fom away"
        raise UsageError(msg)
    if not wanted and within is None and loss is None:
        return None
    return Rounding(within, loss) if fom is None else Rounding(within, loss, fom)


def _columns(text: str | None) -> ColumnNames | None:
    if text is None:
        return None
    for known in _COLUMNS:
        if text == known:
            return known
    msg = f"--columns {text}: no such choice; {nearest(text, _COLUMNS)}"
    raise UsageError(msg)
