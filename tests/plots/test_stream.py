"""Histograms from the stream equal those made by hand with numpy."""

import itertools

import numpy as np
import pytest
from plot_samples import make_run, write_events

from cutflow_cli.errors import InputError
from cutflow_cli.plots import sampling, stream
from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.compute import compute
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

X_CUT, Y_CUT, Z_CUT = Cut("x", Region.BELOW, upper=0.5), Cut("y", Region.ABOVE, lower=-0.25), Cut("z", Region.ALL)
STEPS = (LearnedCut(X_CUT), LearnedCut(Y_CUT), LearnedCut(Z_CUT, active=False, note="not needed"))


@pytest.fixture
def arrays():
    rng = np.random.default_rng(5)
    events = 3000
    label = rng.integers(0, 2, events)
    columns = {name: rng.normal(label, 1.0).astype(np.float32) for name in "xyz"}
    return {"columns": columns, "label": label, "weight": rng.normal(1.0, 0.5, events)}


def by_hand(values, weight, edges):
    """Sums of weights and of squares with under- and overflow, by numpy."""
    bounds = [-np.inf, *edges, np.inf]
    inside = [(values >= low) & (values < high) for low, high in itertools.pairwise(bounds)]
    return np.array([weight[m].sum() for m in inside]), np.array([(weight[m] ** 2).sum() for m in inside])


@pytest.mark.parametrize("method", ["lcf-parallel", "lcf-sequential"])
def test_histograms_equal_numpy(tmp_path, arrays, method, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_EVENTS", 200)  # the bins come from a sample, the contents from all events
    events = write_events(tmp_path / "events.parquet", **arrays)
    run = make_run(tmp_path / "run", STEPS, method=method, replicas=1)
    distributions = compute([run], events, "test")[0].distributions
    columns, label = arrays["columns"], arrays["label"]
    kept_by_x = columns["x"] < np.float32(0.5)
    kept_by_xy = kept_by_x & (columns["y"] > np.float32(-0.25))
    everything = np.ones(len(label), dtype=bool)
    sequential = method == "lcf-sequential"
    masks = [everything, kept_by_x, kept_by_xy] if sequential else [everything] * 3
    assert distributions.sequential is sequential
    assert [panel.earlier for panel in distributions.panels] == ([0, 1, 2] if sequential else [0, 0, 0])
    beyond = 0.0
    for panel, mask, name in zip(distributions.panels, masks, "xyz", strict=True):
        assert panel.feature.name == name
        for value, shape in ((1, panel.signal), (0, panel.background)):
            mine = mask & (label == value)
            edges = panel.binning.edges
            sumw, sumw2 = by_hand(columns[name][mine].astype(np.float64), arrays["weight"][mine], edges)
            np.testing.assert_allclose(shape.sumw, sumw, atol=1e-9)
            np.testing.assert_allclose(shape.sumw2, sumw2, atol=1e-9)
            beyond += sumw2[0] + sumw2[-1]
            assert shape.events == mine.sum()
            total = arrays["weight"][label == value].sum()
            assert shape.share == pytest.approx(arrays["weight"][mine].sum() / total)
    assert beyond > 0, "the test should see under- or overflow"


def test_batches_do_not_matter(tmp_path, arrays, monkeypatch):
    events = write_events(tmp_path / "events.parquet", **arrays)
    run = make_run(tmp_path / "run", STEPS)
    whole = compute([run], events, "test")[0].distributions
    batches = type(events).batches
    seen = []

    def small(self, columns=None, rows=None, **others):
        for batch in batches(self, columns, 100, **others):
            seen.append(len(batch))
            yield batch

    monkeypatch.setattr(type(events), "batches", small)
    parts = compute([run], events, "test")[0].distributions
    assert max(seen) == 100
    for panel, other in zip(whole.panels, parts.panels, strict=True):
        np.testing.assert_array_equal(panel.binning.edges, other.binning.edges)
        np.testing.assert_allclose(panel.signal.sumw, other.signal.sumw)


def test_overflow_is_folded_into_the_edge_bins_and_the_area_is_one():
    shape = Shape(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 4.0, 9.0, 16.0]), 10, 0, 1.0)
    values, errors = shape.unit_area()
    assert values.tolist() == [0.3, 0.7]
    assert errors == pytest.approx(np.sqrt([5, 25]) / 10)


def test_a_class_without_positive_weight_has_no_area():
    assert Shape(np.array([0.0, -1.0, 0.0]), np.array([0.0, 1.0, 0.0]), 1, 0, None).unit_area() is None


def test_nan_and_infinite_values_are_counted_apart(tmp_path):
    values = [1.0, 2.0, np.nan, np.inf, -np.inf, 1.5, 2.5, 2.0]
    events = write_events(tmp_path / "events.parquet", {"x": values}, [1, 1, 1, 1, 0, 0, 0, 0])
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.ABOVE, lower=0.0))])
    distributions = compute([run], events, "test")[0].distributions
    panel = distributions.panels[0]
    assert (panel.signal.events, panel.signal.non_finite) == (2, 2)
    assert (panel.background.events, panel.background.non_finite) == (3, 1)
    assert panel.signal.sumw.sum() == 2


def test_splits_stand_for_the_whole_sample(tmp_path):
    # b1 has 1 of 4 events in test, b2 has 3 of 4: scaled, both count the same again.
    events = write_events(
        tmp_path / "events.parquet",
        {"x": [1, 1, 1, 1, 5, 5, 5, 5, 1, 5]},
        label=[0] * 8 + [1, 1],
        process=[0] * 4 + [1] * 4 + [2, 2],
        split=[2, 0, 0, 0, 2, 2, 2, 0, 2, 2],
    )
    assert stream.whole_sample(events).scale[0, :, 2] == pytest.approx([4, 4 / 3, 1])
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.BELOW, upper=3.0))], replicas=1)
    distributions = compute([run], events, "test")[0].distributions
    assert distributions.panels[0].background.sumw.sum() == pytest.approx(8)


def test_a_flow_for_one_hypothesis_sees_its_signal_alone(tmp_path):
    events = write_events(
        tmp_path / "events.parquet",
        {"x": [1, 2, 3, 4, 1, 2]},
        label=[1, 1, 1, 1, 0, 0],
        hypothesis=[10, 10, 20, 20, np.nan, np.nan],
    )
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.BELOW, upper=3.5))], hypothesis=20.0, replicas=1)
    distributions = compute([run], events, "test")[0].distributions
    assert distributions.panels[0].signal.events == 2
    assert distributions.panels[0].background.events == 2
    assert "hypothesis 20" in distributions.title


def test_a_split_without_events_is_refused(tmp_path):
    events = write_events(tmp_path / "events.parquet", {"x": [1, 2]}, [0, 1], split=[0, 0])
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.BELOW, upper=3.0))])
    with pytest.raises(InputError, match="no events in the split 'test'"):
        compute([run], events, "test")


def test_an_absent_observable_is_named(tmp_path):
    events = write_events(tmp_path / "events.parquet", {"tau21": [1, 2]}, [0, 1])
    run = make_run(tmp_path / "run", [LearnedCut(Cut("tau12", Region.BELOW, upper=3.0))])
    with pytest.raises(InputError, match=r"no column 'tau12'; did you mean tau21\?"):
        compute([run], events, "test")


def test_the_sample_is_bounded_uniform_and_repeatable(tmp_path):
    sample, again = sampling.Sample(500, 1), sampling.Sample(500, 1)
    events = write_events(tmp_path / "events.parquet", {"x": np.arange(10_000)}, np.ones(10_000))
    for batch in events.batches(rows=700):
        sample.add(batch)
    for batch in events.batches():
        again.add(batch)
    drawn = sample.events().columns["x"]
    assert len(np.unique(drawn)) == 500
    assert drawn.mean() == pytest.approx(5000, abs=4 * 10_000 / np.sqrt(12 * 500))
    np.testing.assert_array_equal(drawn, again.events().columns["x"])
