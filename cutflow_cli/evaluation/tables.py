"""The rows of `metrics.parquet` and `cutflow.parquet` that are counted for each selection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import CutFlowRow, MetricRow, NamedFlow, RowKind
from cutflow_cli.events.schema import ROLES, Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.sensitivity import UNKNOWN, PunziInputs
from cutflow_cli.metrics.summary import METRICS, summarise
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow

#: What the first row of a cut flow is called.
BEFORE = "before any cut"
#: Gives what σ_min of a run needs beside efficiency and background, for a mass point or for all signal.
PunziLookup = Callable[[float | None], PunziInputs]


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
    flows: Iterable[NamedFlow],
    events: Normalised,
    background_uncertainty: float = 0.0,
    punzi: Mapping[str, PunziLookup] | None = None,
) -> tuple[MetricRow, ...]:
    """Compute every metric of every flow on every split.

    Args:
        flows: replicas and consensus; flows of one run, working point and hypothesis are taken for one group, in
            which replicas give the spread.
        events: the tally of these flows, normalised.
        background_uncertainty: of the Asimov significance, as a fraction of B.
        punzi: for each run what σ_min needs; without it σ_min is undefined.
    """
    groups: dict[tuple[str, str, float | None], list[NamedFlow]] = {}
    for named in flows:
        groups.setdefault((named.run, named.flow.working_point, named.flow.hypothesis), []).append(named)
    rows: list[MetricRow] = []
    splits = events.splits()
    for members in groups.values():
        lookup = (punzi or {}).get(members[0].run, _unknown)
        for hypothesis in hypotheses_of(members[0].flow, events):
            inputs = lookup(hypothesis)
            for split in splits:
                rows.extend(_group_rows(members, events, hypothesis, split, background_uncertainty, inputs))
    return tuple(rows)


def _unknown(hypothesis: float | None) -> PunziInputs:
    return UNKNOWN


def _group_rows(
    members: Sequence[NamedFlow],
    events: Normalised,
    hypothesis: float | None,
    split: Split,
    background_uncertainty: float,
    inputs: PunziInputs,
) -> Iterator[MetricRow]:
    def summary(flow: CutFlow) -> dict[str, Estimate]:
        signal, background = (events.of_class(flow.cuts, role, split, hypothesis) for role in ("signal", "background"))
        return summarise(signal, background, background_uncertainty, inputs)

    summaries = [summary(named.flow) for named in members]
    first = members[0]
    yield from spread_rows(
        first.run, first.method, first.flow.working_point, first.flow.target, hypothesis, split,
        tuple(METRICS), [(named.flow.replica, found) for named, found in zip(members, summaries, strict=True)],
    )  # fmt: skip


def spread_rows(
    run: str,
    method: str,
    working_point: str | None,
    target: float | None,
    hypothesis: float | None,
    split: Split,
    metrics: Sequence[str],
    found: Sequence[tuple[int, Mapping[str, Estimate]]],
) -> Iterator[MetricRow]:
    """Make rows of the numbers of replicas and consensus, with the mean and the spread over the replicas.

    Args:
        run: name of the run.
        method: its method.
        working_point: what the numbers are of.
        target: the number in it.
        hypothesis: mass point of the signal counted.
        split: the events counted.
        metrics: the names of the numbers.
        found: numbers by name, for each replica and (−1) the consensus.
    """
    replicas = [numbers for replica, numbers in found if replica != CONSENSUS_REPLICA]

    def row(kind: RowKind, replica: int, metric: str, number: Estimate, spread: float | None) -> MetricRow:
        return MetricRow(
            run, method, working_point, target, hypothesis, kind, replica, split,
            metric, number.value, number.error, spread, number.reason,
        )  # fmt: skip

    for metric in metrics:
        mean, spread = average([numbers[metric] for numbers in replicas])
        for replica, numbers in found:
            agreed = replica == CONSENSUS_REPLICA
            yield row(
                "consensus" if agreed else "replica", replica, metric, numbers[metric], spread if agreed else None
            )
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
    errors = [number.error for number in numbers if number.error is not None]
    error = float(np.mean(errors)) if errors else None
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
