"""What makes a sample unfit to train on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.checks import check_sample, separation
from cutflow_cli.selection.cut import Cut, Region

PATH = Path("events.parquet")
LABEL = np.array([1, 0] * 50, dtype=np.int8)
NORMAL = np.random.default_rng(0).normal(size=(100, 2))


def make(x, label=LABEL, weight=None):
    x = np.asarray(x, dtype=np.float32)
    names = tuple(f"f{i}" for i in range(x.shape[1]))
    return EventSample(
        features=names,
        x=x,
        dtypes=dict.fromkeys(names, "float32"),
        label=label,
        weight=np.ones(len(x)) if weight is None else weight,
        expected=np.ones(len(x)) if weight is None else weight,
        process=label.astype(np.int32),
        processes=("background", "signal"),
    )


def refusal(sample, named=False):
    with pytest.raises(InputError) as caught:
        check_sample(sample, PATH, features_named=named)
    message = str(caught.value)
    assert message.startswith("events.parquet: ")
    assert "\n" not in message
    return message


def with_column(values):
    return make(np.column_stack([NORMAL[:, 0], values]))


def test_a_fit_sample_passes_without_a_word():
    assert check_sample(make(NORMAL), PATH, features_named=False) == ()


@pytest.mark.parametrize(("value", "role"), [(0, "background"), (1, "signal")])
def test_both_classes_are_needed(value, role):
    label = np.full(100, 1 - value, dtype=np.int8)
    assert f"no {role} events (label {value}) in the training split" in refusal(make(NORMAL, label))
    weight = np.where(value == LABEL, 0.0, 1.0)
    assert f"column 'weight' is zero for every {role} event" in refusal(make(NORMAL, weight=weight))


def test_a_constant_feature_is_refused_even_if_named():
    for named in (False, True):
        assert "feature 'f1' is constant (3.5); leave it out with --features" in refusal(
            with_column(np.full(100, 3.5)), named
        )
    almost = np.full(100, 3.5)
    almost[7] = np.nan  # a constant beside a missing value is a constant
    assert "feature 'f1' is constant (3.5)" in refusal(with_column(almost))


def test_a_feature_without_a_finite_value_is_refused():
    values = np.where(LABEL == 1, np.nan, np.inf)
    assert "feature 'f1' has no finite value in the training split" in refusal(with_column(values))


def test_missing_and_infinite_values_are_counted():
    values = NORMAL[:, 1].copy()
    values[:3], values[3], values[4] = np.nan, np.inf, -np.inf
    (note,) = check_sample(with_column(values), PATH, features_named=False)
    assert note == (
        "feature 'f1': 3 missing (NaN) and 2 infinite values in the training split; "
        "missing ones fail every cut on it, +∞ is above every boundary, −∞ below"
    )
    values[:3] = 0.0
    (note,) = check_sample(with_column(values), PATH, features_named=False)
    assert note == "feature 'f1': 2 infinite values in the training split; +∞ is above every boundary, −∞ below"
    values[3:5], values[9] = 0.0, np.nan
    (note,) = check_sample(with_column(values), PATH, features_named=False)
    assert note == "feature 'f1': 1 missing (NaN) value in the training split; missing ones fail every cut on it"


def test_cuts_do_with_infinite_values_what_the_note_says():
    values = np.array([np.inf, -np.inf, np.nan])
    above, below = Cut("x", Region.ABOVE, lower=0.63), Cut("x", Region.BELOW, upper=0.63)
    assert above.passes(values).tolist() == [True, False, False]
    assert below.passes(values).tolist() == [False, True, False]


def test_a_feature_that_tells_the_label_is_refused_unless_named():
    for column in (LABEL * 1.0, -LABEL * 7.0, LABEL * 10 + NORMAL[:, 1] / 100):
        message = refusal(with_column(column))
        assert "feature 'f1'" in message
        assert "gives the label away; name the features with --features" in message
        assert check_sample(with_column(column), PATH, features_named=True) == ()


def test_one_value_for_a_whole_class_is_a_leak_though_the_areas_overlap():
    # Background all at 0, signal around 0 on both sides: the area is about one half.
    column = np.where(LABEL == 1, NORMAL[:, 1], 0.0)
    assert separation(column, LABEL) < 0.7
    assert "feature 'f1' is 0 for every background event and gives the label away" in refusal(with_column(column))


def test_a_good_feature_is_no_leak():
    label = np.tile(np.array([1, 0], dtype=np.int8), 5000)
    rng = np.random.default_rng(1)
    good = np.where(label == 1, 4.0, 0.0) + rng.normal(size=10_000)  # AUC 0.9977
    assert 0.997 < separation(good, label) < 0.999
    assert check_sample(make(good[:, None], label), PATH, features_named=False) == ()
    too_good = np.where(label == 1, 6.0, 0.0) + rng.normal(size=10_000)
    assert "alone separates the classes (AUC 1.0000)" in refusal(make(too_good[:, None], label))


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_separation_against_scikit_learn(rows):
    values, label = (np.array(column) for column in zip(*rows, strict=True))
    area = roc_auc_score(label, values)
    assert separation(values.astype(np.float32), label.astype(np.int8)) == pytest.approx(max(area, 1 - area))


def test_separation_of_one_class_is_none():
    assert separation(np.arange(3.0), np.ones(3, dtype=np.int8)) == 0.5
    assert separation(np.array([]), np.array([], dtype=np.int8)) == 0.5


def test_few_events_and_few_heavy_ones_are_told():
    label = np.array([0] * 200 + [1] * 200, dtype=np.int8)
    x = np.random.default_rng(3).normal(size=(400, 1))
    sample = make(x, label)
    assert check_sample(sample, PATH, features_named=True) == ()
    weight = np.where(label == 0, 1e-3, 1.0)
    weight[:4] = 1.0
    (note,) = check_sample(replace(sample, weight=weight), PATH, features_named=True)
    assert note.startswith("background: 200 events in the training split, which count as 4.4 of equal weight; what is")
