"""CABIN on samples that are not held in memory: the gradient of all events, counts of all events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.engine import windows
from cutflow_cli.errors import Interrupted, TemporaryError, UsageError
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.models.cabin import stream_stepper
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import PRESETS, CabinSettings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.settings import resolve_settings
from cutflow_cli.models.streaming import overview
from cutflow_cli.models.training import run_training
from cutflow_cli.runs import open_run

EVENTS = 30_000


@pytest.fixture
def data(tmp_path):
    """Three Gaussians, sorted by class, with weights of both signs and some values missing."""
    rng = np.random.default_rng(2)
    label = np.sort(np.arange(EVENTS) % 3 == 0).astype(np.int8)
    table = {
        f"x{i}": rng.normal(shift * label, 1.0 + 0.2 * i).astype(np.float32) for i, shift in enumerate((1.5, -1, 0.6))
    }
    table["x0"][::50] = np.nan
    table |= {"label": label, "weight": rng.choice([-0.5, 1.0, 2.0], EVENTS, p=[0.1, 0.5, 0.4])}
    table |= {"split": rng.choice(["train", "validation", "test"], EVENTS, p=[0.7, 0.2, 0.1])}
    pq.write_table(pa.table(table), tmp_path / "events.parquet", row_group_size=2000)
    return tmp_path / "events.parquet"


def plan(data, out, memory=0.0, replicas=range(2), method=CabinScan, **chosen):
    settings, _ = resolve_settings(CabinSettings, PRESETS, {"epochs": 10, "targets": (0.3, 0.6, 0.9), **chosen})
    return TrainingPlan("cabin-scan", method(settings), data, out, replicas=replicas, device="cpu", memory=memory)


def small_pieces(monkeypatch):
    for module in (windows, stream_stepper):
        monkeypatch.setattr(module, "WINDOW_BYTES", 3 * 512 * 4 * 4)


def cuts(run):
    """Region and boundaries of every step, to what the units leave of their digits."""
    steps = [step for flow in run.flows for step in flow.steps]
    boundaries = [[np.nan if value is None else value for value in (s.cut.lower, s.cut.upper)] for s in steps]
    return [(step.cut.observable, step.cut.region, step.active) for step in steps], np.array(boundaries)


@pytest.mark.parametrize("preset", [None, "cabin-bce"])
def test_one_replica_learns_and_counts_what_it_would_in_memory(data, tmp_path, monkeypatch, preset):
    small_pieces(monkeypatch)
    chosen = {"replicas": range(1), "exact": False} | ({"preset": preset, "targets": None} if preset else {})
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if preset:
        settings, _ = resolve_settings(CabinSettings, PRESETS, {"epochs": 10, "preset": preset})
        plans = [
            TrainingPlan("cabin-scan", CabinScan(settings), data, tmp_path / name, replicas=range(1), memory=memory)
            for name, memory in (("held", 1e9), ("streamed", 0.0))
        ]
    else:
        plans = [plan(data, tmp_path / name, memory, **chosen) for name, memory in (("held", 1e9), ("streamed", 0.0))]
    held, streamed = (run_training(one).run for one in plans)
    history = [run.history() for run in (held, streamed)]
    for name in history[0].column_names:
        np.testing.assert_allclose(history[1][name].to_numpy(), history[0][name].to_numpy(), rtol=1e-5, atol=1e-7)
    for flow, twin in zip(held.flows, streamed.flows, strict=True):
        for step, other in zip(flow.steps, twin.steps, strict=True):
            assert step.cut.region is other.cut.region
            for value, found in ((step.cut.lower, other.cut.lower), (step.cut.upper, other.cut.upper)):
                assert found == (value if value is None else pytest.approx(value, abs=1e-4))
            assert other.n_minus_1_loss == pytest.approx(step.n_minus_1_loss, abs=1e-3)
    assert streamed.manifest.settings["streamed"] == "windows"


def test_with_all_events_chosen_the_exact_step_finds_the_same_cuts_and_counts(data, tmp_path):
    held, streamed = (
        run_training(plan(data, tmp_path / name, memory, replicas=range(1))).run
        for name, memory in (("held", 1e9), ("streamed", 0.0))
    )
    assert cuts(streamed)[0] == cuts(held)[0]
    np.testing.assert_allclose(cuts(streamed)[1], cuts(held)[1], atol=1e-6)
    assert streamed.manifest.recommended == held.manifest.recommended
    tables = [pq.read_table(run.path / "working_points.parquet") for run in (held, streamed)]
    for name in tables[0].column_names:
        if tables[0][name].type == pa.float64():
            np.testing.assert_allclose(tables[1][name].to_numpy(), tables[0][name].to_numpy(), rtol=1e-4, atol=1e-6)
        else:
            assert tables[1][name].to_pylist() == tables[0][name].to_pylist()


def test_a_file_is_read_once_to_count_everything(data, tmp_path, monkeypatch):
    passes, batches = [], EventsFile.batches
    monkeypatch.setattr(EventsFile, "batches", lambda self, names: passes.append(names) or batches(self, names))
    run = run_training(plan(data, tmp_path / "run", epochs=2)).run
    assert len(passes) == 4  # for sums of weights, for histograms, for the pieces of the steps, and for the counts
    table = pq.read_table(run.path / "working_points.parquet").to_pydict()
    validation = open_events(data, ("x0", "x1", "x2")).load("validation")
    for flow in run.flows:
        (row,) = (
            i
            for i, (replica, point) in enumerate(zip(table["replica"], table["working_point"], strict=True))
            if (replica, point) == (flow.replica, flow.working_point)
        )
        kept = flow.mask(validation.columns, len(validation))
        for name, label in (("signal", 1), ("background", 0)):
            mine = validation.expected * (validation.label == label)
            efficiency = mine[kept].sum() / mine.sum()
            assert table[f"validation_{name}_efficiency"][row] == pytest.approx(efficiency, rel=1e-9)


def test_a_choice_of_events_finishes_boundaries_within_its_errors(data, tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "CHOSEN", 3000)
    run = run_training(plan(data, tmp_path / "run", replicas=range(1))).run
    assert run.manifest.settings["exact_step_events"] == 6000
    table = pq.read_table(run.path / "working_points.parquet").to_pydict()
    for target, efficiency in zip(table["target"], table["signal_efficiency"], strict=True):
        assert efficiency == pytest.approx(target, abs=5 * np.sqrt(target * (1 - target) / 3000))  # counted on all
    assert sum(table["recommended"]) == 2  # of a replica and of the consensus


def stopping(questions):
    """A method that is asked to stop when it looks for the n-th time whether it is."""
    asked = iter(range(1, 10_000))

    class Stopping(CabinScan):
        def fit_stream(self, source, context):
            stop = lambda: "SIGTERM" if next(asked) >= questions else None  # noqa: E731
            return super().fit_stream(source, replace(context, stop_reason=stop))

    return Stopping


def test_stopped_anywhere_it_goes_on_and_blocks_of_replicas_are_those_of_the_whole(data, tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    options = {"epochs": 3, "exact": False, "bootstrap": True}
    whole = run_training(plan(data, tmp_path / "whole", **options)).run
    said = []
    while not said or said[-1] is not None:
        try:
            run_training(plan(data, tmp_path / "stopped", method=stopping(2 + 7 * len(said)), **options))
            said.append(None)
        except (Interrupted, TemporaryError) as interrupted:
            said.append(str(interrupted))
    assert said[0].endswith("nothing was trained yet, the same command starts over")
    assert any("in epoch 2 of 3" in (one or "") for one in said)
    stopped = open_run(tmp_path / "stopped")
    for file in ("cuts.parquet", "history.parquet", "working_points.parquet"):
        assert (whole.path / file).read_bytes() == (stopped.path / file).read_bytes()
    second = run_training(plan(data, tmp_path / "second", replicas=range(1, 2), **options)).run
    kept = [flow for flow in whole.flows if flow.replica == 1]
    assert [flow.steps for flow in second.flows if flow.replica == 1] == [flow.steps for flow in kept]


def test_what_only_works_in_memory_is_refused_before_anything_is_read(data, tmp_path):
    with pytest.raises(UsageError, match="--learn-weights and this --steepness"):
        run_training(plan(data, tmp_path / "run", learn_weights=True))
    assert not (tmp_path / "run").exists()
