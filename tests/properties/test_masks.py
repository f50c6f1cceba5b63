"""Laws of cuts and flows that hold for any values: single and double precision agree, tighter keeps less, …"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_condition

finite = st.floats(-1e6, 1e6, allow_nan=False)
single = npst.arrays(np.float32, st.integers(0, 30), elements=st.floats(width=32))


@st.composite
def cuts(draw, observable="x"):
    region = draw(st.sampled_from(Region))
    low, high = sorted((draw(finite), draw(finite)))
    return Cut(observable, region, low if region.has_lower else None, high if region.has_upper else None)


@st.composite
def flows(draw):
    steps = tuple(LearnedCut(draw(cuts(name)), active=draw(st.booleans())) for name in "abc")
    return CutFlow(steps)


def with_boundaries(values: np.ndarray, cut: Cut) -> np.ndarray:
    """Put values on and next to the boundaries, where precision decides."""
    edges = [np.float32(edge) for edge in (cut.lower, cut.upper) if edge is not None]
    near = [np.nextafter(edge, np.float32(side), dtype=np.float32) for edge in edges for side in (-np.inf, np.inf)]
    return np.concatenate([values, np.array([*edges, *near], dtype=np.float32)])


@given(cut=cuts(), values=single)
def test_a_rounded_cut_keeps_the_same_events_in_single_and_double_precision(cut, values):
    values = with_boundaries(values, cut)
    rounded = cut.rounded("float32")
    np.testing.assert_array_equal(rounded.passes(values), rounded.passes(values.astype(np.float64)))


@given(cut=cuts())
def test_rounding_twice_is_rounding_once(cut):
    assert cut.rounded("float32").rounded("float32") == cut.rounded("float32")


@given(cut=cuts(), values=single)
def test_what_is_printed_read_back_is_the_cut(cut, values):
    cut = cut.rounded("float32")
    if cut.region is Region.ALL:
        return
    values = with_boundaries(values, cut)
    read = evaluate(parse_condition(str(cut)), {"x": values}, len(values))
    np.testing.assert_array_equal(read, cut.passes(values))
    expression = cut.expression()
    assert expression is not None
    np.testing.assert_array_equal(evaluate(expression, {"x": values}, len(values)), read)


@given(cut=cuts(), values=single)
def test_outside_is_what_inside_and_the_boundaries_leave(cut, values):
    if cut.region not in (Region.INSIDE, Region.OUTSIDE):
        return
    cut = cut.rounded("float32")
    values = with_boundaries(values, cut)
    inside, outside = (replace(cut, region=region).passes(values) for region in (Region.INSIDE, Region.OUTSIDE))
    on_boundary = (values == cut.lower) | (values == cut.upper)
    assert not (inside & outside).any()
    np.testing.assert_array_equal(inside | outside, ~np.isnan(values) & ~on_boundary)


@given(values=single, low=finite, high=finite, less=st.floats(0, 1e6))
def test_a_tighter_cut_keeps_no_event_that_the_looser_dropped(values, low, high, less):
    pairs = [
        (Cut("x", Region.BELOW, upper=high), Cut("x", Region.BELOW, upper=high - less)),
        (Cut("x", Region.ABOVE, lower=low), Cut("x", Region.ABOVE, lower=low + less)),
        (Cut("x", Region.INSIDE, low, high), Cut("x", Region.INSIDE, low + less, high - less)),
        (Cut("x", Region.OUTSIDE, low, high), Cut("x", Region.OUTSIDE, low - less, high + less)),
    ]
    for loose, tight in pairs:
        assert not (tight.passes(values) & ~loose.passes(values)).any()


@given(flow=flows(), values=npst.arrays(np.float32, (3, 20), elements=st.floats(width=32)))
def test_a_flow_is_the_intersection_of_its_cuts_in_any_order(flow, values):
    columns = dict(zip("abc", values, strict=True))
    mask = flow.mask(columns, 20)
    turned = replace(flow, steps=flow.steps[::-1])
    np.testing.assert_array_equal(mask, turned.mask(columns, 20))
    np.testing.assert_array_equal(mask, np.all([np.ones(20, bool), *flow.step_masks(columns)], axis=0))


@given(flow=flows(), cut_at=st.integers(0, 20), values=npst.arrays(np.float32, (3, 20), elements=st.floats(width=32)))
def test_events_are_judged_one_by_one(flow, cut_at, values):
    """A file read in chunks gives the same selection as the file read at once."""
    columns = dict(zip("abc", values, strict=True))
    head = flow.mask({name: column[:cut_at] for name, column in columns.items()}, cut_at)
    tail = flow.mask({name: column[cut_at:] for name, column in columns.items()}, 20 - cut_at)
    np.testing.assert_array_equal(np.concatenate([head, tail]), flow.mask(columns, 20))


@given(flow=flows(), repeats=st.integers(1, 4))
def test_replicas_that_agree_are_their_own_consensus(flow, repeats):
    agreed = consensus([replace(flow, replica=replica) for replica in range(repeats)])
    assert agreed.cuts == flow.cuts
    assert agreed.observables == flow.observables


@given(st.lists(flows(), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_consensus_does_not_depend_on_the_order_and_takes_only_regions_with_a_majority(replicas, random):
    shuffled = random.sample(replicas, len(replicas))
    first, second = consensus(replicas), consensus(shuffled)
    assert first.cuts == second.cuts
    for position, step in enumerate(first.steps):
        chosen = [flow.steps[position].cut for flow in replicas if flow.steps[position].active]
        if step.active:
            sides = [cut for cut in chosen if cut.region is step.cut.region]
            assert sides
            for side in ("lower", "upper"):
                values = [getattr(cut, side) for cut in sides if getattr(cut, side) is not None]
                if values:
                    assert min(values) <= getattr(step.cut, side) <= max(values)


@given(st.lists(st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=9))
def test_the_median_of_windows_is_a_window(windows):
    """The k-th smallest lower boundary lies below the k-th smallest upper one, so medians can't cross."""
    replicas = [CutFlow((LearnedCut(Cut("x", Region.INSIDE, low, high)),)) for low, high in windows]
    (step,) = consensus(replicas).steps
    assert step.active
    assert step.cut.region is Region.INSIDE
