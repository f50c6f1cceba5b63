"""The cut-flow table of a selection: from a report in which it was evaluated, or counted anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cutflow_cli.evaluation.report import Report
    from cutflow_cli.evaluation.rows import CutFlowRow
    from cutflow_cli.events.schema import Role, Split
    from cutflow_cli.export.run_events import RunEvents
    from cutflow_cli.runs import Run
    from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected events: Σw and its statistical error √Σw²; None where the split can't be normalised."""

    value: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class CutFlowLine:
    """What is left after one cut.

    Attributes:
        position: 0 before any cut, n after the n-th; negative up to the preselection.
        cut: the cut, or the condition of the preselection, as the report has it.
        expected: one for each of the table's processes.
    """

    position: int
    cut: str
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class CutFlowTable:
    """A cut flow, process by process.

    Attributes:
        report: the report that it is from, or the events file that it was counted on.
        split: the events counted, from position 0 on.
        luminosity: in fb⁻¹; None where weights came as yields.
        processes: name and role of each column; where there are several of a role, `signal` or `background` is their
            sum.
        lines: in the order of the cuts.
    """

    report: str
    split: str
    luminosity: float | None
    processes: tuple[tuple[str, str], ...]
    lines: tuple[CutFlowLine, ...]


def read_cut_flow(directory: Path, run: Run, flow: CutFlow) -> CutFlowTable:
    """Read the cut flow of a selection from a report directory.

    Args:
        directory: what `evaluate` wrote.
        run: the run that the selection is of.
        flow: the selection, with the boundaries that were evaluated.

    Raises:
        InputError: if it is no report, has not evaluated this selection, or one that has changed since.
    """
    from cutflow_cli.evaluation.report import read_report

    report = read_report(directory)
    name = _name_in_report(report, run)
    split = report.manifest.split
    rows = [
        row
        for row in report.cut_flow
        if (row.run, row.working_point, row.kind, row.replica) == (name, flow.working_point, flow.kind, flow.replica)
        and row.hypothesis in (flow.hypothesis, None)
        and (row.split == split or row.position < 0)
    ]
    cuts = {row.position: row.cut for row in rows}
    wanted = tuple(str(cut) for cut in flow.cuts)
    if tuple(cut for position, cut in sorted(cuts.items()) if position > 0) != wanted:
        what = "has not evaluated this selection" if not rows else "has evaluated another selection of this name"
        msg = f"{directory}: {what}; run `cutflow evaluate {run.path} --out …` and give that report"
        raise InputError(msg)
    columns = _columns(report.manifest.processes)
    return CutFlowTable(str(directory), split, report.manifest.luminosity, *_lines(rows, columns, cuts))


def count_cut_flow(opened: RunEvents, flow: CutFlow, split: Split) -> CutFlowTable:
    """Count the cut flow of a selection, such as one that was rounded since it was evaluated.

    Args:
        opened: events of the run.
        flow: a selection of the run, with any boundaries.
        split: the events to count.

    Raises:
        InputError: if the split holds no signal or no background.
    """
    from cutflow_cli.evaluation.cut_flow import cut_flow_rows
    from cutflow_cli.evaluation.normalise import normalise
    from cutflow_cli.evaluation.preselection import find_preselection
    from cutflow_cli.evaluation.rows import NamedFlow
    from cutflow_cli.evaluation.tally import tally

    events, metadata = opened.events, opened.events.metadata
    named = NamedFlow(opened.run.name, opened.run.manifest.method, opened.on_columns(flow))
    counted = normalise(tally(events, [named.flow]), metadata.processes)
    opened.require(counted, split, flow)
    before, _ = find_preselection(metadata.preselection, counted, str(events.path))
    rows = [
        row
        for row in cut_flow_rows([named], counted, before)
        if row.hypothesis in (flow.hypothesis, None) and (row.split == split or row.position < 0)
    ]
    columns = _columns((process.name, process.role) for process in metadata.processes)
    cuts = {row.position: row.cut for row in rows}
    return CutFlowTable(str(events.path), split, metadata.luminosity, *_lines(rows, columns, cuts))


def report_events(directory: Path, run: Run) -> tuple[Path, Split]:
    """Return the events file and the split that a report of a run quotes.

    Raises:
        InputError: if it is no report, has not evaluated the run, or its events file is not there or has changed.
    """
    from cutflow_cli.artifacts import file_digest
    from cutflow_cli.evaluation.report import read_report

    report = read_report(directory)
    _name_in_report(report, run)
    path = Path(str(report.manifest.data["path"]))
    if not path.is_file():
        msg = f"{path}: the events that {directory} evaluated are not there; give them with --data instead of --report"
        raise InputError(msg)
    if file_digest(path) != report.manifest.data["digest"]:
        msg = f"{path}: has changed since {directory} evaluated it; evaluate again, or give --data instead of --report"
        raise InputError(msg)
    return path, report.manifest.split


def _name_in_report(report: Report, run: Run) -> str:
    for known in report.manifest.runs:
        if known["digest"] == run.manifest.digest:
            return str(known["name"])
    names = ", ".join(str(known["name"]) for known in report.manifest.runs)
    msg = f"{report.path}: has not evaluated {run.path} as it is now, but {names}; evaluate again"
    raise InputError(msg)


def _columns(processes: Iterable[tuple[str, Role]]) -> tuple[tuple[str, str], ...]:
    """Return the columns: each process, and the sum of a class that has several."""
    found: dict[str, str] = {}
    known = tuple(processes)
    for role in ("signal", "background"):
        members = [name for name, its in known if its == role]
        found |= dict.fromkeys(members, role)
        if len(members) != 1:
            found[role] = role
    return tuple(found.items())


def _lines(
    rows: list[CutFlowRow], columns: tuple[tuple[str, str], ...], cuts: dict[int, str]
) -> tuple[tuple[tuple[str, str], ...], tuple[CutFlowLine, ...]]:
    """Sort rows into lines and columns; columns without any row are left out."""
    values = {(row.position, row.process): Expected(row.yield_, row.yield_error) for row in rows}
    kept = tuple(column for column in columns if any(process == column[0] for _, process in values))
    unknown = Expected(None, None)
    return kept, tuple(
        CutFlowLine(position, cut, tuple(values.get((position, process), unknown) for process, _ in kept))
        for position, cut in sorted(cuts.items())
    )
