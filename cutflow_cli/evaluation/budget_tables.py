"""The objective against the number of cuts, of the runs that searched for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cutflow_cli.budget import Budget, read_budget
from cutflow_cli.evaluation.numbers import rounded, with_errors
from cutflow_cli.evaluation.printed import NOTHING, PrintedTable
from cutflow_cli.runs import Run


def budget_tables(runs: Sequence[tuple[str, Run]]) -> Iterator[PrintedTable]:
    """Lay out for each run with a budget what each number of cuts reaches.

    Args:
        runs: the runs, and what the report calls them.

    Raises:
        InputError: if the budget of a run is damaged.
    """
    for name, run in runs:
        budget = read_budget(run)
        if budget is not None:
            yield _table(name, run, budget)


def _table(name: str, run: Run, budget: Budget) -> PrintedTable:
    rows = []
    columns = zip(budget.cuts.tolist(), budget.seen.tolist(), budget.held_out.tolist(), budget.error.tolist(),
                  strict=True)  # fmt: skip
    for cuts, seen, held_out, error in columns:
        rows.append(
            (
                f"{cuts} *" if cuts == budget.recommended else str(cuts),
                _number(seen, error),
                with_errors(held_out, error) if math.isfinite(held_out) else NOTHING,
                _number(seen - held_out, error),
            )
        )
    return PrintedTable(
        f"{budget.objective} against the number of cuts of {name}: {run.manifest.method}, on train",
        ("cuts", "as the search saw it", "held out ± error", "optimism"),
        tuple(rows),
        (
            "* recommended: the fewest cuts that are as good as the best, within its error; see `--max-cuts` of "
            f"`cutflow train {run.manifest.method}`",
        ),
    )


def _number(value: float, error: float) -> str:
    if not math.isfinite(value):
        return NOTHING
    return rounded(value, error) if error > 0 else f"{value:.4g}"
