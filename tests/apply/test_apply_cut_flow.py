"""Counts of applied cuts saved as cut flows: what is in them, and that parts add up to the whole."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.apply.apply import ApplyOptions, apply_cuts
from cutflow_cli.apply.cut_flow import CutFlowFile
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.saved_cut_flow import compare_cut_flows
from cutflow_cli.evaluation.saved_cut_flow_files import read_cut_flow
from cutflow_cli.evaluation.saved_cut_flow_merge import merge_cut_flows
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.yields import Sums

PROCESSES = (ProcessInfo("WW", "signal"), ProcessInfo("WZ", "signal"), ProcessInfo("QCD", "background"))


def columns(events=900, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=events).astype(np.float32) for _ in range(2))
    x[:3] = np.nan
    weight = rng.uniform(0.1, 2.0, events) * rng.choice([1.0, -1.0], events, p=[0.9, 0.1])
    return {"x": x, "y": y, "weight": weight, "process": rng.integers(0, 3, events).astype(np.int32)}


def write_events(path, of, processes=PROCESSES, preselection=()):
    signal = np.array([one.role == "signal" for one in processes])[of["process"]]
    batch = EventBatch(
        {"x": of["x"], "y": of["y"]}, signal.astype(np.int8), of["weight"], of["process"],
        (np.arange(len(signal)) % 3).astype(np.int8), None,
    )  # fmt: skip
    metadata = EventsMetadata(
        (FeatureInfo("x"), FeatureInfo("y")), tuple(processes), luminosity=2.0, preselection=preselection
    )
    with EventsWriter(path, metadata) as writer:
        writer.write(batch)
    return path


@pytest.fixture
def cuts(tmp_path):
    (tmp_path / "mine.json").write_text('{"cuts": ["x > -0.5", "y < 0.5"]}')
    return tmp_path / "mine.json"


def flow_of(cuts, files, out, **options):
    process = options.pop("process", "events")
    applied = apply_cuts(cuts, files, cut_flow=CutFlowFile(out, process), options=ApplyOptions(**options))
    assert applied.cut_flow_written
    return out


def numbers(path):
    """Return the rows by process and position."""
    return {(row.process, row.position): row for row in read_cut_flow(path).every}


def alike(rows, others):
    assert set(rows) == set(others)
    for key, row in rows.items():
        other = others[key]
        for name in row.__slots__:
            mine, its = getattr(row, name), getattr(other, name)
            assert mine == (pytest.approx(its, rel=1e-12, abs=1e-15) if isinstance(its, float) else its), (key, name)


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_the_events_add_up_to_the_whole(tmp_path, cuts, seed):
    of = columns(seed=seed)
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, 900), 2, replace=False))
    parts = [
        write_events(tmp_path / f"part{number}.parquet", {name: values[rows] for name, values in of.items()})
        for number, rows in enumerate(np.split(np.arange(900), edges))
    ]
    flows = [flow_of(cuts, [part], tmp_path / f"flow{number}.parquet") for number, part in enumerate(parts)]
    whole = flow_of(cuts, [write_events(tmp_path / "whole.parquet", of)], tmp_path / "whole-flow.parquet")
    merged = merge_cut_flows(flows, tmp_path / "sum.parquet")
    alike(numbers(merged.path), numbers(whole))
    alike(numbers(flow_of(cuts, parts, tmp_path / "together.parquet")), numbers(whole))
    assert compare_cut_flows(whole, merged.path, exact=True).differing == ()
    backwards = merge_cut_flows(flows[::-1], tmp_path / "backwards.parquet")
    assert backwards.origin.digest == merged.origin.digest
    assert numbers(backwards.path) == numbers(merged.path)  # to the last bit
    first = merge_cut_flows(flows[:2], tmp_path / "first.parquet")
    alike(numbers(merge_cut_flows([first.path, flows[2]], tmp_path / "nested.parquet").path), numbers(whole))


def test_rows_are_those_of_a_direct_count(tmp_path, cuts):
    of = columns()
    rows = numbers(flow_of(cuts, [write_events(tmp_path / "e.parquet", of)], tmp_path / "flow.parquet"))
    assert {process for process, _ in rows} == {"signal", "WW", "WZ", "background", "QCD"}
    masks = [np.ones(900, bool), of["x"] > -0.5, (of["x"] > -0.5) & (of["y"] < 0.5)]
    members = {"signal": [0, 1], "WW": [0], "WZ": [1], "background": [2], "QCD": [2]}
    for (process, position), row in rows.items():
        of_process = np.isin(of["process"], members[process])
        sums = []
        for mask in (masks[position], masks[0]):
            weight = of["weight"][mask & of_process]
            sums.append(Sums(len(weight), float(weight.sum()), float((weight**2).sum())))
        share = efficiency(*sums)
        assert (row.run, row.kind, row.replica, row.split, row.n_raw) == (
            "mine",
            "consensus",
            -1,
            "all",
            sums[0].events,
        )
        assert (row.yield_, row.yield_error) == pytest.approx((sums[0].sumw, math.sqrt(sums[0].sumw2)))
        assert (row.n_eff, row.efficiency_cumulative) == pytest.approx((sums[0].n_eff, share.value))
        assert row.efficiency_cumulative_error == pytest.approx(share.error)
        assert row.efficiency_total is None
    assert [rows["QCD", position].cut for position in range(3)] == ["before any cut", "x > -0.5", "y < 0.5"]


def test_a_preselection_comes_first_and_has_its_share(tmp_path):
    cuts = tmp_path / "mine.json"
    cuts.write_text('{"preselection": ["y > -1"], "cuts": ["x > -0.5"]}')
    of = columns()
    flows = []
    for number, rows in enumerate(np.array_split(np.arange(900), 3)):
        table = pa.table({name: of[name][rows] for name in ("x", "y", "weight")})
        pq.write_table(table, tmp_path / f"raw{number}.parquet")
    raw = [tmp_path / f"raw{number}.parquet" for number in range(3)]
    flows = [flow_of(cuts, [one], one.with_suffix(".flow"), weight="weight", process="QCD") for one in raw]
    merged = numbers(merge_cut_flows(flows, tmp_path / "sum.parquet").path)
    alike(merged, numbers(flow_of(cuts, raw, tmp_path / "whole.flow", weight="weight", process="QCD")))
    assert [merged["QCD", position].cut for position in range(-2, 2)] == [
        "all events", "y > -1", "before any cut", "x > -0.5",
    ]  # fmt: skip
    kept = (of["y"] > -1) & (of["x"] > -0.5)
    sums = [
        Sums(int(mask.sum()), float(of["weight"][mask].sum()), float((of["weight"][mask] ** 2).sum()))
        for mask in (kept, np.ones(900, bool))
    ]
    share = efficiency(*sums)
    last = merged["QCD", 1]
    assert (last.efficiency_total, last.efficiency_total_error) == pytest.approx((share.value, share.error))
    assert last.n_raw == kept.sum()


def test_a_finished_one_is_not_counted_again(tmp_path, cuts, monkeypatch):
    events = write_events(tmp_path / "e.parquet", columns())
    out = tmp_path / "flow.parquet"
    made = apply_cuts(cuts, [events], cut_flow=CutFlowFile(out))
    monkeypatch.setattr("cutflow_cli.apply.apply._Task.counted", lambda task: pytest.fail("counts again"))
    again = apply_cuts(cuts, [events], cut_flow=CutFlowFile(out))
    assert (made.cut_flow_written, again.cut_flow_written) == (True, False)
    assert (again.flows, again.data, again.luminosity) == (made.flows, made.data, 2.0)
    with pytest.raises(UsageError, match="exists and was made from other inputs or settings"):
        apply_cuts(cuts, [events], cut_flow=CutFlowFile(out), options=ApplyOptions(weight="2 * weight"))
    assert not list(tmp_path.glob("*.partial"))


def test_both_outputs_at_once_and_nothing_that_passes(tmp_path, cuts):
    events = write_events(tmp_path / "e.parquet", columns())
    made = apply_cuts(cuts, [events], tmp_path / "passing.parquet", cut_flow=CutFlowFile(tmp_path / "flow.parquet"))
    assert pq.read_table(made.out).num_rows == made.flows[0].kept
    cuts.write_text('{"cuts": ["x > 1e9"]}')
    none = apply_cuts(cuts, [events], cut_flow=CutFlowFile(tmp_path / "none.parquet"))
    assert none.empty
    assert numbers(tmp_path / "none.parquet")["QCD", 1].n_raw == 0
    again = apply_cuts(cuts, [events], tmp_path / "p2.parquet", cut_flow=CutFlowFile(tmp_path / "none.parquet"))
    assert not again.cut_flow_written


def test_what_has_no_common_cut_flow_is_refused(tmp_path, cuts):
    of = columns()
    one, two = (write_events(tmp_path / f"{name}.parquet", columns(seed=seed)) for seed, name in enumerate("ab"))
    other = write_events(tmp_path / "c.parquet", of, preselection=("x > -9",))
    roles = write_events(
        tmp_path / "d.parquet", of, (PROCESSES[0], ProcessInfo("ZZ", "signal"), ProcessInfo("WZ", "background"))
    )
    pq.write_table(pa.table({name: of[name] for name in ("x", "y")}), tmp_path / "raw.parquet")
    raw = tmp_path / "raw.parquet"
    for files, out, process, message in (
        ([one, other], "o", "events", "pass no preselection, those of .*c.parquet x > -9; their counts can't be added"),
        ([one, raw], "o", "events", "raw.parquet has no weights, other files have"),
        ([one, roles], "o", "events", "process 'WZ' is background in .*d.parquet, elsewhere signal"),
        ([one], "a.parquet", "events", "is a file to read or to write events to"),
        ([raw, one], "o", "signal", "process 'signal' is not the whole signal"),
    ):
        weight = {"weight": "weight"} if process == "signal" else {}
        if weight:
            pq.write_table(pa.table({name: of[name] for name in ("x", "y", "weight")}), raw)
        with pytest.raises(UsageError, match=message):
            apply_cuts(cuts, files, cut_flow=CutFlowFile(tmp_path / out, process), options=ApplyOptions(**weight))
    flows = [flow_of(cuts, [file], file.with_suffix(".flow")) for file in (one, two)]
    cuts.write_text(json.dumps({"cuts": ["x > -0.5", "y < 0.25"]}))
    flows.append(flow_of(cuts, [roles], tmp_path / "d.flow"))
    with pytest.raises(InputError, match=r"process 'WZ' is background, in .*a.flow signal"):
        merge_cut_flows(flows, tmp_path / "sum.parquet")
    third = write_events(tmp_path / "f.parquet", columns(seed=9))
    with pytest.raises(InputError, match=r"has no cut 'y < 0.5', which .*a.flow has; did you mean y < 0.25\?"):
        merge_cut_flows([*flows[:2], flow_of(cuts, [third], tmp_path / "f.flow")], tmp_path / "sum.parquet")
