"""What a box is worth, written a second time in plain numpy from the definitions, and brute force on small samples."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from box_cases import landscape_of, sample_of
from scipy.optimize import brentq

from cutflow_cli.models.box.flow import flow_of
from cutflow_cli.models.box.kernel import INSIDE, OUTSIDE
from cutflow_cli.models.box.landscape import Box
from cutflow_cli.models.box.probes import independent_boxes
from cutflow_cli.models.box.search import search
from cutflow_cli.models.box.trade import traded
from cutflow_cli.selection.cutflow import CutFlow

SYSTEMATIC = 0.1


def whole_numbers(events=600, observables=2, seed=0, steps=3):
    """Two classes that lie apart, few values, weights that vary."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    x = rng.normal(size=(events, observables)) + np.where(label == 1, 0.7, -0.7)[:, None]
    weight = np.where(label == 1, 0.1, 1.0) * rng.uniform(0.5, 1.5, events)
    return sample_of(np.clip(np.round(2 * x), -steps, steps).astype(np.float32), label, weight)


def regions(places):
    """List every region of an observable, no cut first: low, high, kind."""
    faces = itertools.combinations(range(places + 1), 2)
    inside = [(a, b, INSIDE) for a, b in faces if (a, b) != (0, places)]
    return [(0, 0, 0), *inside, *((a, b, OUTSIDE) for a, b in itertools.combinations(range(1, places), 2))]


def boundaries_of(box, places):
    """Count the numbers one would write down."""
    return sum(
        2 if kind == OUTSIDE else int(low > 0) + int(high < end)
        for low, high, kind, end in zip(box.low, box.high, box.kind, places, strict=True)
        if kind
    )


def significance(S, B, variance):
    """Asimov's Z with σ_B² = variance + (10 % of B)²: Cowan's formula."""
    v = variance + (SYSTEMATIC * B) ** 2
    first = (S + B) * np.log((S + B) * (B + v) / (B * B + (S + B) * v))
    return np.sqrt(2 * max(first - B * B / v * np.log1p(v * S / (B * (B + v))), 0.0))


def worth(sample, landscape, box, chance, least):
    """Return Z of a box, from the events that its written-down cuts keep."""
    flow = flow_of(landscape, sample.features, box, CutFlow(()))
    kept, signal, w = flow.mask(sample.columns, len(sample)), sample.label == 1, sample.expected
    S, B, B2 = w[kept & signal].sum(), w[kept & ~signal].sum(), (w[kept & ~signal] ** 2).sum()
    one = (w[~signal] ** 2).sum() / w[~signal].sum()
    charged = chance * boundaries_of(box, landscape.binned.places)
    if landscape.tables is None:
        extra = charged * max(B / one, 1) ** (1 / 3) * one
        amount = max(B + extra, least * one)
        return significance(S, amount, max(B2 + extra * one, amount * one)) if S > 0 else -np.inf
    n = predicted_events(sample, landscape, flow, one)
    v = landscape.variance
    mode = np.exp(brentq(lambda x: x + v * np.exp(x) - np.log(n) - v * B / one, -60, 20, xtol=1e-13))
    mode += charged * max(mode, 1) ** (1 / 3) * mode * v / (1 + mode * v)
    amount = one * max(mode, min(least, 1), least - 1 / v)
    return significance(S, amount, amount * (B2 + 5 * one * one) / (B + 5 * one)) if S > 0 else -np.inf


def predicted_events(sample, landscape, flow, one):
    """Return Π pᵢ Π pᵢⱼ/(pᵢ pⱼ) of the background in events, pairs drawn towards one by the tables' prior."""
    background, w = sample.label == 0, sample.expected
    total = w[background].sum()
    passes = {
        k: CutFlow((step,)).mask(sample.columns, len(sample)) & background
        for k, step in enumerate(flow.steps)
        if step.active
    }
    single = {k: w[mask].sum() / total for k, mask in passes.items()}
    share = np.prod(list(single.values()))
    for i, j in itertools.combinations(passes, 2):
        prior = landscape.tables.prior[i, j]
        joint = w[passes[i] & passes[j]].sum() / total
        share *= max((joint + prior) / (single[i] * single[j] + prior), 1e-3)
    return share * total / one


def priced(landscape, box):
    """Return the objective less the share that every boundary must add."""
    value = landscape.value(box)
    return value - boundaries_of(box, landscape.binned.places) * landscape.min_gain * abs(value)


def found_in(landscape, **more):
    begin = list(independent_boxes(landscape)[::3])
    return traded(landscape, search(landscape, begin, 12, np.random.default_rng(0), **more), more.get("max_cuts"))


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("chance", "least"), [(0.0, 0.0), (1.0, 10.0)])
def test_a_box_is_worth_what_the_definitions_say_of_the_events_it_keeps(smooth, chance, least):
    sample = whole_numbers(observables=3)
    landscape = landscape_of(sample, smooth=smooth, least=least, chance=chance)
    if smooth:
        landscape = landscape_with(landscape, 0.04)
    rng, seen = np.random.default_rng(3), 0
    listed = [regions(int(places)) for places in landscape.binned.places]
    for _ in range(60):
        box = Box.open(3)
        for i, some in enumerate(listed):
            box = box.having(i, *some[int(rng.integers(len(some)))])
        if landscape.counted(box)[2] > 0:
            assert landscape.value(box) == pytest.approx(worth(sample, landscape, box, chance, least), rel=1e-6)
            seen += 1
    assert seen > 30


def landscape_with(landscape, variance):
    return replace(landscape, variance=variance)


@pytest.mark.parametrize("smooth", [False, True])
def test_no_other_region_of_one_observable_is_better_by_brute_force(smooth):
    landscape = landscape_of(whole_numbers(seed=5), smooth=smooth, least=0.0, chance=1.0, gain=2e-3)
    if smooth:
        landscape = landscape_with(landscape, 0.04)
    found = found_in(landscape)
    assert found.value == pytest.approx(priced(landscape, found.box))
    for i, places in enumerate(landscape.binned.places):
        others = [priced(landscape, found.box.having(i, *region)) for region in regions(int(places))]
        assert max(others) <= found.value + 1e-6


def test_one_cut_is_the_best_of_all_single_cuts():
    landscape = landscape_of(whole_numbers(observables=6, seed=2), smooth=False, least=0.0, chance=1.0, gain=2e-3)
    single = [
        priced(landscape, Box.open(6).having(i, *region))
        for i, places in enumerate(landscape.binned.places)
        for region in regions(int(places))
    ]
    found = found_in(landscape, max_cuts=1)
    assert found.box.cuts == 1
    assert found.value == pytest.approx(max(single), rel=1e-6)
