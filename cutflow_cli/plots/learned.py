"""What a run says of itself: its main flow and its importances, as arrays to draw."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.arrays import Importances, Spread
from cutflow_cli.plots.style import unit
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, LearnedCut

_SQUARED = "squared"
#: Units of a squared mass.
_SQUARE = re.compile(r"(.*?[A-Za-z])\s*(?:(?:\^|\*\*)?\{?2\}?|²)")
DEFAULT_WORKING_POINT = "default"
#: The table of importances of a method that has them apart from its cuts.
IMPORTANCES = "importances"


def is_sequential(run: Run) -> bool:
    """Say whether each cut of a run was trained on what the earlier ones kept."""
    return run.manifest.settings.get("strategy") == "sequential"


def main_flow(run: Run) -> CutFlow | None:
    """Return the flow that figures of a run show.

    That is the consensus at the working point that the run recommends, or else at the default one, or else the first
    consensus, or else (a run without one) a replica by the same rule; None for a run without flows.
    """
    recommended = run.manifest.recommended

    def rank(flow: CutFlow) -> tuple[bool, bool, bool]:
        point = flow.working_point
        return flow.kind != "consensus", point != recommended, point != DEFAULT_WORKING_POINT

    return min(run.flows, key=rank, default=None)


def shown_flows(run: Run) -> tuple[CutFlow, ...]:
    """Return the flows that figures of single selections show: the main one, or that of a few mass points.

    Of a run with one selection for each mass point they are those of the lowest, the middle and the highest mass, at
    the working point and of the kind of the main flow.
    """
    main = main_flow(run)
    if main is None or main.hypothesis is None:
        return () if main is None else (main,)
    masses = {
        flow.hypothesis: flow
        for flow in run.flows
        if flow.hypothesis is not None
        and (flow.working_point, flow.kind, flow.replica) == (main.working_point, main.kind, main.replica)
    }
    rising = sorted(masses)
    return tuple(masses[mass] for mass in dict.fromkeys((rising[0], rising[len(rising) // 2], rising[-1])))


def replicas_of(run: Run, flow: CutFlow) -> tuple[CutFlow, ...]:
    """Return the replicas that were trained for the same as a flow was."""
    wanted = (flow.working_point, flow.hypothesis)
    return tuple(
        other for other in run.flows if other.kind == "replica" and (other.working_point, other.hypothesis) == wanted
    )


def flow_title(run: Run, flow: CutFlow) -> str:
    """Name a flow: run, method, what it was trained for, and how many replicas agree on it."""
    parts = [f"{run.name} ({run.manifest.method})"]
    if flow.working_point != DEFAULT_WORKING_POINT:
        parts.append(flow.working_point)
    if flow.hypothesis is not None:
        parts.append(f"signal hypothesis {flow.hypothesis:g}")
    replicas = len(replicas_of(run, flow))
    what = "fold" if run.folds else "replica"
    if flow.kind == "consensus" and replicas > 1:
        parts.append(f"consensus of {replicas} {what}s")
    elif flow.kind == "replica" and replicas > 1:
        parts.append(f"{what} {flow.replica}")
    return ", ".join(parts)


def feature_of(run: Run, observable: str) -> FeatureInfo:
    """Return what the run knows of an observable; its bare name if it knows nothing."""
    known = {feature.name: feature for feature in (*run.manifest.spectators, *run.manifest.features)}
    return known.get(observable, FeatureInfo(observable))


def mass_label(run: Run) -> str:
    """Return what an axis of mass hypotheses says: with the unit of the mass that windows are in, where that has one.

    The unit of a squared mass is the square of it, such as `GeV^2`; of another spelling none is said.
    """
    data, settings = run.manifest.data, run.manifest.settings
    own = feature_of(run, str(data.get("hypothesis_column"))).unit
    if own is None:
        own = feature_of(run, str(settings.get("mass_column"))).unit
        if own is not None and settings.get("mass_scale", _SQUARED) == _SQUARED:
            root = _SQUARE.fullmatch(own.strip())
            own = None if root is None else root[1]
    return "Mass hypothesis" + (f" [{unit(own)}]" if own else "")


def importances(run: Run) -> Importances | None:
    """Collect importances and N−1 losses of a run's main flow, or its table of importances; None if it has neither.

    Raises:
        InputError: if the table is damaged.
    """
    flow = main_flow(run)
    if flow is None:
        return None
    replicas = replicas_of(run, flow)
    table = run.table(IMPORTANCES)
    if table is not None:
        return _tabled(run, flow, table.to_pylist(), len(replicas))
    learned = _spread(flow, replicas, lambda step: step.importance)
    n_minus_1 = _spread(flow, replicas, lambda step: step.n_minus_1_loss)
    if learned is None and n_minus_1 is None:
        return None
    share = run.manifest.settings.get("min_importance")
    share = share if isinstance(share, int | float) and learned is not None else 0.0
    return Importances(
        title=flow_title(run, flow),
        features=tuple(feature_of(run, name) for name in flow.observables),
        active=tuple(step.active for step in flow.steps),
        importance=learned,
        threshold=share / len(flow.steps) if share > 0 else None,
        n_minus_1=n_minus_1,
        replicas=len(replicas),
    )


def _tabled(run: Run, flow: CutFlow, rows: Sequence[dict[str, Any]], replicas: int) -> Importances:
    """Make importances of a table with the columns replica (-1 for the consensus), feature and importance."""
    own = np.full(len(run.features), np.nan)
    errors = np.full(len(run.features), np.nan)
    for position, name in enumerate(run.features):
        values = [row["importance"] for row in rows if row["feature"] == name and row["replica"] != CONSENSUS_REPLICA]
        agreed = [row["importance"] for row in rows if row["feature"] == name and row["replica"] == CONSENSUS_REPLICA]
        if agreed or values:
            own[position] = agreed[0] if agreed else np.mean(values)
        if len(values) > 1:
            errors[position] = np.std(values)
    return Importances(
        title=flow_title(run, flow),
        features=run.manifest.features,
        active=(True,) * len(own),
        importance=Spread(own, None if np.isnan(errors).all() else errors),
        threshold=None,
        n_minus_1=None,
        replicas=replicas,
    )


def _spread(flow: CutFlow, replicas: Sequence[CutFlow], number: Callable[[LearnedCut], float | None]) -> Spread | None:
    """Take a number per step from the flow, or if it has none the replicas' mean, and its spread over replicas.

    A flow that has it for some steps is taken at its word: the replicas' number for a cut that only they apply would
    be of another selection. A replica without the number (such as the N−1 loss of a cut that it does not apply) is
    left out of that step.
    """

    def row(steps: Sequence[LearnedCut]) -> list[float]:
        values = [number(step) for step in steps]
        return [np.nan if value is None else value for value in values]

    own = np.array(row(flow.steps))
    table = [row(replica.steps) for replica in replicas if replica.observables == flow.observables]
    silent = bool(np.isnan(own).all())
    errors = np.full(len(own), np.nan)
    for position, column in enumerate(np.array(table).T):
        known = column[~np.isnan(column)]
        if len(known) and silent:
            own[position] = known.mean()
        if len(known) > 1 and not np.isnan(own[position]):
            errors[position] = known.std()
    if np.isnan(own).all():
        return None
    return Spread(own, None if np.isnan(errors).all() else errors)
