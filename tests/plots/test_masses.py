"""Figures of merit against mass."""

import numpy as np
import pytest
from plot_samples import make_run, overlapping

from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.plots.draw_masses import draw_masses
from cutflow_cli.plots.masses import mass_curves
from cutflow_cli.plots.style import figure_style
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

MASSES = (1.0, 2.0, 4.0)


def rows(missing=()):
    found = []
    for mass in (None, *MASSES):
        for metric, value in (("asimov", 3.0), ("s_over_sqrt_b", 3.5), ("punzi_sigma_min", 1.0)):
            gone = mass in missing
            number = None if gone else value * (mass or 10)
            found += [
                MetricRow("run", "lcf-parallel", point, None, mass, kind, -1, split, metric, number,
                          None if gone else 0.1, None if gone else 0.2, "too few events" if gone else None)
                for point, kind, split in (
                    ("default", "consensus", "test"), ("default", "mean", "test"), ("default", "consensus", "train"),
                    ("other", "consensus", "test"),
                )
            ]  # fmt: skip
    return found


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.ABOVE, lower=1.0))])


def test_each_mass_has_its_number_with_errors(run):
    found = mass_curves(run, "run", rows(), "test")
    assert found.masses.tolist() == list(MASSES)
    assert [curve.metric for curve in found.curves] == ["asimov", "s_over_sqrt_b"]
    assert found.curves[0].values == pytest.approx([3, 6, 12])
    assert found.curves[1].values == pytest.approx([3.5, 7, 14])
    assert found.curves[0].errors == pytest.approx([0.1] * 3)
    assert found.curves[0].spread == pytest.approx([0.2] * 3)
    assert (found.undefined, found.replicas, found.held_out.any()) == (None, 3, np.False_)
    with figure_style():
        figure = draw_masses(found)
    assert overlapping(figure) == ([], [])
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3 and line.get_linestyle() == "-"]
    assert line.get_ydata() == pytest.approx([3, 6, 12])


def test_what_is_undefined_is_said(run):
    found = mass_curves(run, "run", rows(missing=(2.0,)), "test")
    assert np.isnan(found.curves[0].values).tolist() == [False, True, False]
    assert found.undefined == "not defined at mass 2: too few events"
    with figure_style():
        figure = draw_masses(found)
        assert overlapping(figure) == ([], [])
    assert any("not defined at mass 2" in text.get_text() for text in figure.texts)


def test_there_is_none_for_one_mass_or_without_numbers(run):
    assert mass_curves(run, "run", [row for row in rows() if row.hypothesis in (None, 1.0)], "test") is None
    assert mass_curves(run, "run", rows(missing=MASSES), "test") is None
    assert mass_curves(run, "another", rows(), "test") is None
