"""The tables of runs with selections for mass points."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from cutflow_cli.evaluation.hypotheses import BEST, FIXED, SIGMA_MIN, CutDistance, HypothesisSummary
from cutflow_cli.evaluation.numbers import compact, effective
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.rows import MetricRow

#: Numbers by working point, mass point and metric.
_Cells = Mapping[tuple[str | None, float | None, str], MetricRow]


def metric_cell(row: MetricRow | None, notes: Notes, *, spread: bool = False) -> str:
    """Print a number for a crowded table; a dash with a note where it is undefined.

    Args:
        row: the number; None where there is none.
        notes: of the table.
        spread: also its spread over replicas.
    """
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
    cells: _Cells,
) -> PrintedTable:
    notes = Notes()
    held_out = report.held_out[name]
    least = float(report.manifest.figure_options["min_effective_events"])
    few = {(point, mass) for point in points for mass in masses if _few(cells, point, mass, least)}
    why = (
        f"fewer than {least:g} effective background events are left: σ_min says how few were simulated rather than "
        "what can be seen"
    )
    network = quoted.removesuffix(FIXED).removesuffix(BEST)
    counted = [point for point in points if point in (network + FIXED, network + BEST)] or [quoted]

    def sigma(point: str, mass: float) -> str:
        row = cells.get((point, mass, SIGMA_MIN))
        mark = notes.mark(why) if (point, mass) in few and row is not None and row.value is not None else ""
        return metric_cell(row, notes, spread=True) + mark

    shown = [
        (
            f"{mass:g}" + (" h" if mass in held_out else ""),
            metric_cell(cells[quoted, mass, "signal_efficiency"], notes),
            metric_cell(cells[quoted, mass, "background_yield"], notes),
            *(effective(_effective(cells, point, mass)) for point in counted),
            *(sigma(point, mass) for point in points),
        )
        for mass in masses
    ]
    summaries, distances = report.hypothesis_summaries
    mine = [one for one in summaries if one.run == name]
    footnotes = [
        f"ε and B at {quoted}; σ_min in fb ± statistical error ± spread over replicas (where there are some)",
        *(["h: held out, not trained on"] if held_out else []),
        *_summary_lines(mine, bool(held_out)),
        *_distance_lines([one for one in distances if one.run == name], bool(held_out)),
        *_included(mine, few, notes.mark(why).strip() if few else ""),
        *notes.lines,
    ]
    titles = (f"{what}\n{point.replace('_', ' ')}" for what, some in (("n_eff", counted), ("σ_min", points))
              for point in some)  # fmt: skip
    return PrintedTable(
        f"Hypotheses of {name}: consensus, {report.manifest.quoted}",
        ("m", "ε", "B", *titles),
        tuple(shown),
        tuple(footnotes),
    )


def _effective(cells: _Cells, point: str, mass: float) -> float | None:
    row = cells.get((point, mass, "background_n_eff"))
    return None if row is None else row.value


def _few(cells: _Cells, point: str, mass: float, least: float) -> bool:
    """Say whether too few effective background events are left to believe σ_min."""
    found = _effective(cells, point, mass)
    return found is not None and found < least


def _included(summaries: Sequence[HypothesisSummary], few: Collection[tuple[str, float]], mark: str) -> Iterator[str]:
    """Say how many of the hypotheses that are averaged over have too few background events."""
    counts: dict[str, int] = {}
    for one in summaries:
        number = sum((one.working_point, mass) in few for mass in one.hypotheses)
        counts[one.working_point] = counts.get(one.working_point, 0) + number
    some = ", ".join(f"{point} {number}" for point, number in counts.items() if number)
    if some:
        yield f"the hypotheses with {mark} are part of these means and ratios: {some}"


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
