"""A file of cuts in the place of a run, so that cuts that nobody trained are evaluated beside those that were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.apply.conditions import Condition, columns_of, conditions_of, resolved
from cutflow_cli.apply.cuts_file import CutsFile, read_cuts
from cutflow_cli.apply.inputs import missing_column
from cutflow_cli.errors import InputError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.events.table import DerivedColumns
from cutflow_cli.runs import Run, RunManifest, open_run
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, consensus
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.per_object import without_quantifiers
from cutflow_cli.selection.tree import names

#: What stands where a run has its method.
METHOD = "cuts"


def open_cuts(path: Path | str) -> Run:
    """Open a file of cuts as a run.

    Selections of a single replica, or of none in particular, count as the consensus, which is what is quoted.

    Args:
        path: the file.

    Returns:
        A run of the method `cuts`, named after the file, without training; its features are the columns that the cuts
        need, in order.

    Raises:
        InputError: if the file is at fault, or holds several replicas of other cuts each and no consensus.
    """
    cuts = read_cuts(path)
    flows = _with_consensus(cuts)
    replicas = [flow.replica for flow in flows if flow.kind == "replica"]
    manifest = RunManifest(
        method=METHOD,
        settings={},
        features=tuple(_feature(cuts, name) for name in columns_of(flows)),
        data={},
        digest=cuts.digest,
        preselection=cuts.preselection,
        replicas=(min(replicas), max(replicas) + 1) if replicas else (0, 1),
    )
    return Run(cuts.path, manifest, flows)


def open_run_or_cuts(path: Path | str) -> Run:
    """Open again what a report says that it evaluated: a run directory, or a file of cuts.

    Raises:
        InputError: if it is neither.
    """
    return open_cuts(path) if Path(path).is_file() else open_run(path)


def _feature(cuts: CutsFile, name: str) -> FeatureInfo:
    item = cuts.feature(name)
    return FeatureInfo(name, item.dtype or "float32", item.unit, None, item.expression)


def _with_consensus(cuts: CutsFile) -> tuple[CutFlow, ...]:
    """Find out what is quoted for each working point and hypothesis."""
    found: list[CutFlow] = []
    for key in dict.fromkeys((flow.working_point, flow.hypothesis) for flow in cuts.flows):
        flows = [flow for flow in cuts.flows if (flow.working_point, flow.hypothesis) == key]
        if not any(flow.kind == "consensus" for flow in flows):
            if len(flows) == 1:
                flows = [replace(flows[0], kind="consensus", replica=CONSENSUS_REPLICA)]
            else:
                flows.append(_consensus(cuts, flows))
        found += flows
    return tuple(found)


def _consensus(cuts: CutsFile, replicas: Sequence[CutFlow]) -> CutFlow:
    try:
        if any(conditions_of(replicas)):
            msg = "conditions have no consensus"
            raise InputError(msg)
        return consensus(replicas)
    except InputError as error:
        msg = (
            f"{cuts.path}: working point {replicas[0].working_point!r} has {len(replicas)} replicas and no consensus, "
            f"and {error}; leave one of them, or export the cuts with --all"
        )
        raise InputError(msg) from error


def check_columns(run: Run, where: Path, columns: Sequence[str]) -> None:
    """Check that events have what a file of cuts needs.

    Args:
        run: from `open_cuts`.
        where: the events.
        columns: theirs.

    Raises:
        InputError: naming the first column that is missing, and how to ingest it.
    """
    for name in run.columns:
        if name not in columns:
            user = f"which {run.path} cuts on"
            raise InputError(missing_column(str(where), name, user, columns, read_cuts(run.path)))


def on_columns(run: Run, dtypes: Mapping[str, str]) -> Run:
    """Turn the conditions of a file of cuts into plain cuts where they say the same for columns of these types."""
    return replace(run, flows=tuple(resolved(flow, dtypes) for flow in run.flows))


def condition_columns(run: Run) -> DerivedColumns | None:
    """Give the conditions of a run as columns of the events, 1 where they hold and 0 elsewhere; None for none."""
    conditions = conditions_of(run.flows)
    if not conditions:
        return None

    def compute(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        events = len(next(iter(columns.values())))
        return {one.observable: _holds(one, columns, events).astype(np.float32) for one in conditions}

    inputs = tuple(dict.fromkeys(name for one in conditions for name in names(one.tree)))
    return DerivedColumns(tuple(one.observable for one in conditions), inputs, compute)


def _holds(condition: Condition, columns: Mapping[str, NDArray[Any]], events: int) -> NDArray[Any]:
    return evaluate(without_quantifiers(condition.tree, frozenset()), columns, events)
