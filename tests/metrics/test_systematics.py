"""Which variations are one source, and how sources add up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.systematics import BackgroundSystematics, quadratic_sum, sources_of
from cutflow_cli.metrics.yields import Sums


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        (["pu_up", "pu_down"], {"pu": ("pu_up", "pu_down")}),
        (["jesDown", "x", "jesUp"], {"jes": ("jesDown", "jesUp"), "x": ("x",)}),
        (["JES_UP", "JES_Down"], {"JES": ("JES_UP", "JES_Down")}),
        (["pu_up", "jes_down"], {"pu_up": ("pu_up",), "jes_down": ("jes_down",)}),
        (["pileup", "setup", "setdown"], {"pileup": ("pileup",), "set": ("setup", "setdown")}),
        (["pu", "pu_up", "pu_down"], {"pu": ("pu",), "pu_up/pu_down": ("pu_up", "pu_down")}),
        (["up", "down"], {"up/down": ("up", "down")}),
        (["a_up", "aUp", "a_down"], {"a_up": ("a_up",), "aUp": ("aUp",), "a_down": ("a_down",)}),  # which pair?
        ([], {}),
    ],
)
def test_sources(names, sources):
    assert {source.name: source.variations for source in sources_of(names)} == sources


def test_the_larger_side_counts_and_sources_add_in_quadrature():
    sources = sources_of(["pu_up", "pu_down", "jes"])
    shifts = {"pu_up": 3.0, "pu_down": 1.0, "jes": -4.0}
    assert [float(source.size(shifts)) for source in sources] == [3.0, 4.0]
    assert float(quadratic_sum(sources, shifts)) == 5.0
    assert float(quadratic_sum((), {})) == 0.0
    arrays = {"pu_up": [3.0, -1.0], "pu_down": [1.0, -5.0], "jes": [4.0, 12.0]}
    np.testing.assert_allclose(quadratic_sum(sources, arrays), [5.0, 13.0])


def test_shifts_add_to_given_fractions_of_what_is_expected():
    kept = Kept(Sums(4, 50.0, 100.0), Sums(9, 90.0, 200.0), yields=(("A", 30.0), ("B", 20.0)), shift=4.0)
    assert kept.relative_uncertainty() == pytest.approx(0.08)
    assert kept.relative_uncertainty(BackgroundSystematics(0.06)) == pytest.approx(0.1)
    own = BackgroundSystematics(0.0, (("A", 0.1),))
    assert kept.relative_uncertainty(own) == pytest.approx(math.hypot(3, 4) / 50)
    assert Kept(Sums(), Sums(), shift=4.0).relative_uncertainty(own) == 0.0
