"""The paired bootstrap: what both curves share cancels, and its error is that of repeated samples."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.paired import paired_difference
from cutflow_cli.metrics.curves import background_at
from cutflow_cli.metrics.score_histogram import ScoreHistograms


def sample(seed, events=2000):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, events)
    shared = rng.normal(label * 1.5, 1.0)
    first, second = (1 / (1 + np.exp(-(shared + rng.normal(0, noise, events)))) for noise in (0.2, 0.4))
    return first, second, label, rng.uniform(0.5, 2.0, events)


def test_a_curve_does_not_differ_from_itself():
    first, _, label, weight = sample(0)
    found = paired_difference(first, first, label, weight, (0.3, 0.7), resamples=5)
    assert found.difference.tolist() == found.error.tolist() == found.pull.tolist() == [0, 0]


def test_efficiencies_are_those_of_the_curve():
    first, second, label, weight = sample(1)
    found = paired_difference(first, second, label, weight, (0.3, 0.7), resamples=2)
    histograms = ScoreHistograms(2)
    histograms.add(first, label, weight)
    curve = histograms.curve(1, [0])
    assert found.first == pytest.approx([background_at(curve, share).value for share in (0.3, 0.7)], abs=2e-3)
    assert found.difference == pytest.approx(found.first - found.second)


def test_error_is_the_spread_of_repeated_samples():
    runs = [paired_difference(*sample(seed), (0.5,), resamples=30) for seed in range(100)]
    spread = np.std([run.difference[0] for run in runs])
    assert np.mean([run.error[0] for run in runs]) == pytest.approx(spread, rel=0.2)
    alone = np.std([run.first[0] for run in runs])
    assert spread < alone  # the events that both share cancel


def test_selections_are_a_broken_line():
    first, _, label, weight = sample(2)
    scan = np.stack([first > 0.9, first > 0.5])
    kept = [(weight[row & (label == 1)].sum() / weight[label == 1].sum()) for row in scan]
    found = paired_difference(first, scan, label, weight, kept, resamples=20)
    assert found.difference == pytest.approx([0, 0], abs=1e-3)
    between = paired_difference(first, scan, label, weight, [np.mean(kept)], resamples=2)
    assert between.second > between.first  # chords lie below a convex curve


def test_the_same_seed_gives_the_same_error_and_missing_scores_come_last():
    first, second, label, weight = sample(3)
    one, same, other = (paired_difference(first, second, label, weight, (0.5,), seed=seed) for seed in (1, 1, 2))
    assert one.error == same.error != other.error
    blind = first.copy()
    blind[label == 0] = np.nan
    assert paired_difference(blind, second, label, weight, (0.5,), resamples=2).first == 0


def test_refusals():
    first, second, label, weight = sample(4)
    for arguments, options, message in (
        ((first, second[1:], label, weight), {}, "does not fit 2000 events"),
        ((first, second, np.ones(2000), weight), {}, "both classes"),
        ((first, second, label, weight), {"resamples": 1}, "at least two resamples"),
    ):
        with pytest.raises(UsageError, match=message):
            paired_difference(*arguments, (0.5,), **options)
