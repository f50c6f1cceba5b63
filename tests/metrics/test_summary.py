"""All numbers of a selection together: the published ones, and the reasons where there are none."""

from __future__ import annotations

import pytest

from cutflow_cli.metrics.summary import METRICS, Kept, summarise
from cutflow_cli.metrics.yields import Sums


def unit(kept, total, weight=1.0):
    return Kept(Sums(kept, kept * weight, kept * weight**2), Sums(total, total * weight, total * weight**2), (weight,))


def test_published_mock1_run():
    signal = unit(25742, 49857, 3000 / 49857)
    background = unit(34, 50143, 3e6 / 50143)
    found = summarise(signal, background)
    assert list(found) == list(METRICS)
    assert found["s_over_sqrt_b"].value == pytest.approx(34.34333523411796, rel=1e-13)
    assert {name: found[name].value for name in ("tp", "fp", "tn", "fn")} == {
        "tp": 25742, "fp": 34, "tn": 50109, "fn": 24115,
    }  # fmt: skip
    assert found["accuracy"].value == pytest.approx(0.75851)
    assert found["precision"].value == pytest.approx(0.998681, abs=1e-6)
    assert found["signal_efficiency"].value == pytest.approx(25742 / 49857)
    assert found["background_rejection"].value == pytest.approx(50143 / 34)
    assert found["balanced_accuracy"].value == pytest.approx((1 + 25742 / 49857 - 34 / 50143) / 2)


def test_nothing_passes():
    found = summarise(unit(0, 100), unit(0, 200))
    for name in ("precision", "background_rejection", "s_over_sqrt_b", "s_over_sqrt_s_plus_b", "asimov"):
        assert found[name].value is None, name
        assert "no simulated" in found[name].reason
    assert found["signal_efficiency"].value == 0
    assert found["signal_yield"].reason


def test_undefined_normalisation_spares_raw_counts():
    background = unit(3, 200)
    broken = Kept(background.passed, background.total, undefined="split 'test' can't stand for process 'tt'")
    found = summarise(unit(50, 100), broken)
    assert found["fp"].value == 3
    assert found["accuracy"].value is not None
    assert found["signal_yield"].value == 50
    for name in (
        "background_efficiency",
        "background_yield",
        "balanced_accuracy",
        "background_rejection",
        "s_over_sqrt_b",
        "asimov",
    ):
        assert found[name].value is None, name
        assert "'tt'" in found[name].reason
