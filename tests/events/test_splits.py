"""Splits: the right shares, the same however a file is read, another seed another assignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import UsageError
from cutflow_cli.events.splits import SplitFractions, hashed_splits

DEFAULT = SplitFractions()


@pytest.mark.parametrize("text", ["0.5,0,0.5", "0.5/0/0.5", " 0.5, 0 ,0.5 "])
def test_fractions_are_read(text):
    assert SplitFractions.parse(text) == SplitFractions(0.5, 0.0, 0.5)


@pytest.mark.parametrize("text", ["", "0.5", "0.5,0.5", "a,b,c", "0.4,0.2,0.2,0.2", "0.6;0.2;0.2"])
def test_what_is_not_three_numbers_is_refused(text):
    with pytest.raises(UsageError, match="give three numbers"):
        SplitFractions.parse(text)


@pytest.mark.parametrize(
    "text", ["0.5,0.5,0.5", "1,0,0", "0,0,1", "1.2,-0.4,0.2", "nan,0.5,0.5", "0.6,nan,0.4", "inf,0,-inf", "0.6,0.2,nan"]
)
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="must sum to 1, train and test above 0"):
        SplitFractions.parse(text)


def test_rounding_of_shares_is_forgiven():
    assert SplitFractions(0.7, 0.1, 0.2).as_tuple() == (0.7, 0.1, 0.2)  # sums to 0.9999999999999999


@pytest.mark.parametrize("fractions", [DEFAULT, SplitFractions(0.5, 0.0, 0.5), SplitFractions(0.01, 0.01, 0.98)])
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_shares_come_out_as_asked(fractions, seed):
    rows = 200_000
    counts = np.bincount(hashed_splits(0, rows, fractions, seed), minlength=3)
    expected = rows * np.array(fractions.as_tuple())
    spread = np.sqrt(expected * (1 - np.array(fractions.as_tuple())))
    assert (np.abs(counts - expected) <= 4 * spread).all()


def test_neighbouring_rows_and_seeds_are_independent():
    """Pairs fall into the nine combinations of splits as often as independence says (χ², 4 degrees of freedom)."""
    rows = 100_000
    assigned = hashed_splits(0, rows + 1, DEFAULT, 3)
    other_seed = hashed_splits(0, rows, DEFAULT, 4)
    for pair in (assigned[1:], other_seed):
        table = np.zeros((3, 3))
        np.add.at(table, (assigned[:rows], pair), 1)
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / rows
        assert ((table - expected) ** 2 / expected).sum() < 23.5  # probability 1e-4


@given(st.integers(0, 500), st.integers(0, 500), st.integers(-(2**64), 2**65))
def test_chunks_do_not_matter(first, second, seed):
    whole = hashed_splits(0, first + second, DEFAULT, seed)
    parts = [hashed_splits(0, first, DEFAULT, seed), hashed_splits(first, second, DEFAULT, seed)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.dtype == np.int8


def test_the_assignment_never_changes():
    """Later versions must assign alike, or an old run would be tested on its own training events.

    Computed apart with plain Python integers: mix(row·φ + mix(seed + φ)) of SplitMix64, 42 as seed.
    """
    mask = 2**64 - 1
    phi = 0x9E3779B97F4A7C15

    def mix(value: int) -> int:
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    key = mix((42 + phi) & mask)
    shares = [mix((row * phi + key) & mask) / 2**64 for row in range(1000)]
    expected = [0 if share < 0.6 else 1 if share < 0.8 else 2 for share in shares]
    assert hashed_splits(0, 1000, DEFAULT, 42).tolist() == expected
    assert expected[:12] == [1, 0, 2, 0, 0, 1, 0, 0, 1, 0, 1, 1]
