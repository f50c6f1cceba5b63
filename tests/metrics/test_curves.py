"""ROC curves: areas against scikit-learn, errors against repeated samples, points against direct counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.curve_summary import curve_metrics, summarise_curve
from cutflow_cli.metrics.curves import (
    Cumulative,
    area,
    background_at,
    polygon,
    rejection_at,
)
from cutflow_cli.metrics.score_histogram import ScoreHistograms
from cutflow_cli.metrics.yields import Sums


def sample(seed=0, events=20_000, shift=1.5, scale=1.0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, events)
    score = 1 / (1 + np.exp(-scale * rng.normal(np.where(label == 1, shift, -shift), 2.0)))
    weight = rng.uniform(0.1, 3.0, events) * np.where(label == 1, 0.1, 10.0)
    return score.astype(np.float32), label, weight


def curve_of(score, label, weight, parts=1):
    histograms = ScoreHistograms(2)
    for rows in np.array_split(np.arange(len(score)), parts):
        histograms.add(score[rows], label[rows].astype(np.int64), weight[rows])
    return histograms.curve(1, [0])


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.3, 0.05), (1.5, 1.0), (3.0, 4.0), (-1.0, 1.0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_area_agrees_with_scikit_learn(shift, scale, weighted):
    score, label, weight = sample(shift=shift, scale=scale)
    weight = weight if weighted else np.ones(len(label))
    found = area(curve_of(score, label, weight))
    assert found.value == pytest.approx(
        roc_auc_score(label, score, sample_weight=weight), abs=1e-5 if scale >= 1 else 1e-4
    )
    assert found.reason is None


def test_area_with_ties_and_saturated_scores():
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 5000)
    score = rng.choice(np.array([0.0, 0.2, 0.5, 0.9, 1.0]), 5000, p=[0.3, 0.1, 0.2, 0.1, 0.3]).astype(np.float32)
    found = area(curve_of(score, label, np.ones(5000)))
    assert found.value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert "equal or nearly so" in found.reason


def test_area_with_negative_weights_is_the_sum_over_pairs():
    score, label, weight = sample(events=600)
    weight *= np.random.default_rng(1).choice([1.0, -1.0], 600, p=[0.85, 0.15])
    s, b = label == 1, label == 0
    order = (score[s][:, None] > score[b][None, :]) + 0.5 * (score[s][:, None] == score[b][None, :])
    expected = weight[s] @ order @ weight[b] / weight[s].sum() / weight[b].sum()
    assert area(curve_of(score, label, weight)).value == pytest.approx(expected, abs=1e-4)


def test_errors_cover_repeated_samples():
    found = [summarise_curve(curve_of(*sample(seed, 3000))) for seed in range(300)]
    for metric in ("auc", "background_efficiency_at_30", "background_efficiency_at_70", "rejection_at_50"):
        values = np.array([numbers[metric].value for numbers in found])
        errors = np.array([numbers[metric].error for numbers in found])
        assert np.mean(errors) == pytest.approx(values.std(), rel=0.15), metric


def test_batches_do_not_matter():
    whole, parts = (curve_of(*sample(), parts=parts) for parts in (1, 7))
    np.testing.assert_allclose(whole.background.sumw, parts.background.sumw)
    np.testing.assert_array_equal(whole.thresholds, parts.thresholds)


def test_points_are_counts_above_their_thresholds():
    score, label, weight = sample(events=3000)
    curve = curve_of(score, label, weight)
    for position in range(1, len(curve), 400):
        for value, one in enumerate((curve.background, curve.signal)):
            kept = (score >= curve.thresholds[position]) & (label == value)
            assert one.sumw[position] == pytest.approx(weight[kept].sum())
            passed, total = (
                Sums(int(rows.sum()), float(weight[rows].sum()), float((weight[rows] ** 2).sum()))
                for rows in (kept, label == value)
            )
            direct = efficiency(passed, total)
            assert (one.efficiency[position], one.error[position]) == pytest.approx((direct.value, direct.error))


def test_background_at_an_efficiency():
    score, label, weight = sample()
    curve = curve_of(score, label, weight)
    s, b = label == 1, label == 0
    order = np.argsort(-score[s])
    threshold = score[s][order][np.searchsorted(np.cumsum(weight[s][order]), 0.7 * weight[s].sum())]
    direct = weight[b][score[b] > threshold].sum() / weight[b].sum()
    found = background_at(curve, 0.7)
    assert found.value == pytest.approx(direct, abs=1e-3)
    assert rejection_at(curve, 0.7).value == pytest.approx(1 / found.value)


def test_error_of_the_background_contains_that_of_the_threshold():
    score, label, weight = sample()
    few = (label == 0) | (np.cumsum(label) < 100)  # a hundred signal events: their quantile is hardly known
    many, poor = curve_of(score, label, weight), curve_of(score[few], label[few], weight[few])
    assert background_at(poor, 0.7).error > 3 * background_at(many, 0.7).error


def test_no_background_above_the_threshold():
    score = np.array([0.9] * 50 + [0.1] * 150, dtype=np.float32)
    label = np.array([1] * 50 + [1] * 50 + [0] * 100)
    curve = curve_of(score, label, np.ones(200))
    found = background_at(curve, 0.3)
    assert (found.value, found.error) == (0.0, 0.0)
    assert "no simulated background event passes: the efficiency is below 0.0295" in found.reason
    assert rejection_at(curve, 0.3).value is None
    assert "above 33.9" in rejection_at(curve, 0.3).reason


def test_events_without_a_score_pass_no_threshold():
    score, label, weight = sample(events=2000)
    blind = score.copy()
    blind[:500] = np.nan
    curve = curve_of(blind, label, weight)
    assert curve.signal.efficiency[-2] < 1
    assert curve.thresholds[-1] == -np.inf
    scored = ~np.isnan(blind)
    best = (label == 1) & scored
    assert curve.signal.sumw[-2] == pytest.approx(weight[best].sum())


def test_a_selection_is_the_broken_line_through_its_point():
    curve = polygon([[30.0, 30.0], [100.0, 100.0]], [[10.0, 5.0], [200.0, 100.0]])
    found = area(curve)
    assert found.value == pytest.approx((1 + 0.3 - 0.05) / 2)
    assert found.error == pytest.approx(math.hypot(curve.signal.error[1], curve.background.error[1]) / 2)
    assert background_at(curve, 0.15).value == pytest.approx(0.025)
    assert background_at(curve, 0.65).value == pytest.approx(0.525)


def test_a_scan_keeps_all_its_points():
    curve = polygon([[50.0, 50.0], [20.0, 20.0], [100.0, 100.0]], [[4.0, 4.0], [5.0, 5.0], [100.0, 100.0]])
    np.testing.assert_allclose(curve.signal.efficiency, [0, 0.2, 0.5, 1])
    np.testing.assert_allclose(curve.background.efficiency, [0, 0.05, 0.04, 1])  # not a hull
    assert background_at(curve, 0.5).value == pytest.approx(0.04)
    assert area(curve).value == pytest.approx(0.2 * 0.975 + 0.3 * 0.955 + 0.5 * 0.48)


def test_summary_is_complete_and_thinning_keeps_the_curve():
    curve = curve_of(*sample())
    found = summarise_curve(curve)
    assert list(found) == list(curve_metrics())
    thin = curve.thinned(500)
    assert 250 < len(thin) <= 500
    assert area(thin).value == pytest.approx(found["auc"].value, abs=2e-4)
    for share in (0.1, 0.5, 0.9):
        assert background_at(thin, share).value == pytest.approx(background_at(curve, share).value, rel=0.06)
    assert thin.thinned(500) is thin


@given(st.lists(st.tuples(st.floats(0.01, 5), st.floats(0.01, 5)), min_size=1, max_size=20))
def test_swapping_the_classes_mirrors_the_area(steps):
    def cumulative(values):
        return Cumulative(np.append(0.0, np.cumsum(values)), np.append(0.0, np.cumsum(np.square(values))))

    from cutflow_cli.metrics.curves import RocCurve

    s, b = (cumulative([step[side] for step in steps]) for side in (0, 1))
    none = np.full(len(steps) + 1, np.nan)
    forward, mirrored = area(RocCurve(none, s, b, False)), area(RocCurve(none, b, s, False))
    assert forward.value + mirrored.value == pytest.approx(1)
    assert forward.error == pytest.approx(mirrored.error)
