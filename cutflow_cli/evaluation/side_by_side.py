"""The tables that compare runs: one row each, whatever their method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cutflow_cli.evaluation.curve_tables import AT_SELECTION
from cutflow_cli.evaluation.numbers import compact, plain
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable, listed, short_point
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.metrics.curves import COMPARED_AT

_SELECTION_COLUMNS = {
    "signal_efficiency": "ε_s",
    "background_efficiency": "ε_b",
    "s_over_sqrt_b": "S/√B",
    "asimov": "Asimov\nZ",
    "accuracy": "ACC",
}
_CURVE_COLUMNS = {
    "auc": "AUC",
    "rejection_at_50": "R50",
    "rejection_at_99": "R99",
    "max_s_over_sqrt_s_plus_b": "max S/\n√(S+B)",
}
#: Columns that are crowded enough without errors; those are in the detailed table.
_WITHOUT_ERROR = {"s_over_sqrt_b", "accuracy", "rejection_at_50", "rejection_at_99", "max_s_over_sqrt_s_plus_b"}
#: Selections beside each other in the table of equal signal efficiency.
_SELECTIONS = 5


def side_by_side_tables(report: Report) -> Iterator[PrintedTable]:
    """Lay out what compares runs: their working points and curves, then the background at equal signal efficiency."""
    kinds = {str(run["name"]): run["curve"] for run in report.manifest.runs}
    if len(kinds) > 1 or set(kinds.values()) - {"selection"}:
        yield comparison_table(report)
    curves = [run for run, kind in kinds.items() if kind in ("score", "working points")]
    if curves:
        yield _equal_efficiency(report, curves)
    single = [run for run, kind in kinds.items() if kind == "selection"]
    for start in range(0, len(single) if curves else 0, _SELECTIONS):
        yield _at_selections(report, curves, single[start : start + _SELECTIONS])


def comparison_table(report: Report) -> PrintedTable:
    """Lay out one row for each run: its working point and its curve."""
    numbers: dict[tuple[str, str], MetricRow] = {}
    masses: dict[str, set[float | None]] = {}
    for row in report.headline:
        numbers[row.run, row.metric] = row
        masses.setdefault(row.run, set()).add(row.hypothesis)
    for row in report.consensus:
        if row.working_point is None:
            numbers[row.run, row.metric] = row
    notes = Notes()
    rows = []
    columns = _SELECTION_COLUMNS | {name: name for name in report.formulas}
    for run in report.manifest.runs:
        name, hypotheses = str(run["name"]), masses[str(run["name"])]
        several = None not in hypotheses
        of_selection = [NOTHING] * len(columns)
        if not several:
            of_selection = [_cell(numbers[name, metric], notes) for metric in columns]
        of_curve = [_cell(numbers.get((name, metric)), notes) for metric in _CURVE_COLUMNS]
        rows.append((_titled(run), _at(report, name, str(run["working_point"]), len(hypotheses) if several else 0),
                     *of_selection, *of_curve))  # fmt: skip
    manifest = report.manifest
    at = "" if manifest.luminosity is None else f", {manifest.luminosity:g} fb⁻¹"
    return PrintedTable(
        f"Runs side by side on {manifest.data['path']}, {manifest.quoted}{at}",
        ("run", "at", *columns.values(), *_CURVE_COLUMNS.values()),
        tuple(rows),
        (*_explained(report), *notes.lines),
    )


def _titled(run: dict[str, object]) -> str:
    return str(run["name"]) if run["name"] == run["method"] else f"{run['name']} ({run['method']})"


def _at(report: Report, run: str, working_point: str, hypotheses: int) -> str:
    """Say where a run's selection lies: its threshold, its working point, its cuts."""
    if hypotheses:
        return f"{working_point}, {hypotheses} masses"
    if working_point != "default":
        return short_point(working_point)
    for row in report.roc:
        if (row.run, row.working_point, row.kind) == (run, working_point, "consensus") and row.threshold is not None:
            return f"score > {row.threshold:.3g}"
    return "its cuts"


def _cell(row: MetricRow | None, notes: Notes) -> str:
    if row is None:
        return NOTHING
    if row.value is None:
        return NOTHING + notes.mark(row.reason)
    if row.metric in _WITHOUT_ERROR:
        return plain(row.value)
    return compact(row.value, row.stat_error)


def formula_lines(report: Report) -> tuple[str, ...]:
    """Say what figures of merit of the user's own are, where their names don't."""
    return tuple(f"{name} = {text}" for name, text in report.formulas.items() if name != text)


def _explained(report: Report) -> tuple[str, ...]:
    kinds = {str(run["name"]): run["curve"] for run in report.manifest.runs}
    last = next(reversed(report.formulas), "ACC")
    least = report.manifest.figure_options["min_effective_events"]
    lines = [
        f"± statistical error; ε_s to {last}: at the working point of the run (ACC: raw accuracy); AUC to max: of its "
        "curve; R50: 1/ε_b at ε_s = 0.5",
        f"Asimov Z: σ_B = {report.background_uncertainty}",
        *formula_lines(report),
        f"max S/√(S+B): over the points of the curve that keep {least:g} effective background events, chosen on these "
        "events, hence biased upwards",
    ]
    scans = [run for run, kind in kinds.items() if kind == "working points"]
    single = [run for run, kind in kinds.items() if kind == "selection"]
    if scans:
        lines.append(f"curve of {listed(scans)}: the broken line from (0, 0) through the working points to (1, 1)")
    if single:
        lines.append(f"curve of {listed(single)}: the broken line from (0, 0) through the selection to (1, 1)")
    return tuple(lines)


def _equal_efficiency(report: Report, curves: Sequence[str]) -> PrintedTable:
    numbers = {(row.run, row.metric): row for row in report.consensus if row.working_point is None}
    notes = Notes()
    rows = [
        (run, *(_with_note(numbers.get((run, f"background_efficiency_at_{share}")), notes) for share in COMPARED_AT))
        for run in curves
    ]
    return PrintedTable(
        "Background efficiency at equal signal efficiency",
        ("ε_s", *(f"{share / 100:g}" for share in COMPARED_AT)),
        tuple(rows),
        ("± statistical error, that of the threshold included; interpolated in the curve", *notes.lines),
    )


def _with_note(row: MetricRow | None, notes: Notes) -> str:
    if row is None:
        return NOTHING
    if row.value is None:
        return NOTHING + notes.mark(row.reason)
    return compact(row.value, row.stat_error) + notes.mark(row.reason)


def _at_selections(report: Report, curves: Sequence[str], selections: Sequence[str]) -> PrintedTable:
    """Lay out the background of curves at the signal efficiency of single selections, beside theirs."""
    own = {(row.run, row.metric): row for row in report.headline if row.run in selections}
    at = {(row.run, row.target): row for row in report.consensus if row.metric == AT_SELECTION}
    efficiencies = [own[run, "signal_efficiency"].value for run in selections]
    notes = Notes()
    rows = [("the selection", *(_with_note(own[run, "background_efficiency"], notes) for run in selections))]
    rows += [(run, *(_with_note(at.get((run, value)), notes) for value in efficiencies)) for run in curves]
    named = (
        f"{run}\nε_s = {NOTHING if value is None else format(value, '.4g')}"
        for run, value in zip(selections, efficiencies, strict=True)
    )
    return PrintedTable(
        "Background efficiency at the signal efficiency of each selection", ("", *named), tuple(rows), notes.lines
    )
