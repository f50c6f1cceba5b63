"""The tables of the working points of scans, with what their trainings say of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from cutflow_cli.evaluation.many_points import metric_cell
from cutflow_cli.evaluation.numbers import compact
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable, short_point
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT, MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.summary import too_few_events
from cutflow_cli.metrics.systematics import BackgroundSystematics
from cutflow_cli.runs import Run

#: Columns of `working_points.parquet` that are printed, and what they are called there.
_SCAN_COLUMNS = {
    "free_background_efficiency": "free ε_b\n(train)",
    "price": "price\n(train)",
}
#: Figures of merit of a training that `METRICS` has too, so that they are computed as here.
_COMPUTED = frozenset({"asimov", "s_over_sqrt_b", "s_over_sqrt_s_plus_b"})

#: What stands in a cell, and what must be said of it.
_Cell = tuple[str, str | None]


def scan_tables(report: Report, runs: Sequence[tuple[str, Run]]) -> Iterator[PrintedTable]:
    """Lay out the working points of each scan, with what it says of them itself."""
    for name, run in runs:
        found: dict[str, dict[str, MetricRow]] = {}
        for row in report.consensus:
            if row.run == name and row.working_point is not None and row.hypothesis is None:
                found.setdefault(row.working_point, {})[row.metric] = row
        if len(found) > 1:
            yield _scan_table(report, name, run, found)


def _scan_table(report: Report, name: str, run: Run, found: dict[str, dict[str, MetricRow]]) -> PrintedTable:
    own = _own_columns(run)
    quoted = next(str(one["working_point"]) for one in report.manifest.runs if one["name"] == name)
    notes = Notes()
    judged, meaning = _on_validation(report, name, run)
    rows = []
    for point, numbers in found.items():
        shown = [
            metric_cell(numbers[metric], notes) for metric in ("signal_efficiency", "background_efficiency", "asimov")
        ]
        rows.append(
            (
                short_point(point) + (" *" if point == quoted else ""),
                *shown,
                *(_mean(values.get(point, ())) for values in own.values()),
                *(_marked(cells.get(point), notes) for cells in judged.values()),
            )
        )
    recommended = quoted == run.manifest.recommended
    return PrintedTable(
        f"Working points of {name}: {run.manifest.method}, consensus, {report.manifest.quoted}",
        ("", "ε_s", "ε_b", "Asimov Z", *own, *judged),
        tuple(rows),
        (
            f"* {'recommended' if recommended else 'quoted'}; its cuts are below, all cuts in `cutflow export-cuts`",
            *([_chosen_by(report, run)] if recommended and judged else []),
            *_explained(own),
            *meaning,
            *notes.lines,
        ),
    )


def _explained(own: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    if not any(title.startswith("free") for title in own):
        return
    yield "free ε_b: without smoothness across working points; price: what smoothness costs in ε_b; mean over replicas"
    prices = [value for title, found in own.items() if title.startswith("price") for value in found.values()]
    if any(np.mean(values) < 0 for values in prices):
        yield (
            "price below 0: a replica's boxes are chosen on events of its own, with a search that can miss the least "
            "ε_b; price is counted on all of train"
        )


def _own_columns(run: Run) -> dict[str, dict[str, list[float]]]:
    """Collect by title and working point what a run's own table says of its replicas."""
    table = _own_table(run)
    if table is None:
        return {}
    points, replicas = (table.column(column).to_pylist() for column in ("working_point", "replica"))
    found: dict[str, dict[str, list[float]]] = {}
    for column, title in _SCAN_COLUMNS.items():
        if column not in table.column_names:
            continue
        values: dict[str, list[float]] = {}
        for point, replica, value in zip(points, replicas, table.column(column).to_pylist(), strict=True):
            if replica >= 0 and value is not None and math.isfinite(value):
                values.setdefault(str(point), []).append(float(value))
        if values:
            found[title] = values
    return found


def _own_table(run: Run) -> pa.Table | None:
    table = run.table("working_points")
    return None if table is None or not {"working_point", "replica"} <= set(table.column_names) else table


def _on_validation(report: Report, name: str, run: Run) -> tuple[dict[str, dict[str, _Cell]], tuple[str, ...]]:
    """Lay out the figure by which a consensus was recommended: a column by title and working point, and its footnotes.

    It is computed as all else here where the report has it, of the very events that the run was trained with. Else it
    is what the training stored, and a footnote says what its σ_B was if that differs.
    """
    table = _own_table(run)
    if table is None or "figure_of_merit" not in table.column_names:
        return {}, ()
    figure = _recommended_by(run)
    title = f"{FIGURES_OF_MERIT.get(figure, figure)}\n(validation)"
    rows = {
        str(row.working_point): row
        for row in report.metrics
        if (row.run, row.metric, row.split, row.kind, row.hypothesis) == (name, figure, "validation", "consensus", None)
    }
    same = run.manifest.data.get("digest") == report.manifest.data["digest"]
    if rows and same and figure in _COMPUTED:
        return {title: {point: _cell(row) for point, row in rows.items()}}, ()
    cells: dict[str, _Cell] = {}
    few = "validation_effective_background"
    effective_events = table.column(few).to_pylist() if few in table.column_names else [None] * table.num_rows
    columns = (table.column(column).to_pylist() for column in ("working_point", "replica", "figure_of_merit"))
    for point, replica, value, events in zip(*columns, effective_events, strict=True):
        if replica >= 0 or value is None:
            continue
        if events is not None and events < MIN_EFFECTIVE_EVENTS and figure not in ADDITIVE:
            cells[str(point)] = (NOTHING, too_few_events(events, MIN_EFFECTIVE_EVENTS))
        elif math.isfinite(value):
            cells[str(point)] = (_mean([value]), None)
    if not cells:
        return {}, ()
    differs = _uncertain(figure) and _trained_uncertainty(run) != report.background_uncertainty
    said = (f"{title.replace(chr(10), ' ')}: of the training, σ_B = {_trained_uncertainty(run)}",) if differs else ()
    return {title: cells}, said


def _cell(row: MetricRow) -> _Cell:
    return (NOTHING, row.reason) if row.value is None else (compact(row.value, row.stat_error), None)


def _marked(cell: _Cell | None, notes: Notes) -> str:
    return NOTHING if cell is None else cell[0] + notes.mark(cell[1])


def _recommended_by(run: Run) -> str:
    """Return the figure of merit by which a run was recommended: a key of `FIGURES_OF_MERIT`, or a formula."""
    settings = run.manifest.settings
    return str(settings.get("objective") or settings.get("fom") or "figure of merit")


def _uncertain(figure: str) -> bool:
    """Say whether σ_B is part of a figure of merit."""
    return figure == "asimov" or (figure not in FIGURES_OF_MERIT and "sigma_b" in figure)


def _trained_uncertainty(run: Run) -> str:
    """Say in words what σ_B was made of when a run was recommended; only objectives know a systematic one."""
    settings = run.manifest.settings
    share = float(settings.get("background_systematic") or 0.0) if settings.get("objective") else 0.0
    return " ⊕ ".join(["MC statistics", *([str(BackgroundSystematics(share))] if share else [])])


def _chosen_by(report: Report, run: Run) -> str:
    """Say by what the training chose the recommended working point."""
    figure = _recommended_by(run)
    sigma = _trained_uncertainty(run)
    with_sigma = f", with σ_B = {sigma}" if _uncertain(figure) and sigma != report.background_uncertainty else ""
    known = "" if figure in ADDITIVE else f", of those with {MIN_EFFECTIVE_EVENTS:g} effective background events there"
    return f"recommended: what the training found best on validation{with_sigma}{known}"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4g}" if values else NOTHING
