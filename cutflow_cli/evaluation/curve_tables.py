"""The rows of `metrics.parquet` that are of curves, and `roc.parquet`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from cutflow_cli.evaluation.curves import RunCurve
from cutflow_cli.evaluation.rows import MetricRow, NamedFlow, RocRow, RowKind
from cutflow_cli.evaluation.tables import spread_rows
from cutflow_cli.events.schema import Split
from cutflow_cli.metrics.curve_summary import curve_metrics, summarise_curve
from cutflow_cli.metrics.curves import background_at
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.formula import Formula
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA

#: Points of a curve that are written.
MAX_POINTS = 500
#: Background of a curve at the signal efficiency of another run's selection, which is the `target` of the row.
AT_SELECTION = "background_efficiency_at"


def curve_metric_rows(
    curves: Iterable[RunCurve],
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
    formulas: Sequence[Formula] = (),
) -> tuple[MetricRow, ...]:
    """Compute what is quoted of every curve, with the spread over replicas.

    Args:
        curves: of replicas and consensus.
        min_effective_events: effective background events that must be left to quote a rejection or a maximum.
        formulas: the user's figures of merit, of which the maximum over the curve is quoted.
    """
    groups: dict[tuple[str, Split], list[RunCurve]] = {}
    for one in curves:
        groups.setdefault((one.run, one.split), []).append(one)
    rows: list[MetricRow] = []
    for (run, split), members in groups.items():
        found = [(one.replica, _summary(one, min_effective_events, formulas)) for one in members]
        rows.extend(spread_rows(run, members[0].method, None, None, None, split, curve_metrics(formulas), found))
    return tuple(rows)


def at_selection_rows(curves: Sequence[RunCurve], split: Split) -> tuple[MetricRow, ...]:
    """Compute the background of curves at the signal efficiency of each single selection.

    Args:
        curves: of all runs.
        split: the events counted.
    """
    quoted = [one for one in curves if one.split == split and one.replica == CONSENSUS_REPLICA]
    efficiencies = [one.points[0].signal.value for one in quoted if one.kind == "selection"]
    return tuple(
        MetricRow(
            one.run, one.method, None, share, None, "consensus", one.replica, split,
            AT_SELECTION, found.value, found.error, None, found.reason,
        )
        for share in dict.fromkeys(efficiencies)
        for one in quoted
        if share is not None and one.curve is not None and one.kind != "selection"
        for found in (background_at(one.curve, share),)
    )  # fmt: skip


def _summary(one: RunCurve, min_effective_events: float, formulas: Sequence[Formula]) -> dict[str, Estimate]:
    if one.curve is None:
        return dict.fromkeys(curve_metrics(formulas), Estimate.undefined(one.reason or "there is no curve"))
    return summarise_curve(one.curve, min_effective_events, formulas)


def roc_rows(
    metrics: Iterable[MetricRow], flows: Iterable[NamedFlow], curves: Iterable[RunCurve]
) -> tuple[RocRow, ...]:
    """Arrange points in the ROC plane: all selections, then the consensus curves.

    Args:
        metrics: with the efficiencies of all selections.
        flows: the selections, for their thresholds.
        curves: the curves.
    """
    rows = [*_selections(metrics, flows)]
    for one in curves:
        if one.curve is not None and one.replica == CONSENSUS_REPLICA:
            rows += _curve_points(one)
    return tuple(rows)


def _selections(metrics: Iterable[MetricRow], flows: Iterable[NamedFlow]) -> Iterator[RocRow]:
    thresholds = {
        (named.run, named.flow.working_point, named.flow.hypothesis, named.flow.replica): _threshold(named)
        for named in flows
    }
    points: dict[tuple[str, str, float | None, RowKind, int, Split], dict[str, MetricRow]] = {}
    for row in metrics:
        wanted = row.metric in ("signal_efficiency", "background_efficiency")
        if row.kind != "mean" and wanted and row.working_point is not None:
            key = (row.run, row.working_point, row.hypothesis, row.kind, row.replica, row.split)
            points.setdefault(key, {})[row.metric] = row
    for (run, point, hypothesis, kind, replica, split), pair in points.items():
        signal, background = pair["signal_efficiency"], pair["background_efficiency"]
        threshold = thresholds.get((run, point, hypothesis, replica), thresholds.get((run, point, None, replica)))
        yield RocRow(
            run, signal.method, None, kind, replica, split, hypothesis, point, signal.target, threshold,
            signal.value, signal.stat_error, background.value, background.stat_error,
        )  # fmt: skip


def _threshold(named: NamedFlow) -> float | None:
    """Return what a selection asks of its run's score; None if it cuts on none."""
    scores = [cut for cut in named.flow.cuts if cut.observable in named.scores and cut.region is Region.ABOVE]
    return scores[0].lower if len(scores) == 1 else None


def _curve_points(one: RunCurve) -> Sequence[RocRow]:
    assert one.curve is not None
    thin = one.curve.thinned(MAX_POINTS)
    columns = (thin.signal.efficiency, thin.signal.error, thin.background.efficiency, thin.background.error)
    return [
        RocRow(
            one.run, one.method, one.kind, "consensus", one.replica, one.split, None, None, None,
            threshold if math.isfinite(threshold) else None, *numbers,
        )
        for threshold, *numbers in zip(thin.thresholds.tolist(), *(column.tolist() for column in columns), strict=True)
    ]  # fmt: skip
