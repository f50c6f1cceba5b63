"""The learned order of a sequential flow."""

from __future__ import annotations

import numpy as np
import pytest
from lcf_cases import make_sample, mock_sample

from cutflow_cli.errors import Interrupted, UsageError
from cutflow_cli.models.flows import balanced_error
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.order import greedy_order, reordered
from cutflow_cli.models.lcf.settings import LcfSettings, resolve_settings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


def settings(**chosen) -> LcfSettings:
    return LcfSettings(strategy="sequential", epochs=60, **chosen)


def test_each_cut_lowers_the_balanced_error_more_than_those_behind_it_would():
    sample = mock_sample(3000, 2, "noise weak left right middle")
    cuts = [
        Cut("noise", Region.ABOVE, -5.5), Cut("weak", Region.BELOW, None, 0.1), Cut("left", Region.BELOW, None, 0.0),
        Cut("right", Region.ABOVE, 0.2), Cut("middle", Region.INSIDE, -2.4, 2.4),
    ]  # fmt: skip
    steps = [LearnedCut(cut, active=cut.observable != "weak") for cut in cuts]
    order = greedy_order(CutFlow(tuple(steps)), sample)
    assert order[3:] == (0, 1), "what is not applied goes behind all others"
    kept = np.ones(len(sample), dtype=bool)
    for number, first in enumerate(order[:4]):
        errors = [balanced_error(sample, kept & cuts[i].keeps(sample.columns)) for i in order[number:4]]
        assert errors[0] == min(errors)
        kept &= cuts[first].keeps(sample.columns)
    nothing = make_sample(sample.x, sample.label, -np.ones(len(sample)), sample.features)
    assert greedy_order(CutFlow(tuple(steps)), nothing) == order, "without positive weights events count"


def test_the_flow_is_that_of_the_features_given_in_the_learned_order():
    sample = mock_sample(3000, 1, "noise weak left")
    context = TrainingContext(seed=3, replicas=range(2))
    learned = LearnableCutFlow(settings(order="learned")).fit(sample, context)
    assert {flow.observables[0] for flow in learned.flows} == {"left"}
    order = learned.resolved["learned_order"]
    assert sorted(order) == sorted(sample.features)
    there = reordered(sample, tuple(sample.features.index(name) for name in order))
    np.testing.assert_array_equal(there.columns["weak"], sample.columns["weak"])
    given = LearnableCutFlow(settings()).fit(there, context)
    assert given.flows == learned.flows
    assert "learned_order" not in given.resolved


def test_blocks_of_replicas_and_bootstraps_learn_the_same_order():
    sample, method = (
        mock_sample(2000, 1, "noise weak left"),
        LearnableCutFlow(settings(order="learned", bootstrap=True)),
    )
    whole = method.fit(sample, TrainingContext(replicas=range(3)))
    part = method.fit(sample, TrainingContext(replicas=range(2, 3)))
    assert part.flows[0] == whole.flows[2]
    assert part.resolved["learned_order"] == whole.resolved["learned_order"]


def test_an_objective_refines_the_flow_in_that_order():
    sample = mock_sample(2000, 1, "noise weak left")
    fitted = LearnableCutFlow(settings(order="learned", objective="s-sqrt-s-plus-b")).fit(sample, TrainingContext())
    assert list(fitted.flows[-1].observables) == fitted.resolved["learned_order"]


def test_it_is_refused_where_the_events_are_not_in_memory_and_stops_when_asked():
    method = LearnableCutFlow(settings(order="learned"))
    with pytest.raises(UsageError, match="give enough --memory, or order --features"):
        method.fit_stream(None, TrainingContext())
    with pytest.raises(Interrupted):
        method.fit(mock_sample(600), TrainingContext(stop_reason=lambda: "SIGTERM"))


def test_the_preset_keeps_the_order_given_and_says_where_it_is_left():
    assert resolve_settings("sequential", {"preset": "lcf"})[0].order == "given"
    resolved, departures = resolve_settings("sequential", {"preset": "lcf", "order": "learned"})
    assert resolved.order == "learned"
    assert any("order" in text for text in departures)
