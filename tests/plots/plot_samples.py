"""Small events files and runs, made by hand, for the tests of figures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cutflow_cli.evaluation.curves import RunCurve, ScoreCollector, run_curves
from cutflow_cli.evaluation.inputs import name_runs, named_flows
from cutflow_cli.evaluation.normalise import normalise
from cutflow_cli.evaluation.quoted import quoted_points
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.plots.backend import Figure
from cutflow_cli.runs import CUTS, HISTORY, Run, RunManifest, open_run, write_cut_flows, write_table
from cutflow_cli.selection.cut import Cut, Region
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
    names: Sequence[str] | None = None,
    luminosity: float | None = None,
) -> EventsFile:
    """Write an events file; of processes the last is the signal."""
    label = np.asarray(label, dtype=np.int8)
    events = len(label)
    names = names or (("background", "signal") if process is None else ("b1", "b2", "signal"))
    metadata = EventsMetadata(
        tuple(FeatureInfo(name, dtype) for name in columns),
        tuple(ProcessInfo(name, "signal" if name == names[-1] else "background") for name in names),
        luminosity,
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
    strategy = "sequential" if method.endswith("sequential") else "parallel"
    chosen = {"strategy": strategy, **({"min_importance": 0.05} if settings is None else settings)}
    RunManifest(method, chosen, tuple(infos), {}, "digest", replicas=(0, replicas)).write(path)
    if history is not None:
        write_table(path / HISTORY, dict(history))
    return open_run(path)


def make_score_run(path: Path, score: str, threshold: float, points: Mapping[str, float] | None = None) -> Run:
    """A run with one replica that cuts on a column of the events as if it were its score."""
    path.mkdir(parents=True)
    flows = [
        CutFlow((LearnedCut(Cut(score, Region.ABOVE, value)),), working_point=name, kind=kind, replica=replica)
        for name, value in (points or {"default": threshold}).items()
        for kind, replica in (("replica", 0), ("consensus", -1))
    ]
    write_cut_flows(path / CUTS, flows)
    manifest = RunManifest("mlp", {}, (FeatureInfo("x"),), {}, "digest", scores=(score.rpartition(".")[2],))
    manifest.write(path)
    return open_run(path)


def make_scan(path: Path, observable: str, boundaries: Mapping[float, float | None], replicas: int = 1) -> Run:
    """A scan that keeps what is above a boundary for each target, or everything; recommends the middle target."""
    path.mkdir(parents=True)
    flows = []
    for target, boundary in boundaries.items():
        cut = Cut(observable, Region.ALL) if boundary is None else Cut(observable, Region.ABOVE, boundary)
        step = LearnedCut(cut, active=boundary is not None, lower_error=None if boundary is None else 0.1)
        point = f"signal_efficiency={target:g}"
        flows += [CutFlow((step,), point, target, replica=replica) for replica in range(replicas)]
        flows.append(CutFlow((step,), point, target, kind="consensus", replica=-1))
    write_cut_flows(path / CUTS, flows)
    middle = f"signal_efficiency={sorted(boundaries)[len(boundaries) // 2]:g}"
    info = FeatureInfo(observable, unit="GeV")
    RunManifest("cabin-scan", {}, (info,), {}, "digest", replicas=(0, replicas), recommended=middle).write(path)
    return open_run(path)


def curves_of(runs: Sequence[Run], events: EventsFile) -> tuple[RunCurve, ...]:
    """The curves of runs without scores on the test split, as an evaluation computes them."""
    names = name_runs(runs)
    flows = named_flows(runs, names, events)
    counted = normalise(tally(events, [named.flow for named in flows]), events.metadata.processes)
    collector = ScoreCollector([], [], counted, ["test"])
    return run_curves(flows, counted, collector, quoted_points(runs, names))


def overlapping(figure: Figure) -> tuple[list[str], list[tuple[str, str]]]:
    """Pairs of texts that lie on one another, and texts that leave the figure; tick labels are matplotlib's."""
    figure.canvas.draw()
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, axes.xaxis.get_offset_text()]
    for legend in figure.legends:
        texts += legend.get_texts()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text() and text.get_visible()]
    page = figure.bbox
    outside = [
        name for name, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1
    ]
    on_top = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8))
    ]
    return outside, on_top


def _moved(cut: Cut, factor: float) -> Cut:
    return Cut(cut.observable, cut.region, _times(cut.lower, factor), _times(cut.upper, factor))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
