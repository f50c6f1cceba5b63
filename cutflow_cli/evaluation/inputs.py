"""Runs and events that belong together: names, features, splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.evaluation.tables import NamedFlow
from cutflow_cli.events.plain import open_parquet
from cutflow_cli.events.schema import SPLIT
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.runs import Run


def name_runs(runs: Sequence[Run]) -> list[str]:
    """Name runs for the tables: by their directory, or by the whole path where directories share a name.

    Raises:
        UsageError: if a run is given twice, or none is.
    """
    paths = [run.path.resolve() for run in runs]
    if not paths:
        msg = "no runs to evaluate"
        raise UsageError(msg)
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            msg = f"{run.path}: this run is named twice"
            raise UsageError(msg)
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else str(run.path) for name, run in zip(names, runs, strict=True)]


def open_data(runs: Sequence[Run], names: Sequence[str], data: Path) -> EventsFile:
    """Open the events with the runs' features, split as for training.

    Raises:
        InputError: if the events lack a feature.
        UsageError: if runs split a file without splits differently.
    """
    columns = open_parquet(data).schema_arrow.names
    for run, name in zip(runs, names, strict=True):
        for feature in run.features:
            if feature not in columns:
                hint = nearest(feature, columns)
                msg = f"{data}: run {name!r} was trained on feature {feature!r}, which these events lack; {hint}"
                raise InputError(msg)
    features = tuple(dict.fromkeys(feature for run in runs for feature in run.features))
    assigned = [_split_assignment(run) for run in runs]
    if SPLIT not in columns and len(set(assigned)) > 1:
        msg = f"{data}: has no column 'split', and the runs assigned splits differently; evaluate them one by one"
        raise UsageError(msg)
    fractions, seed = assigned[0]
    return open_events(data, features, fractions, seed)


def _split_assignment(run: Run) -> tuple[SplitFractions, int]:
    """Read from a run how it split a file without splits."""
    recorded = run.manifest.data.get("split_fractions")
    seed = run.manifest.data.get("split_seed")
    try:
        fractions = SplitFractions() if recorded is None else SplitFractions(*map(float, recorded))
        return fractions, 0 if seed is None else int(seed)
    except (TypeError, ValueError) as error:
        msg = f"{run.path}: damaged split assignment in run.json ({recorded!r}, seed {seed!r}); train again"
        raise InputError(msg) from error


def require_consensus(runs: Sequence[Run]) -> None:
    """Refuse runs without the selection that is quoted."""
    for run in runs:
        if not any(flow.kind == "consensus" for flow in run.flows):
            msg = f"{run.path}: holds no consensus selection (method {run.manifest.method}); train again"
            raise InputError(msg)


def named_flows(runs: Sequence[Run], names: Sequence[str], events: EventsFile) -> list[NamedFlow]:
    """Collect all flows, with boundaries rounded to what the columns can hold."""
    return [
        NamedFlow(name, run.manifest.method, flow.rounded(events.dtypes))
        for run, name in zip(runs, names, strict=True)
        for flow in run.flows
    ]
