"""The rows of `metrics.parquet`, `cutflow.parquet` and `roc.parquet`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.events.schema import ROLES, Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.summary import METRICS, summarise
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow

RowKind = Literal["replica", "consensus", "mean"]
#: What the first row of a cut flow is called.
BEFORE = "before any cut"


@dataclass(frozen=True, slots=True)
class NamedFlow:
    """A flow and the run that it belongs to.

    Attributes:
        run: what tables call the run.
        method: what it was trained with.
        flow: the selection, with boundaries rounded to the columns' types.
    """

    run: str
    method: str
    flow: CutFlow


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number.

    Attributes:
        run: name of the run.
        method: its method.
        working_point: of the flow.
        target: the number in the working point.
        hypothesis: mass point of the signal counted; None for all signal.
        kind: `replica`; `consensus`; or `mean` over the replicas.
        replica: its number; −1 for consensus and mean.
        split: the events counted.
        metric: a key of `METRICS`.
        value: the number; None where undefined.
        stat_error: from the finite number of simulated events. For the mean it is the mean of the replicas' errors:
            they count the same events, so it does not shrink with their number.
        replica_spread: standard deviation of the value over the replicas (ddof = 0, as the LCF paper quotes it), for
            consensus and mean; None for one replica, or where a replica's value is undefined.
        reason: why something is undefined, or what to know of the error.
    """

    run: str
    method: str
    working_point: str
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
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal, and for background in a flow for all.
        position: number of cuts applied; 0 before any.
        cut: the last cut applied, with its exact boundaries.
        process: its name, or `signal`, `background` for the sum of a class.
        n_raw: simulated events that pass.
        n_eff: (Σw)²/Σw² of those.
        yield_: expected events at the stated luminosity; None where the split can't be normalised.
        yield_error: √Σw², scaled likewise.
        efficiency_step: share of the events before this cut that it keeps.
        efficiency_step_error: statistical error of it.
        efficiency_cumulative: share of all events that are left.
        efficiency_cumulative_error: statistical error of it.
    """

    run: str
    working_point: str
    kind: RowKind
    replica: int
    split: Split
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


@dataclass(frozen=True, slots=True)
class RocRow:
    """Where a selection lies in the ROC plane: its curve is the broken line (0, 0), this point, (1, 1)."""

    run: str
    working_point: str
    kind: RowKind
    replica: int
    split: Split
    hypothesis: float | None
    signal_efficiency: float | None
    signal_efficiency_error: float | None
    background_efficiency: float | None
    background_efficiency_error: float | None


def check_names(events: Normalised, where: str) -> None:
    """Refuse processes that the sums of the classes would be confused with.

    Raises:
        InputError: if a process is called `signal` or `background` and is not the whole of that class.
    """
    for role in ROLES:
        members = [process.name for process in events.processes if process.role == role]
        if role in {process.name for process in events.processes} and members != [role]:
            msg = f"{where}: process {role!r} is not the whole {role}, whose sum has that name; rename the process"
            raise InputError(msg)


def hypotheses_of(flow: CutFlow, events: Normalised) -> tuple[float | None, ...]:
    """Return which signal a flow is counted on: its own mass point, or all together and then each."""
    if flow.hypothesis is not None:
        return (flow.hypothesis,)
    points = events.tally.hypotheses
    return (None, *points) if len(points) > 1 else (None,)


def metric_rows(
    flows: Iterable[NamedFlow], events: Normalised, background_uncertainty: float = 0.0
) -> tuple[MetricRow, ...]:
    """Compute every metric of every flow on every split.

    Args:
        flows: replicas and consensus; flows of one run, working point and hypothesis are taken for one group, in
            which replicas give the spread.
        events: the tally of these flows, normalised.
        background_uncertainty: of the Asimov significance, as a fraction of B.
    """
    groups: dict[tuple[str, str, float | None], list[NamedFlow]] = {}
    for named in flows:
        groups.setdefault((named.run, named.flow.working_point, named.flow.hypothesis), []).append(named)
    rows: list[MetricRow] = []
    for members in groups.values():
        for hypothesis in hypotheses_of(members[0].flow, events):
            for split in events.splits():
                rows.extend(_group_rows(members, events, hypothesis, split, background_uncertainty))
    return tuple(rows)


def _group_rows(
    members: Sequence[NamedFlow],
    events: Normalised,
    hypothesis: float | None,
    split: Split,
    background_uncertainty: float,
) -> Iterator[MetricRow]:
    def summary(flow: CutFlow) -> dict[str, Estimate]:
        signal, background = (events.of_class(flow.cuts, role, split, hypothesis) for role in ("signal", "background"))
        return summarise(signal, background, background_uncertainty)

    summaries = [summary(named.flow) for named in members]
    replicas = [found for named, found in zip(members, summaries, strict=True) if named.flow.kind == "replica"]
    first = members[0]

    def row(kind: RowKind, replica: int, metric: str, number: Estimate, spread: float | None) -> MetricRow:
        return MetricRow(
            first.run, first.method, first.flow.working_point, first.flow.target, hypothesis, kind, replica, split,
            metric, number.value, number.error, spread, number.reason,
        )  # fmt: skip

    for metric in METRICS:
        mean, spread = average([found[metric] for found in replicas])
        for named, found in zip(members, summaries, strict=True):
            own = spread if named.flow.kind == "consensus" else None
            yield row(named.flow.kind, named.flow.replica, metric, found[metric], own)
        if replicas:
            yield row("mean", CONSENSUS_REPLICA, metric, mean, spread)


def average(numbers: Sequence[Estimate]) -> tuple[Estimate, float | None]:
    """Average a number over replicas that were applied to the same events.

    Args:
        numbers: one for each replica.

    Returns:
        The mean with the mean of the errors, undefined if it is undefined for any replica (a mean over those where it
        happens to be defined would be biased); and the standard deviation over the replicas (ddof = 0), None for
        fewer than two or where the mean is undefined.
    """
    if not numbers:
        return Estimate.undefined("there are no replicas"), None
    values = [number.value for number in numbers if number.value is not None]
    if len(values) < len(numbers):
        why = next(number.reason for number in numbers if number.value is None)
        lost = len(numbers) - len(values)
        return Estimate.undefined(f"undefined for {lost} of {len(numbers)} replicas ({why})"), None
    error = float(np.mean([number.error or 0.0 for number in numbers]))
    reason = next((number.reason for number in numbers if number.reason), None)
    if reason is not None:
        affected = sum(number.reason is not None for number in numbers)
        reason = f"{affected} of {len(numbers)} replicas: {reason}"
    spread = float(np.std(values)) if len(values) > 1 else None
    return Estimate(float(np.mean(values)), error, reason), spread


def cut_flow_rows(flows: Iterable[NamedFlow], events: Normalised) -> tuple[CutFlowRow, ...]:
    """Count every process and both classes after every cut of every flow, on every split.

    In a flow that was trained for all mass points the background is the same for each, and given once.
    """
    rows: list[CutFlowRow] = []
    for named in flows:
        for hypothesis in hypotheses_of(named.flow, events):
            roles: tuple[Role, ...] = ("signal", "background")
            if hypothesis is not None and named.flow.hypothesis is None:
                roles = ("signal",)
            for split in events.splits():
                for role in roles:
                    for process in (role, *_members(events, role)):
                        rows.extend(_process_rows(named, events, hypothesis, split, process))
    return tuple(rows)


def _members(events: Normalised, role: Role) -> list[int]:
    """Processes that need rows beside those of their class."""
    members = [position for position, process in enumerate(events.processes) if process.role == role]
    return [position for position in members if events.processes[position].name != role]


def _process_rows(
    named: NamedFlow, events: Normalised, hypothesis: float | None, split: Split, process: Role | int
) -> Iterator[CutFlowRow]:
    flow = named.flow

    def after(cuts: int) -> Sums:
        if isinstance(process, int):
            return events.of_process(flow.cuts[:cuts], process, split, hypothesis)
        return events.of_class(flow.cuts[:cuts], process, split, hypothesis).passed

    name = events.processes[process].name if isinstance(process, int) else process
    total = previous = after(0)
    for position in range(len(flow.cuts) + 1):
        here = after(position)
        usable = not math.isnan(here.sumw)
        step, cumulative = (
            efficiency(here, whole) if usable else Estimate.undefined("not normalised") for whole in (previous, total)
        )
        yield CutFlowRow(
            named.run, flow.working_point, flow.kind, flow.replica, split, hypothesis, position,
            str(flow.cuts[position - 1]) if position else BEFORE, name, here.events,
            here.n_eff if usable else None,
            here.sumw if usable else None,
            math.sqrt(here.sumw2) if usable else None,
            step.value, step.error, cumulative.value, cumulative.error,
        )  # fmt: skip
        previous = here


def roc_rows(metrics: Iterable[MetricRow]) -> tuple[RocRow, ...]:
    """Arrange the efficiencies of all flows as points in the ROC plane."""
    points: dict[tuple[str, str, float | None, RowKind, int, Split], dict[str, MetricRow]] = {}
    for row in metrics:
        if row.kind != "mean" and row.metric in ("signal_efficiency", "background_efficiency"):
            key = (row.run, row.working_point, row.hypothesis, row.kind, row.replica, row.split)
            points.setdefault(key, {})[row.metric] = row
    return tuple(
        RocRow(
            run, working_point, kind, replica, split, hypothesis,
            pair["signal_efficiency"].value, pair["signal_efficiency"].stat_error,
            pair["background_efficiency"].value, pair["background_efficiency"].stat_error,
        )
        for (run, working_point, hypothesis, kind, replica, split), pair in points.items()
    )  # fmt: skip
