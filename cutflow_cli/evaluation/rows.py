"""What one row of `metrics.parquet`, `cutflow.parquet` and `roc.parquet` is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cutflow_cli.events.schema import Split
from cutflow_cli.selection.cutflow import CutFlow

RowKind = Literal["replica", "consensus", "mean"]
#: What a row counts that is not of one split.
ALL_SPLITS: Final = "all"
#: What the curve of a run is of: a score, the working points of a scan, or a single selection.
CurveKind = Literal["score", "working points", "selection"]


#: Run, working point, kind and replica of a flow: the first columns of the rows that count it.
FlowName = tuple[str, str, RowKind, int]


@dataclass(frozen=True, slots=True)
class NamedFlow:
    """A flow and the run that it belongs to.

    Attributes:
        run: what tables call the run.
        method: what it was trained with.
        flow: the selection, with boundaries rounded to the columns' types.
        scores: the columns of these events that are scores of the run.
    """

    run: str
    method: str
    flow: CutFlow
    scores: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number.

    Attributes:
        run: name of the run.
        method: its method.
        working_point: of the flow; None for a number of the run's whole curve.
        target: the number in the working point.
        hypothesis: mass point of the signal counted; None for all signal.
        kind: `replica`; `consensus`; or `mean` over the replicas.
        replica: its number; −1 for consensus and mean.
        split: the events counted.
        metric: a key of `METRICS`, or of `CURVE_METRICS` for a number of a curve.
        value: the number; None where undefined.
        stat_error: from the finite number of simulated events. For the mean it is the mean of the replicas' errors:
            they count the same events, so it does not shrink with their number.
        replica_spread: standard deviation of the value over the replicas (ddof = 0, as the LCF paper quotes it), for
            consensus and mean; None for one replica, or where a replica's value is undefined.
        reason: why something is undefined, or what to know of the error.
    """

    run: str
    method: str
    working_point: str | None
    target: float | None
    hypothesis: float | None
    kind: RowKind
    replica: int
    split: Split
    metric: str
    value: float | None
    stat_error: float | None
    replica_spread: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class CutFlowRow:
    """One process (or class) after one cut of a flow.

    Attributes:
        run: name of the run.
        working_point: of the flow.
        kind: `replica` or `consensus`.
        replica: its number; −1 for the consensus.
        split: the events counted; `all` (of every split) before position 0.
        hypothesis: mass point of the signal counted; None for all signal, and for background in a flow for all.
        position: number of cuts applied; 0 before any. With a preselection of k conditions −(k+1) for all events, and
            −k to −1 after each condition.
        cut: the last cut applied, with its exact boundaries; or the condition as text.
        process: its name, or `signal`, `background` for the sum of a class.
        n_raw: simulated events that pass.
        n_eff: (Σw)²/Σw² of those.
        yield_: expected events at the stated luminosity; None where the split can't be normalised.
        yield_error: √Σw², scaled likewise.
        efficiency_step: share of the events before this cut that it keeps.
        efficiency_step_error: statistical error of it.
        efficiency_cumulative: share of the events at position 0 that are left; None before it.
        efficiency_cumulative_error: statistical error of it.
        efficiency_total: share of all events, those before the preselection, that are left (`share_of_all`); None
            where the file knows of none.
        efficiency_total_error: statistical error of it.
    """

    run: str
    working_point: str
    kind: RowKind
    replica: int
    split: Split | Literal["all"]
    hypothesis: float | None
    position: int
    cut: str
    process: str
    n_raw: int
    n_eff: float | None
    yield_: float | None
    yield_error: float | None
    efficiency_step: float | None
    efficiency_step_error: float | None
    efficiency_cumulative: float | None
    efficiency_cumulative_error: float | None
    efficiency_total: float | None
    efficiency_total_error: float | None


@dataclass(frozen=True, slots=True)
class RocRow:
    """A point in the ROC plane: a selection, or a point of a run's curve.

    Attributes:
        run: name of the run.
        method: its method.
        curve: for a point of a curve what it is the curve of: `score`, `working points` (the broken line through those
            of a scan) or `selection` (that through a single one); None for a selection.
        kind: `replica` or `consensus`; curves are those of the consensus.
        replica: its number; −1 for the consensus.
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal.
        working_point: of the selection; None for a point of a curve.
        target: the number in the working point.
        threshold: events above it are kept; None at the ends of a curve, and where no score is cut on.
        signal_efficiency: weighted share of the signal that passes; None where undefined.
        signal_efficiency_error: statistical error of it.
        background_efficiency: the same of the background.
        background_efficiency_error: statistical error of it.
    """

    run: str
    method: str
    curve: CurveKind | None
    kind: RowKind
    replica: int
    split: Split
    hypothesis: float | None
    working_point: str | None
    target: float | None
    threshold: float | None
    signal_efficiency: float | None
    signal_efficiency_error: float | None
    background_efficiency: float | None
    background_efficiency_error: float | None
