"""Train against test: a warning where they differ by more than statistics allow, and only there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.evaluation.comparison import COMPARED, compare_splits, label, overtraining_warnings
from cutflow_cli.evaluation.rows import MetricRow


def row(split, value, error, metric="signal_efficiency", kind="consensus", run="par"):
    reason = None if value is not None else "undefined here"
    return MetricRow(run, "lcf-parallel", "default", None, None, kind, -1, split, metric, value, error, None, reason)


@pytest.mark.parametrize(
    ("test", "differs"), [(0.5, False), (0.55, False), (0.5499, False), (0.5501, False), (0.6, True)]
)
def test_pull_and_verdict(test, differs):
    rows = [row("train", 0.5, 0.012), row("test", test, 0.016), row("validation", 0.1, 0.01)]
    (found,) = compare_splits(rows, "test")
    assert found.pull == pytest.approx((test - 0.5) / 0.02)
    assert found.differs is differs
    assert set(found.by_split) == {"train", "validation", "test"}


def test_warning_names_run_metric_and_size():
    rows = [
        row("train", 0.9, 0.01),
        row("test", 0.8, 0.01),
        row("train", 0.1, 0.01, "background_efficiency"),
        row("test", 0.1, 0.01, "background_efficiency"),
    ]
    (warning,) = overtraining_warnings(compare_splits(rows, "test"), "test")
    assert warning == "par: train and test differ by more than 3 standard deviations in signal efficiency (-7.1 σ)"


def test_undefined_and_foreign_rows_are_left_out():
    rows = [row("train", None, None), row("test", 0.5, 0.1), row("train", 1, 1, "tp"), row("train", 1, 1, kind="mean")]
    (found,) = compare_splits(rows, "test")
    assert (found.pull, found.differs) == (None, False)
    assert overtraining_warnings([found], "test") == ()


def test_no_spread_on_either_side():
    same, other = compare_splits(
        [
            row("train", 1.0, 0.0),
            row("test", 1.0, 0.0),
            row("train", 1.0, 0.0, run="b"),
            row("test", 0.0, 0.0, run="b"),
        ],
        "test",
    )
    assert (same.pull, same.differs) == (0.0, False)
    assert (other.pull, other.differs) == (None, True)
    assert "without spread" in overtraining_warnings([other], "test")[0]


def test_train_is_not_compared_with_itself():
    assert compare_splits([row("train", 0.5, 0.1)], "train") == ()


def test_honest_selections_are_rarely_called_overtrained():
    rng = np.random.default_rng(9)
    called = 0
    for _ in range(2000):
        train, test = rng.binomial(400, 0.3, 2) / 400
        errors = [math.sqrt(value * (1 - value) / 400) for value in (train, test)]
        (found,) = compare_splits([row("train", train, errors[0]), row("test", test, errors[1])], "test")
        called += found.differs
    assert called <= 15  # 5.4 expected


def test_labels():
    assert label("par", "default", None) == "par"
    assert label("par", "signal_efficiency=0.5", 2.5) == "par signal_efficiency=0.5 m=2.5"
    assert "signal_efficiency" in COMPARED
