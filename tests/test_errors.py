"""Exit codes are what batch systems are told; messages offer names that exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli import errors
from cutflow_cli.errors import nearest


@pytest.mark.parametrize(
    ("kind", "code"),
    [("CutflowError", 1), ("UsageError", 2), ("InputError", 3), ("NegativeAnswer", 4), ("TemporaryError", 75),
     ("Interrupted", 85)],
)  # fmt: skip
def test_exit_codes_are_those_that_schedulers_are_told(kind, code):
    raised = getattr(errors, kind)("words")
    assert raised.exit_code == code
    assert isinstance(raised, errors.CutflowError)


def test_nearest_offers_close_names():
    assert nearest("tau_21", ["m_jet", "tau21", "tau32", "pt"]) == "did you mean tau21, tau32?"


def test_nearest_ignores_case_and_keeps_names_that_differ_in_case_alone():
    assert nearest("MET", ["met", "Met", "x"]) == "did you mean met, Met?"


def test_nearest_lists_the_names_there_are_when_none_is_close():
    assert nearest("zzz", ["m_jet", "pt"]) == "there are: m_jet, pt"
    assert nearest("q", [f"column{i}" for i in range(20)]).endswith("column11, … (20 in all)")


def test_nearest_says_when_there_is_nothing():
    assert nearest("x", []) == "there are none"


@given(name=st.text(max_size=8), known=st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=20))
def test_nearest_never_fails_and_invents_no_name(name, known):
    said = nearest(name, known)
    if said.startswith("did you mean "):
        offered = said.removeprefix("did you mean ").removesuffix("?")
        assert any(candidate in offered for candidate in known)
    else:
        assert said.startswith("there are")
