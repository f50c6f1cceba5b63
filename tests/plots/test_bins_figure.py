"""Cuts against the observable that they are binned in."""

from dataclasses import replace

import numpy as np
import pytest
from plot_samples import make_run, overlapping, write_events

from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_bins import draw_bins
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

EDGES = (0.0, 10.0, 20.0, 40.0)


def step(values, **more):
    bins = tuple(
        LearnedCut(Cut("m", Region.ALL if one is None else Region.ABOVE, one), one is not None, **more)
        for one in values
    )
    return LearnedCut.from_bins("pt", EDGES, bins)


@pytest.fixture
def computed(tmp_path):
    label = np.arange(6000) % 2
    rng = np.random.default_rng(4)
    pt = rng.uniform(-5, 45, 6000)
    values = rng.normal(pt + 20 * label, 5)
    events = write_events(tmp_path / "events.parquet", {"pt": pt, "m": values}, label)
    run = make_run(tmp_path / "run", [LearnedCut(Cut("pt", Region.ALL)), LearnedCut(Cut("m", Region.ALL))])
    none = LearnedCut(Cut("pt", Region.ALL), active=False)
    inside = LearnedCut.from_bins("pt", EDGES, (none,) * 3)
    flows = [CutFlow((inside, step([10.0 + r, 20.0 + 2 * r, None])), "default", replica=r) for r in range(3)]
    write_cut_flows(run.path / "cuts.parquet", [*flows, consensus(flows)])
    return compute([open_run(run.path)], events, "test")[0]


def test_boundaries_stand_at_their_bins_with_the_classes_behind(computed):
    bins = computed.bins
    assert bins.edges.tolist() == list(EDGES)
    assert (bins.feature.name, bins.replicas) == ("pt", 3)
    (panel,) = bins.panels
    np.testing.assert_array_equal(panel.above.values, [11, 22, np.nan])
    errors = [1, 2]  # half the range of three
    assert panel.above.errors.tolist() == pytest.approx([*errors, 0])
    assert np.isnan(panel.below.values).all()
    assert panel.signal[:, 1] == pytest.approx([25, 35, 50], abs=2)
    assert panel.background[:, 1] == pytest.approx([5, 15, 30], abs=2)
    assert computed.scan is None
    assert [panel.feature.name for panel in computed.n_minus_1.panels] == ["m"]
    assert computed.stack is not None


def test_a_bin_without_a_cut_is_a_gap_and_nothing_overlaps(computed):
    with figure_style():
        figure = draw_bins(computed.bins)
        (axes,) = figure.axes
        line = next(one for one in axes.lines if one.get_linestyle() == "-" and one.get_color() == "black")
        assert line.get_xdata().tolist() == [0, 10, 10, 20, 20, 40]
        np.testing.assert_array_equal(line.get_ydata(), [11, 11, 22, 22, np.nan, np.nan])
        assert axes.get_xlim() == (0, 40)
        assert overlapping(figure) == ([], [])
        (panel,) = computed.bins.panels
        nothing = replace(panel.above, values=np.full(3, np.nan))
        never = draw_bins(replace(computed.bins, panels=(replace(panel, above=nothing),)))
        assert "never cut on" in [text.get_text() for text in never.axes[0].texts]
