"""Distributions of scores: what is filled, on which axis, and whether train and test agree."""

import numpy as np
import pytest
from plot_samples import make_run, make_score_run, overlapping, write_events

from cutflow_cli.plots.arrays import Shape
from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_scores import draw_scores
from cutflow_cli.plots.score_filler import BINS, logit
from cutflow_cli.plots.scores import compatibility, consensus_columns
from cutflow_cli.plots.style import figure_style
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut


def events_with(tmp_path, scores, label, split=None, weight=None):
    return write_events(tmp_path / "events.parquet", {"mlp.score": scores}, label, weight, split)


def figure_of(tmp_path, events, split="test", **points):
    run = make_score_run(tmp_path / "mlp", "mlp.score", 0.5, points or None)
    (computed,) = compute([run], events, split)
    return computed.scores


def smooth(events=4000, seed=3):
    rng = np.random.default_rng(seed)
    label = np.arange(events) % 2
    return rng.beta(2 + 2 * label, 4 - 2 * label), label, np.where(rng.random(events) < 0.5, 0, 2)


def test_a_score_is_filled_for_train_and_test(tmp_path):
    scores, label, split = smooth()
    weight = np.random.default_rng(1).normal(1, 0.5, len(label))
    found = figure_of(tmp_path, events_with(tmp_path, scores, label, split, weight))
    (panel,) = found.panels
    assert (panel.name, panel.logit, len(panel.edges)) == ("score", False, BINS + 1)
    assert list(panel.shapes) == ["test", "train"]
    values = scores.astype(np.float32).astype(np.float64)
    for name, code in (("train", 0), ("test", 2)):
        for klass in (0, 1):
            mine = (label == klass) & (split == code)
            expected, _ = np.histogram(values[mine], panel.edges, weights=weight[mine])
            scale = weight[label == klass].sum() / weight[mine].sum()  # from the split to the whole sample
            np.testing.assert_allclose(panel.shapes[name][klass].sumw[1:-1], scale * expected, atol=1e-9)
    assert [(one.name, one.low, one.high) for one in panel.thresholds] == [("default", 0.5, 0.5)]


def test_a_score_of_one_belongs_to_the_last_bin_and_nan_is_counted_apart(tmp_path):
    found = figure_of(tmp_path, events_with(tmp_path, [0.0, 0.3, 0.4, 0.5, 0.6, 1.0, np.nan], [0] * 7))
    background = found.panels[0].shapes["test"][0]
    assert background.sumw[1] == background.sumw[BINS] == 1
    assert (background.sumw[0], background.sumw[-1], background.events, background.non_finite) == (0, 0, 6, 1)


def test_a_score_that_piles_up_is_shown_by_its_logit(tmp_path):
    rng = np.random.default_rng(2)
    label = np.arange(4000) % 2
    outputs = rng.normal(8 * (2 * label - 1), 2)
    found = figure_of(tmp_path, events_with(tmp_path, 1 / (1 + np.exp(-outputs)), label))
    (panel,) = found.panels
    assert panel.logit
    assert -16 < panel.edges[0] < -11
    assert 11 < panel.edges[-1] < 17
    assert len(panel.edges) - 1 <= BINS
    assert panel.thresholds[0].low == pytest.approx(0.0)
    for shape in panel.shapes["test"]:
        assert shape.sumw.sum() == 2000, "merging bins loses nothing"
    with figure_style():
        assert overlapping(draw_scores(found)) == ([], [])


def test_the_logit_is_the_output_before_the_sigmoid():
    outputs = np.array([-20.0, -1.5, 0.0, 3.0])
    assert logit(1 / (1 + np.exp(-outputs))) == pytest.approx(outputs, abs=1e-8)
    assert logit(np.array([0.0, 1.0])).tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("points", [1, 2, 5])
def test_thresholds_and_their_names_can_be_read(tmp_path, points):
    scores, label, split = smooth()
    names = {f"signal_efficiency=0.{i}": 0.9 - 0.1 * i for i in range(1, points + 1)}
    found = figure_of(tmp_path, events_with(tmp_path, scores, label, split), **names)
    assert len(found.panels[0].thresholds) == points
    with figure_style():
        figure = draw_scores(found)
    assert overlapping(figure) == ([], [])
    assert any("kept: > 0.8" in text.get_text() for text in figure.axes[0].texts)


def test_the_training_split_is_drawn_alone_when_it_is_the_one_quoted(tmp_path):
    scores, label, split = smooth()
    found = figure_of(tmp_path, events_with(tmp_path, scores, label, split), split="train")
    assert list(found.panels[0].shapes) == ["train"]
    with figure_style():
        figure = draw_scores(found)
    assert not any("χ²" in text.get_text() for text in figure.axes[0].texts)


def test_without_training_events_the_quoted_split_is_drawn(tmp_path):
    scores, label, _ = smooth()
    found = figure_of(tmp_path, events_with(tmp_path, scores, label))
    assert list(found.panels[0].shapes) == ["test"]
    with figure_style():
        assert overlapping(draw_scores(found)) == ([], [])


def test_a_run_that_cuts_on_features_has_no_score(tmp_path):
    run = make_run(tmp_path / "lcf", [LearnedCut(Cut("mlp.score", Region.ABOVE, 0.5))], replicas=1)
    assert consensus_columns(run) == {}
    (computed,) = compute([run], events_with(tmp_path, [0.1, 0.9], [0, 1]), "test")
    assert computed.scores is None
    assert computed.distributions is not None


def shape(sumw, sumw2):
    return Shape(np.array([0.0, *sumw, 0.0]), np.array([0.0, *sumw2, 0.0]), 1, 0, None)


def test_compatibility_is_chi_squared_over_the_bins_with_enough_events():
    one, other = shape([100, 300, 4], [100, 300, 4]), shape([150, 250, 4], [150, 250, 4])
    # By hand: fractions of 404 events each, Poisson errors; the bin with 4 events is left out.
    expected = (50 / 404) ** 2 / (250 / 404**2) + (50 / 404) ** 2 / (550 / 404**2)
    assert compatibility(one, other) == (pytest.approx(expected), 1)
    assert compatibility(one, shape([0, 0, 0], [0, 0, 0])) is None
    assert compatibility(shape([100, 2], [100, 2]), shape([100, 2], [100, 2])) is None


def test_events_of_the_same_distribution_are_compatible(tmp_path):
    scores, label, split = smooth(40_000)
    (panel,) = figure_of(tmp_path, events_with(tmp_path, scores, label, split)).panels
    for klass in (0, 1):
        chi2, ndf = compatibility(panel.shapes["train"][klass], panel.shapes["test"][klass])
        assert abs(chi2 - ndf) < 4 * np.sqrt(2 * ndf)
