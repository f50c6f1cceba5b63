"""A report as tables to print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cutflow_cli.evaluation.comparison import TOLERANCE, label
from cutflow_cli.evaluation.numbers import rounded, short_cut, with_errors
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.tables import CutFlowRow, MetricRow
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.metrics.summary import METRICS
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Selections side by side in one table.
COLUMNS = 4
_COUNTS = ("tp", "fp", "tn", "fn")
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of text.

    Attributes:
        title: printed above.
        header: names of the columns.
        rows: cells.
        footnotes: lines to print below.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[str, ...] = ()


def printed_tables(report: Report, runs: Sequence[tuple[str, Run]]) -> Iterator[PrintedTable]:
    """Lay a report out: selections, metrics side by side, cut flows, train against test.

    Args:
        report: the report.
        runs: the runs evaluated and what the report calls them.
    """
    for name, run in runs:
        for flow in run.flows:
            if flow.kind == "consensus":
                yield selection_table(name, run, flow)
    yield from metric_tables(report)
    yield from cut_flow_tables(report, runs)
    yield from comparison_tables(report)


def selection_table(name: str, run: Run, flow: CutFlow) -> PrintedTable:
    """Lay out what a run learned: its consensus, with the spread over replicas."""
    columns = {
        "± lower": [_error(step.lower_error) for step in flow.steps],
        "± upper": [_error(step.upper_error) for step in flow.steps],
        "agreement": [_optional(step.agreement, ".0%") for step in flow.steps],
        "importance": [_optional(step.importance, ".3f") for step in flow.steps],
    }
    used = {title: cells for title, cells in columns.items() if any(cell != _NOTHING for cell in cells)}
    rows = zip([_step(step) for step in flow.steps], *used.values(), strict=True)
    replicas = sum(one.kind == "replica" for one in run.flows if one.working_point == flow.working_point)
    of = f"consensus of {replicas} replicas" if replicas > 1 else "one replica"
    return PrintedTable(
        f"Selection {label(name, flow.working_point, flow.hypothesis)}: {run.manifest.method}, {of}",
        ("cut", *used),
        tuple(rows),
        tuple(f"{step.cut.observable}: {step.note}" for step in flow.steps if step.note),
    )


def _step(step: LearnedCut) -> str:
    if step.active and step.cut.region is not Region.ALL:
        return short_cut(step.cut)
    return f"{step.cut.observable}: not cut on"


def _error(value: float | None) -> str:
    """Print an error alone, with the digits that errors have everywhere."""
    return _NOTHING if value is None else rounded(value, value)


def _optional(value: float | None, form: str) -> str:
    return _NOTHING if value is None else format(value, form)


def metric_tables(report: Report) -> Iterator[PrintedTable]:
    """Lay out the quoted numbers, one column for each selection, a few selections to a table."""
    cells: dict[str, dict[str, MetricRow]] = {}
    for row in report.headline:
        cells.setdefault(label(row.run, row.working_point, row.hypothesis), {})[row.metric] = row
    unsteady = {  # undefined for some replicas, hence without a spread
        (label(row.run, row.working_point, row.hypothesis), row.metric): row.reason
        for row in report.metrics
        if row.kind == "mean" and row.split == report.manifest.split and row.value is None
    }
    names = list(cells)
    manifest = report.manifest
    at = "" if manifest.luminosity is None else f", {manifest.luminosity:g} fb⁻¹"
    spread = any(row.replica_spread is not None for row in report.headline)
    meaning = "value ± statistical error" + (" ± spread over replicas" if spread else "")
    title = f"Consensus on {manifest.data['path']}, split {manifest.split}{at}"
    uncertainty = "MC statistics"
    if manifest.background_uncertainty:
        uncertainty += f" ⊕ {100 * manifest.background_uncertainty:g} % of B"
    for start in range(0, len(names), COLUMNS):
        shown = names[start : start + COLUMNS]
        notes: dict[str, int] = {}
        rows = [
            (title_of, *(_metric_cell(cells[name][metric], unsteady.get((name, metric)), notes) for name in shown))
            for metric, title_of in METRICS.items()
        ]
        rows.insert(0, ("method", *(cells[name]["tp"].method for name in shown)))
        footnotes = [
            f"{meaning}; Asimov Z: σ_B = {uncertainty}",
            *(f"[{number}] {text}" for text, number in notes.items()),
        ]
        yield PrintedTable(title, ("", *shown), tuple(rows), tuple(footnotes))


def _metric_cell(row: MetricRow, unsteady: str | None, notes: dict[str, int]) -> str:
    """Print a number, with a mark where something must be said of it; `notes` numbers what is said."""
    reason = row.reason or unsteady
    mark = f" [{notes.setdefault(reason, len(notes) + 1)}]" if reason else ""
    if row.value is None:
        return f"undefined{mark}"
    return with_errors(row.value, row.stat_error, row.replica_spread, exact=row.metric in _COUNTS) + mark


def cut_flow_tables(report: Report, runs: Sequence[tuple[str, Run]]) -> Iterator[PrintedTable]:
    """Lay out the cut flow of each consensus, process by process."""
    cuts = {
        (name, flow.working_point, flow.hypothesis): flow.cuts
        for name, run in runs
        for flow in run.flows
        if flow.kind == "consensus"
    }
    quoted = {(row.run, row.working_point, row.hypothesis) for row in report.headline}
    flows: dict[tuple[str, str, float | None], list[CutFlowRow]] = {}
    for row in report.cut_flow:
        key = (row.run, row.working_point, row.hypothesis)
        if row.kind == "consensus" and row.split == report.manifest.split and key in quoted:
            flows.setdefault(key, []).append(row)
    titles = _process_titles(report)
    before = ""
    if report.manifest.preselection:
        before = f"; before: preselection {' and '.join(report.manifest.preselection)}"
    for key, rows in flows.items():
        named = tuple(f"  {short_cut(cut)}" for cut in cuts[key])
        shown = tuple(
            _cut_flow_cells(row, (titles[row.process], *named)[row.position]) for row in rows if row.process in titles
        )
        title = f"Cut flow {label(*key)}: consensus, split {report.manifest.split}{before}"
        yield PrintedTable(title, ("", "raw", "n_eff", "yield", "step", "cumulative"), shown)


def _process_titles(report: Report) -> dict[str, str]:
    """Say how each process and class is called; a class of one process is not shown twice."""
    titles: dict[str, str] = {}
    for role in ("signal", "background"):
        members = [name for name, its in report.manifest.processes if its == role]
        if len(members) > 1:
            titles[role] = f"all {role}"
        titles |= {name: name if name == role else f"{name} ({role})" for name in members}
    return titles


def _cut_flow_cells(row: CutFlowRow, title: str) -> tuple[str, ...]:
    expected = _NOTHING if row.yield_ is None else with_errors(row.yield_, row.yield_error)
    n_eff = _NOTHING if row.n_eff is None else f"{row.n_eff:.{1 if row.n_eff < 100 else 0}f}"
    if not row.position:
        return title, str(row.n_raw), n_eff, expected, "", ""
    step, cumulative = (
        _NOTHING if value is None else with_errors(value, error)
        for value, error in (
            (row.efficiency_step, row.efficiency_step_error),
            (row.efficiency_cumulative, row.efficiency_cumulative_error),
        )
    )
    return title, str(row.n_raw), n_eff, expected, step, cumulative


def comparison_tables(report: Report) -> Iterator[PrintedTable]:
    """Lay out train beside the quoted split."""
    comparisons = report.comparisons
    if not comparisons:
        return
    quoted = report.manifest.split
    splits = [split for split in SPLITS if any(split in one.by_split for one in comparisons)]
    if "train" not in splits:
        return
    headline = {(row.run, row.working_point, row.hypothesis) for row in report.headline}
    rows = []
    for one in comparisons:
        if (one.run, one.working_point, one.hypothesis) not in headline:
            continue
        numbers = [one.by_split.get(split) for split in splits]
        shown = [
            _NOTHING if number is None or number.value is None else with_errors(number.value, number.error)
            for number in numbers
        ]
        pull = _NOTHING if one.pull is None else f"{one.pull:+.1f}"
        verdict = "differs" if one.differs else ""
        name = label(one.run, one.working_point, one.hypothesis)
        rows.append((f"{name}  {METRICS[one.metric]}", *shown, pull, verdict))
    yield PrintedTable(
        f"Consensus on train against {quoted}; beyond {TOLERANCE:g} standard deviations it differs",
        ("", *splits, f"({quoted} − train)/σ", ""),
        tuple(rows),
    )
