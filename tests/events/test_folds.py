from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import UsageError
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.table import ROW, DerivedColumns, open_events

TRAIN, VALIDATION, TEST = range(len(SPLITS))


@given(st.integers(2, 20), st.integers(0, 2**32), st.floats(0, 0.9))
def test_each_event_tests_once_and_is_seen_by_all_other_trainings(count, seed, validation):
    folds, rows = Folds(count, seed, validation), np.arange(500)
    splits = np.array([folds.splits(rows, fold) for fold in range(count)])
    assert ((splits == TEST).sum(axis=0) == 1).all()
    assert (splits[folds.of_rows(rows), rows] == TEST).all()
    # An event is of train or of validation, for all that see it.
    assert not ((splits == TRAIN).any(axis=0) & (splits == VALIDATION).any(axis=0)).any()


def test_folds_are_of_equal_size_and_independent_of_validation():
    folds, rows = Folds(5, seed=3, validation=0.25), np.arange(200_000)
    sizes = np.bincount(folds.of_rows(rows))
    assert np.abs(sizes - 40_000).max() < 5 * np.sqrt(40_000)
    for fold in range(5):
        splits = folds.splits(rows, fold)
        share = (splits == VALIDATION).sum() / (splits != TEST).sum()
        assert share == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 160_000))


def test_without_a_fold_left_out_all_events_test():
    assert (Folds(3).splits(np.arange(10), None) == TEST).all()


def test_the_share_of_validation_is_that_of_the_splits():
    assert Folds.of(5, 1, None) == Folds(5, 1, 0.25)
    assert Folds.of(5, 1, SplitFractions(0.5, 0.0, 0.5)).validation == 0


def test_folds_travel_as_json():
    assert Folds.from_json(Folds(7, 5, 0.1).as_json()) == Folds(7, 5, 0.1)


@pytest.mark.parametrize("count", [-1, 0, 1, 101])
def test_impossible_numbers_of_folds_are_refused(count):
    with pytest.raises(UsageError, match=f"--folds {count}: give 2 to 100"):
        Folds(count)


@pytest.mark.parametrize("batch", [7, 1000])
def test_a_file_is_divided_by_its_rows_however_it_is_read(tmp_path, batch):
    path = tmp_path / "events.parquet"
    pd.DataFrame({"x": np.arange(100.0), "label": np.arange(100) % 2}).to_parquet(path)
    folds = Folds(4, seed=9)
    numbers = DerivedColumns(("n",), (ROW,), lambda columns: {"n": columns[ROW].astype(np.float32)})
    events = open_events(path).with_derived([numbers]).with_folds(folds, 2)
    parts = list(events.batches(("x", "n"), batch))
    np.testing.assert_array_equal(np.concatenate([part.split for part in parts]), folds.splits(np.arange(100), 2))
    np.testing.assert_array_equal(np.concatenate([part.columns["n"] for part in parts]), np.arange(100))
    assert set(parts[0].columns) == {"x", "n"}
    sample = open_events(path).with_folds(folds, 2).load("test")
    np.testing.assert_array_equal(sample.x[:, 0], np.flatnonzero(folds.of_rows(np.arange(100)) == 2))
