"""A report as tables to print."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from cutflow_cli.evaluation.budget_tables import budget_tables
from cutflow_cli.evaluation.comparison import TITLES, TOLERANCE, label
from cutflow_cli.evaluation.cut_flow_tables import cut_flow_tables
from cutflow_cli.evaluation.detail_tables import (
    correlation_table,
    n_minus_1_tables,
    overlap_table,
    stability_tables,
    totals_tables,
)
from cutflow_cli.evaluation.many_points import hypothesis_tables
from cutflow_cli.evaluation.numbers import compact, effective, error_alone, short_cut, with_errors
from cutflow_cli.evaluation.printed import NOTHING, WIDTH, Notes, PrintedTable, column_blocks, short_point
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.evaluation.scan_tables import scan_tables
from cutflow_cli.evaluation.side_by_side import formula_lines, side_by_side_tables
from cutflow_cli.evaluation.variation_tables import variation_tables
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.metrics.curve_summary import shown_metrics
from cutflow_cli.metrics.sensitivity import UNKNOWN
from cutflow_cli.metrics.summary import METRICS
from cutflow_cli.runs import Run
from cutflow_cli.selection.binned import BinnedCut, bin_title
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Mass points of a run whose selections are printed one by one; more are summed up in a table of their own.
MAX_HYPOTHESES = 4
#: Runs up to which all is printed of each, unless asked for; of more, what compares them.
MAX_DETAILED_RUNS = 2
#: Sections that compare runs. Runs with many mass points have their numbers in the second one only.
_COMPARING = ("Runs side by side", "Hypotheses")
_MOVED = "Boundaries moved"
_COUNTS = ("tp", "fp", "tn", "fn")
#: What maxima over thresholds are worth.
_MAXIMUM = (
    "max: over the thresholds of the curve, chosen on the events that it is quoted on, hence biased upwards;",
    "the number to quote is that of the working point on split test, whose threshold was chosen on other events",
)


@dataclass(frozen=True, slots=True)
class PrintedSection:
    """Tables of one kind.

    Attributes:
        title: what they are of.
        tables: in order; none where a report has nothing of the kind.
    """

    title: str
    tables: tuple[PrintedTable, ...]


def printed_tables(
    report: Report,
    runs: Sequence[tuple[str, Run]],
    *,
    stability: bool = False,
    details: bool = True,
    width: int | None = None,
) -> Iterator[PrintedTable]:
    """Lay a report out: runs side by side, what they learned, their numbers, cut flows, train against test.

    Of runs with many working points the quoted one is shown in detail; the files hold all.

    Args:
        report: the report.
        runs: the runs evaluated and what the report calls them.
        stability: also what moving each boundary does.
        details: also the tables of each run, not only those that compare runs.
        width: characters into which the table of all metrics is divided; None for those that tables keep to.
    """
    for section in printed_sections(report, runs, stability=stability, width=width):
        if details or section.title in (*_COMPARING, _MOVED):  # the last is there only where it is asked for
            yield from section.tables


def printed_sections(
    report: Report, runs: Sequence[tuple[str, Run]], *, stability: bool = False, width: int | None = None
) -> Iterator[PrintedSection]:
    """Lay a report out as `printed_tables` does, table by table of one kind; for the arguments see there."""
    detailed = _detailed(report)
    moved = stability_tables(report, runs, detailed) if stability else ()
    for title, tables in (
        ("Runs side by side", side_by_side_tables(report)),
        ("Working points", scan_tables(report, runs)),
        ("Hypotheses", hypothesis_tables(report)),
        ("Numbers of cuts", budget_tables(runs)),
        ("Selections", _selection_tables(runs, detailed)),
        ("Figures of merit", metric_tables(report, WIDTH if width is None else width)),
        ("Cut flows", cut_flow_tables(report, runs, detailed)),
        ("Signal against background", totals_tables(report, runs, detailed)),
        ("Without one cut", n_minus_1_tables(report, runs, detailed)),
        (_MOVED, moved),
        ("Systematic variations", variation_tables(report, detailed)),
        ("Overlap of selections", overlap_table(report)),
        ("Correlations of features", correlation_table(report)),
        ("Train against test", comparison_tables(report)),
    ):
        yield PrintedSection(title, tuple(tables))


def _selection_tables(
    runs: Sequence[tuple[str, Run]], which: Collection[tuple[str, str | None, float | None]]
) -> Iterator[PrintedTable]:
    """Lay out what each run learned, at the quoted working point."""
    for name, run in runs:
        for flow in run.flows:
            quoted = (name, flow.working_point, flow.hypothesis) in which
            if flow.kind == "consensus" and quoted and not run.manifest.scores:
                yield selection_table(name, run, flow)


def _detailed(report: Report) -> set[tuple[str, str | None, float | None]]:
    """Return the selections that are shown in detail, by run, working point and mass point."""
    quoted = {(row.run, row.working_point, row.hypothesis) for row in report.headline}
    masses: dict[str, int] = {}
    for run, _, _ in quoted:
        masses[run] = masses.get(run, 0) + 1
    return {one for one in quoted if masses[one[0]] <= MAX_HYPOTHESES}


def selection_table(name: str, run: Run, flow: CutFlow) -> PrintedTable:
    """Lay out what a run learned: its consensus, with the spread over replicas."""
    lines = [line for step in flow.steps for line in _lines(step)]
    columns = {
        "± lower": [_error(step.lower_error, step.cut.lower) for _, step in lines],
        "± upper": [_error(step.upper_error, step.cut.upper) for _, step in lines],
        "agreement": [_optional(step.agreement, ".0%") for _, step in lines],
        "importance": [_optional(step.importance, ".3f") for _, step in lines],
    }
    used = {title: cells for title, cells in columns.items() if any(cell != NOTHING for cell in cells)}
    rows = zip([text for text, _ in lines], *used.values(), strict=True)
    replicas = sum(one.kind == "replica" for one in run.flows if one.working_point == flow.working_point)
    of = f"consensus of {replicas} replicas" if replicas > 1 else "one replica"
    if run.folds:
        of = f"{len(run.folds)} folds, " + (
            f"each a {of}" if replicas > 1 else "each event cut on by one that did not see it"
        )
    return PrintedTable(
        f"Selection {label(name, flow.working_point, flow.hypothesis)}: {run.manifest.method}, {of}",
        ("cut", *used),
        tuple(rows),
        tuple(f"{', '.join(step.cut.names)}: {step.note}" for step in flow.steps if step.note),
    )


def _lines(step: LearnedCut) -> Iterator[tuple[str, LearnedCut]]:
    """Yield what stands in a table of a step, with what its row is of: a row, and one for each bin if it has some."""
    cut = step.cut
    if not isinstance(cut, BinnedCut) or cut.is_range or not step.active:
        yield _step(step), replace(step, agreement=None) if isinstance(cut, BinnedCut) else step
        return
    yield f"{cut.observable}, by {cut.binned_in}", LearnedCut(cut, importance=step.importance)
    for number, one in enumerate(step.bins):
        yield f"  {bin_title(cut.edges, number)}: {_step(one)}", one


def _step(step: LearnedCut) -> str:
    if step.active and step.cut.region is not Region.ALL:
        return short_cut(step.cut)
    return f"{step.cut.observable}: not cut on"


def _error(error: float | None, boundary: float | None) -> str:
    """Print an error alone, with the digits that errors have everywhere."""
    return NOTHING if error is None else error_alone(error, boundary)


def _optional(value: float | None, form: str) -> str:
    return NOTHING if value is None else format(value, form)


def metric_tables(report: Report, width: int = WIDTH) -> Iterator[PrintedTable]:
    """Lay out the quoted numbers, one column for each selection, as many to a table as there is room.

    Tables of their own rather than blocks of one: each has the notes of its own cells.
    """
    detailed = _detailed(report)
    cells: dict[str, dict[str, MetricRow]] = {}
    for row in report.headline:
        if (row.run, row.working_point, row.hypothesis) in detailed:
            cells.setdefault(label(row.run, row.working_point, row.hypothesis), {})[row.metric] = row
    curves = {str(run["name"]) for run in report.manifest.runs if run["curve"] in ("score", "working points")}
    of_curves = shown_metrics(list(report.formulas))
    for row in report.consensus:
        if row.working_point is None and row.metric in of_curves and row.run in curves:
            cells.setdefault(_column_of(report, row.run), {})[row.metric] = row
    unsteady = {  # undefined for some replicas, hence without a spread
        (row.run, row.working_point, row.hypothesis, row.metric): row.reason
        for row in report.metrics
        if row.kind == "mean" and row.split == report.manifest.split and row.value is None
    }

    def shown(row: MetricRow | None, notes: Notes) -> str:
        if row is None:
            return NOTHING
        return _metric_cell(row, unsteady.get((row.run, row.working_point, row.hypothesis, row.metric)), notes)

    if not cells:
        return
    whole = _metric_table(report, cells, list(cells), shown)
    for block in column_blocks(whole.header, whole.rows, width):
        yield _metric_table(report, cells, [whole.header[column] for column in block[1:]], shown)


def _column_of(report: Report, run: str) -> str:
    """Return the column in which the numbers of a run's curve stand: that of its selection."""
    point = next(one["working_point"] for one in report.manifest.runs if one["name"] == run)
    several = report.held_out.get(run) is not None
    return run if several else label(run, point, None)


def _metric_table(
    report: Report,
    cells: dict[str, dict[str, MetricRow]],
    columns: Sequence[str],
    shown: Callable[[MetricRow | None, Notes], str],
) -> PrintedTable:
    """Lay out the columns of some selections."""
    curves = any(run["curve"] in ("score", "working points") for run in report.manifest.runs)
    known = any(cells[name].get("punzi_sigma_min") and _known(cells[name]["punzi_sigma_min"]) for name in cells)
    metrics = [name for name in METRICS if known or name != "punzi_sigma_min"]
    metrics += list(report.formulas)
    of_curves = shown_metrics(list(report.formulas))
    metrics += list(of_curves) if curves else []
    titles = TITLES | of_curves | {name: name for name in report.formulas}
    notes = Notes()
    rows = [(titles[metric], *(shown(cells[name].get(metric), notes) for name in columns)) for metric in metrics]
    rows = [row for row in rows if any(cell != NOTHING for cell in row[1:])]
    rows.insert(0, ("method", *(next(iter(cells[name].values())).method for name in columns)))
    maxima = any(row[0] in of_curves.values() and row[0].startswith("max ") for row in rows)
    return PrintedTable(
        _metric_title(report),
        ("", *columns),
        tuple(rows),
        (_metric_meaning(report), *formula_lines(report), *(_MAXIMUM if maxima else ()), *notes.lines),
    )


def _known(row: MetricRow) -> bool:
    return row.value is not None or row.reason != UNKNOWN.undefined


def _metric_title(report: Report) -> str:
    manifest = report.manifest
    at = "" if manifest.luminosity is None else f", {manifest.luminosity:g} fb⁻¹"
    return f"Consensus on {manifest.data['path']}, {manifest.quoted}{at}"


def _metric_meaning(report: Report) -> str:
    spread = any(row.replica_spread is not None for row in report.headline)
    meaning = "value ± statistical error" + (" ± spread over replicas" if spread else "")
    scored = report.manifest.systematic_variations and any(run["curve"] == "score" for run in report.manifest.runs)
    but = " (maxima over the thresholds of a score: without these shifts)" if scored else ""
    return f"{meaning}; σ_B = {report.background_uncertainty}{but}"


def _metric_cell(row: MetricRow, unsteady: str | None, notes: Notes) -> str:
    """Print a number, with a mark where something must be said of it."""
    mark = notes.mark(row.reason or unsteady)
    if row.value is None:
        return f"undefined{mark}"
    if row.metric == "background_n_eff":
        return effective(row.value) + mark
    return with_errors(row.value, row.stat_error, row.replica_spread, exact=row.metric in _COUNTS) + mark


def comparison_tables(report: Report) -> Iterator[PrintedTable]:
    """Lay out train beside the quoted split."""
    comparisons = report.quoted_comparisons
    if not comparisons:
        return
    quoted = report.manifest.split
    splits = [split for split in SPLITS if any(split in one.by_split for one in comparisons)]
    if "train" not in splits:
        return
    detailed = _detailed(report)
    curves = {str(run["name"]) for run in report.manifest.runs if run["curve"] in ("score", "working points")}
    order = [str(run["name"]) for run in report.manifest.runs]
    rows = []
    for one in sorted(comparisons, key=lambda one: order.index(one.run)):
        if one.working_point is None and one.run not in curves:
            continue  # the area under the broken line of a selection says no more than its efficiencies
        if one.working_point is not None and (one.run, one.working_point, one.hypothesis) not in detailed:
            continue
        numbers = [one.by_split.get(split) for split in splits]
        shown = [
            NOTHING if number is None or number.value is None else compact(number.value, number.error)
            for number in numbers
        ]
        pull = NOTHING if one.pull is None else f"{one.pull:+.1f}"
        verdict = "differs" if one.differs else ""
        name = short_point(label(one.run, one.working_point, one.hypothesis))
        rows.append((f"{name}  {TITLES[one.metric]}", *shown, pull, verdict))
    yield PrintedTable(
        f"Consensus on train against {quoted}; beyond {TOLERANCE:g} standard deviations it differs",
        ("", *splits, f"({quoted} − train)/σ", ""),
        tuple(rows),
    )
