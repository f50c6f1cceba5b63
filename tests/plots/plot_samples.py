"""Small events files and runs, made by hand, for the tests of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.runs import CUTS, HISTORY, Run, RunManifest, open_run, write_cut_flows, write_table
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

TEST = 2  # position of the test split


def write_events(
    path: Path,
    columns: Mapping[str, Any],
    label: Any,
    weight: Any = None,
    split: Any = None,
    process: Any = None,
    hypothesis: Any = None,
    dtype: str = "float32",
) -> EventsFile:
    label = np.asarray(label, dtype=np.int8)
    events = len(label)
    names = ("background", "signal") if process is None else ("b1", "b2", "signal")
    roles = {"signal": "signal"}
    metadata = EventsMetadata(
        tuple(FeatureInfo(name, dtype) for name in columns),
        tuple(ProcessInfo(name, roles.get(name, "background")) for name in names),
    )
    batch = EventBatch(
        {name: np.asarray(values, dtype=dtype) for name, values in columns.items()},
        label,
        np.ones(events) if weight is None else np.asarray(weight, dtype=np.float64),
        (label if process is None else np.asarray(process)).astype(np.int32),
        np.full(events, TEST, dtype=np.int8) if split is None else np.asarray(split, dtype=np.int8),
        None if hypothesis is None else np.asarray(hypothesis, dtype=np.float64),
    )
    with EventsWriter(path, metadata, hypothesis=hypothesis is not None) as writer:
        writer.write(batch)
    return open_events(path)


def make_run(
    path: Path,
    steps: Sequence[LearnedCut],
    *,
    method: str = "lcf-parallel",
    replicas: int = 3,
    features: Sequence[FeatureInfo] | None = None,
    history: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    hypothesis: float | None = None,
) -> Run:
    """A run whose replicas differ by a per mille in boundaries and importances; with one replica, no consensus."""
    path.mkdir(parents=True)
    flows = []
    for replica in range(replicas):
        factor = 1 + 0.001 * replica
        moved = [
            replace(step, cut=_moved(step.cut, factor), importance=_times(step.importance, factor)) for step in steps
        ]
        flows.append(CutFlow(tuple(moved), hypothesis=hypothesis, replica=replica))
    write_cut_flows(path / CUTS, [*flows, consensus(flows)] if replicas > 1 else flows)
    infos = features or [FeatureInfo(step.cut.observable) for step in steps]
    chosen = {"min_importance": 0.05} if settings is None else dict(settings)
    RunManifest(method, chosen, tuple(infos), {}, "digest", replicas=(0, replicas)).write(path)
    if history is not None:
        write_table(path / HISTORY, dict(history))
    return open_run(path)


def _moved(cut: Cut, factor: float) -> Cut:
    return Cut(cut.observable, cut.region, _times(cut.lower, factor), _times(cut.upper, factor))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
