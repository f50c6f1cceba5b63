"""Numbers for people: the digits that their errors bear, and no contradiction of the exact ones."""

from __future__ import annotations

import pytest

from cutflow_cli.evaluation.numbers import compact, error_alone, plain, rounded, short_cut, with_errors
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
        ((0.001, 0.00042, 2.2e-19), "0.00100 ± 0.00042 ± 0"),
        ((0.001, 2.2e-19, 0.00042), "0.00100 ± 0 ± 0.00042"),
        ((96325.3, 2401.2, 3.7e-9), "96300 ± 2400 ± 0"),
        ((0.31, 0.042, 0.0000123), "0.310 ± 0.042 ± 1.2e-5"),
        ((0.999999, 1.3e-7), "0.99999900 ± 0.00000013"),
        ((1.0, 1.1e-16), "1 ± 0"),
    ],
)
def test_with_errors(numbers, text):
    assert with_errors(*numbers) == text


def test_counts_are_exact():
    assert with_errors(25742.0, 111.5, 65.5, exact=True) == "25742 ± 110 ± 66"
    assert with_errors(12345678.0, 1111.0, exact=True) == "12345678 ± 1100"
    assert with_errors(25734.4, 111.5, exact=True) == "25734.4 ± 110"


@pytest.mark.parametrize(
    ("error", "value", "text"),
    [
        (3.7e-9, 0.0942224, "0"),  # of single precision, the type of the column
        (3.7e-6, 0.0942224, "3.7e-6"),
        (0.0021, 0.0942224, "0.0021"),
        (0.3, 1.5e7, "0"),
        (2.0, 0.0, "2.0"),
        (2.0, None, "2.0"),
        (2.0, float("inf"), "2.0"),
    ],
)
def test_an_error_below_the_digits_of_a_boundary_is_none(error, value, text):
    assert error_alone(error, value) == text


def test_a_number_has_the_same_digits_in_all_tables():
    for value, error in ((96325.3, 2401.2), (0.713123, 0.00591), (6.77e-4, 1.2e-4), (34.34, 2.94), (3e6, 13398.0)):
        assert compact(value, error) == with_errors(value, error).replace(" ± ", "±")


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


@pytest.mark.parametrize(
    ("value", "error", "spread", "shown"),
    [
        (0.71312, 0.00591, None, "0.7131±0.0059"),
        (0.71312, 0.0014, None, "0.7131±0.0014"),
        (0.9, 0.0996, None, "0.90±0.10"),
        (6.77e-4, 1.2e-4, None, "(6.8±1.2)e-4"),
        (35412.0, 8730.0, None, "35400±8700"),
        (31.2, 5.9, 3e-15, "31.2±5.9±0.0"),
        (12.04, 1.93, 0.18, "12.0±1.9±0.2"),
        (0.5, 0.0, None, "0.5"),
        (0.0, None, None, "0"),
        (0.0, 0.02, None, "0.000±0.020"),
        (-2.96, 0.59, None, "-2.96±0.59"),
    ],
)
def test_compact(value, error, spread, shown):
    assert compact(value, error, spread) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.508, "2.51"), (10.01, "10.0"), (1234.5, "1234"), (0.5, "0.500"), (1.2e-5, "1.2e-05"), (3e7, "3e+07"), (0, "0")],
)
def test_plain(value, shown):
    assert plain(value) == shown
