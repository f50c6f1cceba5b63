"""The loss of LCF, in both implementations, against the published definition worked out by hand and in numpy."""

import math
from dataclasses import replace

import numpy as np
import pytest
from lcf_calls import fused_step, torch_loss
from lcf_cases import make_sample, mock_sample, published_loss, random_parameters, unit_prepared

from cutflow_cli.models.lcf.constants import LOGIT_CLIP, PARALLEL, SEQUENTIAL_AND, SEQUENTIAL_APPLIED
from cutflow_cli.models.lcf.prepare import prepare
from cutflow_cli.models.lcf.settings import LcfSettings

#: Relative error of the kernel's single-precision exponential and logarithm, with room for its sums.
SINGLE = 1e-5
#: Importance logit, lower weight and bias, upper weight and bias.
PLAIN = np.array([[1.0, 1.0, 0.0, 1.0, 0.0]])


def both(data, params, rule, **options):
    """Both implementations, which must agree before either is compared with anything."""
    exact = float(torch_loss(data, params, rule, **options))
    assert fused_step(data, params, rule, **options)[0] == pytest.approx(exact, rel=SINGLE)
    return exact


def test_four_events_by_hand():
    sample = make_sample([[-1], [1], [-1], [1]], [1, 0, 0, 1])  # mean 0, standard deviation 1
    data = unit_prepared(sample, {"x1": 0.0})
    wrong, right = math.log(1 + math.e), math.log(1 + 1 / math.e)
    # Logits are -1 below and +1 above, so events 0 and 1 are on the wrong side; 1/(2n) with n = 1, batch of four.
    expected = (2 * wrong + 2 * right) / 4 / 2
    assert expected == pytest.approx(0.40663084, rel=1e-7)
    assert both(data, PLAIN, PARALLEL) == pytest.approx(expected, rel=1e-7)


def test_each_side_trains_its_own_neuron():
    sample = make_sample([[-1], [1], [-1], [1]], [1, 0, 0, 1])
    data = unit_prepared(sample, {"x1": 0.0})
    lower, upper = 0.7, -1.3  # biases; weights zero, so every logit is the bias
    params = np.array([[1.0, 0.0, lower, 0.0, upper]])
    terms = [math.log(1 + math.exp(a)) for a in (-lower, upper, lower, -upper)]
    assert both(data, params, PARALLEL) == pytest.approx(sum(terms) / 8, rel=1e-7)


def test_a_masked_mean_is_divided_by_the_batch_not_by_the_mask():
    # One event below the centre, three above: the single one counts a quarter, not one. The last has no weight.
    sample = make_sample([[-3.0], [1.0], [1.0], [1.0]], [1, 1, 1, 0])
    data = unit_prepared(sample, {"x1": 0.0})
    params = np.array([[1.0, 0.0, 2.0, 0.0, 100.0]])  # the upper neuron is right beyond the clip
    below, above = math.log(1 + math.exp(-2.0)), -math.log(1 - 1e-7)
    loss = both(data, params, PARALLEL, weight=np.array([1, 1, 1, 0]))
    assert loss == pytest.approx((below + 2 * above) / 4 / 2, rel=1e-6)


def test_an_event_at_the_centre_counts_for_neither_side():
    x = [[-1.0], [0.5], [2.0], [0.5]]
    data = unit_prepared(make_sample(x, [1, 1, 0, 0]), {"x1": 0.5})
    assert (data.u == 0).tolist() == [[False], [True], [False], [True]]
    params = np.array([[1.0, 0.0, 0.3, 0.0, -0.2]])
    expected = (math.log(1 + math.exp(-0.3)) + math.log(1 + math.exp(-0.2))) / 4 / 2
    assert both(data, params, PARALLEL) == pytest.approx(expected, rel=1e-7)


def test_probabilities_are_clipped_as_keras_does():
    data = unit_prepared(make_sample([[-1.0], [1.0], [2.0]], [1, 1, 0]), {"x1": 0.0})
    params = np.array([[1.0, 0.0, -1000.0, 0.0, -LOGIT_CLIP / 2]])
    clipped, plain = -math.log(1e-7), math.log(1 + math.exp(LOGIT_CLIP / 2))
    loss = both(data, params, PARALLEL, weight=np.array([1, 1, 0]))
    assert loss == pytest.approx((clipped + plain) / 3 / 2, rel=1e-7)


def test_the_published_sequence_goes_on_with_what_both_neurons_keep():
    # Feature 1 at -1 or 1 with both logits equal to its value: the events at 1 alone reach feature 2.
    x = [[-1, 2], [1, 3], [-1, -2], [1, -3]]
    data = unit_prepared(make_sample(x, [1, 1, 0, 0]), {"x1": 0.0, "x2": 0.0})
    first = [0.0, 2.0, 0.0, 2.0, 0.0]  # the weights are halved by the importance of two features
    second = [0.0, 0.0, 0.4, 0.0, 0.6]
    expected = 2 * math.log(1 + math.e) + 2 * math.log(1 + 1 / math.e)
    parallel = expected + sum(math.log(1 + math.exp(a)) for a in (-0.6, -0.6, 0.4, 0.4))
    sequential = expected + math.log(1 + math.exp(-0.6)) + math.log(1 + math.exp(0.4))
    params = np.array([first, second])
    assert both(data, params, PARALLEL) == pytest.approx(parallel / 4 / 4, rel=1e-6)
    assert both(data, params, SEQUENTIAL_AND) == pytest.approx(sequential / 4 / 4, rel=1e-6)


def test_the_sequence_as_applied_goes_on_through_an_edge_cut():
    # Lower neuron passes below -1, upper above +1: both together pass nothing, the cut as applied passes the outside.
    x = [[-2, 1], [2, 1], [-0.5, -1], [0.5, -1], [0.5, 1]]
    data = unit_prepared(make_sample(x, [1, 1, 0, 0, 0]), {"x1": 0.1, "x2": 0.0})
    mean, std = np.mean(np.array(x)[:, 0]), np.std(np.array(x)[:, 0])
    slope = 4.0
    edges = (-slope * (1 + mean) / std / 2, -slope * (1 - mean) / std / 2)  # where -z and +z cross -1 and +1
    params = np.array([[0.0, -slope, edges[0], slope, edges[1]], [0.0, 0.0, 0.4, 0.0, 0.6]])
    alone = both(data, np.array([params[0]] * 2), PARALLEL)  # the same first feature, twice the second's own
    assert alone > 0
    published, applied = both(data, params, SEQUENTIAL_AND), both(data, params, SEQUENTIAL_APPLIED)
    second = sum(math.log(1 + math.exp(a)) for a in (-0.6, -0.6))  # the two events outside, signal at x2 = 1 > 0
    assert applied - published == pytest.approx(second / 5 / 4, rel=1e-6)


@pytest.mark.parametrize("rule", [PARALLEL, SEQUENTIAL_AND])
@pytest.mark.parametrize("threshold", [0.5, 0.62])
def test_many_events_against_the_published_definition(rule, threshold):
    sample = mock_sample(700, seed=3)
    centers = [-2.0, 2.0, 0.1, -0.2]
    data = unit_prepared(sample, dict(zip(sample.features, centers, strict=True)))
    weight = np.random.default_rng(1).uniform(0.2, 3.0, len(sample)).astype(np.float32)
    for seed in range(5):
        params = random_parameters(4, seed)
        expected = published_loss(
            sample, weight, params, centers, sequential=rule == SEQUENTIAL_AND, threshold=threshold
        )
        exact = float(torch_loss(data, params, rule, weight=weight, threshold=threshold))
        assert exact == pytest.approx(expected, rel=1e-6)  # events are held in single precision
        fused = fused_step(data, params, rule, weight=weight, threshold=threshold)[0]
        assert fused == pytest.approx(expected, rel=SINGLE)


def test_weights_multiply_and_class_balance_is_a_weight():
    sample = mock_sample(300, seed=5, kinds="left middle")
    data = unit_prepared(sample, {"left": -2.0, "middle": 0.0})
    params = random_parameters(2, 7)
    weight = np.where(sample.label == 1, 0.25, 1.75).astype(np.float32)
    total = both(data, params, PARALLEL, weight=weight)
    parts = [both(data, params, PARALLEL, weight=(sample.label == side).astype(np.float32)) for side in (1, 0)]
    assert total == pytest.approx(0.25 * parts[0] + 1.75 * parts[1], rel=1e-6)


def test_a_missing_value_counts_for_its_feature_nowhere_and_goes_no_further():
    x = np.array([[1.0, 1.0], [np.nan, 2.0], [-1.0, np.nan], [-2.0, -2.0], [2.0, -1.0]])
    data = unit_prepared(make_sample(x, [1, 1, 0, 0, 1]), {"x1": 0.0, "x2": 0.0})
    params = np.array([[0.0, 0.0, 0.5, 0.0, 0.5], [0.0, 0.0, 0.5, 0.0, 0.5]])  # every neuron passes everything
    right, wrong = math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(0.5))
    parallel = (2 * right + 2 * wrong) + (3 * right + wrong)
    sequential = (2 * right + 2 * wrong) + (2 * right + wrong)  # the event without x1 is gone
    assert both(data, params, PARALLEL) == pytest.approx(parallel / 5 / 4, rel=1e-6)
    assert both(data, params, SEQUENTIAL_AND) == pytest.approx(sequential / 5 / 4, rel=1e-6)


def test_batches_without_learning_give_their_mean_weighted_by_size():
    sample = mock_sample(100, seed=2, kinds="left edge")
    data = unit_prepared(sample, {"left": -2.0, "edge": 0.0})
    params = random_parameters(2, 3)
    whole = fused_step(data, params, PARALLEL)[0]
    for batch in (7, 32, 99, 1000):
        loss, _, after = fused_step(data, params, PARALLEL, batch=batch)
        assert loss == pytest.approx(whole, rel=SINGLE)
        np.testing.assert_array_equal(after, params)


def test_an_unmasked_feature_sees_all_events_and_the_next_does_not():
    sample = mock_sample(200, seed=4, kinds="left right middle")
    data = unit_prepared(sample, {"left": -2.0, "right": 2.0, "middle": 0.0})
    params = np.array([[1.0, -6.0, 2.0, -5.0, 1.0], [1.0, 4.0, 2.0, 5.0, 2.0], [1.0, 3.0, 2.0, -3.0, 1.0]])
    for rule in (SEQUENTIAL_AND, SEQUENTIAL_APPLIED):
        losses = [
            both(data, params, rule, unmasked=np.array(flags))
            for flags in ([False] * 3, [False, True, False], [False, True, True], [True, True, True])
        ]
        assert losses[0] < losses[1] < losses[2] == pytest.approx(both(data, params, PARALLEL), rel=SINGLE)
        assert losses[3] == losses[2]


@pytest.mark.parametrize("rule", [PARALLEL, SEQUENTIAL_AND])
def test_values_beyond_the_limits_do_not_count_in_their_own_loss_but_go_on(rule):
    rng = np.random.default_rng(8)
    sample = make_sample(rng.normal(size=(200, 1)), np.arange(200) % 2)
    data = prepare(sample, LcfSettings(centers={"x1": 0.1}, class_weights="unit", trim=0.1))
    ordered = np.argsort(np.argsort(sample.x[:, 0]))
    inside = (data.u[:, 0] >= data.limits[0, 0]) & (data.u[:, 0] <= data.limits[0, 1])
    assert inside[(ordered > 20) & (ordered < 179)].all()
    assert not inside[(ordered < 19) | (ordered > 180)].any()
    params = np.array([[1.0, -0.8, 0.3, 1.2, -0.4]])
    trimmed = torch_loss(data, params, rule).item()
    free = replace(data, limits=np.array([[-np.inf, np.inf]], dtype=np.float32))
    assert trimmed == pytest.approx(torch_loss(free, params, rule, weight=data.weight * inside).item(), rel=1e-12)
    assert trimmed < torch_loss(free, params, rule).item()
    assert fused_step(data, params, rule)[0] == pytest.approx(trimmed, rel=1e-5)
    # a second observable without limits still sees the events that the first one did not learn from
    joint = make_sample(np.hstack([sample.x, rng.normal(size=(200, 1))]), sample.label)
    pair = prepare(joint, LcfSettings(centers={"x1": 0.1, "x2": 0.0}, class_weights="unit", trim=0.1))
    second = replace(pair, limits=np.array([pair.limits[0], [-np.inf, np.inf]], dtype=np.float32))
    first_only = replace(pair, limits=np.array([pair.limits[0], [1e30, -1e30]], dtype=np.float32))
    two = np.vstack([params, params])
    rest = torch_loss(second, two, PARALLEL).item() - torch_loss(first_only, two, PARALLEL).item()
    alone = make_sample(joint.x[:, 1:], joint.label)
    other = prepare(alone, LcfSettings(centers={"x1": 0.0}, class_weights="unit", trim=0.0))
    halved = params * [[1, 0.5, 1, 0.5, 1]]  # two observables share the importance of one
    assert rest == pytest.approx(torch_loss(other, halved, PARALLEL).item() / 2, rel=1e-6)
