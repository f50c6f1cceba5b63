"""What trees are grown on: float32 features, weights, missing values, bootstraps."""

import numpy as np
import pytest
from bdt_cases import SKLEARN, XGBOOST, prepared, sample, settings

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.models.bdt.prepare import finite_or_nan, prepare


def test_infinite_and_too_large_features_are_missing():
    x = np.array([[1.0, np.inf], [-np.inf, 1e300], [np.nan, 0.1]])
    assert np.array_equal(
        finite_or_nan(x), np.array([[1, np.nan], [np.nan, np.nan], [np.nan, 0.1]], dtype=np.float32), equal_nan=True
    )
    assert np.isinf(x[0, 1])  # the events are left alone


def test_scikit_learn_is_given_complete_events_and_xgboost_all():
    events = sample()
    events.x[:7, 1] = np.nan
    alone, all_of_them = (prepare(events, settings(**options), "training") for options in (SKLEARN, XGBOOST))
    assert (len(alone), len(all_of_them)) == (793, 800)
    assert alone.incomplete == all_of_them.incomplete == 7
    assert not np.isnan(alone.x).any()


def test_a_class_without_complete_events_is_refused_by_name():
    events = sample()
    events.x[events.label == 1, 0] = np.nan
    with pytest.raises(InputError, match="every signal event of the validation split lacks a feature"):
        prepare(events, settings(**SKLEARN), "validation")
    assert len(prepare(events, settings(**XGBOOST), "validation")) == 800


def test_classes_weigh_the_same_and_events_without_weight_are_left_out():
    weight = np.where(np.arange(800) % 2, 1e-3, 7.0)
    weight[:10] = 0.0
    events, _ = prepared(XGBOOST, weight=weight)
    assert len(events) == 790
    sums = [events.weight[events.label == value].sum() for value in (0, 1)]
    assert sums == pytest.approx([400, 400])


@pytest.mark.parametrize(("negative", "events"), [("keep", 800), ("drop", 700), ("abs", 800)])
def test_negative_weights_are_kept_dropped_or_made_positive(negative, events):
    weight = np.where(np.arange(800) < 100, -0.5, 1.0)
    got, _ = prepared({**XGBOOST, "negative_weights": negative}, weight=weight)
    assert len(got) == events
    assert (got.weight < 0).sum() == (100 if negative == "keep" else 0)


def test_scikit_learn_cannot_keep_negative_weights_and_says_so():
    weight = np.where(np.arange(800) < 100, -0.5, 1.0)
    with pytest.raises(UsageError, match="--negative-weights keep: scikit-learn's trees can't"):
        prepared(SKLEARN, weight=weight)
    unit, _ = prepared({**SKLEARN, "class_weights": "unit"}, weight=weight)
    assert (unit.weight == 1).all()


def test_a_bootstrap_is_the_replicas_own_and_draws_as_many_events_on_average():
    events, _ = prepared(XGBOOST, events=4000)
    first, again, other = (events.bootstrapped(1, replica) for replica in (3, 3, 4))
    assert np.array_equal(first.weight, again.weight)
    assert not np.array_equal(first.x[:50], other.x[:50])
    assert first.weight.sum() == pytest.approx(4000, abs=4 * np.sqrt(4000))
    assert set(np.unique(first.weight)) <= {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}
    assert len(first) == pytest.approx(4000 * (1 - np.exp(-1)), abs=150)


def test_a_bootstrap_without_a_class_is_refused():
    tiny, _ = prepared(XGBOOST, events=2)
    with pytest.raises(InputError, match=r"the bootstrap of replica .* holds no (signal|background) events"):
        for replica in range(20):
            tiny.bootstrapped(0, replica)
