"""Sums by step and group against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.apply.counting import StepSums, depths


def by_hand(masks, group, weight, groups):
    found = np.zeros((len(masks) + 1, groups, 3))
    for event, (its_group, its_weight) in enumerate(zip(group, weight, strict=True)):
        for step in range(len(masks) + 1):
            if its_group < groups and all(mask[event] for mask in masks[:step]):
                found[step, its_group] += [1, its_weight, its_weight**2]
    return found


@pytest.mark.parametrize("groups", [1, 3, 100])
@pytest.mark.parametrize("steps", [0, 1, 5, 300])
def test_sums_are_those_of_a_plain_loop(groups, steps):
    rng = np.random.default_rng(steps + groups)
    sums = StepSums(steps, groups)
    wanted = np.zeros((steps + 1, groups, 3))
    for events in (0, 1, 40):
        masks = [rng.random(events) < 0.9 for _ in range(steps)]
        group = rng.integers(0, groups + 1, events)  # one beyond the last does not count
        weight = rng.normal(0, 2, events)
        depth = depths(masks, events)
        sums.add(depth, group, weight)
        wanted += by_hand(masks, group, weight, groups)
        np.testing.assert_array_equal(depth == steps, np.all(masks, axis=0) if steps else np.ones(events, bool))
    np.testing.assert_array_equal(sums.passing[..., 0], wanted[..., 0])
    np.testing.assert_allclose(sums.passing, wanted, rtol=1e-12, atol=1e-12)


def test_without_groups_and_weights_events_count_as_one():
    sums = StepSums(1, 1)
    sums.add(depths([np.array([True, False, True])], 3), None, None)
    assert sums.passing.tolist() == [[[3, 3, 3]], [[2, 2, 2]]]
