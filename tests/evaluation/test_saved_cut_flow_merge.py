"""Cut flows of parts of the events, added: against direct sums, and what is no sum of parts."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cutflow_cli.app import app
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.cut_flow import rows_of_cuts
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.preselection import rows_of_conditions
from cutflow_cli.evaluation.saved_cut_flow import compare_cut_flows
from cutflow_cli.evaluation.saved_cut_flow_files import CountedFile, CutFlowOrigin, read_cut_flow, write_cut_flow
from cutflow_cli.evaluation.saved_cut_flow_merge import merge_cut_flows
from cutflow_cli.evaluation.saved_cut_flow_tables import shortened
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums

FLOW = ("mine", "default", "consensus", -1)


@pytest.fixture
def report(make_sample, make_run, tmp_path):
    """Evaluate a run on a part of the events."""

    def make(name, *, seed=0, boundaries=((0.0, 0.5),), split="test", **options):
        sample = make_sample(f"{name}.parquet", seed=seed, **options)
        out = tmp_path / f"report-{name}"
        evaluate_runs([make_run(f"{name}/par", sample.path, boundaries)], sample.path, out, split=split)
        return out

    return make


def rows_of(path):
    """Return rows by all that tells them apart."""
    return {
        (row.kind, row.replica, row.split, row.hypothesis, row.process, row.position): row
        for row in read_cut_flow(path).every
    }


@pytest.mark.parametrize("hypotheses", [(), (1.0, 2.0)])
def test_reports_of_two_eras_add_up(report, tmp_path, hypotheses):
    options = {"boundaries": ((0.0, 0.5), (0.1, 0.4)), "hypotheses": hypotheses}
    paths = [report(name, seed=seed, **options) for seed, name in enumerate(("a", "b"))]
    merged = merge_cut_flows(paths, tmp_path / "sum.parquet")
    first, second, both = (rows_of(path) for path in (*paths, merged.path))
    assert set(both) == set(first) == set(second)
    assert {key[0] for key in both} == {"consensus", "replica"}
    for key, row in both.items():
        one, other = first[key], second[key]
        assert row.n_raw == one.n_raw + other.n_raw
        assert row.yield_ == pytest.approx(one.yield_ + other.yield_, rel=1e-12)
        assert row.yield_error == pytest.approx(math.hypot(one.yield_error, other.yield_error), rel=1e-12)
        assert row.n_eff == pytest.approx((row.yield_ / row.yield_error) ** 2)
        for position, share, error in (
            (0, row.efficiency_cumulative, row.efficiency_cumulative_error),
            (max(row.position - 1, 0), row.efficiency_step, row.efficiency_step_error),
        ):
            start, last = (
                Sums(one.n_raw, one.yield_, one.yield_error**2) for one in (both[(*key[:-1], position)], row)
            )
            expected = efficiency(last, start)
            assert (share, error) == pytest.approx((expected.value, expected.error), rel=1e-9)
    assert merged.origin.split == "test"
    assert merged.origin.luminosity == 300.0
    assert [name for name, _ in merged.origin.processes] == ["WW", "WZ", "QCD"]
    assert "'WW', 'WZ' and 'QCD' in several parts" in merged.notes[0]


def test_a_scaled_split_of_two_parts_is_that_of_the_union(report, make_sample, make_run, tmp_path):
    """Adding parts that are each scaled to their whole estimates what scaling the union once does."""
    pulls = []
    for seed in range(3):
        paths = [report(f"{seed}{part}", seed=10 * seed + part) for part in range(2)]
        merged = rows_of(merge_cut_flows(paths, tmp_path / f"sum{seed}.parquet").path)
        weight, counted = {}, {}
        for part in range(2):  # the same events, scaled as one sample
            batch = make_sample("again.parquet", seed=10 * seed + part).batch
            test, kept = batch.split == 2, (batch.columns["x"] > 0) & (batch.columns["y"] < 0.5)
            for position, process in enumerate(("WW", "WZ", "QCD")):
                its = batch.process == position
                weight[process] = weight.get(process, 0.0) + batch.weight[its].sum()
                sums = counted.setdefault(process, np.zeros(2))
                sums += [batch.weight[its & test].sum(), batch.weight[its & test & kept].sum()]
        for process, (in_test, passed) in counted.items():
            row = merged["consensus", -1, "test", None, process, 2]
            pulls.append((row.yield_ - weight[process] * passed / in_test) / row.yield_error)
            whole = merged["consensus", -1, "test", None, process, 0]
            assert whole.yield_ == pytest.approx(weight[process], rel=1e-12)  # position 0 is the whole, exactly
    assert max(map(abs, pulls)) < 0.5  # a fraction of the error: of the same events, both estimate one number


def written(path, parts, *, split="all", data, **origin):
    """Write a cut flow of one process with a preselection and two cuts, from sums."""
    rows = [
        *rows_of_conditions(FLOW, None, "QCD", ["p > 1"], parts[:2]),
        *rows_of_cuts(
            FLOW, split, None, "QCD", ["x > 1", "y > 2"], parts[1:], [efficiency(one, parts[0]) for one in parts[1:]]
        ),
    ]
    files = tuple(CountedFile(str(one), str(one)) for one in data)
    write_cut_flow(path, rows, CutFlowOrigin(split, files, (("QCD", "background"),), **origin))
    return path


def falling(draw_from):
    """Make sums of ever fewer events."""
    order = np.argsort([-depth for _, depth in draw_from], kind="stable")
    weights = np.array([draw_from[i][0] for i in order])
    depth = np.array([draw_from[i][1] for i in order])
    kept = [weights[depth >= step] for step in range(4)]
    return [Sums(len(one), float(one.sum()), float((one**2).sum())) for one in kept]


EVENTS = st.lists(st.tuples(st.floats(0.1, 10.0), st.integers(0, 3)), min_size=1, max_size=12)


@pytest.mark.parametrize("split", ["all", "test"])
@settings(max_examples=8, deadline=None)
@given(samples=st.tuples(EVENTS, EVENTS, EVENTS))
def test_sums_do_not_depend_on_order_or_brackets(tmp_path_factory, split, samples):
    directory = tmp_path_factory.mktemp("laws")
    a, b, c = (
        written(directory / f"{number}.parquet", falling(events), split=split, data=[number])
        for number, events in enumerate(samples)
    )

    def merged(name, *paths):
        return merge_cut_flows(paths, directory / f"{name}.parquet", force=True).path

    whole = rows_of(merged("abc", a, b, c))
    assert rows_of(merged("cab", c, a, b)) == whole
    for name, nested in (("left", (merged("ab", a, b), c)), ("right", (a, merged("bc", b, c)))):
        for key, row in rows_of(merged(name, *nested)).items():
            for column in row.__slots__:
                mine, its = getattr(row, column), getattr(whole[key], column)
                same = pytest.approx(its, rel=1e-12, abs=1e-12) if isinstance(its, float) else its
                assert mine == same, (key, column)
    direct = written(directory / "direct.parquet", falling([one for events in samples for one in events]), data=[9])
    for row, expected in zip(whole.values(), rows_of(direct).values(), strict=True):
        assert row.n_raw == expected.n_raw
        assert (row.yield_, row.yield_error) == pytest.approx((expected.yield_, expected.yield_error), rel=1e-12)
        assert row.efficiency_total == pytest.approx(expected.efficiency_total, rel=1e-12)
        if split == "all":
            assert row.efficiency_total_error == pytest.approx(expected.efficiency_total_error, rel=1e-9, abs=1e-12)


def test_the_share_of_all_events_in_parts_of_known_size(tmp_path):
    rows = []
    for number, (value, error) in enumerate(((0.5, 0.02), (0.2, 0.01))):
        sums = [Sums(100, 100.0, 100.0), Sums(80, 80.0, 80.0), Sums(50, 50.0, 50.0), Sums(40, 40.0, 40.0)]
        path = written(tmp_path / f"{number}.parquet", sums, split="test", data=[number])
        saved = read_cut_flow(path)
        every = [
            replace(row, efficiency_total=value, efficiency_total_error=error) if row.position == 2 else row
            for row in saved.every
        ]
        write_cut_flow(path, every, saved.origin)
        rows.append(path)
    merged = rows_of(merge_cut_flows(rows, tmp_path / "sum.parquet").path)
    last = merged["consensus", -1, "test", None, "QCD", 2]
    assert last.efficiency_total == pytest.approx((0.5 + 0.2) / 2)
    assert last.efficiency_total_error == pytest.approx(math.hypot(0.02, 0.01) / 2)


def test_processes_of_some_parts_and_unknown_preselections(tmp_path):
    sums = [Sums(100, 100.0, 100.0), Sums(80, 80.0, 80.0), Sums(50, 50.0, 50.0), Sums(40, 40.0, 40.0)]
    known = written(tmp_path / "known.parquet", sums, data=["k"])
    other = written(tmp_path / "other.parquet", sums, data=["o"])
    saved = read_cut_flow(other)
    tt = [replace(row, process="tt") for row in saved.every]
    origin = replace(saved.origin, processes=(("QCD", "background"), ("tt", "background")))
    write_cut_flow(other, [*(row for row in saved.every if row.position >= 0), *tt], origin)
    merged = merge_cut_flows([known, other], tmp_path / "sum.parquet")
    rows = rows_of(merged.path)
    assert {key[-1] for key in rows if key[-2] == "tt"} == {-2, -1, 0, 1, 2}  # of one part alone
    assert {key[-1] for key in rows if key[-2] == "QCD"} == {0, 1, 2}
    assert rows["consensus", -1, "all", None, "QCD", 0].efficiency_total is None
    assert rows["consensus", -1, "all", None, "QCD", 2].n_raw == 80
    assert merged.notes == ("QCD: begins after the preselection, whose numbers only some of the parts know",)


def test_a_yield_that_is_undefined_in_a_part_is_undefined_in_the_sum(tmp_path):
    sums = [Sums(100, 100.0, 100.0), Sums(80, 80.0, 80.0), Sums(50, 50.0, 50.0), Sums(40, 40.0, 40.0)]
    paths = [written(tmp_path / f"{number}.parquet", sums, data=[number]) for number in range(2)]
    saved = read_cut_flow(paths[1])
    broken = [row for row in saved.every if row.position < 0]
    broken += rows_of_cuts(
        FLOW, "all", None, "QCD", ["x > 1", "y > 2"], [Sums(9, math.nan, math.nan)] * 3, [Estimate(None)] * 3
    )
    write_cut_flow(paths[1], broken, saved.origin)
    row = rows_of(merge_cut_flows(paths, tmp_path / "sum.parquet").path)["consensus", -1, "all", None, "QCD", 1]
    assert (row.n_raw, row.yield_, row.yield_error, row.efficiency_step) == (59, None, None, None)


def test_what_can_not_be_added(report, tmp_path):
    first, second, out = report("a"), report("b", seed=1), tmp_path / "sum.parquet"
    copy = tmp_path / "copy.parquet"
    copy.write_bytes((first / "cutflow.parquet").read_bytes())
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(first / "cutflow.parquet").replace_schema_metadata(None), bare)
    summed = merge_cut_flows([first, second], out).path
    for paths, error, message in (
        ([first, first], UsageError, "is given twice"),
        ([first, copy], InputError, "copy.parquet: counts the events of .*, which .*report-a counts"),
        ([summed, second], InputError, "report-b: counts the events of .*, which .*sum.parquet counts too"),
        ([first, bare], InputError, "bare.parquet: does not say which events it counts"),
        ([first, second / "metrics.parquet"], InputError, "not a cut flow of `cutflow evaluate`"),
        ([first, report("c", seed=2, boundaries=((0.25, 0.5),))], InputError, "no cut 'x > 0.0', .* mean x > 0.25"),
        ([first, report("d", seed=3, split="validation")], InputError, "counts split test, .* split validation; only"),
        ([first, report("e", seed=4, hypotheses=(1.0, 2.0))], InputError, "report-a: has no selection 'par m=1'"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            merge_cut_flows(paths, tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="is one of the cut flows; choose another --out"):
        merge_cut_flows([first, second], first)
    with pytest.raises(UsageError, match="exists and was made from other inputs"):
        merge_cut_flows([first, report("f", seed=5)], out)
    assert not merge_cut_flows([second, first], out).written  # the same inputs, whatever their order


def test_other_preselections_weights_and_damage(tmp_path):
    sums = [Sums(100, 100.0, 100.0), Sums(80, 80.0, 80.0), Sums(50, 50.0, 50.0), Sums(40, 40.0, 40.0)]
    first = written(tmp_path / "a.parquet", sums, data=["a"], preselection=("p > 1",))
    other = written(tmp_path / "b.parquet", sums, data=["b"], preselection=("p > 2",))
    with pytest.raises(InputError, match=r"b.parquet: the preselection of its events is p > 2, that of .* is p > 1"):
        merge_cut_flows([first, other], tmp_path / "sum.parquet")
    plain = written(tmp_path / "c.parquet", sums, data=["c"], preselection=("p > 1",), weighted=False)
    with pytest.raises(InputError, match=r"c.parquet: counts events without weights, the others with"):
        merge_cut_flows([first, plain], tmp_path / "sum.parquet")
    saved = read_cut_flow(first)
    write_cut_flow(first, [row for row in saved.every if row.position != 1], saved.origin)
    with pytest.raises(InputError, match=r"a.parquet: is damaged: mine lacks or repeats a row of 'QCD'"):
        merge_cut_flows([first], tmp_path / "sum.parquet")
    table = pq.read_table(first)
    pq.write_table(table.replace_schema_metadata({b"cutflow-cut-flow": b"{}"}), first)
    with pytest.raises(InputError, match=r"a.parquet: what it says of its events is damaged"):
        merge_cut_flows([first], tmp_path / "sum.parquet")


def test_splits_that_only_some_parts_have_are_left_out(report, tmp_path):
    paths = [report("a"), report("b", seed=1, shares=(0.5, 0.0, 0.5))]
    merged = merge_cut_flows(paths, tmp_path / "sum.parquet")
    assert {row.split for row in merged.rows} == {"train", "test"}
    assert "split validation: left out, since only some of the parts have it" in merged.notes


def test_boundaries_are_printed_with_a_few_digits():
    assert shortened("x > 0.12345678901234") == "x > 0.123457"
    assert shortened("x < -1.5 or x > 2.0") == "x < -1.5 or x > 2.0"
    assert shortened("abs(eta) <= 2.123456789") == "abs(eta) <= 2.123456789"
    assert shortened("x: all") == "x: all"


def test_command(report, tmp_path):
    paths = [str(report(name, seed=seed)) for seed, name in enumerate("ab")]
    out = tmp_path / "sum.parquet"
    run = CliRunner().invoke
    done = run(app, ["merge", *paths, "--out", str(out)])
    assert done.exit_code == 0
    assert done.stdout.startswith("Cut flow par: consensus, split test\n")
    assert "QCD (background)" in done.stdout
    assert f"{out}: sum of 2 cut flows" in done.stderr
    assert "right for eras" in done.stderr
    again = run(app, ["merge", *reversed(paths), "--out", str(out), "--json"])
    assert (again.exit_code, again.stderr) == (0, f"{out}: already done\n")
    found = json.loads(again.stdout)
    assert [one["path"] for one in found["inputs"]] == paths
    raw = [
        row["n_raw"]
        for row in found["cutflow"]
        if (row["process"], row["split"], row["position"]) == ("QCD", "test", 0)
    ]
    assert len(raw) == 2  # replica and consensus
    assert run(app, ["compare", str(out), str(out)]).exit_code == 0
    assert compare_cut_flows(out, tmp_path / "report-a", exact=True).differing
    mixed = run(app, ["merge", paths[0], str(tmp_path / "a.parquet"), "--out", str(tmp_path / "x.parquet")])
    assert isinstance(mixed.exception, UsageError)
    assert "report-a is a cut flow, " in str(mixed.exception)
