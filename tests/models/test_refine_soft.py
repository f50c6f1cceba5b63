"""Soft counts of binned events: those of the torch layer, with its gradients."""

import numpy as np
import pytest
import torch

from cutflow_cli.layers import CutLayer, soft_counts
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.refine.ascent import ascend, judged
from cutflow_cli.models.refine.soft import Edges, SoftSums, make_binned
from cutflow_cli.selection.cut import Cut, Region

CUTS = [
    Cut("a", Region.BELOW, None, 1.3), Cut("b", Region.ALL), Cut("c", Region.ABOVE, -2.1),
    Cut("d", Region.INSIDE, -3.2, 2.6), Cut("e", Region.OUTSIDE, -0.7, 0.9),
]  # fmt: skip
WIDTHS = [1.0, 1.0, 2.0, 0.5, 0.7]


def some_events(events=3000, seed=0):
    """Few distinct values, so that every bin holds one and its centre is exact; some are missing or infinite."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, size=(events, 5)).astype(np.float64)
    x[rng.random(x.shape) < 0.03] = np.nan
    label = (rng.random(events) < 0.5).astype(np.int8)
    return x, label, rng.normal(1.0, 0.5, events)


def soft_of(x, label, weight, square):
    edges = Edges.of(CUTS, WIDTHS)
    binned = [make_binned(x[:, k], label, width) for k, width in enumerate(WIDTHS)]
    return SoftSums(binned, edges, weight, square, label), edges


@pytest.mark.parametrize("steepness", [0.5, 7.0, 60.0])
def test_sums_and_derivatives_are_those_of_the_layer(steepness):
    x, label, weight = some_events()
    sums, edges = soft_of(x, label, weight, weight**2)
    found, slopes = sums.at(edges.start, steepness)
    layer = CutLayer(CUTS, scale=dict(zip("abcde", WIDTHS, strict=True)), steepness=steepness)
    mask = layer.soft(torch.from_numpy(x))
    counts = soft_counts(mask, torch.from_numpy(weight), torch.from_numpy(label))
    squares = [(torch.from_numpy(weight**2 * (label == role)) * mask**2).sum() for role in (0, 1)]
    expected = [[counts.B, counts.B_variance, squares[0]], [counts.S, counts.S_variance, squares[1]]]
    places = [(0, "upper"), (2, "lower"), (3, "lower"), (3, "upper"), (4, "lower"), (4, "upper")]
    for role in range(2):
        for k in range(3):
            assert found[role, k] == pytest.approx(expected[role][k].item(), rel=1e-9)
            layer.zero_grad()
            expected[role][k].backward(retain_graph=True)
            gradients = {"lower": layer.shift_lower.grad, "upper": layer.shift_upper.grad}
            for place, (cut, side) in enumerate(places):
                assert slopes[role, k, place] == pytest.approx(gradients[side][cut].item(), rel=1e-7, abs=1e-9)


def test_repeated_events_count_as_often_and_absent_ones_not_at_all():
    x, label, weight = some_events(400)
    counts = np.random.default_rng(1).poisson(1.0, len(x))
    sums, edges = soft_of(x, label, weight * counts, weight**2 * counts)
    rows = np.repeat(np.arange(len(x)), counts)
    again, _ = soft_of(x[rows], label[rows], weight[rows], weight[rows] ** 2)
    assert np.allclose(sums.at(edges.start, 50.0)[0], again.at(edges.start, 50.0)[0])


def test_bins_hold_every_value_and_missing_ones_apart():
    values = np.array([np.nan, -np.inf, 0.0, 1.0, 1.0, 5.0, np.inf], dtype=np.float32)
    binned = make_binned(values, np.array([0, 1, 0, 1, 0, 1, 0], dtype=np.int8), 2.0)
    assert binned.codes[0] == len(binned.centres)
    assert binned.codes[1] == binned.codes[2] == 0
    assert binned.codes[-1] == len(binned.centres) - 1
    assert np.isfinite(binned.centres).all()
    assert (np.diff(binned.centres) >= 0).all()
    assert binned.centres[binned.codes[3]] == 0.5
    assert len(make_binned(np.full(4, np.nan), np.array([0, 1, 0, 1], dtype=np.int8), 1.0).centres) == 1


def test_the_direction_is_the_gradient_of_the_logarithm_and_leads_back_to_enough_background():
    objective = parse_objective("asimov", 0.2)
    enough = np.array([[500.0, 400.0, 300.0], [40.0, 20.0, 10.0]])
    value, slopes = judged(enough, (1e4, 1e3), objective, 10.0)
    step = 1e-3
    moved = enough.copy()
    moved[0, 0] += step
    assert slopes[0, 0] == pytest.approx(
        (np.log(judged(moved, (1e4, 1e3), objective, 10.0)[0]) - np.log(value)) / step, rel=1e-4
    )
    assert slopes[0, 0] < 0 < slopes[1, 0]
    few = np.array([[5.0, 5.0, 4.0], [40.0, 20.0, 10.0]])
    assert judged(few, (1e4, 1e3), objective, 10.0)[1][0, 0] > 0
    assert judged(few, (1e4, 1e3), parse_objective("balanced_accuracy"), 10.0)[1][0, 0] < 0  # no guard


def test_an_ascent_finds_the_best_boundary_of_two_normal_distributions():
    rng = np.random.default_rng(2)
    label = np.arange(40_000, dtype=np.int8) % 2
    x = rng.normal(np.where(label == 1, 1.0, -1.0), 1.0)
    cut = Cut("x", Region.ABOVE, -1.5)
    edges = Edges.of([cut], [1.0])
    weight = np.full(len(x), 1.0)
    sums = SoftSums([make_binned(x, label, 1.0)], edges, weight, weight, label)
    heard = []
    end = ascend(
        sums, edges.start, (2e4, 2e4), parse_objective("balanced_accuracy"), 10.0, lambda *row: heard.append(row)
    )
    assert end[0] == pytest.approx(0.0, abs=0.05)  # equal likelihood
    assert heard[-1][3] > heard[0][3]
    assert np.array_equal(heard[-1][2], end)
