"""Thresholds of a run: each replica's own, the consensus' on the mean, on validation and by physical yields."""

import numpy as np
import pytest

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.threshold import best_threshold
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.thresholds import score_flows, threshold_flows


class Fixed:
    """Replica r scores an event by its feature r; a second score is noise."""

    names = ("score", "other")
    features = ("a", "b", "c")

    def scores(self, x):
        return {"other": np.zeros((3, len(x)), dtype=np.float32), "score": x.T.astype(np.float32)}

    def save(self, directory):
        raise NotImplementedError


def sample(events, seed, expected=None):
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    return EventSample(
        features=Fixed.features,
        x=rng.normal(label[:, None], [0.5, 1.0, 2.0]).astype(np.float32),
        dtypes=dict.fromkeys(Fixed.features, "float32"),
        label=label,
        weight=np.ones(events),
        expected=np.ones(events) if expected is None else expected,
        process=label.astype(np.int32),
        processes=("background", "signal"),
    )


TRAIN, VALIDATION = sample(500, 1), sample(400, 2)


def flows(fom="asimov", train=TRAIN, validation=VALIDATION, minimum=10.0):
    context = TrainingContext(replicas=range(4, 7), validation=validation)
    return threshold_flows(Fixed(), train, context, fom, minimum)


def values(found):
    return [flow.steps[0].cut.lower for flow in found]


def test_each_threshold_is_the_best_on_validation():
    found, warnings = flows()
    assert warnings == ()
    assert [(flow.kind, flow.replica) for flow in found] == [
        ("replica", 4), ("replica", 5), ("replica", 6), ("consensus", -1)
    ]  # fmt: skip
    scores = [*VALIDATION.x.T, VALIDATION.x.mean(axis=1, dtype=np.float64).astype(np.float32)]
    best = [best_threshold(score, VALIDATION.label, VALIDATION.expected, "asimov").value for score in scores]
    assert values(found) == best
    assert all(flow.steps[0].cut.observable == "score" for flow in found)


def test_it_follows_the_expected_events_not_the_training_weights():
    rare = sample(400, 2, np.where(VALIDATION.label == 1, 1e-3, 1.0))
    assert values(flows("s_over_sqrt_s_plus_b", validation=rare)[0]) > values(flows("s_over_sqrt_s_plus_b")[0])


def test_without_validation_it_is_chosen_on_train_and_said():
    found, warnings = flows(validation=None)
    assert values(found) == values(flows(validation=TRAIN)[0])
    (text,) = warnings
    assert "no validation split" in text
    assert "--fixed-threshold" in text


def test_too_few_events_are_said_once():
    _, warnings = flows(minimum=1e6)
    assert warnings == ("threshold of Asimov Z: no threshold keeps 1e+06 effective events of each class",)


def test_the_error_of_the_consensus_is_the_spread_of_the_replicas():
    found = score_flows("score", [0.2, 0.4, 0.9], 0.5, range(3))
    low, high = np.quantile([0.2, 0.4, 0.9], [0.16, 0.84], method="median_unbiased")
    assert found[-1].steps[0].lower_error == pytest.approx((high - low) / 2)
    assert [flow.steps[0].lower_error for flow in found[:-1]] == [None] * 3
    assert score_flows("score", [0.2], 0.2, range(1))[-1].steps[0].lower_error is None


def test_thresholds_are_rounded_to_what_scores_are_compared_in():
    (replica, _) = score_flows("score", [0.1], 0.1, range(1))
    assert replica.steps[0].cut.lower == float(np.float32(0.1))
