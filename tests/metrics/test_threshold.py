"""The best threshold: nothing that a threshold could do is better, tried one by one."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT, Yields, figure_of_merit
from cutflow_cli.metrics.threshold import best_threshold

#: Few values, so that there are ties; two that only float64 tells apart; NaN; numbers too small for float32.
SCORES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.5 + 1e-12, 0.75, 1.0, 1e-50, np.nan, -np.inf])
WEIGHTS = st.sampled_from([1.0, 1.0, 2.5, 0.3, -0.7])
EVENTS = st.lists(st.tuples(SCORES, st.integers(0, 1), WEIGHTS), min_size=1, max_size=40)


def arrays(events):
    score, label, weight = zip(*events, strict=True)
    return np.array(score), np.array(label, dtype=np.int8), np.array(weight)


def n_eff(weight):
    return weight.sum() ** 2 / (weight**2).sum() if len(weight) and weight.sum() > 0 else 0.0


def judged(kept, label, weight, fom):
    """Figure of merit of some events, and the effective events of background and signal."""
    signal, background = weight[kept & (label == 1)], weight[kept & (label == 0)]
    totals = (float(weight[label == value].sum()) for value in (1, 0))
    sums = Yields(*(np.array([x]) for x in (signal.sum(), background.sum(), (background**2).sum())), *totals)
    return float(figure_of_merit(fom, sums)[0]), n_eff(background), n_eff(signal)


def every_selection(score, label, weight, fom):
    """All that a strict threshold can keep, each once, from the tightest on; nothing kept is no selection."""
    narrow = score.astype(np.float32)
    for value in sorted(set(narrow[~np.isnan(narrow)].tolist()), reverse=True):
        if value > -np.inf:  # which no threshold lies below
            yield judged(narrow >= value, label, weight, fom)


@pytest.mark.parametrize("fom", FIGURES_OF_MERIT)
@pytest.mark.parametrize("minimum", [0.0, 2.0, 4.0])
@given(events=EVENTS)
@example(events=[(-np.inf, 1, 1.0)])
@example(events=[(0.5, 0, 1.0)] * 9)
def test_no_other_threshold_is_better(fom, minimum, events):
    score, label, weight = arrays(events)
    found = best_threshold(score, label, weight, fom, minimum)
    kept = score.astype(np.float32) > np.float32(found.value)
    selections = list(every_selection(score, label, weight, fom))
    if not selections:
        assert not kept.any()
        assert found.note == "no event has a score"
        return
    figure, events_kept, _ = judged(kept, label, weight, fom)
    enough = [one for one in selections if fom in ADDITIVE or min(one[1:]) >= minimum - 1e-9]
    allowed = [one[0] for one in enough if np.isfinite(one[0])]
    if allowed:
        assert found.note is None
        assert figure == pytest.approx(max(allowed), rel=1e-9)
        assert found.figure == pytest.approx(figure, rel=1e-9)
    else:  # it keeps all that can be kept, and says what is lacking
        assert np.array_equal(kept, score.astype(np.float32) > -np.inf)
        expected = "it is undefined for every threshold"
        assert found.note == (expected if enough else f"no threshold keeps {minimum:g} effective events of each class")
    assert found.events == pytest.approx(events_kept)


@given(EVENTS)
def test_the_value_is_a_float32_that_rounding_does_not_move(events):
    score, label, weight = arrays(events)
    value = best_threshold(score, label, weight, "accuracy", 0.0).value
    assert value == float(np.float32(value))


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30, unique=True), st.integers(0, 29))
def test_it_lies_midway_between_kept_and_rejected(values, position):
    values = np.sort(np.array(values, dtype=np.float32))
    cut = 1 + position % (len(values) - 1)
    label = (np.arange(len(values)) >= cut).astype(np.int8)
    found = best_threshold(values, label, np.ones(len(values)), "accuracy")
    assert found.figure == 1.0
    middle = np.float32((float(values[cut - 1]) + float(values[cut])) / 2)
    assert found.value == (middle if values[cut - 1] < middle < values[cut] else values[cut - 1])
    assert values[cut - 1] <= found.value < values[cut]


def test_neighbouring_float32_numbers_are_told_apart():
    low = np.float32(0.7)
    high = np.nextafter(low, np.float32(1))
    score = np.array([low, high] * 20, dtype=np.float32)
    found = best_threshold(score, np.array([0, 1] * 20, dtype=np.int8), np.ones(40), "accuracy")
    assert (found.value, found.figure) == (float(low), 1.0)


def test_equal_figures_take_the_tightest():
    score = np.array([0.9, 0.5, 0.1])
    found = best_threshold(score, np.array([1, 0, 1], dtype=np.int8), np.ones(3), "accuracy")
    assert found.value == pytest.approx(0.7)


def test_nan_is_never_kept_but_counts_in_the_totals():
    score = np.array([0.9] * 20 + [0.1] * 20 + [np.nan] * 20)
    label = np.array([1] * 20 + [0] * 20 + [1] * 20, dtype=np.int8)
    found = best_threshold(score, label, np.ones(60), "balanced_accuracy")
    assert found.figure == pytest.approx((1 + 0.5) / 2)


def test_a_region_of_negative_background_is_not_the_best_place():
    """There Punzi's figure takes B for none, which a fluctuation of negative weights must not be worth."""
    score = np.repeat([0.9, 0.1], 200)
    label = np.tile([1, 0], 200).astype(np.int8)
    weight = np.where(label == 1, 1.0, np.where(score > 0.5, -1.0, 3.0))
    found = best_threshold(score, label, weight, "punzi")
    assert found.value < 0.1
    assert found.events > 10


def test_scores_alone_decide_whatever_their_scale():
    random = np.random.default_rng(1)
    label = random.integers(0, 2, 500).astype(np.int8)
    score = random.normal(label).astype(np.float32)
    kept = []
    for transform in (lambda s: s, lambda s: 1 / (1 + np.exp(-s)), lambda s: 100 * s - 7):
        moved = transform(score)
        kept.append(moved > best_threshold(moved, label, np.ones(500), "asimov").value)
    assert np.array_equal(kept[0], kept[1])
    assert np.array_equal(kept[0], kept[2])
