"""Numbers for people: the digits that their errors bear, and no contradiction of the exact ones."""

from __future__ import annotations

import pytest

from cutflow_cli.evaluation.numbers import rounded, short_cut, with_errors
from cutflow_cli.selection.cut import Cut, Region


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((34.34333, 2.9444), "34.3 ± 2.9"),
        ((34.34333, 2.9444, 0.0874), "34.3 ± 2.9 ± 0.087"),
        ((34.34333, 2.9444, None), "34.3 ± 2.9"),
        ((0.51632, 0.00224), "0.5163 ± 0.0022"),
        ((6.78e-4, 1.163e-4), "(6.8 ± 1.2)e-4"),
        ((3.0e6, 13398.0), "(3.000 ± 0.013)e6"),
        ((12345.6, 1234.0), "12300 ± 1200"),
        ((1.0, 0.0996), "1.00 ± 0.10"),
        ((2.0, 0.999), "2.0 ± 1.0"),
        ((-4.5678, 0.1), "-4.57 ± 0.10"),
        ((0.0, 0.0), "0 ± 0"),
        ((0.1, 3.0), "0.1 ± 3.0"),
        ((1.2345678,), "1.23457"),
        ((1.2345678, None), "1.23457"),
        ((2.5e-7,), "2.5e-7"),
        ((5.0, 0.0, 0.25), "5.00 ± 0 ± 0.25"),
    ],
)
def test_with_errors(numbers, text):
    assert with_errors(*numbers) == text


def test_counts_are_exact():
    assert with_errors(25742.0, 111.5, 65.5, exact=True) == "25742 ± 110 ± 66"
    assert with_errors(12345678.0, 1111.0, exact=True) == "12345678 ± 1100"
    assert with_errors(25734.4, 111.5, exact=True) == "25734.4 ± 110"


def test_short_cuts_never_contradict_the_exact_ones():
    assert short_cut(Cut("x", Region.BELOW, None, 0.017168227583169937)) == "x < 0.0171682"
    assert short_cut(Cut("x", Region.OUTSIDE, -3.0388267040252686, 3.03)) == "x < -3.03883 or x > 3.03"
    narrow = Cut("x", Region.INSIDE, 1.00000011, 1.00000023)
    assert short_cut(narrow) == str(narrow)


@pytest.mark.parametrize(
    ("error", "text"), [(21.3, "21"), (4.68, "4.7"), (123.0, "120"), (0.00291, "0.0029"), (0, "0")]
)
def test_an_error_alone_has_the_digits_that_it_has_beside_a_value(error, text):
    assert rounded(error, error) == text
