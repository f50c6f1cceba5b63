"""Scores: what networks and trees give for an event, and how a finished run gives them again.

A score is treated as one more observable: a run that gives one has flows that cut on it, so that evaluation, figures
and tables need not tell it from a run that cuts on features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.table import DerivedColumns
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: What the main score of every method is called in its flows.
SCORE = "score"


class Scorer(Protocol):
    """Gives the scores of a run's replicas.

    Attributes:
        names: of the scores, the main one first.
        features: columns that it needs, in this order.
    """

    names: tuple[str, ...]
    features: tuple[str, ...]

    def scores(self, x: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Compute the scores of events.

        Args:
            x: features, shape (events, features).

        Returns:
            By name, shape (replicas, events); higher is more like signal. NaN, which passes no cut, where the method
            can't do with a missing feature.
        """

    def save(self, directory: Path) -> None:
        """Write what `load_scorer` of the method's module reads, without anything that loading would execute."""


#: The module of each method that gives a score, with a function `load_scorer(directory, features, replicas)`.
SCORING_METHODS: Mapping[str, str] = {
    "bdt": "cutflow_cli.models.bdt.scorer",
    "mlp": "cutflow_cli.models.mlp.scorer",
    "punzi": "cutflow_cli.models.punzi.scorer",
}


def load_scorer(method: str, directory: Path, features: tuple[str, ...], replicas: int) -> Scorer | None:
    """Read what computes the scores of a finished run.

    Args:
        method: name of its method.
        directory: the run.
        features: its features.
        replicas: how many it has.

    Returns:
        The scorer; None for a method that cuts on features alone.

    Raises:
        InputError: if a file is missing or damaged.
    """
    if method not in SCORING_METHODS:
        return None
    scorer: Scorer = import_module(SCORING_METHODS[method]).load_scorer(directory, features, replicas)
    return scorer


def mean_score(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the consensus of scores: their mean over the replicas.

    Args:
        scores: shape (replicas, events).
    """
    return np.asarray(scores.mean(axis=0, dtype=np.float64), dtype=np.float32)


def column_name(run: str, score: str, replica: int | None) -> str:
    """Name a run's score among the columns of events: `bdt.score`, or `bdt.score[3]` for a replica."""
    return f"{run}.{score}" if replica is None else f"{run}.{score}[{replica}]"


def score_columns(run: str, scorer: Scorer, replicas: range) -> DerivedColumns:
    """Give the scores of a run as columns of the events: the consensus, and one for each replica.

    Args:
        run: what the columns begin with.
        scorer: of the run.
        replicas: numbers of its replicas.
    """

    def compute(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = {}
        values = scorer.scores(np.stack([columns[name] for name in scorer.features], axis=1))
        for name, scores in values.items():
            found[column_name(run, name, None)] = mean_score(scores)
            for replica, row in zip(replicas, scores, strict=True):
                found[column_name(run, name, replica)] = row
        return found

    names = tuple(column_name(run, name, replica) for name in scorer.names for replica in (None, *replicas))
    return DerivedColumns(names, scorer.features, compute)


def with_columns(flow: CutFlow, run: str, scorer: Scorer) -> CutFlow:
    """Let a flow of a run cut on the columns of `score_columns` instead of on `score`."""
    replica = None if flow.kind == "consensus" else flow.replica

    def renamed(step: LearnedCut) -> LearnedCut:
        if step.cut.observable not in scorer.names:
            return step
        return replace(step, cut=replace(step.cut, observable=column_name(run, step.cut.observable, replica)))

    return replace(flow, steps=tuple(renamed(step) for step in flow.steps))
