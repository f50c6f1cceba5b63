"""Saved cut flows as tables to print: the comparison of two, and the sum of several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cutflow_cli.apply.conditions import plain_cut
from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.cut_flow_tables import counted, cut_flow_table, process_titles
from cutflow_cli.evaluation.numbers import compact, short_cut
from cutflow_cli.evaluation.printed import NOTHING, PrintedTable
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.evaluation.saved_cut_flow import CutFlowComparison, Difference, Which
from cutflow_cli.evaluation.saved_cut_flow_merge import MergedCutFlow
from cutflow_cli.selection.parse import ExpressionError, parse_condition
from cutflow_cli.selection.tree import names

#: Selections whose sum is printed; a scan has hundreds.
_MOST_TABLES = 12


def comparison_tables(found: CutFlowComparison, files: tuple[str, str]) -> Iterator[PrintedTable]:
    """Lay out both cut flows side by side, one table for each selection.

    Args:
        found: the comparison.
        files: what they are called.
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
            last = ("second − first",) if found.exact else ("(second − first)/σ\nof yield", "\nof efficiency")
            yield PrintedTable(
                f"{title}, {counted(found.split)}: yields and simulated events; first {files[0]}, second {files[1]}",
                ("", "first\nyield", "\nraw", "second\nyield", "\nraw", *last, ""),
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


def merged_tables(merged: MergedCutFlow) -> Iterator[PrintedTable]:
    """Lay out the sum of cut flows as `evaluate` does, a table for each consensus.

    Args:
        merged: the sum.
    """
    origin = merged.origin
    titles = process_titles(origin.processes)
    flows: dict[tuple[str, str, float | None], dict[str, list[CutFlowRow]]] = {}
    for row in merged.rows:
        if row.kind == "consensus" and row.split in (origin.split, ALL_SPLITS) and row.process in titles:
            which = (row.run, row.working_point, row.hypothesis)
            flows.setdefault(which, {}).setdefault(row.process, []).append(row)
    shown = list(flows)[:_MOST_TABLES]
    for key in shown:
        cuts = {row.position: shortened(row.cut) for rows in flows[key].values() for row in rows if row.position > 0}
        texts = [cuts[position] for position in sorted(cuts)]
        table = cut_flow_table(key, origin.split, origin.preselection, texts, titles, flows[key])
        if key == shown[-1] and len(flows) > len(shown):
            more = f"{len(flows) - len(shown)} of {len(flows)} selections are not shown; --json gives each"
            table = replace(table, footnotes=(*table.footnotes, more))
        yield table


def shortened(text: str) -> str:
    """Write a cut with boundaries of a few digits, as `short_cut` does; what is no plain cut stays as it is."""
    try:
        tree = parse_condition(text)
    except ExpressionError:
        return text
    cut = plain_cut(tree, dict.fromkeys(names(tree), "float64"))
    return text if cut is None else short_cut(cut)
