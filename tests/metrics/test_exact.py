"""Exact discovery significances against published tables, direct sums, integrals and limits."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.exact import (
    binomial,
    binomial_significance,
    exact_asimov,
    exact_asimov_significance,
)
from cutflow_cli.metrics.significance import asimov_significance, signal_over_background

COUNTS = st.floats(0.1, 500.0)


def standard_deviations(p: float) -> float:
    return NormalDist().inv_cdf(1 - p) if p > 1e-10 else -NormalDist().inv_cdf(p)


@pytest.mark.parametrize(
    ("on", "off", "tau", "published"),
    [
        (4, 5, 5.0, 1.66),
        (6, 18.78, 14.44, 2.63),
        (9, 17.83, 4.69, 1.82),
        (17, 40.11, 10.56, 4.46),
        (50, 55, 2.0, 2.93),
        (67, 15, 0.5, 2.89),
        (200, 10, 0.1, 2.20),
        (523, 2327, 5.99, 5.93),
        (498426, 493434, 1.0, 5.01),
        (2119449, 23650096, 11.21, 6.40),
    ],
)
def test_z_bi_of_cousins_linnemann_tucker(on, off, tau, published):
    # table 1 of arXiv:physics/0702156, Z_Bi; b = n_off/tau and sigma = sqrt(n_off)/tau
    b = off / tau
    assert binomial_significance(on - b, b, math.sqrt(off) / tau) == pytest.approx(published, abs=0.0051)


@pytest.mark.parametrize(("s", "b"), [(5, 1.0), (3, 0.25), (20, 30.0), (50, 100.0)])
def test_exact_asimov_on_a_known_background_is_a_poisson_tail(s, b):
    b = float(b)
    n = s + round(b) if b >= 1 else s
    signal = n - b  # the count n = s + b is whole, so the tail is a plain sum
    tail = sum(math.exp(k * math.log(b) - b - math.lgamma(k + 1)) for k in range(n, n + 400))
    assert exact_asimov_significance(signal, b) == pytest.approx(standard_deviations(tail), rel=1e-9)


@pytest.mark.parametrize(("s", "b", "sigma"), [(6.0, 4.0, 1.0), (12.0, 20.0, 5.0), (50.0, 100.0, 7.0)])
def test_exact_asimov_is_the_tail_over_all_backgrounds(s, b, sigma):
    # the tail of P(n | b') averaged over a gamma distribution of b' with shape m+1 and rate tau, at the mean n
    m, tau = (b / sigma) ** 2, b / sigma**2
    n = s + (m + 1) / tau
    rates = np.linspace(1e-9, b + 12 * sigma, 1001)
    density = np.exp(m * np.log(rates) + (m + 1) * math.log(tau) - tau * rates - math.lgamma(m + 1))
    steps = np.linspace(1e-12, 1.0, 1001)[None, :] * rates[:, None]  # P(n, b') = integral of t^(n-1) e^-t / Gamma(n)
    tails = np.trapezoid(np.exp((n - 1) * np.log(steps) - steps - math.lgamma(n)), steps, axis=1)
    p = float(np.trapezoid(density * tails, rates))
    assert exact_asimov_significance(s, b, sigma) == pytest.approx(standard_deviations(p), rel=1e-5)


@given(s=st.floats(1.0, 200.0), b=st.floats(0.5, 500.0))
def test_no_uncertainty_is_the_limit_of_a_small_one(s, b):
    for exact in (exact_asimov_significance, binomial_significance):
        assert exact(s, b, 1e-7 * b) == pytest.approx(exact(s, b, 0.0), rel=1e-6, abs=1e-6)
    assert binomial_significance(s, b, 0.0) == exact_asimov_significance(s, b, 0.0)


@given(share=st.floats(1.0, 20.0), b=COUNTS, sigma=st.floats(0.0, 0.5))
def test_more_signal_and_less_uncertain_background_are_better(share, b, sigma):
    s = max(share * b, 5.0)  # for a small signal Z may rise a little with sigma, as the mean count does
    z = exact_asimov_significance(s, b, sigma * b)
    assert exact_asimov_significance(1.1 * s, b, sigma * b) > z
    assert exact_asimov_significance(s, b, (sigma + 0.1) * b) < z


@given(b=st.floats(1.0, 100.0), share=st.floats(0.1, 2.0), more=st.floats(1.5, 10.0))
def test_more_data_never_hurt(b, share, more):
    # what the median significance violates, and the reason for this figure (section 2 of arXiv:2009.07249)
    s = share * b
    assert exact_asimov_significance(more * s, more * b) > exact_asimov_significance(s, b)


@pytest.mark.parametrize("sigma", [0.0, 0.05])
def test_many_events_give_the_asymptotic_significance(sigma):
    s, b = 2000.0, 1e6
    expected = float(asimov_significance(s, b, sigma / 10 * b))
    assert exact_asimov_significance(s, b, sigma / 10 * b) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_beyond_the_smallest_double_it_goes_on(sigma):
    z = [exact_asimov_significance(s, 100.0, sigma) for s in (400, 420, 440, 500, 900, 5000)]
    asymptotic = [float(asimov_significance(s, 100.0, sigma)) for s in (400, 420, 440, 500, 900, 5000)]
    assert z == pytest.approx(asymptotic, rel=0.01)
    assert np.diff(z).min() > 0


def test_no_background_grows_like_the_logarithm():
    for b in (1e-20, 1e-80):
        assert exact_asimov_significance(4.0, b) == pytest.approx(math.sqrt(2 * 4 * math.log(1 / b)), rel=0.1)
    assert math.isnan(exact_asimov_significance(4.0, 0.0))
    assert math.isnan(binomial_significance(-1.0, 2.0, 0.0))


@pytest.mark.parametrize("figure", [exact_asimov, binomial, signal_over_background])
def test_errors_are_the_scatter_of_repeated_simulations(figure):
    rng = np.random.default_rng(8)
    values, errors = [], []
    for s, b in zip(rng.poisson(400, 500), rng.poisson(250, 500), strict=True):
        found = figure(Estimate(0.1 * s, 0.1 * math.sqrt(s)), Estimate(0.2 * b, 0.2 * math.sqrt(b)))
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)  # the scatter of 500 is known to 3.2 %


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_without_signal_the_skewness_of_the_background_is_left(share):
    # a gamma distribution of shape k has its median at k - 1/3: k = m + 1 events known, mean m + 1 or m expected
    b = 1e8
    assert exact_asimov_significance(0.0, b, share * b) == pytest.approx(share / 3, rel=0.03)
    assert binomial_significance(0.0, b, share * b) == pytest.approx(-2 * share / 3, rel=0.03)
    assert binomial_significance(0.0, 1e4, 0.0) == pytest.approx(-1 / 3 / 100, rel=0.01)


def test_what_is_mostly_the_skewness_is_not_quoted():
    # at 10 % the offsets are 0.033 and -0.067, a tenth of Z = s/sigma at about 0.33 and 0.67
    B = Estimate(1e8, 1e5)
    exact, z_bi = (
        {s: figure(Estimate(s, s / 100), B, 0.1) for s in (0.0, 1e3, 1e6, 5e6, 9e6)}
        for figure in (exact_asimov, binomial)
    )
    assert [s for s, one in exact.items() if one.value is not None] == [5e6, 9e6]
    assert [s for s, one in z_bi.items() if one.value is not None] == [9e6]
    assert exact[1e3].error is None
    assert "the exact Asimov significance is 0.0332 at S = 0 already" in exact[1e3].reason
    assert "Z_Bi is -0.0666 at S = 0 already" in z_bi[1e3].reason
    assert z_bi[9e6].value == binomial_significance(9e6, 1e8, math.hypot(1e5, 1e7))


def test_what_is_published_of_few_events_is_quoted():
    # first row of table 1 of arXiv:physics/0702156: the offset of -0.3 is part of the test
    assert binomial(Estimate(3.0, 0.1), Estimate(1.0, math.sqrt(5) / 5)).value == pytest.approx(1.66, abs=0.0051)
    assert binomial(Estimate(1e-6, 1e-8), Estimate(1e-3, 1e-5)).value is None  # -2.5 with and without signal


def test_undefined_in_words():
    S, none = Estimate(20.0, 1.0), Estimate(0.0, 0.0, "no simulated background event passes")
    for figure in (exact_asimov, binomial, signal_over_background):
        assert figure(S, none).value is None
        assert "no simulated background event passes" in figure(S, none).reason
        assert "negative weights" in figure(S, Estimate(-1.0, 1.0)).reason
        assert figure(Estimate.undefined("no split"), S).reason == "no split"
    assert "signal is negative" in exact_asimov(Estimate(-2.0, 1.0), S).reason


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 3.0, 40.0])
def test_formula_recommended_by_atlas(sigma):
    # ATL-PHYS-PUB-2020-025 term by term; an excess is the Asimov significance of s = n - b
    def closed(n: float, b: float) -> float:
        if sigma == 0:
            return math.sqrt(2 * (n * math.log(n / b) - n + b))
        v = sigma**2
        first = n * math.log(n * (b + v) / (b**2 + n * v))
        second = b**2 / v * math.log1p(v * (n - b) / (b * (b + v)))
        return math.sqrt(2 * (first - second))

    for n, b in ((150.0, 100.0), (12.0, 4.0)):
        found = float(asimov_significance(n - b, b, sigma))
        assert found == pytest.approx(closed(n, b), rel=1e-4 if sigma < 1e-3 else 1e-9)
    assert float(asimov_significance(50.0, 100.0, 7.0)) == pytest.approx(3.7195, abs=5e-5)
    assert asimov_significance(0.0, 100.0, sigma) == 0
