"""Small samples and hand-made runs to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_scorer import LinearScorer

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.models import scores
from cutflow_cli.models.thresholds import score_flows
from cutflow_cli.runs import CUTS, RunManifest, write_cut_flows, write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

FEATURES = (FeatureInfo("x"), FeatureInfo("y"))
PROCESSES = (ProcessInfo("WW", "signal"), ProcessInfo("WZ", "signal"), ProcessInfo("QCD", "background"))


@dataclass(frozen=True)
class Sample:
    """Events in memory and the file that holds them."""

    path: Path
    batch: EventBatch
    processes: tuple[ProcessInfo, ...]


MakeSample = Callable[..., Sample]
MakeRun = Callable[..., Path]


@pytest.fixture
def make_sample(tmp_path: Path) -> MakeSample:
    """Write an events file: signal at high x and low y, weights signed, processes of unlike weight."""

    def make(
        name: str = "events.parquet",
        *,
        events: int = 3000,
        processes: Sequence[ProcessInfo] = PROCESSES,
        hypotheses: Sequence[float] = (),
        shares: Sequence[float] = (0.5, 0.2, 0.3),
        seed: int = 0,
        weight_scale: Sequence[float] = (0.1, 0.05, 3.0),
    ) -> Sample:
        rng = np.random.default_rng(seed)
        process = rng.integers(0, len(processes), events).astype(np.int32)
        signal = np.array([one.role == "signal" for one in processes])[process]
        x = np.where(signal, rng.normal(1, 1, events), rng.normal(-1, 1, events))
        y = np.where(signal, rng.normal(-0.5, 1, events), rng.normal(0.5, 1, events))
        x[:5] = np.nan
        weight = np.array(weight_scale)[process] * np.where(rng.random(events) < 0.1, -1.0, rng.uniform(0.5, 2, events))
        masses = None
        if hypotheses:
            masses = np.where(signal, rng.choice(np.array(hypotheses), events), np.nan)
        batch = EventBatch(
            {"x": x.astype(np.float32), "y": y.astype(np.float32)},
            signal.astype(np.int8),
            weight,
            process,
            rng.choice(len(SPLITS), events, p=shares).astype(np.int8),
            masses,
        )
        path = tmp_path / name
        metadata = EventsMetadata(FEATURES, tuple(processes), luminosity=300.0)
        with EventsWriter(path, metadata, hypothesis=bool(hypotheses)) as writer:
            writer.write(batch)
        return Sample(path, batch, tuple(processes))

    return make


def flow(x: float, y: float, replica: int = 0, hypothesis: float | None = None) -> CutFlow:
    """Keep x above and y below a value."""
    steps = (
        LearnedCut(Cut("x", Region.ABOVE, x, None), importance=0.7),
        LearnedCut(Cut("y", Region.BELOW, None, y), importance=0.3, note="a note"),
    )
    return CutFlow(steps, hypothesis=hypothesis, replica=replica)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run directory with replicas of given boundaries, and their consensus."""

    def make(
        name: str,
        data: Path,
        boundaries: Sequence[tuple[float, float]] = ((0.0, 0.5),),
        *,
        features: Sequence[FeatureInfo] = FEATURES,
        hypotheses: Sequence[float | None] = (None,),
        split: tuple[Sequence[float] | None, int] = (None, 0),
        flows: Sequence[CutFlow] | None = None,
    ) -> Path:
        found: list[CutFlow] = []
        for hypothesis in hypotheses:
            replicas = [flow(x, y, replica, hypothesis) for replica, (x, y) in enumerate(boundaries)]
            found += [*replicas, consensus(replicas)]
        directory = tmp_path / name
        directory.mkdir(parents=True)
        write_cut_flows(directory / CUTS, found if flows is None else flows)
        RunManifest(
            method="lcf-parallel",
            settings={},
            features=tuple(features),
            data={
                "path": str(data),
                "digest": open_events(data).digest,
                "split_fractions": split[0],
                "split_seed": split[1],
            },
            digest=f"{name}{boundaries}",
        ).write(directory)
        return directory

    return make


@pytest.fixture
def make_flow() -> Callable[..., CutFlow]:
    """Make a flow: `make_flow(x=0.0, y=0.5, replica=0, hypothesis=None)`."""
    return flow


@pytest.fixture
def make_scan(make_run: MakeRun) -> Callable[..., Path]:
    """Write a run with a working point for each x boundary, as a scan of signal efficiencies has them."""

    def make(name: str, data: Path, boundaries: Sequence[float] = (1.5, 0.5, -0.5), recommended: int = 1) -> Path:
        targets = [0.2, 0.5, 0.8]
        flows = []
        for target, x in zip(targets, boundaries, strict=True):
            replicas = [
                replace(flow(x + shift, 9.0, replica), working_point=f"signal_efficiency={target:g}", target=target)
                for replica, shift in enumerate((0.0, 0.1))
            ]
            flows += [*replicas, consensus(replicas)]
        directory = make_run(name, data, flows=flows)
        points = [f"signal_efficiency={target:g}" for target in targets]
        amend(directory, method="cabin-scan", recommended=points[recommended], settings={"fom": "asimov"})
        table = {
            "replica": [0, 0, 0, -1, -1, -1],
            "working_point": points * 2,
            "free_background_efficiency": [0.01, 0.05, 0.2, None, None, None],
            "price": [0.001, 0.002, 0.003, None, None, None],
            "figure_of_merit": [None, None, None, 1.25, 2.5, 1.75],
        }
        write_table(directory / "working_points.parquet", table)
        return directory

    return make


@pytest.fixture
def make_score_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a run that scores x − y with noise in the weights, one replica each, and cuts at 0.5 (or as told)."""

    def make(
        name: str,
        data: Path,
        *,
        replicas: int = 2,
        flows: Sequence[CutFlow] | None = None,
        names: Sequence[str] = ("score",),
        method: str = "mlp",
        **manifest: Any,
    ) -> Path:
        monkeypatch.setitem(scores.SCORING_METHODS, method, "linear_scorer")
        rng = np.random.default_rng(replicas)
        weights = {name: np.array([1.0, -1.0]) + 0.1 * rng.normal(size=(replicas, 2)) for name in names}
        found = score_flows(names[0], [0.5 + 0.02 * r for r in range(replicas)], 0.55, range(replicas))
        directory = make_run(name, data, flows=found if flows is None else flows)
        LinearScorer(("x", "y"), weights).save(directory)
        amend(directory, method=method, scores=tuple(names), replicas=(0, replicas), **manifest)
        return directory

    return make


def amend(directory: Path, **changes: Any) -> None:
    """Change what a run says of itself."""
    replace(RunManifest.read(directory), **changes).write(directory)
