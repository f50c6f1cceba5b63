"""Laws that observables obey whatever the events are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_source import FakeSource, compute
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.observables import momenta

ANGLE = st.floats(-10.0, 10.0)
OBJECT = st.fixed_dictionaries({
    "pt": st.floats(0.1, 1e4), "eta": st.floats(-5.0, 5.0), "phi": st.floats(-math.pi, math.pi),
    "mass": st.floats(0.0, 500.0),
})  # fmt: skip
EVENTS = st.lists(st.lists(OBJECT, max_size=5), min_size=1, max_size=4)


def file_of(events):
    return FakeSource({f"Jet_{name}": [[item[name] for item in event] for event in events] or [[]]
                       for name in ("pt", "eta", "phi", "mass")})  # fmt: skip


@given(ANGLE, ANGLE)
def test_delta_phi_is_antisymmetric_periodic_and_in_range(first, second):
    there, back = momenta.delta_phi(first, second), momenta.delta_phi(second, first)
    assert -math.pi <= there < math.pi
    assert math.cos(there + back) == pytest.approx(1.0)
    assert math.cos(there) == pytest.approx(math.cos(first - second), abs=1e-9)
    assert math.sin(there) == pytest.approx(math.sin(first - second), abs=1e-9)
    turned = momenta.delta_phi(first + 2 * math.pi, second)
    assert math.cos(turned - there) == pytest.approx(1.0)


def test_delta_phi_at_the_ends_of_its_range():
    assert momenta.delta_phi(3.1, -3.1) == pytest.approx(6.2 - 2 * math.pi)
    assert momenta.delta_phi(math.pi, 0.0) == -math.pi
    assert momenta.delta_phi(0.0, math.pi) == -math.pi
    assert momenta.delta_r(0.0, 3.1, 0.0, -3.1) == pytest.approx(2 * math.pi - 6.2)


@settings(max_examples=15)
@given(EVENTS)
def test_slices_fit_together(events):
    found = compute(file_of(events), "jet.pt", "jet:2.pt", "jet2:.pt", "jet1:3.pt", "jet:3.pt", "jet:1.pt", "jet0.pt")
    for whole, head, tail, middle, three, one, leading in zip(*found.values(), strict=True):
        assert head + tail == whole
        assert three[1:] == middle
        assert one == ([] if math.isnan(leading) else [leading])


@settings(max_examples=15)
@given(EVENTS)
def test_masses_and_momenta_obey_relativity(events):
    names = ("jet.e", "jet.px", "jet.py", "jet.pz", "jet.pt", "jet.m", "jet.inv_mass", "jet.ht")
    found = compute(file_of(events), *names)
    for *lists, total, ht in zip(*found.values(), strict=True):
        e, px, py, pz, pt, m = map(np.array, lists)
        assert e**2 - px**2 - py**2 - pz**2 == pytest.approx(m**2, abs=1e-9 * max([1.0, *e**2]))
        assert np.hypot(px, py) == pytest.approx(pt)
        assert ht == pytest.approx(pt.sum())
        if len(e) == 0:
            assert math.isnan(total)
        else:  # the triangle inequality of time-like vectors, up to rounding of E² − p²
            assert total**2 >= m.sum() ** 2 - 1e-9 * e.sum() ** 2
            assert total <= e.sum() * (1 + 1e-12)


@settings(max_examples=15)
@given(EVENTS)
def test_pairs_are_symmetric(events):
    source = file_of(events)
    found = compute(source, "jet0,jet1.delta_r", "jet1,jet0.delta_r", "jet0,jet1.mt", "jet1,jet0.mt", "jet,jet.delta_r")
    r, r_back, mt, mt_back, pairs = found.values()
    assert r == pytest.approx(r_back, nan_ok=True)
    assert mt == pytest.approx(mt_back, nan_ok=True)
    for event, values in zip(events, pairs, strict=True):
        grid = np.array(values).reshape(len(event), len(event))
        assert grid == pytest.approx(grid.T)
        assert np.diagonal(grid) == pytest.approx(0.0)
