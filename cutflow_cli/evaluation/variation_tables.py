"""What systematic variations do to selections as tables to print."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.cut_flow_tables import Which
from cutflow_cli.evaluation.numbers import compact, plain
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable, listed
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.shifts import Key, Z
from cutflow_cli.evaluation.variation_rows import NOMINAL, RowOf, VariationRow

_COLUMNS: dict[Key, str] = {
    ("yield", "signal"): "S",
    ("yield", "background"): "B",
    ("efficiency", "signal"): "ε_s",
    ("efficiency", "background"): "ε_b",
    Z: "Asimov Z",
}
_UNRESOLVED = "smaller than its statistical error: not resolved by the simulated events, but it counts all the same"

_Line = dict[Key, VariationRow]


def variation_tables(report: Report, which: Collection[Which]) -> Iterator[PrintedTable]:
    """Lay out each selection without and under each variation, one table for each selection.

    Args:
        report: the report; without variations there are no tables.
        which: the selections to show.
    """
    found: dict[Which, dict[tuple[RowOf, str], _Line]] = {}
    for row in report.variations:
        if (row.run, row.working_point, row.hypothesis) in which:
            lines = found.setdefault((row.run, row.working_point, row.hypothesis), {})
            lines.setdefault((row.kind, row.variation), {})[row.quantity, row.process] = row
    for key, lines in found.items():
        notes = Notes()
        shown = [
            (name, *(_cell(line.get(column), lines["nominal", NOMINAL].get(column), notes) for column in _COLUMNS))
            for (kind, name), line in lines.items()
            if kind != "source"
        ]
        yield PrintedTable(
            f"Systematic variations, {label(*key)}: consensus, {report.manifest.quoted}",
            ("", *_COLUMNS.values()),
            tuple(shown),
            (*_explained(report), *notes.lines),
        )


def _explained(report: Report) -> Iterator[str]:
    yield "in brackets the shift in per cent ± its statistical error"
    yield "Asimov Z: without the variations in σ_B, in the last line with them"
    sides: dict[str, list[str]] = {}
    for one in report.manifest.systematic_variations:
        sides.setdefault(str(one["source"]), []).append(str(one["name"]))
    pairs = [source for source, names in sides.items() if len(names) > 1]
    if pairs:
        yield f"quadratic sum over independent sources; of the two sides of {listed(pairs)} the larger shift"


def _cell(row: VariationRow | None, nominal: VariationRow | None, notes: Notes) -> str:
    if row is None:
        return NOTHING
    if row.kind == "nominal":
        return NOTHING + notes.mark(row.reason) if row.value is None else compact(row.value, row.stat_error)
    if row.shift is None:
        return (NOTHING if row.value is None else plain(row.value)) + notes.mark(row.reason)
    before = None if nominal is None else nominal.value
    if row.value is None:
        return _percent(row, before, unsigned=True)
    unresolved = row.kind == "variation" and row.shift and abs(row.shift) < (row.shift_error or 0.0)
    return f"{plain(row.value)} ({_percent(row, before)}){notes.mark(_UNRESOLVED if unresolved else None)}"


def _percent(row: VariationRow, nominal: float | None, *, unsigned: bool = False) -> str:
    """Print a shift in per cent of the nominal value."""
    shift = row.shift or 0.0
    if not shift and not row.shift_error:
        return "0 %" if unsigned else "0"
    if not nominal:
        return NOTHING
    size, error = (100 * abs(number / nominal) for number in (shift, row.shift_error or 0.0))
    text = compact(size, error) if error else f"{size:.3g}"
    return f"±{text} %" if unsigned else f"{'−' if shift < 0 else '+' if shift else ''}{text}"
