"""The exact step: against an exhaustive search, against what it promises, and for difficult samples."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from cabin_cases import gaussian_sample, neurons_of
from lcf_cases import make_sample

from cutflow_cli.models.cabin import box
from cutflow_cli.models.cabin.boundaries import place, roughness
from cutflow_cli.models.cabin.landscape import survey
from cutflow_cli.models.cabin.loss import positions
from cutflow_cli.models.cabin.prepare import Neurons, prepare
from cutflow_cli.models.cabin.scan import scan
from cutflow_cli.models.cabin.search import Pull, Search, Sums, all_pairs
from cutflow_cli.models.cabin.settings import CabinSettings

TARGETS = (0.2, 0.4, 0.6, 0.8, 0.9)


def searching(sample, neurons, weight=None):
    data = prepare(sample, CabinSettings())
    landscape = survey(sample, data, neurons)
    return Search(landscape, Sums.of(data.weight if weight is None else weight, data.signal))


def lowest_background(v, signal, weight, target):
    """The least background of any box: every threshold of all faces but the last, whose best then follows.

    Args:
        v: coordinates, shape (faces, events).
        signal: mask of the signal.
        weight: weights, shape (events,).
        target: signal to keep, as a share of its sum of weights.
    """
    need, best = target * weight[signal].sum() - 1e-9, np.inf
    order = np.argsort(-v[-1], kind="stable")
    assert len(np.unique(v[-1])) == v.shape[1]  # no ties, so that the cumulative sums below are boxes
    for cuts in product(*(np.concatenate([[-np.inf], np.sort(row)]) for row in v[:-1])):
        left = np.all([row > cut for row, cut in zip(v[:-1], cuts, strict=True)], axis=0)[order]
        kept = np.cumsum(np.where(left & signal[order], weight[order], 0.0))
        enough = np.flatnonzero(kept >= need)
        if len(enough):
            lost = np.cumsum(np.where(left & ~signal[order], weight[order], 0.0))
            best = min(best, lost[enough[0]])
    return best / weight[~signal].sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", [0.3, 0.7])
def test_two_features_are_solved_exactly(target, weighted):
    sample = gaussian_sample(300, 2, seed=3, weighted=weighted)
    weight = sample.weight
    search = searching(sample, neurons_of(2), weight)
    found = search.best(target, [], np.arange(2), np.random.default_rng(0))[0]
    v = sample.x.T.astype(np.float64) * np.array([[1.0], [-1.0]])
    assert found.background == pytest.approx(lowest_background(v, sample.label == 1, weight, target), abs=1e-12)
    assert target - 1e-9 <= found.signal < target + weight.max() / weight[sample.label == 1].sum() + 1e-9


@pytest.mark.parametrize("target", [0.25, 0.5, 0.85])
def test_three_features_are_solved_exactly(target):
    sample = gaussian_sample(90, 3, seed=8)
    search = searching(sample, neurons_of(3))
    found = search.best(target, [], np.arange(3), np.random.default_rng(0))[0]
    v = sample.x.T.astype(np.float64) * np.array([[1.0], [1.0], [-1.0]])
    assert found.background == pytest.approx(lowest_background(v, sample.label == 1, sample.weight, target), abs=1e-12)


def restarts(v, signal, target, starts, random):
    """Coordinate search from random boxes: open one face by some signal, tighten another to the target, if it helps."""
    need, best = int(np.ceil(target * signal.sum() - 1e-9)), v.shape[1]
    for _ in range(starts):
        cuts = np.full(len(v), -np.inf)
        count, tries = int((~signal).sum()), 0
        while tries < 120:
            tries += 1
            a, b = random.choice(len(v), 2, replace=False)
            trial = cuts.copy()
            trial[a] = random.choice(np.append(v[a, signal], -np.inf))
            trial[b] = -np.inf
            reach = (v > trial[:, None]).all(axis=0)
            ordered = np.sort(v[b, reach & signal])[::-1]
            if len(ordered) < need:
                continue
            below = v[b, reach & (v[b] < ordered[need - 1])]
            trial[b] = below.max() if len(below) else -np.inf
            now = int((v > trial[:, None]).all(axis=0)[~signal].sum())
            if now < count:
                cuts, count, tries = trial, now, 0
        best = min(best, count)
    return best


def test_many_features_are_within_two_per_cent_of_an_independent_search():
    sample = gaussian_sample(3000, 6, seed=21)
    signal = sample.label == 1
    search = searching(sample, neurons_of(6))
    v = sample.x.T.astype(np.float64) * neurons_of(6).side[:, None]
    for target in (0.3, 0.6, 0.9):
        mine = search.best(target, [], np.arange(6), np.random.default_rng(0))[0].background * (~signal).sum()
        assert mine <= 1.02 * restarts(v, signal, target, 8, np.random.default_rng(1))


def scanned(sample, strength, learned=None, threads=1, seed=0, targets=TARGETS):
    data = prepare(sample, CabinSettings())
    faces = neurons_of(len(sample.features))
    landscape = survey(sample, data, faces)
    at = np.zeros((len(targets), len(faces))) if learned is None else learned
    allowed = np.ones(at.shape, dtype=bool)
    return (
        landscape,
        data,
        scan(landscape, Sums.of(data.weight, data.signal), targets, at, allowed, strength, 0.1, seed, 0, threads),
    )


@pytest.mark.parametrize("strength", [0.0, 3.0, 1000.0])
def test_the_background_is_never_above_that_of_the_gradient_moved_to_the_target(strength):
    sample = gaussian_sample(1500, 4, seed=5)
    learned = np.random.default_rng(2).normal(scale=0.6, size=(5, 4))
    _, _, found = scanned(sample, strength, learned)
    for target, moved, free, held in zip(TARGETS, found.moved, found.free, found.held, strict=True):
        assert free.background <= held.background + 1e-12 <= moved.background + 2e-12
        for one in (moved, free, held):
            assert target - 1e-9 <= one.signal <= target + 1 / 750 + 1e-9


def test_smoothness_pays_background_for_less_roughness():
    sample = gaussian_sample(1500, 4, seed=5)
    between = positions(TARGETS, "averaged")
    rough, backgrounds = [], []
    for strength in (0.0, 3.0, 1000.0):
        landscape, data, found = scanned(sample, strength)
        placed = place(
            landscape, [one.threshold for one in found.held], between, ["float32"] * 4, data.mean, data.std,
            follow=strength > 0,
        )  # fmt: skip
        rough.append(roughness(placed.position, between))
        backgrounds.append(np.array([one.background for one in found.held]))
    assert rough[0] > rough[1] > rough[2]
    assert (backgrounds[0] <= backgrounds[1] + 1e-12).all()
    assert backgrounds[1].sum() < backgrounds[2].sum()


def test_the_search_does_not_depend_on_threads_and_repeats_itself():
    sample = gaussian_sample(800, 4, seed=6)
    runs = [scanned(sample, 5.0, threads=n)[2] for n in (1, 3, 1)]
    for other in runs[1:]:
        for first, second in zip(runs[0].held, other.held, strict=True):
            np.testing.assert_array_equal(first.threshold, second.threshold)


def test_an_event_twice_gives_the_box_of_weight_two():
    sample = gaussian_sample(400, 3, seed=9)
    twice = np.concatenate([np.arange(400), np.arange(60)])
    heavy = np.where(np.arange(400) < 60, 2.0, 1.0)
    data = prepare(sample, CabinSettings())
    doubled = sample.take(twice)
    pairs = all_pairs(np.arange(3))
    boxes = []
    for one, weight in ((sample, heavy), (doubled, np.ones(460))):
        landscape = survey(one, replace(data, signal=one.label == 1), neurons_of(3))
        search = Search(landscape, Sums.of(weight, one.label == 1))
        boxes.append(search.polished(np.zeros(3, dtype=np.int64), 0.5, pairs))
    np.testing.assert_array_equal(boxes[0].threshold, boxes[1].threshold)
    assert boxes[0].signal == pytest.approx(boxes[1].signal)
    assert boxes[0].background == pytest.approx(boxes[1].background)


def test_a_limit_on_the_background_is_kept_whatever_the_penalty_asks():
    sample = gaussian_sample(600, 2, seed=1)
    search = searching(sample, neurons_of(2))
    pairs = all_pairs(np.arange(2))
    start = search.polished(np.zeros(2, dtype=np.int64), 0.5, pairs)
    penalty = np.abs(search.landscape.position - 2.5) * 1e3  # asks for a far boundary of face 0
    penalty[1] = 0.0
    pull = Pull(penalty, penalty.argmin(axis=1), search.sums.event, limit=start.background)
    held = search.polished(start.threshold, 0.5, pairs, pull)
    assert held.background <= start.background + 1e-12
    assert held.signal >= 0.5 - 1e-9


def test_ties_move_together_and_whole_numbers_are_divided_in_the_middle():
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    count = rng.poisson(4 + 3 * label)
    sample = make_sample(np.stack([count, rng.normal(size=400)], axis=1), label)
    sample = replace(sample, dtypes={"x1": "int32", "x2": "float32"})
    faces = Neurons(np.array([0, 1]), np.ones(2))
    data = prepare(sample, CabinSettings())
    landscape = survey(sample, data, faces)
    search = Search(landscape, Sums.of(data.weight, data.signal))
    found = search.best(0.7, [], np.arange(2), np.random.default_rng(0))[0]
    placed = place(landscape, [found.threshold], np.empty(0), ["int32", "float32"], data.mean, data.std, follow=False)
    assert placed.value[0, 0] % 1 == pytest.approx(0.5)
    kept = (sample.x > placed.value[0]).all(axis=1)
    np.testing.assert_array_equal(kept, landscape.kept(found.threshold))


def test_missing_and_infinite_values_are_kept_only_by_open_faces():
    sample = gaussian_sample(600, 3, seed=12)
    x = sample.x.copy()
    x[::7, 0], x[1::11, 1], x[2::13, 2] = np.nan, np.inf, -np.inf
    sample = replace(sample, x=x)
    landscape, data, found = scanned(sample, 4.0, targets=(0.3, 0.5, 0.6))
    between = positions((0.3, 0.5, 0.6), "averaged")
    side = neurons_of(3).side
    placed = place(
        landscape, [one.threshold for one in found.held], between, ["float32"] * 3, data.mean, data.std, follow=True
    )
    for one, value in zip(found.held, placed.value, strict=True):
        kept = np.ones(600, dtype=bool)
        for j in range(3):
            if value[j] > -np.inf:
                kept &= sample.x[:, j] * side[j] > np.float32(value[j])
        np.testing.assert_array_equal(kept, landscape.kept(one.threshold))
        assert value[0] > -np.inf or kept[::7].any()


def test_boundaries_keep_what_was_counted_to_the_last_bit():
    """Values so close together that single precision has nothing between them."""
    rng = np.random.default_rng(4)
    label = np.arange(200) % 2
    steps = rng.integers(0, 60, 200) + 20 * label
    close = (np.float32(1000.0) + steps * np.spacing(np.float32(1000.0))).astype(np.float32)
    sample = make_sample(np.stack([close, rng.normal(size=200)], axis=1), label)
    data = prepare(sample, CabinSettings())
    landscape = survey(sample, data, Neurons(np.array([0, 1]), np.array([1.0, -1.0])))
    search = Search(landscape, Sums.of(data.weight, data.signal))
    for target in (0.2, 0.5, 0.8):
        found = search.best(target, [], np.arange(2), np.random.default_rng(0))[0]
        placed = place(landscape, [found.threshold], np.empty(0), ["float32"] * 2, data.mean, data.std, follow=False)
        kept = (sample.x[:, 0] > np.float32(placed.value[0, 0])) & (-sample.x[:, 1] > np.float32(placed.value[0, 1]))
        np.testing.assert_array_equal(kept, landscape.kept(found.threshold))


def test_one_feature_is_cut_where_the_target_says():
    sample = gaussian_sample(200, 1, seed=2)
    search = searching(sample, Neurons(np.array([0]), np.ones(1)))
    found = search.best(0.6, [search.moved(np.zeros(1), 0.6).threshold], np.arange(1), np.random.default_rng(0))[0]
    assert found.signal == pytest.approx(0.6)


def test_a_descent_from_a_box_that_misses_the_target_says_so():
    sample = gaussian_sample(200, 2, seed=2)
    search = searching(sample, neurons_of(2))
    start = np.array([200, 0], dtype=np.int64)
    objective = box.descend(
        search.landscape.rank, search.landscape.order, search.sums.signal, search.sums.background, start, 0.9, np.inf,
        1e-6, search.free.penalty, search.free.wish, all_pairs(np.arange(2)),
    )  # fmt: skip
    assert objective == np.inf
