"""Objectives by name and by formula."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT, Yields, figure_of_merit
from cutflow_cli.metrics.objectives import parse_objective
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
