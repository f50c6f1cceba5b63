"""Rows of the tables: sums over processes, efficiencies along the flow, replicas and their spread."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.curve_tables import roc_rows
from cutflow_cli.evaluation.cut_flow import BEFORE, cut_flow_rows
from cutflow_cli.evaluation.normalise import normalise
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.tables import average, check_names, metric_rows
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.schema import ProcessInfo
from cutflow_cli.events.table import open_events
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import read_options
from cutflow_cli.metrics.sensitivity import PunziInputs
from cutflow_cli.metrics.summary import METRICS
from cutflow_cli.selection.cutflow import consensus


@pytest.fixture
def counted(make_sample, make_flow):
    """Three replicas and their consensus, counted on one sample."""

    def count(boundaries=((0.0, 0.5), (0.1, 0.6), (-0.2, 0.4)), hypotheses=(), trained_for=None):
        sample = make_sample(hypotheses=hypotheses)
        replicas = [make_flow(x, y, replica, trained_for) for replica, (x, y) in enumerate(boundaries)]
        flows = [NamedFlow("run", "lcf-parallel", flow) for flow in (*replicas, consensus(replicas))]
        events = open_events(sample.path)
        rounded = [replace(named, flow=named.flow.rounded(events.dtypes)) for named in flows]
        return rounded, normalise(tally(events, [named.flow for named in rounded]), sample.processes), sample

    return count


def test_every_metric_of_every_flow_on_every_split(counted):
    flows, events, _ = counted()
    rows = metric_rows(flows, events)
    assert len(rows) == len(METRICS) * 3 * (3 + 1 + 1)
    kinds = {(row.kind, row.replica) for row in rows}
    assert kinds == {("replica", 0), ("replica", 1), ("replica", 2), ("consensus", -1), ("mean", -1)}


def test_mean_and_spread_over_replicas(counted):
    flows, events, _ = counted()
    rows = metric_rows(flows, events, read_options(["0.1"]), {"run": lambda hypothesis: PunziInputs(luminosity=300.0)})
    for metric in METRICS:
        chosen = [row for row in rows if row.metric == metric and row.split == "test"]
        values = [row.value for row in chosen if row.kind == "replica"]
        errors = [row.stat_error for row in chosen if row.kind == "replica"]
        (mean,) = (row for row in chosen if row.kind == "mean")
        (agreed,) = (row for row in chosen if row.kind == "consensus")
        assert mean.value == pytest.approx(np.mean(values))
        if metric == "background_n_eff":  # a count that has no error
            assert {mean.stat_error, *errors} == {None}
            continue
        assert mean.stat_error == pytest.approx(np.mean(errors))  # the same events: no shrinking with replicas
        assert mean.replica_spread == agreed.replica_spread == pytest.approx(np.std(values))
        assert all(row.replica_spread is None for row in chosen if row.kind == "replica")


def test_consensus_is_applied_to_events_not_averaged(counted):
    flows, events, sample = counted()
    (row,) = (
        row for row in metric_rows(flows, events) if (row.kind, row.split, row.metric) == ("consensus", "test", "tp")
    )
    batch = sample.batch
    kept = flows[-1].flow.mask(batch.columns, len(batch)) & (batch.label == 1) & (batch.split == 2)
    assert row.value == kept.sum()


def test_one_replica_has_no_spread():
    estimate, spread = average([Estimate(2.0, 0.5)])
    assert (estimate.value, estimate.error, spread) == (2.0, 0.5, None)


def test_mean_over_undefined_replicas_is_undefined():
    estimate, spread = average([Estimate(2.0, 0.5), Estimate.undefined("no background"), Estimate(3.0, 0.5)])
    assert estimate == Estimate(None, None, "undefined for 1 of 3 replicas (no background)")
    assert spread is None


def test_mean_passes_reasons_on():
    estimate, _ = average([Estimate(0.0, 0.0, "none passes"), Estimate(3.0, 0.5)])
    assert estimate.reason == "1 of 2 replicas: none passes"
    assert average([])[0].value is None


def test_processes_add_up_to_their_class(counted):
    flows, events, _ = counted()
    stages = defaultdict(dict)
    for row in cut_flow_rows(flows, events):
        stages[row.kind, row.replica, row.split, row.position][row.process] = row
    assert len(stages) == 4 * 3 * 3
    for rows in stages.values():
        assert set(rows) == {"signal", "WW", "WZ", "background", "QCD"}
        assert rows["signal"].n_raw == rows["WW"].n_raw + rows["WZ"].n_raw
        assert rows["signal"].yield_ == pytest.approx(rows["WW"].yield_ + rows["WZ"].yield_)
        assert rows["signal"].yield_error == pytest.approx(math.hypot(rows["WW"].yield_error, rows["WZ"].yield_error))
        assert rows["background"].yield_ == pytest.approx(rows["QCD"].yield_)


def test_steps_multiply_to_the_cumulative_efficiency(counted):
    flows, events, _ = counted()
    flow_of = defaultdict(list)
    for row in cut_flow_rows(flows, events):
        flow_of[row.kind, row.replica, row.split, row.process].append(row)
    for rows in flow_of.values():
        assert [row.position for row in rows] == [0, 1, 2]
        assert np.cumprod([row.efficiency_step for row in rows]) == pytest.approx(
            [row.efficiency_cumulative for row in rows]
        )
        assert [row.yield_ / rows[0].yield_ for row in rows] == pytest.approx(
            [row.efficiency_cumulative for row in rows]
        )
        assert rows[0].cut == BEFORE


def test_cuts_are_named_as_applied(counted):
    flows, events, _ = counted(((0.1, 0.5),))
    cuts = {row.cut for row in cut_flow_rows(flows, events)}
    # 0.1 is no float32; what is applied to the column is its float32 neighbour
    assert cuts == {BEFORE, "x > 0.10000000149011612", "y < 0.5"}


def test_roc_points_are_the_efficiencies(counted):
    flows, events, _ = counted()
    metrics = metric_rows(flows, events)
    points = roc_rows(metrics, flows, ())
    assert len(points) == 4 * 3
    assert {(point.curve, point.threshold, point.working_point) for point in points} == {(None, None, "default")}
    values = {(row.kind, row.replica, row.split, row.metric): (row.value, row.stat_error) for row in metrics}
    for point in points:
        key = (point.kind, point.replica, point.split)
        assert (point.signal_efficiency, point.signal_efficiency_error) == values[*key, "signal_efficiency"]
        assert (point.background_efficiency, point.background_efficiency_error) == values[*key, "background_efficiency"]


def test_flow_for_all_masses_is_counted_on_all_and_each(counted):
    flows, events, _ = counted(((0.0, 0.5),), hypotheses=(1.0, 2.0))
    rows = [row for row in metric_rows(flows, events) if (row.kind, row.split, row.metric) == ("replica", "test", "tp")]
    by_mass = {row.hypothesis: row.value for row in rows}
    assert set(by_mass) == {None, 1.0, 2.0}
    assert by_mass[None] == by_mass[1.0] + by_mass[2.0]
    cut_flow = cut_flow_rows(flows, events)
    assert {row.hypothesis for row in cut_flow if row.process == "QCD"} == {None}
    assert {row.hypothesis for row in cut_flow if row.process == "WW"} == {None, 1.0, 2.0}


def test_flow_for_one_mass_is_counted_on_it_alone(counted):
    flows, events, sample = counted(((0.0, 0.5),), hypotheses=(1.0, 2.0), trained_for=2.0)
    batch = sample.batch
    for row in metric_rows(flows, events):
        assert row.hypothesis == 2.0
        if (row.kind, row.split, row.metric) == ("consensus", "test", "fn"):
            lost = ~flows[0].flow.mask(batch.columns, len(batch)) & (batch.hypothesis == 2.0) & (batch.split == 2)
            assert row.value == lost.sum()
    assert {row.hypothesis for row in cut_flow_rows(flows, events) if row.process == "QCD"} == {2.0}


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        ((("signal", "signal"), ("background", "background")), None),
        ((("signal", "signal"), ("WW", "signal"), ("tt", "background")), "signal"),
        ((("WW", "signal"), ("signal", "background")), "signal"),
        ((("WW", "signal"), ("tt", "background")), None),
    ],
)
def test_process_names_that_are_class_names(counted, names, refused):
    _, events, _ = counted()
    events = replace(events, processes=tuple(ProcessInfo(name, role) for name, role in names))
    if refused is None:
        check_names(events, "f.parquet")
    else:
        with pytest.raises(InputError, match=rf"f\.parquet: process '{refused}' is not the whole"):
            check_names(events, "f.parquet")
