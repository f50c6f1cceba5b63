"""Objectives by name and by formula."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT, Yields, figure_of_merit
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.metrics.options import read_options
from cutflow_cli.selection.parse import ExpressionError

YIELDS = Yields(np.array([50.0, 10.0, 0.0]), np.array([100.0, 0.0, 3.0]), np.array([49.0, 0.0, 1.0]), 60.0, 1000.0, 2.0)


def test_a_known_figure_is_that_figure() -> None:
    for name in FIGURES_OF_MERIT:
        np.testing.assert_array_equal(parse_objective(name).values(YIELDS), figure_of_merit(name, YIELDS))
    assert parse_objective("s-sqrt-b").name == "s_over_sqrt_b"
    assert parse_objective("balanced-accuracy").additive
    assert parse_objective("asimov").values(YIELDS)[0] == pytest.approx(3.7195, abs=1e-4)  # s=50, b=100±7


def test_a_formula_sees_the_uncertainties() -> None:
    found = parse_objective("s / sqrt(b + sigma_b**2 + sigma_s**2)", 0.1).values(YIELDS)
    np.testing.assert_allclose(found[0], 50 / np.sqrt(100 + 49 + 0.01 * 100**2 + 2), rtol=1e-15)
    assert found[1] == pytest.approx(10 / np.sqrt(2))
    assert found[2] == -np.inf  # no signal left
    assert parse_objective("s / b").values(YIELDS)[1] == -np.inf
    assert not parse_objective("z = s / b").additive
    assert parse_objective("z = s / b").title == "z"


def test_what_is_wrong_is_said_and_where() -> None:
    with pytest.raises(UsageError, match="--objective asimvo: no such objective; did you mean asimov"):
        parse_objective("asimvo")
    with pytest.raises(UsageError, match="punzi knows of no uncertainty"):
        parse_objective("punzi", 0.1)
    with pytest.raises(UsageError, match="does not name sigma_b"):
        parse_objective("s / b", 0.1)
    with pytest.raises(ExpressionError) as wrong:
        parse_objective("s / c")
    assert "no quantity 'c'" in str(wrong.value)
    assert wrong.value.position == 4


@pytest.mark.parametrize("text", ["s/0", "sqrt(-1 - s)", "log(b - b)", "z = s / (b - b)"])
def test_what_is_nowhere_finite_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--objective .*: is not finite for any s and b") as caught:
        parse_objective(text)
    assert text in str(caught.value)
    with pytest.raises(UsageError, match=r"--fom .*: is not finite for any s and b"):
        read_options(formulas=[text])


@pytest.mark.parametrize("text", ["3", "s - s", "0 * s + 2", "b / b", "sigma_b", "z = 1 / 2"])
def test_what_no_selection_can_be_chosen_by_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--objective .*: does not depend on s or b"):
        parse_objective(text)
    assert read_options(formulas=[text]).formulas  # a number to quote all the same


@pytest.mark.parametrize(
    "text",
    ["s", "-b", "s-b", "s/sqrt(b)", "sqrt(1 - (s - 50)**2)",
     "s/sqrt(b - 1000)", "1 + 1e-9 * s", "where(b > 1e6, s/b, 0/0)",
     "sqrt(sigma_b - b) * s", "log(s)", "exp(s / 100)", "sqrt(0.01 - b) * s"],
)  # fmt: skip
def test_what_is_finite_somewhere_and_depends_on_the_yields_is_taken(text: str) -> None:
    assert parse_objective(text).formula is not None
