"""σ_min with its error: the published formula, repeated samples, and what is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.sensitivity import IN_EVENTS, RELATIVE, UNKNOWN, PunziInputs, smallest_cross_section

INPUTS = PunziInputs(luminosity=50.0, acceptance=0.8, a=3.0, b=1.28155, form="improved")


def test_value_is_that_of_the_formula():
    # 9/8 + 9 b²/13 + 3√B + (b/2) √(b² + 12√B + 4B) at B = 100, over ε A L
    b = 1.28155
    minimum = 9 / 8 + 9 * b**2 / 13 + 30 + b / 2 * math.sqrt(b**2 + 120 + 400)
    found = smallest_cross_section(Estimate(0.3, 0.0), Estimate(100.0, 0.0), INPUTS)
    assert found.value == pytest.approx(minimum / (0.3 * 0.8 * 50))
    assert found.error == 0
    assert found.reason is None


def test_inverse_values_of_the_released_code():
    for background, inverse in ((0.0, 0.2055), (1.0, 0.530), (10.0, 1.164), (100.0, 3.126)):
        inputs = PunziInputs(luminosity=50.0, acceptance=1.0, form="improved")
        found = smallest_cross_section(Estimate(0.3, 0.0), Estimate(background, 0.0), inputs)
        assert found.value == pytest.approx(inverse, rel=2e-3)


def test_error_is_the_spread_of_repeated_samples():
    rng = np.random.default_rng(4)
    efficiency, background = rng.normal(0.4, 0.01, 4000), rng.normal(60, 6, 4000)
    values = [
        smallest_cross_section(Estimate(s, 0.0), Estimate(b, 0.0), INPUTS).value
        for s, b in zip(efficiency, background, strict=True)
    ]
    found = smallest_cross_section(Estimate(0.4, 0.01), Estimate(60.0, 6.0), INPUTS)
    assert found.error == pytest.approx(np.std(values), rel=0.05)


def test_what_is_not_known_is_said():
    one, many = Estimate(0.3, 0.01), Estimate(10.0, 3.0)
    assert smallest_cross_section(one, many, UNKNOWN).value is None
    assert "luminosity is not known" in smallest_cross_section(one, many, PunziInputs()).reason
    relative = smallest_cross_section(one, many, PunziInputs(luminosity=50.0))
    assert relative.reason == RELATIVE
    events = smallest_cross_section(one, many, PunziInputs(unit_luminosity=True, acceptance=1.0))
    assert events.reason == IN_EVENTS
    assert events.value == pytest.approx(50 * relative.value)
    none = smallest_cross_section(one, Estimate(0.0, 0.0, "no simulated background event passes"), INPUTS)
    assert none.value > 0
    assert none.reason == "no simulated background event passes"
    for signal, background, why in (
        (Estimate(0.0, 0.0, "no simulated event passes"), many, "no simulated event passes"),
        (Estimate(-0.1, 0.1), many, "not positive"),
        (one, Estimate(-1.0, 2.0), "negative weights"),
        (Estimate.undefined("why"), many, "why"),
    ):
        found = smallest_cross_section(signal, background, INPUTS)
        assert found.value is None
        assert why in found.reason
