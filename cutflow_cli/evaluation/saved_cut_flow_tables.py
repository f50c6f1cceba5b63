"""The comparison of two saved cut flows as tables to print."""

from __future__ import annotations

from collections.abc import Iterator

from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.numbers import compact
from cutflow_cli.evaluation.printed import NOTHING, PrintedTable
from cutflow_cli.evaluation.saved_cut_flow import CutFlowComparison, Difference, Which


def comparison_tables(found: CutFlowComparison, names: tuple[str, str]) -> Iterator[PrintedTable]:
    """Lay out both cut flows side by side, one table for each selection.

    Args:
        found: the comparison.
        names: what the files are called.
    """
    for pair, differences in zip(found.runs, found.differences, strict=True):
        selections: dict[Which, list[Difference]] = {}
        for one in differences:
            selections.setdefault((one.working_point, one.hypothesis), []).append(one)
        for which, members in selections.items():
            first, second = (label(run, *which) for run in pair)
            title = first if first == second else f"{first} against {second}"
            processes: dict[str, list[Difference]] = {}
            for one in members:
                processes.setdefault(one.process, []).append(one)
            rows = [
                _row(one, f"{process}: {one.cut}" if not number else f"  {one.cut}", found.exact)
                for process, those in processes.items()
                for number, one in enumerate(those)
            ]
            last = ("second − first",) if found.exact else ("(second − first)/σ", "of efficiency")
            yield PrintedTable(
                f"{title}, split {found.split}: yields and simulated events; first {names[0]}, second {names[1]}",
                ("", "first", "raw", "second", "raw", *last, ""),
                tuple(rows),
                ("± statistical error", *(["both count the same events"] if found.same_events else [])),
            )


def _row(one: Difference, title: str, exact: bool) -> tuple[str, ...]:
    numbers = [
        NOTHING if value is None else compact(value, error)
        for value, error in ((one.first, one.first_error), (one.second, one.second_error))
    ]
    change = [NOTHING if pull is None else f"{pull:+.1f}" for pull in (one.pull, one.efficiency_pull)]
    if exact:
        change = ["0" if not one.differs else NOTHING]
        if one.differs and one.first is not None and one.second is not None:
            change = [f"{one.second - one.first:+.4g} ({one.n_second - one.n_first:+d} raw)"]
    verdict = "differs" if one.differs else ""
    return title, numbers[0], str(one.n_first), numbers[1], str(one.n_second), *change, verdict
