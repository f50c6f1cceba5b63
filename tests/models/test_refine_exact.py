"""The exact step: as good as trying everything, never worse, within its rules."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.refine import exact
from cutflow_cli.models.refine.exact import ExactStep, Judge
from cutflow_cli.selection.cut import Cut, Region

EVERY = frozenset(Region)


def small(seed, events=60, observables=2, values=7):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, values, size=(events, observables)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    label = (rng.random(events) < 0.5).astype(np.int8)
    x[label == 1] = np.minimum(x[label == 1] + 1, values - 1)
    return [np.ascontiguousarray(column) for column in x.T], label, rng.uniform(0.5, 1.5, events)


def step_of(columns, label, allowed=EVERY):
    names = [f"x{k}" for k in range(len(columns))]
    return ExactStep(names, columns, label, [allowed] * len(columns)), [Cut(name, Region.ALL) for name in names]


def every_cut(name, values=7):
    edges = [value + 0.5 for value in range(values - 1)]
    yield Cut(name, Region.ALL)
    for edge in edges:
        yield Cut(name, Region.BELOW, None, edge)
        yield Cut(name, Region.ABOVE, edge)
    for low, high in itertools.combinations(edges, 2):
        yield Cut(name, Region.INSIDE, low, high)
        yield Cut(name, Region.OUTSIDE, low, high)


def judge_of(label, weight, text, min_effective=5.0):
    totals = tuple(float(weight[label == role].sum()) for role in (1, 0))
    return Judge(parse_objective(text), totals, min_effective)


@given(st.integers(0, 1000), st.sampled_from(["asimov", "balanced_accuracy", "s / (1 + b)"]))
@settings(max_examples=15)
def test_no_single_change_of_what_it_tries_is_better(seed, text):
    columns, label, weight = small(seed)
    step, cuts = step_of(columns, label)
    judge, events = judge_of(label, weight, text), step.sums(weight, weight**2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "WORTH", 0.0)
        found = step.improve(cuts, judge, events)

    def value(cuts):
        return judge.values(step.kept(cuts, events)[:, None])[0]

    best = value(found)
    assert best >= value(cuts)
    for k, cut in enumerate(found):
        for other in every_cut(cut.observable):
            edges = len({cut.lower, cut.upper} & {other.lower, other.upper} - {None})
            two = other.region in (Region.INSIDE, Region.OUTSIDE)
            if two and (
                edges != 1 or (cut.region is not other.region and cut.region in (Region.INSIDE, Region.OUTSIDE))
            ):
                continue
            if two and cut.region in (Region.BELOW, Region.ABOVE) and not _extends(cut, other):
                continue
            assert value([*found[:k], other, *found[k + 1 :]]) <= best + 1e-9


def _extends(cut, other):
    """Whether a two-sided cut has the boundary of a one-sided one, on the same side of what is kept."""
    if cut.region is Region.BELOW:
        return cut.upper == (other.upper if other.region is Region.INSIDE else other.lower)
    return cut.lower == (other.lower if other.region is Region.INSIDE else other.upper)


@given(st.integers(0, 1000), st.sampled_from(["asimov", "punzi", "accuracy"]))
@settings(max_examples=15)
def test_it_never_gets_worse_and_keeps_its_rules(seed, text):
    columns, label, weight = small(seed, events=200)
    rng = np.random.default_rng(seed)
    start = [list(every_cut(f"x{k}"))[rng.integers(40)] for k in range(2)]
    allowed = frozenset({start[0].region, start[1].region, Region.ABOVE})
    step, _ = step_of(columns, label, allowed)
    judge, events = judge_of(label, weight, text, 8.0), step.sums(weight, weight**2)
    found = step.improve(start, judge, events)
    before, after = (judge.values(step.kept(cuts, events)[:, None])[0] for cuts in (start, found))
    assert after >= before
    assert {cut.region for cut in found} <= {*allowed, Region.ALL}
    if after > -np.inf and text != "accuracy":
        kept = step.kept(found, events)
        assert kept[2] ** 2 >= 8.0 * kept[3] * (1 - 1e-9)


def test_a_gap_without_background_is_not_taken_for_none():
    """Five signal events lie where by chance there is no background; one more event there would undo the gain."""
    rng = np.random.default_rng(3)
    signal = np.concatenate([np.linspace(1, 2, 100), np.linspace(0.5, 0.9, 5)])
    background = np.concatenate([np.linspace(1, 2, 12), rng.uniform(-2, 0.4, 500)])
    x = np.concatenate([signal, background])
    label = np.concatenate([np.ones(len(signal)), np.zeros(len(background))]).astype(np.int8)
    weight = np.ones(len(x))
    step, _ = step_of([x], label)
    judge, events = judge_of(label, weight, "asimov", 10.0), step.sums(weight, weight**2)
    start = [Cut("x0", Region.ABOVE, 0.95)]
    assert step.improve(start, judge, events) == start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "WORTH", 0.0)
        assert step.improve(start, judge, events)[0].lower < 0.5


def test_boundaries_are_numbers_of_the_columns_type():
    columns, label, weight = small(5, events=400)
    step, cuts = step_of(columns, label)
    judge = judge_of(label, weight, "balanced_accuracy")
    for cut in step.improve(cuts, judge, step.sums(weight, weight**2)):
        assert cut.rounded("float32") == cut


def test_what_is_undefined_becomes_defined_if_it_can():
    columns, label, weight = small(6, events=300)
    step, _ = step_of(columns, label)
    judge, events = judge_of(label, weight, "asimov", 20.0), step.sums(weight, weight**2)
    start = [Cut("x0", Region.ABOVE, 100.0), Cut("x1", Region.ALL)]
    assert judge.values(step.kept(start, events)[:, None])[0] == -np.inf
    assert judge.values(step.kept(step.improve(start, judge, events), events)[:, None])[0] > -np.inf
