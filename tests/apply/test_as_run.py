"""Files of cuts evaluated beside runs, on the same footing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cutflow_cli.apply.as_run import open_cuts, open_run_or_cuts
from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.report import Report
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.export.choose import Choice
from cutflow_cli.export.handover import export_cuts
from cutflow_cli.runs import CUTS, RunManifest, open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

FEATURES = (FeatureInfo("x"), FeatureInfo("y"))
EVENTS = 1500


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, EVENTS).astype(np.int8)
    columns = {name: rng.normal(sign * label, 1).astype(np.float32) for name, sign in (("x", 1), ("y", -1))}
    columns["x"][:3] = np.nan
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    with EventsWriter(
        path, EventsMetadata(FEATURES, (ProcessInfo("s", "signal"), ProcessInfo("b", "background")))
    ) as w:
        split = rng.integers(0, len(SPLITS), EVENTS).astype(np.int8)
        w.write(EventBatch(columns, label, rng.normal(1, 0.3, EVENTS), (1 - label).astype(np.int32), split))
    return path


@pytest.fixture(scope="module")
def run(events, tmp_path_factory) -> Path:
    replicas = [
        CutFlow((LearnedCut(Cut("x", Region.ABOVE, 0.1 + number)), LearnedCut(Cut("y", Region.BELOW, None, 0.3))),
                replica=number)
        for number in range(2)
    ]  # fmt: skip
    directory = tmp_path_factory.mktemp("runs") / "run"
    directory.mkdir()
    write_cut_flows(directory / CUTS, [*replicas, consensus(replicas)])
    data = {"path": str(events), "digest": open_events(events).digest}
    RunManifest("lcf-parallel", {}, FEATURES, data, "0", replicas=(0, 2)).write(directory)
    return directory


def numbers(report: Report, name: str) -> dict[tuple, tuple]:
    return {
        (row.kind, row.replica, row.split, row.metric): (row.value, row.stat_error)
        for row in report.metrics
        if row.run == name
    }


def test_exported_cuts_give_the_numbers_of_their_run(events, run, tmp_path):
    cuts = tmp_path / "cuts.json"
    cuts.write_text(export_cuts(open_run(run), "json", choice=Choice(every_replica=True)).text)
    report = evaluate_runs([run], events, tmp_path / "report", cuts=[cuts])
    wanted = numbers(report, "run")
    assert len(wanted) > 100
    assert numbers(report, "cuts.json") == wanted
    assert [record["method"] for record in report.manifest.runs] == ["lcf-parallel", "cuts"]
    assert open_run_or_cuts(report.manifest.runs[1]["path"]).flows == open_cuts(cuts).flows
    assert not evaluate_runs([run], events, tmp_path / "report", cuts=[cuts]).fresh
    cuts.write_text('{"cuts": ["x > 0"]}')
    with pytest.raises(UsageError, match="made from other inputs or settings"):
        evaluate_runs([run], events, tmp_path / "report", cuts=[cuts])


def test_conditions_by_hand_count_what_they_keep(events, tmp_path):
    cuts = tmp_path / "mine.json"
    cuts.write_text('{"cuts": ["x >= 0.25", "y / x < 0.7 or y < -1", "-3 < y < 0.3"]}')
    report = evaluate_runs([], events, tmp_path / "report", cuts=[cuts])
    table = pq.read_table(events)
    x, y, label = (table[name].to_numpy().astype(np.float64) for name in ("x", "y", "label"))
    test = table["split"].to_numpy() == "test"
    steps = [x >= 0.25, (y / x < 0.7) | (y < -1), (y > -3) & (y < 0.3)]
    rows = {row.position: row for row in report.cut_flow if row.split == "test" and row.process == "signal"}
    for position in range(4):
        keep = np.all([test, label == 1, *steps[:position]], axis=0)
        assert rows[position].n_raw == keep.sum()
    assert [rows[position].cut for position in (1, 2)] == ["x >= 0.25", "y / x < 0.7 or y < -1"]
    assert all(row.threshold is None for row in report.roc if row.working_point is not None)


def test_what_events_lack_is_named_with_what_to_ingest(events, tmp_path):
    cuts = tmp_path / "mine.json"
    for raw, message in (
        ({"cuts": ["z < 1"]}, "no column 'z', which"),
        ({"features": {"r": {"expression": "u / v"}}, "cuts": ["r < 1"]}, "ingest it: --feature 'r = u / v'"),
    ):
        cuts.write_text(json.dumps(raw))
        with pytest.raises(InputError) as error:
            evaluate_runs([], events, tmp_path / "report", cuts=[cuts])
        assert message in str(error.value)
    with pytest.raises(UsageError, match="no runs to evaluate"):
        evaluate_runs([], events, tmp_path / "report")


def test_a_single_replica_is_quoted_and_several_are_combined(tmp_path):
    path = tmp_path / "mine.json"

    def opened(*flows: dict) -> list[tuple]:
        path.write_text(json.dumps({"schema_version": 1, "cut_flows": flows}))
        return [(flow.kind, flow.replica, *map(str, flow.cuts)) for flow in open_cuts(path).flows]

    def one(replica: int, upper: float) -> dict:
        return {"replica": replica, "cuts": [{"observable": "x", "region": "below", "upper": upper}]}

    assert opened(one(4, 1)) == [("consensus", -1, "x < 1.0")]
    assert opened(one(4, 1), one(5, 3)) == [
        ("replica", 4, "x < 1.0"), ("replica", 5, "x < 3.0"), ("consensus", -1, "x < 2.0"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="has 2 replicas and no consensus, and conditions have no consensus"):
        opened(one(4, 1), {"replica": 5, "cuts": ["x < 2"]})
    assert read_cuts(path).flows[0].replica == 4
