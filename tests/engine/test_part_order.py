"""Few points in place of a large sample: each pass is a permutation, its parts differ as parts of a sample do."""

import numpy as np
import pytest

from cutflow_cli.engine.randomness import epoch_order, part_order


@pytest.mark.parametrize(("points", "repeats"), [(1, 5), (2, 2), (5, 3), (1000, 7), (4096, 32), (3000, 763)])
def test_a_pass_holds_every_point_as_often_as_any_other(points, repeats):
    for over in range(2):
        parts = [part_order(3, 1, over * repeats + number, points, repeats) for number in range(repeats)]
        assert all(len(part) == points for part in parts)
        np.testing.assert_array_equal(np.bincount(np.concatenate(parts), minlength=points), repeats)


def test_one_repeat_is_a_plain_shuffle():
    np.testing.assert_array_equal(part_order(3, 1, 5, 1000, 1), epoch_order(3, 1, 5, 1000))


def test_parts_vary_as_random_subsets_of_a_sample_do():
    points, repeats = 4096, 32
    parts = np.stack([part_order(seed, 0, 7, points, repeats) for seed in range(300)])
    left = (points * repeats - points) / (points * repeats - 1)  # drawn without replacement
    counts = np.stack([np.bincount(part, minlength=points) for part in parts])
    assert counts.var() == pytest.approx(left * (1 - 1 / points), rel=0.02)
    share = (parts < points // 2).mean(axis=1)  # normal: 300 of them give a standard deviation to 4 %
    assert share.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(points * 300))
    assert share.std() == pytest.approx(0.5 * np.sqrt(left / points), rel=0.2)
    neighbours = np.corrcoef(parts[:, :-1].ravel(), parts[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(parts.size)


def test_batches_within_a_part_are_as_random_as_the_part():
    parts = np.stack([part_order(1, replica, 0, 4096, 4) for replica in range(200)])
    means = parts.reshape(-1, 64).mean(axis=1)
    assert means.std() == pytest.approx(4096 / np.sqrt(12 * 64), rel=0.05)


def test_replicas_seeds_parts_and_passes_differ():
    chosen = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 4), (1, 0, 8)]
    orders = [part_order(*one, 1000, 4) for one in chosen]
    for number, order in enumerate(orders):
        for other in orders[:number]:
            assert np.mean(order == other) < 0.01
    np.testing.assert_array_equal(part_order(1, 0, 4, 1000, 4), orders[4])
