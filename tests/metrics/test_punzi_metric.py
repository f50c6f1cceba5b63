"""Punzi's smallest detectable cross section: published numbers, limits, and what it is for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.metrics.punzi import POWER, SIGNIFICANCE, minimum_signal, sigma_min

BACKGROUNDS = st.floats(0, 1e12)


@pytest.mark.parametrize(("background", "expected"), [(0, 0.2055), (1, 0.530), (10, 1.164), (100, 3.126)])
def test_the_improved_form_gives_what_the_released_code_gives(background, expected):
    """Efficiency 0.3, 50 fb⁻¹; computed with the code released with EPJ C 82:121."""
    got = sigma_min(0.3, background, 50.0, form="improved")
    assert got == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("background", [0.0, 0.7, 12.0, 3e4])
def test_both_forms_by_hand(background):
    a, b = 3.0, 1.28155
    rest = a * math.sqrt(background) + b / 2 * math.sqrt(b**2 + 4 * a * math.sqrt(background) + 4 * background)
    assert minimum_signal(background) == pytest.approx(b**2 / 2 + rest)
    assert minimum_signal(background, form="improved") == pytest.approx(a**2 / 8 + 9 * b**2 / 13 + rest)


def test_the_power_is_ninety_per_cent():
    assert (SIGNIFICANCE, POWER) == (3.0, 1.28155)
    assert 0.5 * (1 + math.erf(POWER / math.sqrt(2))) == pytest.approx(0.9, abs=1e-5)


@given(BACKGROUNDS, st.floats(1, 5), st.floats(0.5, 3))
def test_eq_9_solves_the_condition_that_it_comes_from(background, a, b):
    """A discovery at a sigmas is seen with power b where S = a √B + b √(S + B) (EPJ C 82:121, section 2)."""
    signal = float(minimum_signal(background, a, b))
    assert signal == pytest.approx(a * math.sqrt(background) + b * math.sqrt(signal + background), rel=1e-9)


@given(BACKGROUNDS)
def test_the_forms_differ_by_a_constant_and_so_not_at_all_for_many_events(background):
    paper, improved = (float(minimum_signal(background, form=form)) for form in ("paper", "improved"))
    gap = 9 / 8 + 9 * POWER**2 / 13 - POWER**2 / 2
    assert improved - paper == pytest.approx(gap, rel=1e-6, abs=1e-9 * improved)


@given(BACKGROUNDS, BACKGROUNDS)
def test_more_background_needs_more_signal(first, second):
    low, high = sorted((first, second))
    assert minimum_signal(low) <= minimum_signal(high)


def test_negative_background_counts_as_none():
    assert minimum_signal(-3.0) == minimum_signal(0.0) == pytest.approx(POWER**2)


def test_it_is_inverse_in_efficiency_and_luminosity_and_infinite_without_signal():
    got = sigma_min([0.5, 0.25, 0.0, -0.1], 10.0, 50.0)
    assert got[1] == pytest.approx(2 * got[0])
    assert np.isinf(got[2:]).all()
    assert sigma_min(0.5, 10.0, 25.0) == pytest.approx(2 * got[0])


def test_shapes_broadcast():
    assert sigma_min(np.full((4, 1), 0.3), np.ones(5), 1.0).shape == (4, 5)
