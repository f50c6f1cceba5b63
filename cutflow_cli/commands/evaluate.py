"""cutflow evaluate: what selections gain, and how sure that is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import NegativeAnswer, UsageError
from cutflow_cli.events.schema import Split


def evaluate(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Run directories, compared side by side.", show_default=False),
    ] = None,
    *,
    data: Annotated[Path, typer.Option("--data", help="Events file (or any Parquet file with a column label).")],
    out: Annotated[Path, typer.Option("--out", help="Report directory to make.")],
    cuts: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CUTS.json",
            help="Cuts written by hand or exported, evaluated like a run; repeat it.",
            show_default="none",
        ),
    ] = None,
    split: Annotated[Split, typer.Option(help="Split on which numbers are quoted.")] = "test",
    background_systematic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FRACTION",
            help="Systematic uncertainty of the background in σ_B: 0.1 for 10 % of all of it, QCD=0.3 for 30 % of a "
            "process, independent of the others. Repeatable.",
            show_default="none",
        ),
    ] = None,
    fom: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMULA",
            help="A figure of merit of your own, 'name = s / sqrt(b + sigma_b**2)', in s, b and their errors sigma_s, "
            "sigma_b (statistics and systematics). Repeatable.",
            show_default="none",
        ),
    ] = None,
    min_effective_events: Annotated[
        float,
        typer.Option(help="With fewer effective background events a figure of merit that divides by B is not quoted."),
    ] = 10.0,
    punzi_a: Annotated[
        float | None,
        typer.Option(help="Significance in Punzi's figures, in standard deviations.", show_default="the run's, or 3"),
    ] = None,
    punzi_b: Annotated[
        float | None,
        typer.Option(help="Power in Punzi's figures, likewise.", show_default="the run's, or 1.28155 for 90 %"),
    ] = None,
    variation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A systematic variation of the events file that counts in σ_B. Repeatable.",
            show_default="all of the file",
        ),
    ] = None,
    variations: Annotated[
        bool,
        typer.Option("--variations/--no-variations", help="Take systematic variations of the events file into σ_B."),
    ] = True,
    working_point: Annotated[
        str | None,
        typer.Option(
            help="Working point to quote for the runs that have it, such as signal_efficiency=0.5 or fixed; "
            "the recommended one by default."
        ),
    ] = None,
    stability: Annotated[
        bool, typer.Option("--stability", help="Print what moving each boundary by its error, 1 and 5 % does to Z.")
    ] = False,
    details: Annotated[
        bool | None,
        typer.Option(
            "--details/--no-details",
            help="Print every table, or only those that compare runs; the report and --json have all of it anyway.",
            show_default="details of one or two runs",
        ),
    ] = None,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures (needs matplotlib).")] = True,
    style: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Style of figures: fonts and ticks of mplhep's ATLAS, CMS, LHCb2, ...; no experiment is named by it.",
            show_default="our own",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text at the head of each figure, such as 'work in progress'; TeX in $...$."),
    ] = None,
    lumi: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Luminosity that figures state, a number of fb⁻¹ or a text such as '139 fb-1 (13 TeV)', '' for none. "
            "Nothing is scaled by it.",
            show_default="that of the events",
        ),
    ] = None,
    log: Annotated[
        bool | None,
        typer.Option(
            "--log/--no-log", help="Distributions on a logarithmic axis, or not.", show_default="as each panel needs"
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER",
            help="Have a dask.distributed cluster count the events: tcp://HOST:PORT, local:N, or a file that describes "
            "one. Its workers must see the same disk; figures are drawn here.",
            show_default="this process counts",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a report made from something else.")] = False,
) -> None:
    """Apply the selections and scores of runs to events, and compare them.

    Printed are the runs side by side, the background at equal signal efficiency, and, of one or two runs or with
    --details, for the working point of each figures of merit, cut flows, train against test; the files hold all
    working points and replicas.
    Cut flows begin at all events where the events file says what its preselection removed.

    Where the events file has systematic variations, selections are counted under each, and their shifts of the
    background are part of σ_B.

    Yields and efficiencies use the physical, signed weights;
    TP, FP, TN, FN, accuracy and precision are raw counts.

    The report directory gets metrics.parquet, cutflow.parquet, roc.parquet; of the quoted selections
    cutflow_totals.parquet, n_minus_1.parquet, stability.parquet, overlap.parquet and variations.parquet;
    correlations.parquet of the features; report.json and figures/; and report.html, all of it as one page.

    Exits with 4 if a run keeps no signal event.
    """
    from cutflow_cli.cluster.connect import open_executor
    from cutflow_cli.evaluation.evaluate import evaluate_runs
    from cutflow_cli.metrics.options import read_options
    from cutflow_cli.plots.look import read_look

    if variation and not variations:
        msg = f"--no-variations leaves out --variation {variation[0]}; give one of them"
        raise UsageError(msg)
    look = read_look(figures, style, label, lumi, log)
    options = read_options(background_systematic or (), fom or (), min_effective_events, punzi_a, punzi_b)
    with open_executor(dask, terminal.note) as executor, terminal.progress("evaluate") as progress:
        report = evaluate_runs(
            runs or [],
            data,
            out,
            cuts=cuts or [],
            split=split,
            options=options,
            working_point=working_point,
            variations=(variation or None) if variations else (),
            look=look,
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
            executor=executor,
        )
    if not report.fresh:
        terminal.note(f"{out}: already done, the same runs, events and settings")
    for text in report.manifest.notes:
        terminal.note(text)
    for text in report.manifest.warnings:
        terminal.warning(text)
    if json:
        terminal.result_json(report.as_json())
    else:
        from cutflow_cli.evaluation.inputs import printed_runs
        from cutflow_cli.evaluation.present import MAX_DETAILED_RUNS, printed_tables

        opened = printed_runs(report.manifest.runs)
        if details is None:
            details = len(opened) <= MAX_DETAILED_RUNS
        terminal.tables(printed_tables(report, opened, stability=stability, details=details, width=terminal.width()))
        if not details:
            terminal.result(
                "selections, all figures of merit, cut flows and the rest: "
                f"{out / 'report.html'} and the Parquet files beside it, or --details"
            )
        terminal.result(f"report: {out}")
    if report.empty_runs:
        name = report.empty_runs[0]
        msg = f"{name}: the consensus keeps no signal event of split {split!r}, so nothing is selected; see {out}"
        raise NegativeAnswer(msg)
