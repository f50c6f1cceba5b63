"""Runs with selections for many mass points: sensitivity against mass, and the score in each window."""

from dataclasses import replace

import numpy as np
import pytest
from plot_samples import overlapping, write_events

from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_outputs import draw_outputs
from cutflow_cli.plots.draw_sensitivity import draw_sensitivity
from cutflow_cli.plots.sensitivity import sensitivity_of
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import CUTS, RunManifest, open_run, write_cut_flows, write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

MASSES = (1.0, 2.0, 3.0)
POINTS = {"fixed": 2.0, "best": 1.0, "pretrained_fixed": 6.0, "pretrained_best": 3.0}
SCORE = {"fixed": "p.score", "best": "p.score"}


def threshold(point, mass):
    return 0.5 if point.endswith("fixed") else 0.1 + 0.2 * mass


@pytest.fixture
def run(tmp_path):
    """A run with windows of half a unit around each mass; the second mass is held out."""
    path = tmp_path / "punzi"
    path.mkdir()
    flows = [
        CutFlow(
            (
                LearnedCut(Cut("m", Region.INSIDE, mass - 0.5, mass + 0.5)),
                LearnedCut(Cut(SCORE.get(point, "p.pretrained_score"), Region.ABOVE, threshold(point, mass))),
            ),
            point,
            hypothesis=mass,
            kind=kind,
            replica=replica,
        )
        for point in POINTS
        for mass in MASSES
        for kind, replica in (("replica", 0), ("replica", 1), ("consensus", -1))
    ]
    write_cut_flows(path / CUTS, flows)
    RunManifest(
        "punzi", {}, (FeatureInfo("x"),), {}, "digest", spectators=(FeatureInfo("m"),),
        scores=("score", "pretrained_score"), replicas=(0, 2), recommended="fixed",
    ).write(path)  # fmt: skip
    write_table(path / "hypotheses.parquet", {"hypothesis": MASSES, "held_out": [False, True, False]})
    return open_run(path)


def metrics(effective=50.0):
    def row(point, mass, metric, value, error=None, spread=None, split="test", run="punzi"):
        return MetricRow(run, "punzi", point, None, mass, "consensus", -1, split, metric, value, error, spread, None)

    rows = []
    for point, factor in POINTS.items():
        for mass in MASSES:
            missing = (point, mass) == ("best", 3.0)
            rows.append(row(point, mass, "punzi_sigma_min", None if missing else factor * mass, 0.1 * factor, 0.2))
            rows.append(row(point, mass, "background_n_eff", effective if mass > 1 else 3.0))
            rows.append(row(point, mass, "punzi_sigma_min", 99.0, split="train"))
            rows.append(row(point, mass, "punzi_sigma_min", 99.0, run="other"))
    return rows


def test_sensitivity_is_that_of_the_consensus_on_the_quoted_split(run):
    shown = sensitivity_of(run, "punzi", metrics(), "test")
    assert shown.masses.tolist() == list(MASSES)
    assert shown.held_out.tolist() == [False, True, False]
    by_name = {series.name: series for series in shown.series}
    assert by_name["fixed"].sigma.tolist() == [2, 4, 6]
    np.testing.assert_array_equal(by_name["best"].sigma, [1, 2, np.nan])
    assert by_name["fixed"].error.tolist() == pytest.approx([0.2] * 3)
    assert by_name["fixed"].few.tolist() == [True, False, False]
    assert [(one.name, two.name) for one, two in shown.pairs()] == [
        ("fixed", "best"),
        ("pretrained_fixed", "pretrained_best"),
    ]


def test_sensitivity_shows_figure_of_merit_and_the_price_of_a_fixed_cut(run):
    with figure_style():
        figure = draw_sensitivity(sensitivity_of(run, "punzi", metrics(), "test"))
    assert overlapping(figure) == ([], [])
    merit, sigma, ratio = figure.axes

    def lines(axes):
        return [
            line.get_ydata()
            for line in axes.lines
            if line.get_linestyle() in {"-", "--", ":", "-."} and len(line.get_xdata()) == 3
        ]

    np.testing.assert_allclose(lines(merit)[0], 1 / np.array([2, 4, 6]))
    np.testing.assert_allclose(lines(sigma)[0], [2, 4, 6])
    np.testing.assert_allclose(lines(ratio)[0], [2, 2, np.nan])
    np.testing.assert_allclose(lines(ratio)[1], [2, 2, 2])
    low, high = sigma.get_ylim()
    assert low < 1
    assert high > 18


@pytest.mark.parametrize(
    ("settings", "unit", "label"),
    [
        ({"mass_column": "m", "mass_scale": "linear"}, "GeV", "Mass hypothesis [GeV]"),
        ({"mass_column": "m", "mass_scale": "squared"}, "GeV^2", "Mass hypothesis [GeV]"),
        ({"mass_column": "m"}, "GeV²", "Mass hypothesis [GeV]"),
        ({"mass_column": "m", "mass_scale": "squared"}, "GeV", "Mass hypothesis"),
        ({"mass_column": "m", "mass_scale": "linear"}, None, "Mass hypothesis"),
        ({}, "GeV", "Mass hypothesis"),
    ],
)
def test_masses_have_the_unit_of_the_mass_that_windows_are_in(run, settings, unit, label):
    manifest = replace(run.manifest, settings=settings, spectators=(FeatureInfo("m", unit=unit),))
    with figure_style():
        figure = draw_sensitivity(sensitivity_of(replace(run, manifest=manifest), "punzi", metrics(), "test"))
    assert figure.axes[-1].get_xlabel() == label


def test_there_is_no_sensitivity_without_selections_for_masses(run, tmp_path):
    assert sensitivity_of(run, "another name", metrics(), "test") is None
    one = type(run)(run.path, run.manifest, tuple(flow for flow in run.flows if flow.hypothesis == 1.0))
    assert sensitivity_of(one, "punzi", metrics(), "test") is None


@pytest.fixture
def events(tmp_path):
    rng = np.random.default_rng(3)
    label = np.arange(6000) % 2
    mass = rng.choice(MASSES, 6000)
    found = np.where(label == 1, rng.normal(mass, 0.3), rng.uniform(0, 4, 6000))
    logits = {"p.score": rng.normal(6 * label - 3, 1), "p.pretrained_score": rng.normal(4 * label - 2, 1)}
    columns = {"m": found, **{name: 1 / (1 + np.exp(-values)) for name, values in logits.items()}}
    weight = rng.uniform(0.5, 1.5, 6000)
    hypothesis = np.where(label == 1, mass, np.nan)
    return write_events(tmp_path / "events.parquet", columns, label, weight, hypothesis=hypothesis)


def test_scores_are_shown_in_the_window_of_each_mass(run, events):
    outputs = compute([run], events, "test")[0].outputs
    final, pretrained = outputs.panels
    assert (final.name, pretrained.name) == ("score", "pretrained_score")
    np.testing.assert_allclose(final.fractions.sum(axis=2), 1)
    batch = next(events.batches(("m", "p.score")))
    score = batch.columns["p.score"].astype(np.float64)
    inside = (batch.columns["m"] > np.float32(1.5)) & (batch.columns["m"] < np.float32(2.5))
    for label, wanted in ((1, inside & (batch.hypothesis == 2.0)), (0, inside & (batch.label == 0))):
        places = np.clip(np.log(score / (1 - score))[wanted], final.edges[0], final.edges[-1])
        expected, _ = np.histogram(places, final.edges, weights=batch.weight[wanted])
        np.testing.assert_allclose(final.fractions[label, 1], expected / expected.sum(), atol=2e-6)


def test_cuts_are_drawn_on_the_scores_that_they_cut_on(run, events):
    outputs = compute([run], events, "test")[0].outputs
    assert set(outputs.panels[1].cuts) == {"pretrained_fixed", "pretrained_best"}
    np.testing.assert_allclose(outputs.panels[0].cuts["fixed"], 0, atol=1e-12)
    t = np.array([0.3, 0.5, 0.7])
    np.testing.assert_allclose(outputs.panels[0].cuts["best"], np.log(t / (1 - t)))
    with figure_style():
        figure = draw_outputs(outputs)
    assert overlapping(figure) == ([], [])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "fixed cut",
        "best cut for each mass",
        "held out",
    ]


def test_a_window_without_events_is_left_empty(run, tmp_path):
    columns = {"m": [1.0, 1.1, 2.0], "p.score": [0.2, 0.9, 0.3], "p.pretrained_score": [0.2, 0.9, 0.3]}
    events = write_events(tmp_path / "few.parquet", columns, [0, 1, 0], hypothesis=[np.nan, 1.0, np.nan])
    outputs = compute([run], events, "test")[0].outputs
    assert np.isnan(outputs.panels[0].fractions[1, 1:]).all()
    with figure_style():
        assert overlapping(draw_outputs(outputs)) == ([], [])
