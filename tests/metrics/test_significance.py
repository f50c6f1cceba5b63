"""Figures of merit against published numbers, limits known in closed form, and repeated simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.significance import (
    asimov,
    asimov_significance,
    signal_over_background,
    signal_over_sqrt_all,
    signal_over_sqrt_background,
)


def cowan(s: float, b: float, sigma: float) -> float:
    """Equation 20 of Cowan's note, term by term."""
    v = sigma**2
    first = (s + b) * math.log((s + b) * (b + v) / (b**2 + (s + b) * v))
    return math.sqrt(2 * (first - b**2 / v * math.log(1 + v * s / (b * (b + v)))))


def test_asimov_published_value():
    # Cranmer and Cowan's fast-asimov-utils quote 3.72 sigma for 50 events on 100 +- 7
    assert float(asimov_significance(50, 100, 7)) == pytest.approx(3.7195, abs=5e-5)


@pytest.mark.parametrize(("s", "b", "sigma"), [(50, 100, 7), (5, 3, 1), (1, 100, 30), (200, 10, 5), (30, 1000, 300)])
def test_asimov_is_equation_20(s, b, sigma):
    assert float(asimov_significance(s, b, sigma)) == pytest.approx(cowan(s, b, sigma), rel=1e-9)


@pytest.mark.parametrize(("s", "b"), [(50.0, 100.0), (3.0, 0.5), (1e-3, 10.0)])
def test_asimov_without_uncertainty(s, b):
    known = math.sqrt(2 * ((s + b) * math.log1p(s / b) - s))
    assert float(asimov_significance(s, b)) == pytest.approx(known, rel=1e-6)
    assert float(asimov_significance(s, b, 1e-9)) == pytest.approx(float(asimov_significance(s, b)), rel=1e-12)


@pytest.mark.parametrize("sigma", [0.0, 1e-8, 1.0, 100.0])
def test_asimov_small_signal_loses_no_digits(sigma):
    # to first order in s/b it is s/sqrt(b + sigma^2); the textbook form returns noise or a negative radicand here
    s, b = 1e-7, 1e4
    assert float(asimov_significance(s, b, sigma)) == pytest.approx(s / math.sqrt(b + sigma**2), rel=1e-9)


@given(s=st.floats(0.5, 500.0), exponent=st.integers(8, 200))
def test_asimov_for_vanishing_background_grows_like_the_root_of_a_logarithm(s, exponent):
    # 2 ((s+b) ln(1+s/b) - s) -> 2 s (ln(s/b) - 1) for b -> 0
    b = s * 10.0**-exponent
    assert float(asimov_significance(s, b)) == pytest.approx(math.sqrt(2 * s * (math.log(s / b) - 1)), rel=1e-6)


@given(s=st.floats(0.5, 50.0), sigma=st.floats(0.5, 10.0))
def test_asimov_at_fixed_uncertainty_falls_for_vanishing_background(s, sigma):
    # the auxiliary count (b/sigma)^2 vanishes, and with it what is known of the background: Z^2 -> 2 s b / sigma^2
    values = asimov_significance(s, sigma * np.array([1e-1, 1e-2, 1e-4, 1e-6]), sigma)
    assert (np.diff(values) < 0).all()
    assert values[-1] == pytest.approx(math.sqrt(2 * s * 1e-6 / sigma), rel=1e-3)


@given(s=st.floats(0.01, 100.0), b=st.floats(0.1, 1000.0), share=st.floats(1e-9, 1e-4))
def test_asimov_tends_to_that_of_a_known_background(s, b, share):
    # to first order in sigma^2 the limit is approached from below
    z, limit = float(asimov_significance(s, b, share * math.sqrt(b))), float(asimov_significance(s, b))
    assert z <= limit * (1 + 1e-12)
    assert z == pytest.approx(limit, rel=10 * share**2 * (1 + s / b) + 1e-12)


@given(ratio=st.floats(0.01, 5.0), relative=st.floats(0.02, 0.5))
def test_asimov_of_a_relative_uncertainty_saturates_with_luminosity(ratio, relative):
    # s = q b, sigma = r b, b -> infinity: Z -> sqrt(2 (q - ln(1+q))) / r, however much data there are
    limit = math.sqrt(2 * (ratio - math.log1p(ratio))) / relative
    z = [float(asimov_significance(ratio * b, b, relative * b)) for b in (1e4, 1e6, 1e12)]
    assert z == sorted(z)
    assert z[-1] == pytest.approx(limit, rel=1e-5)


@given(s=st.floats(0.1, 1e3), b=st.floats(0.1, 1e3), k=st.floats(0.01, 100.0))
def test_ratios_scale_with_their_powers(s, b, k):
    def at(figure, s, b):
        return figure(Estimate(s, 0.0), Estimate(b, 0.0)).value

    assert at(signal_over_sqrt_background, s, k * b) == pytest.approx(at(signal_over_sqrt_background, s, b) / k**0.5)
    assert at(signal_over_background, s, k * b) == pytest.approx(at(signal_over_background, s, b) / k)
    assert at(signal_over_background, k * s, k * b) == pytest.approx(at(signal_over_background, s, b))
    assert at(signal_over_sqrt_all, k * s, k * b) == pytest.approx(k**0.5 * at(signal_over_sqrt_all, s, b))
    assert at(signal_over_sqrt_all, s, 1e-12 * s) == pytest.approx(math.sqrt(s))  # b -> 0


def test_asimov_series_meets_closed_form():
    # the two branches of (1+x) ln(1+x) - x join smoothly at x = 0.1
    below, above = asimov_significance([9.9999999, 10.0000001], 100.0)
    assert above - below == pytest.approx(2e-7 * 0.095, rel=0.1)


def test_asimov_arrays_and_undefined():
    z = asimov_significance([[1.0], [-1.0]], [0.0, 4.0])
    assert z.shape == (2, 2)
    assert np.isnan(z).tolist() == [[True, False], [True, True]]
    assert float(asimov_significance(0.0, 5.0, 1.0)) == 0.0


def test_s_over_sqrt_b_published():
    # mock1, parallel, run 1: tp 25742 of 49857, fp 34 of 50143, 3e6 pb^-1, 1e-3 pb and 1 pb
    S, B = 25742 / 49857 * 3e6 * 1e-3, 34 / 50143 * 3e6
    found = signal_over_sqrt_background(Estimate(S, 0.0), Estimate(B, B / math.sqrt(34)))
    assert found.value == pytest.approx(34.34333523411796, rel=1e-14)
    # the 9 % that the paper's 0.3 % omits
    assert found.error == pytest.approx(34.3433 / (2 * math.sqrt(34)), rel=1e-5)


def repeat(figure, rng, *, n_s=400, n_b=150, w_s=0.5, w_b=2.0, times=1500, **options):
    """Simulate the same analysis many times; return the scatter of a figure of merit and its mean quoted error."""
    values, errors = [], []
    for s, b in zip(rng.poisson(n_s, times), rng.poisson(n_b, times), strict=True):
        found = figure(Estimate(w_s * s, w_s * math.sqrt(s)), Estimate(w_b * b, w_b * math.sqrt(b)), **options)
        values.append(found.value)
        errors.append(found.error)
    return float(np.std(values)), float(np.mean(errors))


@pytest.mark.parametrize(
    ("figure", "options"),
    [
        (signal_over_sqrt_background, {}),
        (signal_over_sqrt_all, {}),
        (asimov, {}),
        (asimov, {"background_uncertainty": 0.1}),
    ],
)
def test_errors_are_the_scatter_of_repeated_simulations(figure, options):
    scatter, quoted = repeat(figure, np.random.default_rng(5), **options)
    assert quoted == pytest.approx(scatter, rel=0.07)  # the scatter of 1500 is known to 1.8 %, first order to a few


def test_background_uncertainty_lowers_asimov():
    S, B = Estimate(20.0, 1.0), Estimate(100.0, 5.0)
    values = [asimov(S, B, fraction).value for fraction in (0.0, 0.1, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(float(asimov_significance(20, 100, 5)))
    assert values[1] == pytest.approx(float(asimov_significance(20, 100, math.hypot(5, 10))))


def test_no_background_is_undefined_in_words():
    S = Estimate(20.0, 1.0)
    B = Estimate(0.0, 0.0, "no simulated background event passes: its yield is below 3 at 95% CL")
    for figure in (signal_over_sqrt_background, asimov):
        found = figure(S, B)
        assert found.value is None
        assert found.error is None
        assert "its yield is below 3" in found.reason
        assert "undefined" in found.reason
    root = signal_over_sqrt_all(S, B)
    assert root.value == pytest.approx(math.sqrt(20))
    assert "no simulated background" in root.reason


def test_negative_yields_are_undefined_in_words():
    assert "negative weights" in signal_over_sqrt_background(Estimate(1.0, 1.0), Estimate(-2.0, 1.0)).reason
    assert "negative" in asimov(Estimate(-1.0, 1.0), Estimate(2.0, 1.0)).reason
    assert "negative" in signal_over_sqrt_all(Estimate(-3.0, 1.0), Estimate(2.0, 1.0)).reason
    assert signal_over_sqrt_background(Estimate(-1.0, 1.0), Estimate(4.0, 1.0)).value == -0.5


def test_no_signal_is_zero_with_an_error():
    found = asimov(Estimate(0.0, 2.0), Estimate(100.0, 0.0))
    assert found.value == 0
    assert found.error == pytest.approx(0.2)


def test_undefined_yield_passes_its_reason_on():
    for figure in (signal_over_sqrt_background, signal_over_sqrt_all, asimov):
        assert figure(Estimate(1.0, 1.0), Estimate.undefined("no split")).reason == "no split"
