"""Figures of merit over arrays: each against its formula by hand, and where it is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT, Yields, figure_of_merit, require_figure
from cutflow_cli.metrics.significance import asimov, signal_over_sqrt_all, signal_over_sqrt_background

POSITIVE = st.floats(1e-3, 1e6)
NAMES = pytest.mark.parametrize("name", FIGURES_OF_MERIT)


def one(name, S, B, variance=0.0, totals=(100.0, 1000.0), **more):
    return float(figure_of_merit(name, Yields(*map(np.float64, (S, B, variance)), *totals), **more)[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # S = 40 of 100, B = 90 of 1000
        ("s_over_sqrt_b", 40 / math.sqrt(90)),
        ("s_over_sqrt_s_plus_b", 40 / math.sqrt(130)),
        ("asimov", math.sqrt(2 * (130 * math.log(130 / 90) - 40))),
        ("balanced_accuracy", (0.4 + 0.91) / 2),
        ("accuracy", (40 + 910) / 1100),
        (
            "punzi",
            0.4 / (1.28155**2 / 2 + 3 * math.sqrt(90) + 1.28155 / 2 * math.sqrt(1.28155**2 + 12 * 90**0.5 + 360)),
        ),
    ],
)
def test_each_by_hand(name, expected):
    assert one(name, 40, 90) == pytest.approx(expected, rel=1e-12)


@given(POSITIVE, POSITIVE, st.floats(0, 1), st.floats(0, 0.5))
def test_what_is_chosen_by_is_what_is_quoted(S, B, relative, systematic):
    """The scalars of the tables are written on their own, with their errors."""
    signal, background = Estimate(S, 0.0), Estimate(B, relative * B)
    variance = (relative * B) ** 2
    for name, quoted in (
        ("s_over_sqrt_b", signal_over_sqrt_background(signal, background)),
        ("s_over_sqrt_s_plus_b", signal_over_sqrt_all(signal, background)),
        ("asimov", asimov(signal, background, systematic)),
    ):
        assert one(name, S, B, variance, background_uncertainty=systematic) == pytest.approx(quoted.value, rel=1e-9)


def test_few_simulated_background_events_lower_asimov_alone():
    assert one("asimov", 40, 90, 2000.0) < 0.8 * one("asimov", 40, 90)
    for name in set(FIGURES_OF_MERIT) - {"asimov"}:
        assert one(name, 40, 90, 2000.0) == one(name, 40, 90)


@NAMES
@given(S=POSITIVE, B=POSITIVE, more=st.floats(1.01, 10))
def test_more_signal_is_better_and_more_background_is_worse(name, S, B, more):
    totals = (1e8, 1e8)
    assert one(name, S * more, B, totals=totals) > one(name, S, B, totals=totals)
    assert one(name, S, B * more, totals=totals) < one(name, S, B, totals=totals)


@NAMES
def test_without_signal_it_is_minus_infinity_unless_additive(name):
    assert math.isinf(one(name, 0, 90)) is (name not in ADDITIVE)
    assert math.isinf(one(name, -5, 90)) is (name not in ADDITIVE)


@pytest.mark.parametrize("background", [0.0, -3.0])
def test_without_background_it_is_minus_infinity_where_one_divides_by_it(background):
    assert one("s_over_sqrt_b", 40, background) == one("asimov", 40, background) == -math.inf
    assert one("punzi", 40, background) == pytest.approx(0.4 / 1.28155**2)
    assert one("s_over_sqrt_s_plus_b", 40, background) == pytest.approx(40 / math.sqrt(40 + background))
    assert one("s_over_sqrt_s_plus_b", 2, -2.0) == -math.inf


@NAMES
def test_shapes_broadcast_and_nothing_warns(name):
    S, B = np.linspace(-1, 5, 7)[:, None], np.linspace(-2, 9, 12)
    got = figure_of_merit(name, Yields(S, B, np.zeros(1), 5.0, 9.0))
    assert got.shape == (7, 12)
    assert not np.isnan(got).any()


def test_an_unknown_name_is_refused_with_its_neighbours():
    with pytest.raises(UsageError, match=r"--fom asimow: no such figure of merit; did you mean asimov\?"):
        require_figure("asimow")
    with pytest.raises(UsageError, match="no such figure of merit"):
        figure_of_merit("z", Yields(*np.ones((5, 1))))
