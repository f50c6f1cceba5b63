"""Training weights and weighted quantiles."""

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.models.weights import training_weights, weighted_quantiles

WEIGHT = np.array([2.0, -1.0, 3.0, 10.0, 30.0, -20.0])
LABEL = np.array([1, 1, 1, 0, 0, 0], dtype=np.int8)


def sums(weights):
    return [weights[np.equal(LABEL, value)].sum() for value in (0, 1)]


def test_balanced_weights_have_equal_sums_mean_one_and_their_relations():
    balanced = training_weights(WEIGHT, LABEL, "balanced", "keep")
    assert sums(balanced) == pytest.approx([3.0, 3.0])
    assert balanced.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(balanced[LABEL == 1] / WEIGHT[LABEL == 1], 3 / 4)
    np.testing.assert_allclose(balanced[LABEL == 0] / WEIGHT[LABEL == 0], 3 / 20)


def test_physical_weights_are_rescaled_alone():
    physical = training_weights(WEIGHT, LABEL, "physical", "keep")
    assert physical.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(physical / WEIGHT, 6 / 24)


def test_negative_weights_can_be_dropped_or_made_positive():
    dropped = training_weights(WEIGHT, LABEL, "balanced", "drop")
    assert dropped[[1, 5]].tolist() == [0.0, 0.0]
    assert sums(dropped) == pytest.approx([3.0, 3.0])
    absolute = training_weights(WEIGHT, LABEL, "balanced", "abs")
    np.testing.assert_allclose(absolute, np.abs(WEIGHT) * np.where(LABEL == 1, 3 / 6, 3 / 60))


def test_unit_weights_count_every_event_once_but_those_dropped():
    assert training_weights(WEIGHT, LABEL, "unit", "keep").tolist() == [1.0] * 6
    assert training_weights(WEIGHT, LABEL, "unit", "abs").tolist() == [1.0] * 6
    assert training_weights(WEIGHT, LABEL, "unit", "drop").tolist() == [1, 0, 1, 1, 1, 0]


def test_the_given_weights_are_left_as_they_are():
    before = WEIGHT.copy()
    for classes in ("balanced", "physical", "unit"):
        for negative in ("keep", "drop", "abs"):
            training_weights(WEIGHT, LABEL, classes, negative)
    np.testing.assert_array_equal(WEIGHT, before)


@pytest.mark.parametrize("classes", ["balanced", "physical"])
def test_a_class_whose_weights_cancel_is_refused(classes):
    weight = np.array([1.0, -1.0, 0.5, 1.0, -2.0, 0.5])  # the background sums to -0.5
    with pytest.raises(InputError, match=r"'weight': the training weights of the background sum to -0\.5"):
        training_weights(weight, LABEL, classes, "keep")
    assert training_weights(weight, LABEL, classes, "drop").sum() == pytest.approx(6.0)


def test_weighted_quantiles_against_repetition():
    rng = np.random.default_rng(3)
    values, counts = rng.normal(size=200), rng.integers(0, 5, 200)
    repeated = np.repeat(values, counts)
    shares = (0.05, 0.16, 0.5, 0.84, 0.95)
    expected = np.quantile(repeated, shares, method="inverted_cdf")
    np.testing.assert_allclose(weighted_quantiles(values, counts.astype(float), shares), expected)


def test_negative_weights_do_not_move_a_quantile():
    values = np.array([1.0, 2.0, 3.0, 100.0])
    assert weighted_quantiles(values, np.array([1.0, 1.0, 1.0, -5.0]), (0.5, 1.0)).tolist() == [2.0, 3.0]
