"""Selections for single mass points: what they come to over all of them, trained and held out apart."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import Split
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA

SIGMA_MIN = "punzi_sigma_min"
#: The working points whose distance says whether one cut serves all masses.
FIXED, BEST = "fixed", "best"


@dataclass(frozen=True, slots=True)
class HypothesisSummary:
    """σ_min of one working point over mass points.

    Attributes:
        run: name of the run.
        working_point: which.
        held_out: whether the mass points are those that were not trained on.
        hypotheses: the mass points averaged over: those where σ_min is defined for the consensus and all replicas.
        left_out: the others.
        mean: mean σ_min of the consensus in fb; None where no mass point is left.
        mean_spread: standard deviation (ddof = 0) of the replicas' means; None for fewer than two.
        mean_log: mean ln(σ_min / fb) of the consensus.
        mean_log_spread: standard deviation of the replicas' means.
    """

    run: str
    working_point: str
    held_out: bool
    hypotheses: tuple[float, ...]
    left_out: tuple[float, ...]
    mean: float | None
    mean_spread: float | None
    mean_log: float | None
    mean_log_spread: float | None


@dataclass(frozen=True, slots=True)
class CutDistance:
    """How far σ_min at one fixed cut lies above that at the best cut of each mass.

    Attributes:
        run: name of the run.
        working_point: the fixed cut, `fixed` or one that ends in `_fixed`.
        held_out: whether the mass points are those that were not trained on.
        mean: mean of σ_min(fixed)/σ_min(best) − 1 of the consensus; None where no mass point is left.
        spread: standard deviation of the replicas' means; None for fewer than two.
    """

    run: str
    working_point: str
    held_out: bool
    mean: float | None
    spread: float | None


def held_out_masses(run: Run) -> frozenset[float]:
    """Return the mass points that a run was not trained on, by its table of hypotheses; all folds hold out the same."""
    table = (run.folds or (run,))[0].table("hypotheses")
    if table is None or not {"hypothesis", "held_out"} <= set(table.column_names):
        return frozenset()
    columns = zip(table.column("hypothesis").to_pylist(), table.column("held_out").to_pylist(), strict=True)
    return frozenset(float(mass) for mass, held in columns if held)


def summarise_hypotheses(
    metrics: Iterable[MetricRow], split: Split, held_out: Mapping[str, Collection[float]]
) -> tuple[tuple[HypothesisSummary, ...], tuple[CutDistance, ...]]:
    """Average σ_min over the mass points of each run that has selections for them.

    All working points of a run are averaged over the same mass points, so that they can be compared.

    Args:
        metrics: rows of all runs.
        split: the events counted.
        held_out: mass points that a run was not trained on, by run.
    """
    values: dict[str, dict[tuple[str, int, float], float | None]] = {}
    for row in metrics:
        wanted = row.metric == SIGMA_MIN and row.split == split and row.kind != "mean"
        if wanted and row.hypothesis is not None and row.working_point is not None and row.run in held_out:
            values.setdefault(row.run, {})[row.working_point, row.replica, row.hypothesis] = row.value
    summaries: list[HypothesisSummary] = []
    distances: list[CutDistance] = []
    for run, found in values.items():
        points = list(dict.fromkeys(point for point, _, _ in found))
        masses = sorted({mass for _, _, mass in found})
        for held in (False, True):
            chosen = [mass for mass in masses if (mass in held_out[run]) is held]
            usable = [mass for mass in chosen if all(v is not None for (_, _, m), v in found.items() if m == mass)]
            if not chosen:
                continue
            left_out = tuple(mass for mass in chosen if mass not in usable)
            tables = {point: _replica_table(found, point, usable) for point in points}
            for point, table in tables.items():
                mean, mean_spread = _spread(table.mean(axis=1) if usable else None)
                mean_log, log_spread = _spread(np.log(table).mean(axis=1) if usable else None)
                summaries.append(
                    HypothesisSummary(
                        run, point, held, tuple(usable), left_out, mean, mean_spread, mean_log, log_spread
                    )
                )
            for point in points:
                best = point.removesuffix(FIXED) + BEST
                if point.endswith(FIXED) and best in tables:
                    ratio = (tables[point] / tables[best] - 1).mean(axis=1) if usable else None
                    distances.append(CutDistance(run, point, held, *_spread(ratio)))
    return tuple(summaries), tuple(distances)


def _replica_table(
    found: dict[tuple[str, int, float], float | None], point: str, masses: Sequence[float]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return σ_min, shape (1 + replicas, masses), the consensus first."""
    replicas = sorted({replica for one, replica, _ in found if one == point})
    assert replicas[0] == CONSENSUS_REPLICA
    return np.array([[found[point, replica, mass] for mass in masses] for replica in replicas], dtype=np.float64)


def _spread(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None) -> tuple[float | None, float | None]:
    """Take the consensus, and the standard deviation of the replicas after it."""
    if values is None or not math.isfinite(values[0]):
        return None, None
    return float(values[0]), float(values[1:].std()) if len(values) > 2 else None
