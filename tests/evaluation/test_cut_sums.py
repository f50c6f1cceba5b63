"""Sums of an evaluation's pass: against one mask after the other, plain and compiled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.engine import cut_sums as compiled
from cutflow_cli.evaluation import cut_sums as plain
from cutflow_cli.evaluation.cut_sums import Summing

PROCESSES, CUTS, SPARE = 3, 4, 5


def random_events(seed, events):
    rng = np.random.default_rng(seed)
    masks = np.zeros((CUTS + 2, events + SPARE), dtype=np.uint8)
    masks[:, :events] = rng.random((CUTS + 2, events)) < 0.8
    process = rng.integers(0, PROCESSES, events).astype(np.int32)
    return masks, np.array([3, 0, 5, 1]), process, rng.normal(1, 1, events), rng


@given(st.integers(0, 1000), st.integers(0, 60))
def test_depths_are_those_of_masks_one_after_the_other(seed, events):
    masks, which, process, weight, _ = random_events(seed, events)
    found = [np.zeros((PROCESSES, CUTS + 1, 3)) for _ in range(2)]
    for module, sums in zip((plain, compiled), found, strict=True):
        module.sum_by_depth(masks, which, process.astype(np.uint32), weight, sums)
    np.testing.assert_array_equal(found[0], found[1])
    passing = np.ones(events, dtype=bool)
    for depth in range(CUTS + 1):
        if depth:
            passing &= masks[which[depth - 1], :events] == 1
        for own in range(PROCESSES):
            kept = weight[passing & (process == own)]
            np.testing.assert_allclose(
                found[0][own, depth:].sum(axis=0), [len(kept), kept.sum(), (kept**2).sum()], atol=1e-12
            )


@given(st.integers(0, 1000), st.integers(0, 60))
def test_compiled_sums_near_boundaries_are_the_same(seed, events):
    masks, which, process, weight, rng = random_events(seed, events)
    values = np.round(rng.normal(0, 1, (2, events + SPARE)), 1)  # many on an edge
    values[rng.random(values.shape) < 0.1] = np.nan
    sides = (
        np.array([0, 1, 1, 3]), np.array([0, 1, 1, 0]), np.array([1.0, 1.0, -1.0, -1.0]),
        np.array([-np.inf, -np.inf, -np.inf, -0.3]), np.array([np.inf, 0.5, 0.2, np.inf]),
        np.array([[-0.5, 0.0, 0.1, 0.4], [-1.0, 0.3, 0.3, 0.3], [0.0, 0.1, 0.2, 2.0], [-1.0, 0.0, 0.5, 0.5]]),
    )  # fmt: skip
    found = []
    for module in (plain, compiled):
        sums = [np.zeros((*shape, PROCESSES, 3)) for shape in ((), (CUTS,), (4, 5))]
        module.sum_near(masks, which, values, *sides, process, weight, *sums)
        found.append(sums)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("events", "module"), [(10, plain), (10**8, compiled)])
def test_much_work_is_compiled(events, module):
    assert Summing.of(events, 10) == Summing(module.sum_by_depth, module.sum_near)
