"""The cut flows of a report as tables to print."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.numbers import compact, effective, short_cut, with_errors
from cutflow_cli.evaluation.preselection import ALL_EVENTS
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.runs import Run

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
    cuts: dict[Which, tuple[str, ...]] = {
        (name, flow.working_point, flow.hypothesis): tuple(map(short_cut, flow.cuts))
        for name, run in runs
        for flow in run.flows
        if flow.kind == "consensus"
    }
    manifest = report.manifest
    titles = process_titles(manifest.processes)
    flows: dict[Which, dict[str, list[CutFlowRow]]] = {}
    for row in report.cut_flow:
        key: Which = (row.run, row.working_point, row.hypothesis)
        its = row.split in (manifest.split, ALL_SPLITS)
        if row.kind == "consensus" and its and key in which and row.process in titles:
            flows.setdefault(key, {}).setdefault(row.process, []).append(row)
    for key, rows in flows.items():
        shown = ALL_SPLITS if manifest.by_folds else manifest.split
        yield cut_flow_table(key, shown, manifest.preselection, cuts[key], titles, rows)


def cut_flow_table(
    key: Which,
    split: str,
    preselection: Sequence[str],
    cuts: Sequence[str],
    titles: Mapping[str, str],
    processes: Mapping[str, Sequence[CutFlowRow]],
) -> PrintedTable:
    """Lay out the cut flow of one selection.

    Args:
        key: the selection.
        split: the events counted.
        preselection: what they had passed before.
        cuts: in words.
        titles: how processes and classes are called.
        processes: rows by process, in the order of the cuts.
    """
    title = f"Cut flow {label(*key)}: consensus, {counted(split)}"
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
    meaning = ["step: of the line above; cumulative: of the events before any cut; total: of all events"]
    if split != ALL_SPLITS:
        raw = f"raw: of all splits up to the preselection, of split {split} after it"
        meaning.insert(0, f"{raw}; yield: of the whole sample throughout")
    return PrintedTable(f"{title}, from all events on", (*header, "total"), tuple(shown), (*meaning, *notes.lines))


def counted(split: str) -> str:
    """Say which events are counted."""
    return "all events" if split == ALL_SPLITS else f"split {split}"


def _what(row: CutFlowRow, titles: Mapping[str, str], cuts: Sequence[str]) -> str:
    """Say what a row comes after, or of which process it is."""
    return f"  {cuts[row.position - 1]}" if row.position > 0 else titles[row.process]


def _what_from_all(row: CutFlowRow, title: str, cuts: Sequence[str], notes: Notes) -> str:
    """Say what a row comes after, in a table that begins before the preselection; the first row has a title."""
    text = row.cut
    if row.position > 0:
        text = cuts[row.position - 1]
    elif row.position == 0:
        text = f"{row.cut}, {counted(row.split)}"
    elif len(row.cut) > _CONDITION:
        begin = row.cut[: _CONDITION - 1]
        text = f"{begin.rpartition(' ')[0] or begin} …{notes.mark(row.cut)}"  # no number is cut in two
    return f"{title}: {text}" if title else f"  {text}"


def process_titles(processes: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Say how each process and class is called; a class of one process is not shown twice.

    Args:
        processes: name and role of each; None for a process of no class.
    """
    listed = list(processes)
    titles: dict[str, str] = {}
    for role in ("signal", "background"):
        members = [name for name, its in listed if its == role]
        if len(members) > 1:
            titles[role] = f"all {role}"
        titles |= {name: name if name == role else f"{name} ({role})" for name in members}
    return titles | {name: name for name, its in listed if its is None}


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
