"""Rounded boundaries: examples by hand, and the laws that hold for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.export.rounding import rounded_flow, roundest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

DTYPES = {"x": "float32", "y": "float64"}


@pytest.mark.parametrize(
    ("value", "within", "wanted"),
    [
        (68.34, 0.41, 68.0),  # 70 is too far, and so are 65 and 65.5
        (101.2, 0.72, 101.0),
        (101.2, 1.3, 100.0),  # fewer digits before nearer numbers
        (99.6, 0.45, 100.0),
        (0.3517, 0.0041, 0.35),
        (0.0213, 0.0008, 0.022),  # of 0.021 and 0.022 the multiple of 2
        (74.2, 1.1, 75.0),  # of 74 and 75 the multiple of 5
        (-2.4137, 0.05, -2.4),
        (-2.4137, 0.3, -2.5),
        (1234567.0, 9000.0, 1240000.0),
        (1.23456e-7, 3e-9, 1.25e-7),
        (0.03, 0.05, 0.0),
        (1.5, 0.0, 1.5),
        (98.0, 2.0, 98.0),  # a multiple of 2 already
        (np.inf, 1.0, np.inf),
        (3.3, np.nan, 3.3),
        (3.3, np.inf, 3.3),
    ],
)
def test_by_hand(value, within, wanted):
    assert roundest(value, lambda _: within, "float64") == wanted


def flow_of(*cuts: LearnedCut) -> CutFlow:
    return CutFlow(cuts).rounded(DTYPES)


def test_a_flow_says_what_was_rounded_and_keeps_the_rest():
    flow = flow_of(
        LearnedCut(Cut("x", Region.INSIDE, 68.34, 101.2), lower_error=0.41, upper_error=0.72, importance=0.5),
        LearnedCut(Cut("y", Region.BELOW, upper=0.3517), upper_error=None),
        LearnedCut(Cut("y", Region.ABOVE, 0.3517), active=False, lower_error=0.1),
        LearnedCut(Cut("x", Region.ALL), active=False),
    )
    rounded, what = rounded_flow(flow, DTYPES)
    assert rounded.steps[0].cut == Cut("x", Region.INSIDE, 68.0, 101.0)
    assert (rounded.steps[0].lower_error, rounded.steps[0].importance) == (0.41, 0.5)
    assert rounded.steps[1:] == flow.steps[1:]
    assert [str(one) for one in what] == [
        "x, lower boundary: 68.34 → 68 (within 0.41)",
        "x, upper boundary: 101.2 → 101 (within 0.72)",
    ]
    rounded, what = rounded_flow(flow, DTYPES, within=0.05)
    assert [step.cut.upper for step in rounded.steps[:2]] == [100.0, 0.35]
    assert len(what) == 3


def test_boundaries_that_would_meet_stay_apart():
    flow = flow_of(LearnedCut(Cut("x", Region.INSIDE, 69.0, 71.0), lower_error=2.0, upper_error=2.0))
    assert rounded_flow(flow, DTYPES) == (flow, ())


def test_a_rounded_boundary_is_a_number_of_its_column():
    flow = flow_of(LearnedCut(Cut("x", Region.BELOW, upper=0.3517), upper_error=0.004))
    (step,) = rounded_flow(flow, DTYPES)[0].steps
    assert step.cut.upper == float(np.float32(0.35))
    assert step.cut == step.cut.rounded("float32")


def test_bad_requests():
    flow = flow_of(LearnedCut(Cut("x", Region.BELOW, upper=1.0)))
    for within in (0.0, 1.0, -0.1, np.nan):
        with pytest.raises(UsageError, match=r"--round-within .* between 0 and 1"):
            rounded_flow(flow, DTYPES, within=within)
    with pytest.raises(InputError, match="cuts on 'x', whose type is not known; there are: y"):
        rounded_flow(flow, {"y": "float64"})


NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False), st.integers(-200, 200).map(float))
ERRORS = st.one_of(st.none(), st.floats(0.0, 10.0), st.floats(min_value=0.0, allow_nan=False))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(DTYPES)), NUMBERS, NUMBERS, ERRORS, ERRORS, st.one_of(st.none(), st.floats(1e-4, 0.3)))
def test_laws(name, one, other, lower_error, upper_error, within):
    """Within the error, of the column's type, once and for all, and lower stays below upper."""
    lower, upper = sorted((one, other))
    with np.errstate(over="ignore", under="ignore"):
        flow = flow_of(LearnedCut(Cut(name, Region.INSIDE, lower, upper), True, lower_error, upper_error))
        rounded, what = rounded_flow(flow, DTYPES, within)
        before, after = flow.steps[0].cut, rounded.steps[0].cut
        assert after == after.rounded(DTYPES[name])
        assert rounded_flow(rounded, DTYPES, within) == (rounded, ())
    for side, error in (("lower", lower_error), ("upper", upper_error)):
        old, new = getattr(before, side), getattr(after, side)
        allowed = error or 0.0 if within is None else abs(old) * within
        assert new == old or abs(new - old) <= allowed
    assert (before.lower < before.upper) == (after.lower < after.upper)
    assert {(one.side, one.after) for one in what} == {
        (side, getattr(after, side)) for side in ("lower", "upper") if getattr(after, side) != getattr(before, side)
    }
