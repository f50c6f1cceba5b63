"""The tables of single cuts and of pairs as tables to print."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.cut_flow_tables import Which
from cutflow_cli.evaluation.detail_rows import CorrelationRow, OverlapRow, TotalsRow, VariantRow
from cutflow_cli.evaluation.numbers import compact, effective, short_cut
from cutflow_cli.evaluation.printed import NOTHING, Notes, PrintedTable
from cutflow_cli.evaluation.report import Report
from cutflow_cli.runs import Run
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut

_Row = TypeVar("_Row", TotalsRow, VariantRow)
#: Pairs of features that are printed, those with the largest correlation in either class.
_CORRELATIONS = 10


def totals_tables(report: Report, runs: Sequence[tuple[str, Run]], which: Collection[Which]) -> Iterator[PrintedTable]:
    """Lay out signal against background after each cut, one table for each selection."""
    split = report.manifest.split
    for key, rows in _grouped(
        (row for row in report.totals if row.kind == "consensus" and row.split == split), which
    ).items():
        cuts = _cuts(runs, key)
        notes = Notes()
        shown = [
            (
                short_cut(cuts[row.position - 1]) if row.position else row.cut,
                _number(row.signal_yield, row.signal_yield_error),
                _number(row.background_yield, row.background_yield_error),
                effective(row.background_n_eff),
                _number(row.s_over_sqrt_b, row.s_over_sqrt_b_error, row.reason, notes),
                _number(row.asimov, row.asimov_error, row.reason, notes),
            )
            for row in rows
        ]
        yield PrintedTable(
            f"Signal against background after each cut, {label(*key)}: consensus, {report.manifest.quoted}",
            ("", "S", "B", "n_eff(B)", "S/√B", "Asimov Z"),
            tuple(shown),
            (f"± statistical error; Asimov Z: σ_B = {report.background_uncertainty}", *notes.lines),
        )


def n_minus_1_tables(
    report: Report, runs: Sequence[tuple[str, Run]], which: Collection[Which]
) -> Iterator[PrintedTable]:
    """Lay out what each selection of two or more cuts would be without each of them."""
    for key, rows in _grouped(report.n_minus_1, which).items():
        cuts = _cuts(runs, key)
        if len(cuts) < 2:
            continue
        notes = Notes()
        shown = [
            (f"without {short_cut(cuts[row.position - 1])}" if row.position else "the selection",
             *_variant_cells(row, notes))
            for row in rows
        ]  # fmt: skip
        yield PrintedTable(
            f"Without one cut (N−1), {label(*key)}: consensus, {report.manifest.quoted}",
            ("", "S", "B", "n_eff(B)", "Asimov Z", "change of Z"),
            tuple(shown),
            ("change of Z: a cut that helps has a negative one; events that both keep hardly count in its error",
             *notes.lines),
        )  # fmt: skip


def stability_tables(
    report: Report, runs: Sequence[tuple[str, Run]], which: Collection[Which]
) -> Iterator[PrintedTable]:
    """Lay out what moving each boundary does to the significance, one table for each selection."""
    for key, rows in _grouped(report.stability, which).items():
        cuts = _cuts(runs, key)
        as_it_is = next(row for row in rows if not row.position)
        moves = list(dict.fromkeys(row.move for row in rows if row.move))
        cells: dict[tuple[int, str], dict[str, VariantRow]] = {}
        for row in rows:
            if row.position and row.side and row.move:
                cells.setdefault((row.position, row.side), {})[row.move] = row
        if not cells:  # nothing is cut on, or each fold has boundaries of its own
            continue
        notes = Notes()
        shown = [
            (_boundary(cuts[position - 1], side), *(_moved(found.get(move), notes) for move in moves))
            for (position, side), found in cells.items()
        ]
        z = _number(as_it_is.asimov, as_it_is.asimov_error, as_it_is.reason, notes)
        by = dict.fromkeys(row.binned_in for row in rows if row.binned_in)
        of_bins = [f"bins of {name}: moved in all at once, in each by its own error or that share of it" for name in by]
        yield PrintedTable(
            f"Change of Asimov Z with each boundary, {label(*key)}: Z = {z}, {report.manifest.quoted}",
            ("boundary", *(f"{move[0].replace('-', '−')} its error" if move.endswith("error") else
                           move.replace("-", "−") for move in moves)),
            tuple(shown),
            ("± statistical error; percentages are of the boundary, its error is the spread over replicas",
             *of_bins, *notes.lines),
        )  # fmt: skip


def overlap_table(report: Report) -> Iterator[PrintedTable]:
    """Lay out the share of events that pairs of selections keep."""
    pairs: dict[tuple[str, str, str], dict[str, OverlapRow]] = {}
    for row in report.overlap:
        pairs.setdefault((row.first, row.second, row.role), {})[row.kept_by] = row
    if pairs:
        yield PrintedTable(
            f"Events that two selections keep: share of the class, {report.manifest.quoted}",
            ("", "", "both", "the first alone", "the second alone", "neither"),
            tuple(
                (f"{first}, {second}", role,
                 *(_number(found[by].share, found[by].share_error) for by in ("both", "first", "second", "neither")))
                for (first, second, role), found in pairs.items()
            ),
        )  # fmt: skip


def correlation_table(report: Report) -> Iterator[PrintedTable]:
    """Lay out the largest correlations of features."""
    pairs: dict[tuple[str, str], dict[str, CorrelationRow]] = {}
    for row in report.correlations:
        pairs.setdefault((row.first, row.second), {})[row.role] = row
    if not pairs:
        return

    def size(found: dict[str, CorrelationRow]) -> float:
        return max(abs(one.correlation or 0.0) for one in found.values())

    largest = sorted(pairs.items(), key=lambda item: -size(item[1]))[:_CORRELATIONS]
    notes = Notes()
    shown = [
        (f"{first}, {second}",
         *(_number(found[role].correlation, found[role].error, found[role].reason, notes)
           for role in ("signal", "background")))
        for (first, second), found in largest
    ]  # fmt: skip
    of = f", the {len(shown)} largest of {len(pairs)}" if len(pairs) > len(shown) else ""
    yield PrintedTable(
        f"Linear correlation of features{of}, before any cut, {report.manifest.quoted}",
        ("", "signal", "background"),
        tuple(shown),
        notes.lines,
    )


def _grouped(rows: Iterable[_Row], which: Collection[Which]) -> dict[Which, list[_Row]]:
    found: dict[Which, list[_Row]] = {}
    for row in rows:
        key: Which = (row.run, row.working_point, row.hypothesis)
        if key in which:
            found.setdefault(key, []).append(row)
    return found


def _cuts(runs: Sequence[tuple[str, Run]], key: Which) -> tuple[Cut, ...]:
    run, point, hypothesis = key
    return next(
        flow.cuts
        for name, one in runs
        for flow in one.flows
        if flow.kind == "consensus" and (name, flow.working_point) == (run, point)
        and flow.hypothesis in (None, hypothesis)
    )  # fmt: skip


def _number(value: float | None, error: float | None, reason: str | None = None, notes: Notes | None = None) -> str:
    mark = "" if notes is None else notes.mark(reason)
    return NOTHING + mark if value is None else compact(value, error) + mark


def _variant_cells(row: VariantRow, notes: Notes) -> tuple[str, ...]:
    change = NOTHING if row.change is None or not row.position else _signed(row.change, row.change_error)
    return (
        _number(row.signal_yield, row.signal_yield_error),
        _number(row.background_yield, row.background_yield_error),
        effective(row.background_n_eff),
        _number(row.asimov, row.asimov_error, row.reason, notes),
        change,
    )


def _moved(row: VariantRow | None, notes: Notes) -> str:
    if row is None:
        return NOTHING
    if row.change is None:
        return NOTHING + notes.mark(row.reason)
    return _signed(row.change, row.change_error)


def _signed(value: float, error: float | None) -> str:
    """Print a change: with its sign, and to nothing where nothing changed."""
    if value == 0 and not error:
        return "0"
    text = compact(value, error)
    return text.replace("-", "−", 1) if value < 0 else f"+{text}" if not text.startswith("(") else text


def _boundary(cut: Cut, side: str) -> str:
    if isinstance(cut, BinnedCut):
        low, high = (f"{value:.4g}" for value in cut.span(side) or ())
        known, bins = sum(value is not None for value in cut.sides(side)), len(cut.members)
        those = f"{bins} bins" if known == bins else f"{known} of {bins} bins"
        return f"{cut.observable}: {side} {low if low == high else f'{low}…{high}'} ({those})"
    if not cut.has_boundaries:  # a condition as somebody wrote it, which was counted as a plain cut
        return f"{short_cut(cut)}: {side}"
    value = cut.lower if side == "lower" else cut.upper
    if value is None:  # a condition of a file of cuts, as it is written there
        return f"{short_cut(cut)}: {side}"
    return f"{cut.observable}: {side} {value:.6g}"
