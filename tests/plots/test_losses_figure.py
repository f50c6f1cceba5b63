"""Loss terms against epoch: which are shown, how they are called, on which axis."""

import numpy as np
import pytest
from plot_samples import make_run, overlapping

from cutflow_cli.plots.draw_losses import draw_losses
from cutflow_cli.plots.losses import MAX_LOSS_TERMS, loss_curves
from cutflow_cli.plots.style import figure_style

EPOCHS = np.arange(1, 6)


def curves_for(tmp_path, replicas=1, method="cabin-scan", **terms):
    history = {
        "replica": np.repeat(np.arange(replicas), len(EPOCHS)),
        "epoch": np.tile(EPOCHS, replicas),
        "learning_rate": np.full(replicas * len(EPOCHS), 0.1),
    }
    history |= {name: np.asarray(values, dtype=float) for name, values in terms.items()}
    return loss_curves(make_run(tmp_path / "run", [], replicas=1, method=method, history=history))


def labels(curves):
    with figure_style():
        figure = draw_losses(curves)
    assert overlapping(figure) == ([], [])
    return [text.get_text() for text in figure.legends[0].get_texts()], figure.axes[0]


def test_losses_are_median_and_band_over_replicas(tmp_path):
    loss = np.concatenate([1 / EPOCHS + shift for shift in (0.0, 0.1, 0.4)])
    curves = curves_for(tmp_path, 3, "mlp", validation_loss=np.full(15, 0.6), loss=loss)
    assert [band.name for band in curves.bands] == ["loss", "validation_loss"]
    np.testing.assert_allclose(curves.bands[0].median, 1 / EPOCHS + 0.1)
    np.testing.assert_allclose(curves.bands[0].high - curves.bands[0].median, 0.3 * 0.68)
    found, axes = labels(curves)
    assert found == ["train", "validation"]
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]
    assert len({line.get_color() for line in axes.lines}) == 1, "one term, one colour"


def test_each_term_is_a_curve_but_those_switched_off(tmp_path):
    curves = curves_for(
        tmp_path, loss_efficiency=1 / EPOCHS, loss_bce=np.zeros(5), loss=2 / EPOCHS, validation_loss_efficiency=EPOCHS
    )
    assert labels(curves)[0] == ["total loss", "efficiency", "efficiency, validation"]


def test_a_term_is_drawn_in_its_own_stage(tmp_path):
    none = np.nan
    curves = curves_for(tmp_path, loss_bce=[0.7, 0.6, none, none, none], loss_punzi=[none, none, 3.0, 2.0, 1.0])
    assert [band.epochs.tolist() for band in curves.bands] == [[1, 2], [3, 4, 5]]
    assert labels(curves)[0] == ["BCE", "Punzi"]


def test_the_total_is_not_joined_across_stages(tmp_path):
    none = np.nan
    curves = curves_for(tmp_path, loss=[0.7, 0.6, 1.0, 0.9, 0.8], loss_punzi=[none, none, 3.0, 2.0, 1.0])
    _, axes = labels(curves)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.7, 0.6, none, 1.0, 0.9, 0.8])


@pytest.mark.parametrize(
    ("values", "scale"), [([100, 10, 1, 0.1, 0.01], "log"), ([3, 2, 2, 1, 1], "linear"), ([100, 1, 0, 0, -1], "linear")]
)
def test_losses_over_decades_need_a_logarithm(tmp_path, values, scale):
    assert labels(curves_for(tmp_path, loss=values))[1].get_yscale() == scale


def test_a_zero_is_left_out_of_a_logarithmic_axis_and_tiny_terms_do_not_stretch_it(tmp_path):
    _, axes = labels(curves_for(tmp_path, loss=[100, 50, 10, 5, 1], loss_smoothness=[0, 1e-30, 0.1, 0.1, 0.1]))
    low, high = axes.get_ylim()
    assert np.isnan(axes.lines[1].get_ydata()[0])
    assert high > 100
    assert high / low <= 1.001e6


def test_many_terms_stay_legible(tmp_path):
    terms = {f"loss_of_a_term_with_a_long_name_{i}": EPOCHS + i for i in range(15)}
    curves = curves_for(tmp_path, 2, **{name: np.tile(values, 2) for name, values in terms.items()})
    assert len(labels(curves)[0]) == MAX_LOSS_TERMS


def test_trees_are_counted_as_such(tmp_path):
    assert labels(curves_for(tmp_path, method="bdt", loss=EPOCHS))[1].get_xlabel() == "Number of trees"
