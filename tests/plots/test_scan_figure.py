"""Cuts against target efficiencies."""

import numpy as np
import pytest
from plot_samples import make_run, make_scan, overlapping, write_events

from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_scan import draw_scan
from cutflow_cli.plots.scan import scanned_flows
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


@pytest.fixture
def events(tmp_path):
    label = np.arange(2000) % 2
    values = np.random.default_rng(4).normal(100 + 50 * label, 20)
    return write_events(tmp_path / "events.parquet", {"pt": values}, label)


def scan_of(run, events):
    return compute([run], events, "test")[0].scan


def test_an_inactive_cut_is_a_gap(tmp_path, events):
    run = make_scan(tmp_path / "scan", "pt", {0.9: 90.0, 0.1: 180.0, 0.5: None}, replicas=3)
    scan = scan_of(run, events)
    assert scan.targets.tolist() == [0.1, 0.5, 0.9], "rising, however they are stored"
    (panel,) = scan.panels
    np.testing.assert_array_equal(panel.above.values, [180, np.nan, 90])
    assert np.isnan(panel.below.values).all()
    assert panel.above.errors.tolist() == [0.1, 0, 0.1]
    assert (scan.quoted, scan.replicas) == (0.5, 3)
    assert panel.feature.unit == "GeV"


def test_both_classes_lie_behind(tmp_path, events):
    (panel,) = scan_of(make_scan(tmp_path / "scan", "pt", {0.1: 180.0, 0.9: 90.0}), events).panels
    assert panel.signal == pytest.approx([130, 150, 170], abs=4)
    assert panel.background == pytest.approx([80, 100, 120], abs=4)


def two_sided(tmp_path, region):
    run = make_scan(tmp_path / region, "pt", {0.2: 100.0, 0.8: 90.0})
    steps = [LearnedCut(Cut("pt", Region(region), 100.0 - 10 * i, 160.0 + 10 * i)) for i in range(2)]
    flows = [
        CutFlow((step,), f"signal_efficiency={i}", i, kind="consensus", replica=-1) for i, step in enumerate(steps)
    ]
    write_cut_flows(run.path / "cuts.parquet", flows)
    return open_run(run.path)


def test_what_lies_outside_is_kept_below_the_lower_and_above_the_upper_boundary(tmp_path, events):
    (inside,) = scan_of(two_sided(tmp_path, "inside"), events).panels
    assert (inside.above.values.tolist(), inside.below.values.tolist()) == ([100, 90], [160, 170])
    (outside,) = scan_of(two_sided(tmp_path, "outside"), events).panels
    assert (outside.above.values.tolist(), outside.below.values.tolist()) == ([160, 170], [100, 90])


def test_lines_are_solid_for_above_and_dashed_for_below(tmp_path, events):
    with figure_style():
        figure = draw_scan(scan_of(two_sided(tmp_path, "inside"), events))
    lines = {
        line.get_linestyle(): line.get_ydata().tolist() for line in figure.axes[0].lines if line.get_marker() == "o"
    }
    assert lines == {"-": [100, 90], "--": [160, 170]}
    assert figure.axes[0].get_ylabel() == "pt [GeV]"


def scan_with(tmp_path, events, *cuts):
    """The figure of a scan with these cuts at rising targets, and its panel."""
    run = make_scan(tmp_path / "scan", "pt", {0.2: 100.0, 0.8: 90.0})
    flows = [
        CutFlow((LearnedCut(cut),), f"t{i}", (i + 1) / 10, kind="consensus", replica=-1) for i, cut in enumerate(cuts)
    ]
    write_cut_flows(run.path / "cuts.parquet", flows)
    with figure_style():
        figure = draw_scan(scan_of(open_run(run.path), events))
    return figure, figure.axes[0]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_break_where_what_is_kept_turns_from_inside_to_outside(tmp_path, events):
    inside, outside = (Region.INSIDE, Region.OUTSIDE)
    figure, axes = scan_with(
        tmp_path, events, Cut("pt", inside, 100.0, 160.0), Cut("pt", inside, 95.0, 165.0),
        Cut("pt", outside, 90.0, 110.0), Cut("pt", outside, 95.0, 105.0), Cut("pt", Region.ABOVE, 80.0),
    )  # fmt: skip
    drawn = {
        (line.get_linestyle(), line.get_marker()): line.get_ydata() for line in axes.lines if line.get_marker() in "os"
    }
    nan = np.nan
    expected = {
        ("-", "o"): [100, 95, nan, nan, 80], ("--", "o"): [160, 165, nan, nan, nan],
        ("-", "s"): [nan, nan, 110, 105, nan], ("--", "s"): [nan, nan, 90, 95, nan],
    }  # fmt: skip
    assert drawn.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(drawn[key], values)
    assert "kept above one, below the other" in labels(figure)
    assert "boundary beyond the axis" not in labels(figure)
    assert overlapping(figure) == ([], [])


def test_one_far_boundary_does_not_set_the_axis(tmp_path, events):
    figure, axes = scan_with(
        tmp_path, events, *(Cut("pt", Region.INSIDE, 100.0 - i, 160.0 + i) for i in range(4)),
        Cut("pt", Region.INSIDE, -4000.0, 9000.0),
    )  # fmt: skip
    low, high = axes.get_ylim()
    assert 60 < low < 80, "the bulk of both classes is shown"
    assert 170 < high < 200
    assert "boundary beyond the axis" in labels(figure)
    arrows = {line.get_marker(): line.get_xdata().tolist() for line in axes.lines if line.get_marker() in ("^", "v")}
    assert arrows == {"^": [0.5], "v": [0.5]}


def test_boundaries_that_spread_are_all_shown(tmp_path, events):
    figure, axes = scan_with(tmp_path, events, *(Cut("pt", Region.ABOVE, 200.0 - 40 * i) for i in range(5)))
    low, high = axes.get_ylim()
    assert low < 40
    assert high > 200
    assert "boundary beyond the axis" not in labels(figure)


def test_an_infinite_boundary_is_beyond_the_axis(tmp_path, events):
    _, axes = scan_with(tmp_path, events, Cut("pt", Region.INSIDE, 90.0, 150.0), Cut("pt", Region.INSIDE, 90.0, np.inf))
    assert np.isfinite(axes.get_ylim()).all()
    assert [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "^"] == [[0.2]]


@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_observables_can_be_read(tmp_path, count):
    names = [f"an_observable_with_a_long_name_{i}" for i in range(count)]
    label = np.arange(400) % 2
    columns = {name: np.random.default_rng(i).normal(label, 10.0 ** (3 * i - 6)) for i, name in enumerate(names)}
    events = write_events(tmp_path / "events.parquet", columns, label, dtype="float64")
    run = make_scan(tmp_path / "scan", names[0], {0.2: 0.5, 0.5: 0.2, 0.8: 0.0}, replicas=2)
    steps = [LearnedCut(Cut(name, Region.ABOVE, 0.1), active=i > 0) for i, name in enumerate(names)]
    flows = [CutFlow(tuple(steps), f"t{t}", t, kind="consensus", replica=-1) for t in (0.2, 0.5, 0.8)]
    write_cut_flows(run.path / "cuts.parquet", flows)
    with figure_style():
        figure = draw_scan(scan_of(open_run(run.path), events))
    assert overlapping(figure) == ([], [])
    assert [text.get_text() for text in figure.axes[0].texts] == ["never cut on"]


def test_a_single_working_point_is_no_scan(tmp_path, events):
    assert scanned_flows(make_scan(tmp_path / "one", "pt", {0.5: 100.0})) == ()
    assert scanned_flows(make_run(tmp_path / "lcf", [LearnedCut(Cut("pt", Region.ABOVE, 100.0))])) == ()
