"""The cut flows of a report as tables to print."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.numbers import compact, effective, short_cut, with_errors
from cutflow_cli.evaluation.preselection import ALL_EVENTS
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Cut

#: Characters of a condition that are printed in a table; a longer one is written out below it.
_CONDITION = 34

#: Run, working point and mass point of a selection.
Which = tuple[str, str | None, float | None]


def cut_flow_tables(
    report: Report, runs: Sequence[tuple[str, Run]], which: Collection[Which]
) -> Iterator[PrintedTable]:
    """Lay out the cut flow of each consensus, process by process, from all events on where they are known.

    Args:
        report: the report.
        runs: the runs evaluated and what the report calls them.
        which: the selections to show.
    """
    cuts: dict[Which, tuple[Cut, ...]] = {
        (name, flow.working_point, flow.hypothesis): flow.cuts
        for name, run in runs
        for flow in run.flows
        if flow.kind == "consensus"
    }
    titles = _process_titles(report)
    flows: dict[Which, dict[str, list[CutFlowRow]]] = {}
    for row in report.cut_flow:
        key: Which = (row.run, row.working_point, row.hypothesis)
        counted = row.split in (report.manifest.split, ALL_SPLITS)
        if row.kind == "consensus" and counted and key in which and row.process in titles:
            flows.setdefault(key, {}).setdefault(row.process, []).append(row)
    for key, rows in flows.items():
        yield _cut_flow_table(report, key, cuts[key], titles, rows)


def _cut_flow_table(
    report: Report, key: Which, cuts: Sequence[Cut], titles: dict[str, str], processes: dict[str, list[CutFlowRow]]
) -> PrintedTable:
    split, preselection = report.manifest.split, report.manifest.preselection
    title = f"Cut flow {label(*key)}: consensus, split {split}"
    header = ("", "raw", "n_eff", "yield", "step", "cumulative")
    if all(row.position >= 0 for rows in processes.values() for row in rows):
        if preselection:
            title += f"; before: preselection {' and '.join(preselection)}"
        plain = (_cells(row, _what(row, titles, cuts)) for rows in processes.values() for row in rows)
        return PrintedTable(title, header, tuple(plain))
    notes = Notes()
    shown = [
        _cells_from_all(row, _what_from_all(row, "" if number else titles[process], cuts, notes))
        for process in titles
        for number, row in enumerate(processes.get(process, ()))
    ]
    meaning = (
        f"raw: of all splits up to the preselection, of split {split} after it; yield: of the whole sample throughout",
        "step: of the line above; cumulative: of the events before any cut; total: of all events",
    )
    return PrintedTable(f"{title}, from all events on", (*header, "total"), tuple(shown), (*meaning, *notes.lines))


def _what(row: CutFlowRow, titles: dict[str, str], cuts: Sequence[Cut]) -> str:
    """Say what a row comes after, or of which process it is."""
    return f"  {short_cut(cuts[row.position - 1])}" if row.position > 0 else titles[row.process]


def _what_from_all(row: CutFlowRow, title: str, cuts: Sequence[Cut], notes: Notes) -> str:
    """Say what a row comes after, in a table that begins before the preselection; the first row has a title."""
    text = row.cut
    if row.position > 0:
        text = short_cut(cuts[row.position - 1])
    elif row.position == 0:
        text = f"{row.cut}, split {row.split}"
    elif len(row.cut) > _CONDITION:
        begin = row.cut[: _CONDITION - 1]
        text = f"{begin.rpartition(' ')[0] or begin} …{notes.mark(row.cut)}"  # no number is cut in two
    return f"{title}: {text}" if title else f"  {text}"


def _process_titles(report: Report) -> dict[str, str]:
    """Say how each process and class is called; a class of one process is not shown twice."""
    titles: dict[str, str] = {}
    for role in ("signal", "background"):
        members = [name for name, its in report.manifest.processes if its == role]
        if len(members) > 1:
            titles[role] = f"all {role}"
        titles |= {name: name if name == role else f"{name} ({role})" for name in members}
    return titles


def _counts(row: CutFlowRow, title: str) -> tuple[str, ...]:
    expected = NOTHING if row.yield_ is None else with_errors(row.yield_, row.yield_error)
    return title, str(row.n_raw), effective(row.n_eff), expected


def _cells(row: CutFlowRow, title: str) -> tuple[str, ...]:
    if not row.position:
        return (*_counts(row, title), "", "")
    shares = (
        NOTHING if value is None else with_errors(value, error)
        for value, error in (
            (row.efficiency_step, row.efficiency_step_error),
            (row.efficiency_cumulative, row.efficiency_cumulative_error),
        )
    )
    return (*_counts(row, title), *shares)


def _cells_from_all(row: CutFlowRow, title: str) -> tuple[str, ...]:
    step, cumulative, total = (
        NOTHING if value is None else compact(value, error)
        for value, error in (
            (row.efficiency_step, row.efficiency_step_error),
            (row.efficiency_cumulative, row.efficiency_cumulative_error),
            (row.efficiency_total, row.efficiency_total_error),
        )
    )
    first = row.cut == ALL_EVENTS
    return (
        *_counts(row, title),
        "" if first or not row.position else step,
        cumulative if row.position > 0 else "",
        "" if first else total,
    )
