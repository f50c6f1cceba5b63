"""The distribution of a run's score for signal and background, on the events trained on and on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.schema import Split
from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.learned import main_flow, replicas_of
from cutflow_cli.plots.score_filler import BINS, LOGIT_EDGES, ScoreFiller, coarse_positions, coarser, logit
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CutFlow

#: Bins with fewer effective events than this are left out of the comparison of train with the quoted split.
_ENOUGH = 10.0

Splits = Mapping[Split, tuple[Shape, ...]]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where selections of the run cut on the score.

    Attributes:
        name: the working point.
        low: the lowest threshold.
        high: the highest: more than `low` where each hypothesis has its own.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScorePanel:
    """The distribution of one score.

    Attributes:
        name: of the score.
        logit: whether its logit ln s/(1−s) is shown, because it piles up at 0 and 1.
        edges: of the bins, shape (bins + 1,).
        shapes: for the quoted split, and for train where it has events, background and signal.
        thresholds: of the consensus on this score, as they lie on the axis.
    """

    name: str
    logit: bool
    edges: NDArray[np.float64]
    shapes: Splits
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one run.

    Attributes:
        title: the run.
        split: the quoted one.
        panels: one for each score, the main one first.
    """

    title: str
    split: Split
    panels: tuple[ScorePanel, ...]


def consensus_columns(run: Run) -> dict[str, str]:
    """Return the column of the events that holds the consensus of each score that the run cuts on, by score."""
    names = {cut.observable for flow in _consensus(run) for cut in flow.cuts} - set(run.columns)
    found: dict[str, str] = {}
    for score in run.manifest.scores:
        columns = sorted(name for name in names if name == score or name.endswith(f".{score}"))
        if columns:
            found[score] = columns[0]
    return found


def _consensus(run: Run) -> Iterator[CutFlow]:
    return (flow for flow in run.flows if flow.kind == "consensus")


def scores_of(run: Run, split: Split, fillers: Mapping[str, Mapping[Split, ScoreFiller]]) -> Scores | None:
    """Collect the filled scores of a run.

    Args:
        run: the run.
        split: the quoted split.
        fillers: by score and split; a split without events is left out of the figure.

    Returns:
        The scores; None for a run without any.
    """
    main = main_flow(run)
    if main is None or not fillers:
        return None
    columns = consensus_columns(run)
    panels = tuple(_panel(name, split, filled, _thresholds(run, columns[name])) for name, filled in fillers.items())
    replicas = len(replicas_of(run, main))
    title = f"{run.name} ({run.manifest.method})"
    of = f", mean score of {replicas} replicas" if replicas > 1 else ""
    if run.folds:
        of = ", each event scored by the fold that did not see it"
    return Scores(title + of, split, panels)


def _panel(
    name: str, split: Split, fillers: Mapping[Split, ScoreFiller], thresholds: Sequence[Threshold]
) -> ScorePanel:
    if not fillers[split].piles_up:
        plain = {part: filler.plain() for part, filler in fillers.items()}
        return ScorePanel(name, False, np.linspace(0.0, 1.0, BINS + 1), _with_events(plain), tuple(thresholds))
    fine = _with_events({part: filler.of_logit() for part, filler in fillers.items()})
    kept = coarse_positions(fine.get(split, ()))
    moved = [Threshold(one.name, *logit(np.array([one.low, one.high])).tolist()) for one in thresholds]
    shapes = {part: tuple(coarser(shape, kept) for shape in both) for part, both in fine.items()}
    return ScorePanel(name, True, LOGIT_EDGES[kept], shapes, tuple(moved))


def _with_events(shapes: Splits) -> dict[Split, tuple[Shape, ...]]:
    return {split: both for split, both in shapes.items() if any(shape.events for shape in both)}


def _thresholds(run: Run, column: str) -> list[Threshold]:
    """Collect the thresholds of the consensus on a score, the one to take first."""
    main = main_flow(run)
    found: dict[str, list[float]] = {}
    for flow in sorted(_consensus(run), key=lambda flow: flow != main):
        for cut in flow.cuts:
            if cut.observable == column and cut.lower is not None:
                found.setdefault(flow.working_point, []).append(cut.lower)
    return [Threshold(name, min(values), max(values)) for name, values in found.items()]


def compatibility(one: Shape, other: Shape) -> tuple[float, int] | None:
    """Compare two distributions of unit area: χ² and its number of degrees of freedom.

    χ² = Σ (p − q)² / (σ²_p + σ²_q) over the bins with at least 10 effective events in both, less one degree of freedom
    for the common area. Approximate, since the errors of fractions are taken as independent; N. D. Gagunashvili
    (arXiv:physics/0605123) treats weighted histograms without that.

    Returns:
        None where fewer than two bins have enough events.
    """
    first, second = one.unit_area(), other.unit_area()
    if first is None or second is None:
        return None
    (p, p_error), (q, q_error) = first, second
    enough = (p**2 >= _ENOUGH * p_error**2) & (q**2 >= _ENOUGH * q_error**2) & (p_error > 0) & (q_error > 0)
    if np.count_nonzero(enough) < 2:
        return None
    pulls = (p - q)[enough] ** 2 / (p_error**2 + q_error**2)[enough]
    return float(pulls.sum()), int(np.count_nonzero(enough)) - 1
