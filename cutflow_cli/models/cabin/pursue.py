"""The working point `objective` of a scan: from the best of its working points, up to where an objective is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS, Yields
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.refine.pursue import pursue
from cutflow_cli.models.refine.refiner import Refiner
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow

WORKING_POINT = "objective"
#: How the scan's own remarks on its recommendation begin, which are replaced.
_OF_RECOMMENDATION = ("recommended working point", "there is no validation split")
_ONE_SIDED = (Region.BELOW, Region.ABOVE)


def with_objective(
    fitted: Fitted, sample: EventSample, goal: Objective, settings: CabinSettings, context: TrainingContext
) -> Fitted:
    """Add the working point `objective` to a scan, and recommend by the objective.

    Each replica starts from its working point with the highest objective on train and is refined (`models.refine`):
    one-sided cuts as given by `directions` or either side, two-sided ones with `windows`. All working points, the new
    one included, are then judged on validation by the objective of their consensus. Without a validation split the new
    one is recommended: on train the scan's own exact steps look better than they are.

    Args:
        fitted: the scan.
        sample: the training split.
        goal: the objective.
        settings: of the training.
        context: of the training, with the validation split.
    """
    bootstrap = bool(fitted.resolved["bootstrap"])
    refiner = Refiner(sample, goal, settings.min_effective_background, _allowed(sample.features, settings))
    starts = [
        [replace(flow, working_point=WORKING_POINT, target=None)
         for flow in fitted.flows if flow.kind == "replica" and flow.replica == replica]
        for replica in context.replicas
    ]  # fmt: skip
    parts = settings.optimism_folds
    found = pursue(refiner, starts, sample, goal, context, bootstrap=bootstrap, parts=parts, done=1.0)
    flows = (*fitted.flows, *found.flows, found.agreed)
    judged = sample if context.validation is None else context.validation
    figures = {
        (flow.replica, flow.working_point): figure_on(judged, flow, goal, settings.min_effective_background)
        for flow in flows
    }
    agreed = {point: figure for (replica, point), figure in figures.items() if replica == CONSENSUS_REPLICA}
    recommended = max(agreed, key=lambda point: agreed[point]) if context.validation is not None else WORKING_POINT
    said = [text for text in fitted.warnings if not text.startswith(_OF_RECOMMENDATION)]
    if context.validation is None:
        said.append("there is no validation split: the working point that was refined for the objective is recommended")
    elif agreed[recommended] == -np.inf:
        recommended = WORKING_POINT
        said.append(f"recommended working point: {goal.title} is defined at none on validation")
    warnings = tuple(dict.fromkeys((*said, *found.warnings)))
    points = _table(fitted.tables["working_points"], (*found.flows, found.agreed), sample, context, figures)
    points["recommended"] = np.asarray(points["working_point"]) == recommended
    tables = {**fitted.tables, "working_points": points, "objective": found.table}
    return replace(
        fitted, flows=flows, warnings=warnings, tables=tables, recommended=recommended,
        resolved={**fitted.resolved, **found.resolved},
        notes=(*fitted.notes, *(f"{WORKING_POINT}: {text}" for text in found.notes)),
    )  # fmt: skip


def _allowed(features: Sequence[str], settings: CabinSettings) -> list[frozenset[Region]]:
    """Say which regions each feature may have: the side that is given, else either, else every one with windows."""
    free = frozenset(Region) if settings.windows else frozenset(_ONE_SIDED)
    given = {name: frozenset({Region(side)}) for name, side in settings.directions.items()}
    return [given.get(name, free) for name in features]


def kept_by(sample: EventSample, flow: CutFlow) -> tuple[float, float, float, float, float]:
    """Return what a flow keeps of expected events: S, B, Σw² of both, and B's effective events."""
    kept, signal = flow.mask(sample.columns, len(sample)), sample.label == 1
    s, b = sample.expected[kept & signal], sample.expected[kept & ~signal]
    squares = float((b**2).sum())
    return (
        float(s.sum()),
        float(b.sum()),
        float((s**2).sum()),
        squares,
        float(b.sum()) ** 2 / squares if squares else 0.0,
    )


def figure_on(sample: EventSample, flow: CutFlow, goal: Objective, min_effective: float) -> float:
    """Return the objective of a flow; −∞ where it is undefined, or known from fewer effective events than allowed.

    On a split smaller than the training split as many events as there can't be asked for: what is asked is at most
    `MIN_EFFECTIVE_EVENTS`.
    """
    S, B, S2, B2, effective = kept_by(sample, flow)
    totals = np.array([float(sample.expected[sample.label == role].sum()) for role in (1, 0)])
    figure = goal.values(Yields(np.array([S]), np.array([B]), np.array([B2]), totals[0], totals[1], np.array([S2])))[0]
    few = not goal.additive and effective < min(min_effective, MIN_EFFECTIVE_EVENTS)
    return -np.inf if few else float(figure)


def _table(
    points: dict[str, Any],
    flows: Sequence[CutFlow],
    sample: EventSample,
    context: TrainingContext,
    figures: dict[tuple[int, str], float],
) -> dict[str, Any]:
    """Add rows for the new working point, and give all the objective as their figure of merit."""

    def efficiencies(flow: CutFlow, split: EventSample | None) -> tuple[float, float, float]:
        if split is None:
            return np.nan, np.nan, np.nan
        S, B, _, _, effective = kept_by(split, flow)
        totals = [float(split.expected[split.label == role].sum()) for role in (1, 0)]
        return S / totals[0], B / totals[1], effective

    new: dict[str, Any] = {name: np.full(len(flows), np.nan) for name in points}
    new["replica"] = np.array([flow.replica for flow in flows], dtype=np.int32)
    new["working_point"] = np.array([flow.working_point for flow in flows])
    for split, prefix in ((sample, ""), (context.validation, "validation_")):
        columns = np.array([efficiencies(flow, split) for flow in flows]).T
        new[f"{prefix}signal_efficiency"], new[f"{prefix}background_efficiency"] = columns[0], columns[1]
    new["validation_effective_background"] = columns[2]
    new["recommended"] = np.zeros(len(flows), dtype=np.bool_)
    whole = {name: np.concatenate([np.asarray(values), new[name]]) for name, values in points.items()}
    whole["figure_of_merit"] = np.array(
        [
            figures[int(replica), str(point)]
            for replica, point in zip(whole["replica"], whole["working_point"], strict=True)
        ]
    )
    return whole
