"""cutflow evaluate: what selections gain, and how sure that is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import NegativeAnswer
from cutflow_cli.events.schema import Split


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories, compared side by side.")],
    *,
    data: Annotated[Path, typer.Option("--data", help="Events file (or any Parquet file with a column label).")],
    out: Annotated[Path, typer.Option("--out", help="Report directory to make.")],
    split: Annotated[Split, typer.Option(help="Split on which numbers are quoted.")] = "test",
    background_uncertainty: Annotated[
        float, typer.Option(help="Systematic uncertainty of B in the Asimov significance, as a fraction of B.")
    ] = 0.0,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures (needs matplotlib).")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a report made from something else.")] = False,
) -> None:
    """Apply the selections of runs to events: figures of merit, cut flows, train against test.

    Yields and efficiencies use the physical, signed weights;
    TP, FP, TN, FN, accuracy and precision are raw counts.

    The report directory gets metrics.parquet, cutflow.parquet, roc.parquet,
    report.json and figures/.

    Exits with 4 if a selection keeps no signal event.
    """
    from cutflow_cli.evaluation.comparison import label
    from cutflow_cli.evaluation.evaluate import evaluate_runs

    with terminal.progress("evaluate") as progress:
        report = evaluate_runs(
            runs,
            data,
            out,
            split=split,
            background_uncertainty=background_uncertainty,
            figures=figures,
            force=force,
            command=shlex.join(["cutflow", *sys.argv[1:]]),
            progress=progress,
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
        from cutflow_cli.evaluation.present import printed_tables
        from cutflow_cli.runs import open_run

        opened = [(str(record["name"]), open_run(record["path"])) for record in report.manifest.runs]
        for table in printed_tables(report, opened):
            terminal.table(table.title, table.header, table.rows)
            for line in table.footnotes:
                terminal.result(line)
            if table.footnotes:
                terminal.result("")
        terminal.result(f"report: {out}")
    if report.empty_selections:
        first = report.empty_selections[0]
        name = label(first.run, first.working_point, first.hypothesis)
        msg = f"{name}: the consensus keeps no signal event of split {split!r}, so nothing is selected; see {out}"
        raise NegativeAnswer(msg)
