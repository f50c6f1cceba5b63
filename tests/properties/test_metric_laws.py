"""Laws of yields, efficiencies and significances that hold for any events and weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.significance import (
    asimov,
    asimov_significance,
    signal_over_sqrt_all,
    signal_over_sqrt_background,
)
from cutflow_cli.metrics.summary import Kept, summarise
from cutflow_cli.metrics.systematics import parse_systematics
from cutflow_cli.metrics.yields import Sums

amounts = st.floats(1e-3, 1e5)
counts = st.integers(1, 1000)
weights = st.lists(st.floats(-2.0, 5.0).filter(lambda w: abs(w) > 1e-3), min_size=1, max_size=30)


def sums_of(values) -> Sums:
    array = np.array(values, dtype=float)
    return Sums(len(array), float(array.sum()), float((array**2).sum()))


@given(amounts, amounts, st.floats(0, 1e3))
def test_asimov_never_exceeds_its_gaussian_limit(s, b, sigma):
    assert float(asimov_significance(s, b, sigma)) <= s / math.sqrt(b + sigma**2) * (1 + 1e-12)


@given(amounts, amounts, st.floats(0, 1e3), st.floats(1.01, 10))
def test_asimov_is_monotone(s, b, sigma, factor):
    z = float(asimov_significance(s, b, sigma))
    assert float(asimov_significance(s * factor, b, sigma)) > z
    assert float(asimov_significance(s, b, sigma * factor)) <= z * (1 + 1e-12)
    assert float(asimov_significance(s, b * factor)) < float(asimov_significance(s, b))


@given(amounts, amounts, st.floats(0.01, 1e3), st.floats(1e-2, 1e4))
def test_asimov_of_absolute_uncertainties_scales_with_luminosity(s, b, sigma, k):
    # sigma^2 counts events as b does, so k times the luminosity is k times s, b and sigma^2
    z = float(asimov_significance(s, b, sigma))
    assert float(asimov_significance(k * s, k * b, math.sqrt(k) * sigma)) == pytest.approx(math.sqrt(k) * z, rel=1e-9)


def kept(passed: int, total: int, weight: float) -> Kept:
    def unit(n):
        return Sums(n, n * weight, n * weight**2)

    return Kept(unit(passed), unit(total), (weight,))


@given(counts, counts, counts, counts, st.floats(1e-3, 1e3), st.floats(1e-2, 1e2))
def test_luminosity_scales_counting_significances_by_its_root(tp, fn, fp, tn, weight, k):
    found = summarise(kept(tp, tp + fn, weight), kept(fp, fp + tn, 3 * weight), min_effective_events=0)
    scaled = summarise(kept(tp, tp + fn, k * weight), kept(fp, fp + tn, 3 * k * weight), min_effective_events=0)
    for metric in ("s_over_sqrt_b", "s_over_sqrt_s_plus_b"):
        assert scaled[metric].value == pytest.approx(math.sqrt(k) * found[metric].value, rel=1e-9)
        assert scaled[metric].error == pytest.approx(math.sqrt(k) * found[metric].error, rel=1e-9)
    for metric in ("signal_yield", "background_yield"):
        assert scaled[metric].value == pytest.approx(k * found[metric].value)
        assert scaled[metric].error == pytest.approx(k * found[metric].error)
    for metric in (
        "tp",
        "fp",
        "accuracy",
        "precision",
        "balanced_accuracy",
        "signal_efficiency",
        "background_rejection",
        "s_over_b",
    ):
        assert scaled[metric].value == pytest.approx(found[metric].value, rel=1e-9)
        assert scaled[metric].error == pytest.approx(found[metric].error, rel=1e-6, abs=1e-12)


@given(counts, counts, counts, counts)
def test_order_of_significances(tp, fn, fp, tn):
    found = summarise(kept(tp, tp + fn, 1.0), kept(fp, fp + tn, 1.0), min_effective_events=0)
    assert found["s_over_sqrt_s_plus_b"].value < found["s_over_sqrt_b"].value
    assert found["asimov"].value < found["s_over_sqrt_b"].value
    background = replace(kept(fp, fp + tn, 1.0), yields=(("QCD", float(fp)),))
    with_systematics = summarise(kept(tp, tp + fn, 1.0), background, parse_systematics(["0.3"]), min_effective_events=0)
    assert with_systematics["asimov"].value < found["asimov"].value


@given(weights, weights)
def test_an_event_twice_is_an_event_of_double_weight(passing, failing):
    assume(abs(sum(passing) + sum(failing)) > 1e-3)
    twice, double = [*passing, *passing], [2 * weight for weight in passing]
    doubled = efficiency(sums_of(twice), sums_of([*twice, *failing]))
    weighted = efficiency(sums_of(double), sums_of([*double, *failing]))
    assume(abs(sum(double) + sum(failing)) > 1e-3)
    assert doubled.value == pytest.approx(weighted.value, rel=1e-9)
    # the yield is the same, but independent events know it better: sqrt(2 w^2) against sqrt(4 w^2)
    assert sums_of(twice).sumw == pytest.approx(sums_of(double).sumw)
    assert math.sqrt(2 * sums_of(twice).sumw2) == pytest.approx(math.sqrt(sums_of(double).sumw2))


@given(weights, weights, st.floats(-100, 100).filter(lambda k: abs(k) > 1e-2))
def test_efficiency_does_not_depend_on_the_scale_of_weights(passing, failing, k):
    total = sums_of([*passing, *failing])
    assume(abs(total.sumw) > 1e-3)
    found, scaled = efficiency(sums_of(passing), total), efficiency(sums_of(passing).scaled(k), total.scaled(k))
    assert scaled.value == pytest.approx(found.value, rel=1e-9)
    assert scaled.error == pytest.approx(found.error, rel=1e-6)
    rest = efficiency(sums_of(failing), total)
    assert rest.value == pytest.approx(1 - found.value, rel=1e-9, abs=1e-9)
    assert rest.error == pytest.approx(found.error, rel=1e-6, abs=1e-12)


@given(weights, weights)
def test_sums_of_parts_are_sums_of_the_whole(first, second):
    together, apart = sums_of([*first, *second]), sums_of(first) + sums_of(second)
    assert apart.events == together.events
    assert apart.sumw == pytest.approx(together.sumw, abs=1e-9)
    assert apart.sumw2 == pytest.approx(together.sumw2)
    assert together.n_eff <= together.events * (1 + 1e-12)


@given(st.floats(0, 1e4), amounts, st.floats(0, 100), st.floats(0, 100), st.floats(0, 1))
def test_errors_vanish_with_their_causes_and_are_never_negative(S, B, sigma_S, sigma_B, fraction):
    for figure in (signal_over_sqrt_background, signal_over_sqrt_all, lambda s, b: asimov(s, b, fraction)):
        assert figure(Estimate(S, sigma_S), Estimate(B, sigma_B)).error >= 0
        exact = figure(Estimate(S, 0.0), Estimate(B, 0.0))
        assert exact.error == 0


@given(counts, counts)
def test_undefined_classes_never_give_numbers(passed, failed):
    signal = kept(passed, passed + failed, 1.0)
    found = summarise(signal, replace(signal, undefined="why"))
    assert {name for name, number in found.items() if number.reason == "why"} == {
        "balanced_accuracy", "background_efficiency", "background_rejection", "background_yield", "background_n_eff",
        "s_over_b", "s_over_sqrt_b", "s_over_sqrt_s_plus_b", "asimov", "exact_asimov", "binomial_z",
        "punzi_simple", "punzi_full",
    }  # fmt: skip
