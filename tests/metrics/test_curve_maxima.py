"""Maxima of figures of merit over thresholds: against a search over the events themselves, and what they are worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.curve_summary import best_point, curve_metrics, maximum_name, shown_metrics, summarise_curve
from cutflow_cli.metrics.curves import CURVE_METRICS, polygon
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.formula import parse_formula
from cutflow_cli.metrics.options import read_options
from cutflow_cli.metrics.score_histogram import ScoreHistograms
from cutflow_cli.metrics.significance import asimov, signal_over_sqrt_all, signal_over_sqrt_background
from cutflow_cli.metrics.threshold import best_threshold

MINE = parse_formula("mine = s / (1.5 + sqrt(b + sigma_b**2))")


def sample(seed=0, events=4000):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, events)
    score = 1 / (1 + np.exp(-rng.normal(np.where(label == 1, 1.0, -1.0), 1.5)))
    weight = rng.uniform(0.1, 3.0, events) * np.where(label == 1, 0.1, 10.0)
    return score.astype(np.float32), label, weight


def curve_of(score, label, weight, systematic=()):
    histograms = ScoreHistograms(2)
    histograms.add(score, label.astype(np.int64), weight)
    return histograms.curve(1, [0], systematic)


def yields(score, label, weight, threshold):
    """Return S and B above a threshold, and Σw² of B."""
    kept = [weight[(score > threshold) & (label == value)] for value in (1, 0)]
    return tuple(Estimate(float(one.sum()), math.sqrt(float((one**2).sum()))) for one in kept)


FIGURES = {
    "s_over_sqrt_b": signal_over_sqrt_background,
    "s_over_sqrt_s_plus_b": signal_over_sqrt_all,
    "asimov": asimov,
    MINE: MINE.estimate,
}


@pytest.mark.parametrize("figure", FIGURES)
def test_it_is_the_largest_over_the_events_themselves(figure):
    score, label, weight = sample()
    found = best_point(curve_of(score, label, weight), figure)
    values = []
    for threshold in np.linspace(0.0, 1.0, 400, endpoint=False):
        S, B = yields(score, label, weight, threshold)
        if B.value**2 >= 10 * B.error**2 > 0:
            values.append(FIGURES[figure](S, B).value)
    assert found.figure.value >= max(values) - 1e-9
    assert found.figure.value == pytest.approx(max(values), rel=0.01)
    S, B = yields(score, label, weight, found.threshold.value)  # where it is reached
    direct = FIGURES[figure](S, B)
    assert (found.figure.value, found.figure.error) == pytest.approx((direct.value, direct.error))
    assert found.signal_efficiency.value == pytest.approx(S.value / weight[label == 1].sum())
    assert 0 < found.signal_efficiency.error < 0.1
    assert found.figure.reason.startswith(f"at a score above {found.threshold.value:.4g}, ε_s = ")


@pytest.mark.parametrize("figure", ["s_over_sqrt_b", "s_over_sqrt_s_plus_b", "asimov"])
def test_it_is_what_a_threshold_chosen_on_these_events_has(figure):
    score, label, weight = sample()
    chosen = best_threshold(score, label.astype(np.int8), weight, figure)
    assert best_point(curve_of(score, label, weight), figure).figure.value == pytest.approx(chosen.figure, rel=2e-3)


def test_it_is_biased_upwards_on_the_events_it_was_chosen_on():
    many = sample(seed=999, events=200_000)
    gain = []
    for seed in range(40):
        score, label, weight = sample(seed, 800)
        found = best_point(curve_of(score, label, weight), "s_over_sqrt_b")
        S, B = yields(*many, found.threshold.value)  # the same threshold on other events, 250 times as many
        gain.append(found.figure.value * math.sqrt(250) / signal_over_sqrt_background(S, B).value - 1)
    assert np.mean(gain) > 4 * np.std(gain) / math.sqrt(len(gain))


@pytest.mark.parametrize("figure", ["s_over_sqrt_b", parse_formula("s / sqrt(b)"), parse_formula("s / b")])
def test_it_asks_for_enough_background(figure):
    label = np.array([1, 0] * 200)
    label[:60] = 1  # nothing but signal at the highest scores
    curve = curve_of(np.linspace(0.999, 0.001, 400, dtype=np.float32), label, np.ones(400))
    found = best_point(curve, figure)
    assert curve.background.n_eff[found.position] >= 10
    assert best_point(curve, figure, 50).figure.value < found.figure.value
    nowhere = best_point(curve, figure, min_effective_events=1000)
    assert (nowhere.figure.value, nowhere.position) == (None, None)
    assert "no point of the curve keeps 1000 effective background events" in nowhere.figure.reason
    assert nowhere.threshold.reason == nowhere.signal_efficiency.reason == nowhere.figure.reason


def test_a_formula_without_background_needs_none_and_one_that_is_nowhere_finite_has_no_maximum():
    curve = curve_of(*sample())
    every = best_point(curve, parse_formula("all = s"), 1e9)
    assert every.figure.value == pytest.approx(curve.signal.sumw[-1])
    assert every.signal_efficiency.value == pytest.approx(1)
    nowhere = best_point(curve, parse_formula("no = sqrt(-1 - s)"))
    assert (nowhere.figure.value, nowhere.figure.reason) == (None, "no is not finite at any point of the curve")
    nothing = best_point(curve, parse_formula("few = -s"))  # not the threshold that keeps no event at all
    assert nothing.position > 0


def test_systematics_enter_where_there_is_a_sigma_b():
    score, label, weight = sample()
    plain, moved = curve_of(score, label, weight), curve_of(score, label, weight, [0.3])
    assert best_point(moved, "asimov").figure.value < best_point(plain, "asimov").figure.value
    assert best_point(moved, MINE).figure.value < best_point(plain, MINE).figure.value
    assert best_point(moved, "s_over_sqrt_b") == best_point(plain, "s_over_sqrt_b")
    S, B = yields(score, label, weight, best_point(moved, MINE).threshold.value)
    assert best_point(moved, MINE).figure.value == pytest.approx(MINE.estimate(S, B, 0.3).value)


def test_a_scan_has_efficiencies_and_no_thresholds():
    curve = polygon([[50.0, 50.0], [20.0, 20.0], [100.0, 100.0]], [[16.0, 16.0], [12.0, 12.0], [100.0, 100.0]])
    found = best_point(curve, "s_over_sqrt_b")
    assert found.figure.value == pytest.approx(50 / 4)
    assert found.figure.reason == "at ε_s = 0.5"
    assert found.signal_efficiency.value == 0.5
    assert found.threshold.value is None


def test_names_of_what_is_found():
    found = summarise_curve(curve_of(*sample()), formulas=[MINE])
    assert list(found) == list(curve_metrics([MINE]))
    assert maximum_name(MINE) == "max mine"
    assert set(shown_metrics(["mine"])) == {*CURVE_METRICS, "max mine"} < set(found)
    assert found["max mine at threshold"].value > 0.5
    assert found["max_asimov_signal_efficiency"].error > 0
    with pytest.raises(UsageError, match="a number called 'max_asimov_threshold' already"):
        read_options(formulas=["max_asimov_threshold = s"])
