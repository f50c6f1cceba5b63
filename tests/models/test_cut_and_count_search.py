"""The exact search against trying everything, for every figure of merit and region."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT, Yields, figure_of_merit
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.models.cut_and_count.objective import Objective
from cutflow_cli.models.cut_and_count.profile import make_profile
from cutflow_cli.models.cut_and_count.search import best_region, make_cut
from cutflow_cli.selection.cut import Cut, Region


def weights_of(label, weight):
    """Σw and Σw² of each event, for signal and background."""
    signal = label == 1
    return np.stack([np.where(role, w, 0.0) for role in (signal, ~signal) for w in (weight, weight**2)])


def make_search(values, label, weight, fom, needed=0.0, least_signal=0.0, uncertainty=0.0):
    table = weights_of(label, weight)
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    profile = make_profile(values[order], table[:, order], rising=bool((weight >= 0).all()))
    lightest = np.abs(weight[(label == 0) & (weight != 0)]).min()
    objective = Objective(fom, table.sum(axis=1), uncertainty, needed, lightest, least_signal)
    return profile, objective, table


def judged(kept, table, fom, needed=0.0, least_signal=0.0, uncertainty=0.0):
    """The figure of merit of a selection with its guards, by a mask: written down apart from the search."""
    S, S2, B, B2 = (float(row[kept].sum()) for row in table)
    total = table.sum(axis=1)
    value = figure_of_merit(fom, Yields(*np.atleast_1d(S, B, B2), total[0], total[2]), uncertainty)[0]
    if fom in ADDITIVE:
        return value
    enough = max(needed, 1.0) * (1 - 1e-9)
    few = enough * S2 > S**2 or enough * B2 > B**2 or B < 0 or (needed > 0 and B <= 0) or least_signal > S
    return -np.inf if few else value


def brute(values, label, weight, **rules):
    """The best figure of one-sided and of all regions, from every place between two values and every pair."""
    table = weights_of(label, weight)
    distinct = np.unique(values[~np.isnan(values)]).astype(np.float64)
    places = (distinct[1:] + distinct[:-1]) / 2
    one = [values < a for a in places] + [values > a for a in places]
    two = []
    for a, b in itertools.combinations(places, 2):
        two += [(values > a) & (values < b), (values < a) | (values > b)]
    best_one = max((judged(kept, table, **rules) for kept in one), default=-np.inf)
    return best_one, max([best_one, *(judged(kept, table, **rules) for kept in two)])


@st.composite
def samples(draw, signed=False):
    events = draw(st.integers(6, 28))
    values = draw(st.lists(st.integers(-6, 6) | st.just(None), min_size=events, max_size=events))
    label = draw(st.lists(st.integers(0, 1), min_size=events - 2, max_size=events - 2))
    weight = draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=events, max_size=events))
    sign = draw(st.lists(st.sampled_from([1, 1, 1, -1]), min_size=events, max_size=events)) if signed else 1
    x = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
    return x, np.array([0, 1, *label]), np.array(weight) * np.array(sign)


def check_against_brute(values, label, weight, **rules):
    profile, objective, table = make_search(values, label, weight, **rules)
    before = float(objective.unguarded(table.sum(axis=1, keepdims=True))[0])
    best_one, best = brute(values, label, weight, **rules)
    found = best_region(profile, objective, before, 0.0)
    if found is None:
        assert best <= before + 1e-9 * abs(before) or not np.isfinite(best)
        return
    assert found.figure == pytest.approx(best, rel=1e-9)
    assert found.figure > before
    if best_one >= best * (1 - 1e-13):
        assert found.region in (Region.BELOW, Region.ABOVE)  # of equals the simpler
    kept = make_cut("x", profile, found).passes(values)
    assert judged(kept, table, **rules) == pytest.approx(best, rel=1e-9)
    simple = best_region(profile, objective, before, 0.0, two_sided=False)
    assert (simple is None and best_one <= before * (1 + 1e-9)) or simple.figure == pytest.approx(best_one, rel=1e-9)


@pytest.mark.parametrize("fom", FIGURES_OF_MERIT)
@given(samples(), st.sampled_from([0.0, 2.0, 4.5]), st.sampled_from([0.0, 2.0]))
def test_it_finds_what_trying_everything_finds(fom, sample, needed, least_signal):
    check_against_brute(*sample, fom=fom, needed=needed, least_signal=least_signal)


@pytest.mark.parametrize("fom", FIGURES_OF_MERIT)
@given(samples(signed=True), st.sampled_from([0.0, 2.0]))
def test_so_it_does_with_negative_weights(fom, sample, needed):
    values, label, weight = sample
    if min(weight[label == 1].sum(), weight[label == 0].sum()) > 0:
        check_against_brute(values, label, weight, fom=fom, needed=needed)


@given(samples(), st.sampled_from([0.05, 0.3, 2.0]))
def test_so_it_does_with_an_uncertain_background(sample, uncertainty):
    check_against_brute(*sample, fom="asimov", uncertainty=uncertainty)


@pytest.mark.parametrize("fom", ["asimov", "s_over_sqrt_b", "s_over_sqrt_s_plus_b", "punzi", "balanced_accuracy"])
@pytest.mark.parametrize("shape", ["window", "edges", "tail"])
def test_many_values_take_the_same_maximum_as_a_dense_table(fom, shape):
    """Blocks are divided several times here, unlike in the small samples above."""
    rng = np.random.default_rng(3)
    label = np.arange(600) % 2
    spread = {"window": (1.0, 3.0), "edges": (3.0, 1.0), "tail": (1.0, 1.0)}[shape]
    values = rng.normal(np.where((label == 1) & (shape == "tail"), 2.0, 0.0), np.where(label == 1, *spread))
    values = values.astype(np.float32)
    weight = rng.uniform(0.5, 1.5, 600) * np.where(label == 1, 0.05, 1.0)
    profile, objective, _ = make_search(values, label, weight, fom, needed=10.0)
    places = np.arange(1, len(profile.values))
    first, second = (places[index] for index in np.triu_indices(len(places), 1))
    best = max(
        float(objective.values(profile.kept(region, first, second)).max())
        for region in (Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE)
    )
    found = best_region(profile, objective, 0.0, 0.0)
    assert found.figure == pytest.approx(best, rel=1e-12)


@given(st.floats(1e-3, 1e4), st.floats(1e-2, 1e3), st.floats(0, 3), st.floats(1.0, 3.0))
def test_the_bound_rests_on_laws_that_hold(s, b, relative, factor):
    """Asimov's significance falls with B at a fixed relative error or variance per event, and with the error alone.

    It is below S/√(B+σ²).
    """

    def z(background, error):
        return float(asimov_significance(s, background, error))

    error = relative * b
    assert z(b * factor, error * factor) <= z(b, error) * (1 + 1e-9)
    assert z(b * factor, error * np.sqrt(factor)) <= z(b, error) * (1 + 1e-9)
    assert z(b, error * factor) <= z(b, error) * (1 + 1e-9)
    assert z(b, error) <= s / np.hypot(np.sqrt(b), error) * (1 + 1e-9)


def test_at_a_fixed_absolute_error_it_does_not_fall():
    """Which is why the bound takes the relative one."""
    assert asimov_significance(2.0, 1.125, 1.0) > asimov_significance(2.0, 1.0, 1.0)


@given(samples(), st.sampled_from(sorted(set(FIGURES_OF_MERIT) - ADDITIVE)), st.sampled_from([0.0, 3.0]))
def test_no_selection_of_a_block_exceeds_its_bound(sample, fom, needed):
    values, label, weight = sample
    profile, objective, _ = make_search(values, label, weight, fom, needed=needed)
    if len(profile.values) < 3:
        return
    places = np.arange(1, len(profile.values))
    first, second = (places[index] for index in np.triu_indices(len(places), 1))
    for region in (Region.INSIDE, Region.OUTSIDE):
        kept = profile.kept(region, first, second)
        low, high = kept.min(axis=1, keepdims=True), kept.max(axis=1, keepdims=True)
        best = objective.values(kept).max()
        assert objective.bound(low, high, -np.inf)[0] >= best - 1e-9 * abs(best) or best == -np.inf


@pytest.mark.parametrize("fom", sorted(ADDITIVE))
def test_an_additive_figure_is_the_sum_over_what_is_kept(fom):
    """What a window gains does not depend on what else is kept: the maximum subarray is the best window."""
    rng = np.random.default_rng(7)
    values = rng.permutation(200).astype(np.float32)
    label = (rng.random(200) < 0.4).astype(int)
    weight = rng.uniform(0.1, 2.0, 200)
    _, objective, table = make_search(values, label, weight, fom)
    up, down = objective.slopes
    kept = (values > 20) & (values < 140)
    S, _, B, _ = table[:, kept].sum(axis=1)
    none = objective.unguarded(np.zeros((4, 1)))[0]
    assert objective.unguarded(table[:, kept].sum(axis=1, keepdims=True))[0] == pytest.approx(none + up * S - down * B)


def test_a_second_boundary_must_earn_its_keep():
    values = np.array([0, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 4], dtype=np.float32)
    label = np.array([0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1])
    profile, objective, _ = make_search(values, label, np.ones(14), "accuracy")
    free = best_region(profile, objective, 0.5, 0.0)
    assert (free.region, free.figure) == (Region.INSIDE, pytest.approx(13 / 14))
    strict = best_region(profile, objective, 0.5, 0.2)
    assert (strict.region, strict.figure) == (Region.BELOW, pytest.approx(12 / 14))
    assert best_region(profile, objective, 0.5, 0.9) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1.0, None),
        (0.0, None),
        (-1.0, None),
        (1.0, 2.0),
        (-np.inf, 3.0),
        (3.0, np.inf),
        (-np.inf, np.inf),
        (3e38, 3.4e38),
    ],
)
def test_boundaries_divide_neighbours_of_any_kind(dtype, low, high):
    """A missing upper neighbour stands for the next number of the type, between which no other lies."""
    low = dtype(low)
    high = np.nextafter(low, dtype(np.inf)) if high is None else dtype(high)
    values = np.array([low, high])
    profile = make_profile(values, np.ones((4, 2)), rising=True)
    below, above = Cut("x", Region.BELOW, None, profile.below(1)), Cut("x", Region.ABOVE, profile.above(1))
    assert below.passes(values).tolist() == [True, False]
    assert above.passes(values).tolist() == [False, True]
    assert dtype(profile.below(1)) == profile.below(1)
    assert dtype(profile.above(1)) == profile.above(1)


def test_an_empty_list_of_boundaries_has_no_best():
    profile, objective, _ = make_search(np.ones(4, dtype=np.float32), np.arange(4) % 2, np.ones(4), "asimov")
    assert best_region(profile, objective, 0.1, 0.0) is None
