"""All replicas of a training refined for an objective, their consensus, and what to expect of it on fresh events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutflow_cli.engine.randomness import SHARED, Stream, generator
from cutflow_cli.errors import Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.box.landscape import Landscape
from cutflow_cli.models.box.optimism import Judged, judge, parts_of
from cutflow_cli.models.flows import with_n_minus_1
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.refine.refiner import Refined, Refiner, Row
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, consensus

#: A consensus whose objective is lower than every replica's by more than this share of it is doubtful.
_DROP = 0.1


@dataclass(frozen=True, slots=True)
class Pursued:
    """What an objective made of a training.

    Attributes:
        flows: one for each replica.
        agreed: their consensus.
        table: columns of `objective.parquet`: a row for each replica and stage.
        resolved: what to record: the objective on train of start and result, and its optimism.
        warnings: what a user should know.
        notes: what came out, in sentences.
    """

    flows: tuple[CutFlow, ...]
    agreed: CutFlow
    table: dict[str, Any]
    resolved: dict[str, Any]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def pursue(
    refiner: Refiner,
    starts: Sequence[Sequence[CutFlow]],
    sample: EventSample,
    objective: Objective,
    context: TrainingContext,
    *,
    bootstrap: bool,
    parts: int,
    done: float = 0.0,
) -> Pursued:
    """Refine the flow of every replica, let them agree, and estimate how much too good the result looks.

    Each replica is by itself, on one thread, so that results depend neither on the others nor on how many threads
    there are. With a bootstrap a replica counts events as in its training. The optimism is that of refining what the
    first replica learned, without each of some parts of the events in turn, judged on that part
    (`models.box.optimism`); what was learned before from all events, by a loss of a few numbers, is taken as it is.

    Args:
        refiner: of the training split.
        starts: for each replica one flow or several, see `Refiner.refine`.
        sample: the training split.
        objective: of the refiner.
        context: seed, replicas, threads; who asks to stop.
        bootstrap: whether each replica has its own bootstrap.
        parts: by which the optimism is estimated; 0 for no estimate.
        done: share of the progress before.

    Raises:
        Interrupted: if asked to stop; what was trained before is in the checkpoint.
    """
    shares = np.zeros(len(starts) + parts)

    def watching(position: int) -> Callable[[float], None]:
        def watch(share: float) -> None:
            reason = context.stop_reason()
            if reason:
                msg = f"stopped by {reason} while refining for {objective.title}; the same command goes on, and begins "
                raise Interrupted(msg + "that step again")
            shares[position] = share
            context.progress(done + (1 - done) * float(shares.mean()), f"refining for {objective.title}")

        return watch

    def one(position: int) -> Refined:
        replica = context.replicas[position]
        counts = generator(context.seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(sample)) if bootstrap else None
        random = generator(context.seed, replica, Stream.REFINING)
        return refiner.refine(starts[position], counts, random, watching(position))

    refined = [one(0)]  # two threads that load compiled code for the first time may wait for each other for ever
    with ThreadPoolExecutor(max_workers=context.threads) as pool:
        try:
            refined += pool.map(one, range(1, len(starts)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    flows = tuple(part.flow for part in refined)
    agreed = consensus(flows).rounded(sample.dtypes)
    random = generator(context.seed, SHARED, Stream.REFINING)
    landscape = refiner.landscape(None, random) if bootstrap else refined[0].landscape
    value = refiner.value(agreed, landscape)
    judged = _judged(refiner, starts[0], landscape, parts, random, lambda part: watching(len(starts) + part))
    if objective.additive:  # what each cut is worth in the balanced error says little of a significance
        flows, agreed = tuple(with_n_minus_1(flow, sample) for flow in flows), with_n_minus_1(agreed, sample)
    results = [part.rows[-1].hard for part in refined]
    resolved = {
        "objective_start": _median([part.rows[0].hard for part in refined]),
        "objective_replicas": _median(results),
        "objective_consensus": value if np.isfinite(value) else None,
        "objective_optimism": None if judged is None else judged.optimism,
        "objective_optimism_error": None if judged is None else judged.error,
    }
    notes = () if judged is None else (judged.said(objective.title, value, parts),)
    return Pursued(
        flows, agreed, _table(refined, context.replicas, value), resolved,
        _concerns(objective, sample, results, value), notes,
    )  # fmt: skip


def _judged(
    refiner: Refiner,
    starts: Sequence[CutFlow],
    landscape: Landscape,
    parts: int,
    random: np.random.Generator,
    watching: Callable[[int], Callable[[float], None]],
) -> Judged | None:
    """Refine without each part of the events in turn, and judge the results on what was left out."""
    if not parts:
        return None
    part = parts_of(len(landscape.binned.signal), parts, random, landscape.binned.signal)
    watches = iter([watching(number) for number in range(parts)])
    (judged,) = judge(landscape, part, lambda rest: [refiner.improved(starts, rest, next(watches)).box])
    return judged if np.isfinite([judged.optimism, judged.error]).all() else None


def _concerns(objective: Objective, sample: EventSample, results: Sequence[float], value: float) -> tuple[str, ...]:
    """Say what is doubtful about replicas of these objectives and a consensus of this one."""
    found = []
    if not np.isfinite(value):
        found.append(f"{objective.title} of the consensus is undefined on train")
    elif len(results) > 1 and value < min(results) - _DROP * abs(min(results)):
        found.append(
            f"{objective.title} of the consensus is {value:.4g} on train, that of its replicas at least "
            f"{min(results):.4g}: they found different combinations of cuts, and one of them may be the better choice"
        )
    background, signal = np.bincount(sample.label, weights=sample.expected, minlength=2)
    if objective.name == "accuracy" and max(signal, background) > 10 * min(signal, background):
        found.append(
            "accuracy counts expected events, of which one class has more than ten times the other: it is little but "
            "that class's; balanced_accuracy weighs them otherwise"
        )
    return tuple(found)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if np.isfinite(values).all() else None


def _table(refined: Sequence[Refined], replicas: Sequence[int], value: float) -> dict[str, Any]:
    rows = [(replica, row) for replica, one in zip(replicas, refined, strict=True) for row in one.rows]
    rows.append((CONSENSUS_REPLICA, Row("consensus", rows[-1][1].step, np.nan, np.nan, value)))
    return {
        "replica": np.array([replica for replica, _ in rows], dtype=np.int32),
        "stage": [row.stage for _, row in rows],
        "step": np.array([row.step for _, row in rows], dtype=np.int32),
        "steepness": np.array([row.steepness for _, row in rows]),
        "soft_objective": np.array([row.soft for _, row in rows]),
        "hard_objective": np.array([row.hard for _, row in rows]),
    }
