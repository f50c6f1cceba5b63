"""The tables of runs with many selections: working points of a scan, and mass points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cutflow_cli.evaluation.hypotheses import SIGMA_MIN, CutDistance, HypothesisSummary
from cutflow_cli.evaluation.numbers import compact, effective
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable, short_point
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT
from cutflow_cli.runs import Run

#: Columns of `working_points.parquet` that are printed, and what they are called there.
_SCAN_COLUMNS = {
    "free_background_efficiency": "free ε_b\n(train)",
    "price": "price\n(train)",
    "figure_of_merit": "{}\n(validation)",
}


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
    rows = []
    for point, numbers in found.items():
        shown = [_number(numbers[metric], notes) for metric in ("signal_efficiency", "background_efficiency", "asimov")]
        rows.append(
            (
                short_point(point) + (" *" if point == quoted else ""),
                *shown,
                *(_mean(values.get(point, ())) for values in own.values()),
            )
        )
    why = "recommended" if quoted == run.manifest.recommended else "quoted"
    return PrintedTable(
        f"Working points of {name}: {run.manifest.method}, consensus, {report.manifest.quoted}",
        ("", "ε_s", "ε_b", "Asimov Z", *own),
        tuple(rows),
        (f"* {why}; its cuts are below, all cuts in `cutflow export-cuts`", *_explained(own), *notes.lines),
    )


def _explained(own: dict[str, dict[str, list[float]]]) -> tuple[str, ...]:
    if not any(title.startswith("free") for title in own):
        return ()
    return ("free ε_b: without smoothness across working points; price: what smoothness costs; mean over replicas",)


def _own_columns(run: Run) -> dict[str, dict[str, list[float]]]:
    """Collect by title and working point what a run's own table says of its replicas."""
    table = run.table("working_points")
    if table is None or not {"working_point", "replica"} <= set(table.column_names):
        return {}
    points, replicas = (table.column(column).to_pylist() for column in ("working_point", "replica"))
    figure = FIGURES_OF_MERIT.get(str(run.manifest.settings.get("fom")), "figure of merit")
    found: dict[str, dict[str, list[float]]] = {}
    for column, title in _SCAN_COLUMNS.items():
        if column not in table.column_names:
            continue
        # The figure is what the consensus was recommended by; free boxes are those of replicas.
        agreed = column == "figure_of_merit"
        values: dict[str, list[float]] = {}
        for point, replica, value in zip(points, replicas, table.column(column).to_pylist(), strict=True):
            if (replica < 0) is agreed and value is not None and math.isfinite(value):
                values.setdefault(str(point), []).append(float(value))
        if values:
            found[title.format(figure)] = values
    return found


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4g}" if values else NOTHING


def _number(row: MetricRow | None, notes: Notes, spread: bool = False) -> str:
    if row is None:
        return NOTHING
    if row.value is None:
        return NOTHING + notes.mark(row.reason)
    return compact(row.value, row.stat_error, row.replica_spread if spread else None)


def hypothesis_tables(report: Report) -> Iterator[PrintedTable]:
    """Lay out the mass points of each run that has selections for them, and what they come to together."""
    for run in report.manifest.runs:
        name, quoted = str(run["name"]), str(run["working_point"])
        rows = [row for row in report.consensus if row.run == name and row.hypothesis is not None]
        cells = {(row.working_point, row.hypothesis, row.metric): row for row in rows}
        if name not in report.held_out or not rows:
            continue
        points = [str(point) for point in dict.fromkeys(row.working_point for row in rows)]
        masses = sorted({row.hypothesis for row in rows if row.hypothesis is not None})
        yield _hypothesis_table(report, name, quoted, points, masses, cells)


def _hypothesis_table(
    report: Report,
    name: str,
    quoted: str,
    points: Sequence[str],
    masses: Sequence[float],
    cells: dict[tuple[str | None, float | None, str], MetricRow],
) -> PrintedTable:
    notes = Notes()
    held_out = report.held_out[name]
    shown = []
    for mass in masses:
        shown.append(
            (
                f"{mass:g}" + (" h" if mass in held_out else ""),
                _number(cells[quoted, mass, "signal_efficiency"], notes),
                _number(cells[quoted, mass, "background_yield"], notes),
                effective(cells[quoted, mass, "background_n_eff"].value),
                *(_number(cells.get((point, mass, SIGMA_MIN)), notes, spread=True) for point in points),
            )
        )
    summaries, distances = report.hypothesis_summaries
    footnotes = [
        f"ε, B and n_eff(B) at {quoted}; σ_min in fb ± statistical error ± spread over replicas (where there are some)",
        *(["h: held out, not trained on"] if held_out else []),
        *_summary_lines([one for one in summaries if one.run == name], bool(held_out)),
        *_distance_lines([one for one in distances if one.run == name], bool(held_out)),
        *notes.lines,
    ]
    titles = (f"σ_min\n{point.replace('_', ' ')}" for point in points)
    return PrintedTable(
        f"Hypotheses of {name}: consensus, {report.manifest.quoted}",
        ("m", "ε", "B", "n_eff", *titles),
        tuple(shown),
        tuple(footnotes),
    )


def _summary_lines(summaries: Sequence[HypothesisSummary], apart: bool) -> Iterator[str]:
    for held in (False, True):
        some = [one for one in summaries if one.held_out is held]
        if not some:
            continue
        kind = ("held-out " if held else "trained ") if apart else ""
        which = f"{len(some[0].hypotheses)} {kind}hypotheses"
        for title, numbers in (
            ("mean σ_min (fb)", [(one.working_point, one.mean, one.mean_spread) for one in some]),
            ("mean ln σ_min", [(one.working_point, one.mean_log, one.mean_log_spread) for one in some]),
        ):
            yield f"{title} over {which}: {_joined(numbers)}"
        if some[0].left_out:
            masses = ", ".join(f"{mass:g}" for mass in some[0].left_out)
            yield f"left out of these means, since σ_min is undefined somewhere: {masses}"


def _distance_lines(distances: Sequence[CutDistance], apart: bool) -> Iterator[str]:
    for one in distances:
        if one.mean is not None:
            which = f" ({'held-out' if one.held_out else 'trained'} hypotheses)" if apart else ""
            spread = None if one.spread is None else 100 * one.spread
            number = compact(100 * one.mean, spread)
            yield f"σ_min at {one.working_point} over that at the best cut per hypothesis − 1, mean{which}: {number} %"


def _joined(numbers: Iterable[tuple[str, float | None, float | None]]) -> str:
    return ", ".join(
        f"{point} {NOTHING if value is None else compact(value, spread)}" for point, value, spread in numbers
    )
