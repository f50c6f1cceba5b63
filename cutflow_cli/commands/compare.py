"""cutflow compare: do two saved cut flows agree?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import NegativeAnswer


def compare(
    first: Annotated[Path, typer.Argument(help="A report directory, or a cutflow.parquet.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    *,
    sigma: Annotated[
        float, typer.Option(help="Standard deviations beyond which yields and efficiencies differ.")
    ] = 3.0,
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--statistical",
            help="Ask for the same events and yields, or for agreement within the statistical errors of independent "
            "events.",
            show_default="exact where both reports count the same events",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to compare.", show_default="the one that the reports quote, or test")
    ] = None,
    first_run: Annotated[
        str | None, typer.Option(help="Run of the first.", show_default="all whose names are in both, or the only one")
    ] = None,
    second_run: Annotated[str | None, typer.Option(help="Run of the second.", show_default="likewise")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
) -> None:
    """Compare two saved cut flows, process by process after every cut.

    Cut flows of independent events differ where yields or efficiencies do by more than --sigma standard deviations;
    cut flows of the same events differ by a single event. Cut flows of different cuts or processes can't be compared.

    cutflow compare report-2024 report-2025

    Exits with 0 if they agree and with 4 if they differ.
    """
    from dataclasses import asdict

    from cutflow_cli.evaluation.saved_cut_flow import compare_cut_flows
    from cutflow_cli.evaluation.saved_cut_flow_tables import comparison_tables

    found = compare_cut_flows(first, second, sigma=sigma, exact=exact, split=split, runs=(first_run, second_run))
    if found.same_events and exact is False:
        terminal.warning("both count the same events: their yields do not fluctuate against each other")
    differing = found.differing
    if as_json:
        terminal.result_json({**asdict(found), "agree": not differing, "compared": found.total})
    else:
        terminal.tables(comparison_tables(found, (str(first), str(second))))
    how = "exactly" if found.exact else f"within {sigma:g} standard deviations"
    if not differing:
        if not as_json:
            terminal.result(f"all {found.total} rows agree {how}")
        return
    _, worst = max(differing, key=lambda item: max(abs(item[1].pull or 0.0), abs(item[1].efficiency_pull or 0.0)))
    msg = f"{len(differing)} of {found.total} rows do not agree {how}, such as {worst.process} at {worst.cut!r}"
    raise NegativeAnswer(msg)
