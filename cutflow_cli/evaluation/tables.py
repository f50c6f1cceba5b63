"""The rows of `metrics.parquet` that are counted for each selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import MetricRow, NamedFlow, RowKind
from cutflow_cli.events.schema import ROLES, Split
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.sensitivity import UNKNOWN, PunziInputs
from cutflow_cli.metrics.summary import METRICS, summarise
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow

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
    options: FigureOptions | None = None,
    punzi: Mapping[str, PunziLookup] | None = None,
) -> tuple[MetricRow, ...]:
    """Compute every metric of every flow on every split.

    Args:
        flows: replicas and consensus; flows of one run, working point and hypothesis are taken for one group, in
            which replicas give the spread.
        events: the tally of these flows, normalised.
        options: how figures of merit are computed.
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
                rows.extend(_group_rows(members, events, hypothesis, split, options or FigureOptions(), inputs))
    return tuple(rows)


def _unknown(hypothesis: float | None) -> PunziInputs:
    return UNKNOWN


def _group_rows(
    members: Sequence[NamedFlow],
    events: Normalised,
    hypothesis: float | None,
    split: Split,
    options: FigureOptions,
    inputs: PunziInputs,
) -> Iterator[MetricRow]:
    def summary(flow: CutFlow) -> dict[str, Estimate]:
        signal, background = (events.of_class(flow.cuts, role, split, hypothesis) for role in ("signal", "background"))
        return summarise(
            signal, background, options.systematics, inputs,
            min_effective_events=options.min_effective_events, formulas=options.formulas,
        )  # fmt: skip

    summaries = [summary(named.flow) for named in members]
    first = members[0]
    yield from spread_rows(
        first.run, first.method, first.flow.working_point, first.flow.target, hypothesis, split,
        (*METRICS, *(one.name for one in options.formulas)),
        [(named.flow.replica, found) for named, found in zip(members, summaries, strict=True)],
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
