"""From trained parameters to a cut flow: what is applied, what is tidied away, and what each cut is worth."""

import numpy as np
import pytest
from lcf_cases import make_sample, mock_sample, unit_prepared

from cutflow_cli.models.flows import balanced_error, concerns, with_n_minus_1
from cutflow_cli.models.lcf.constants import BL, BU, WL, WU, K
from cutflow_cli.models.lcf.flow import learned_flow, tidied, without_centre_errors
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings, resolve_settings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

NONE = np.zeros(2, dtype=bool)
PARALLEL, SEQUENTIAL = LcfSettings(), LcfSettings(strategy="sequential")


def inside(lower, upper, x="x1", **more):
    return LearnedCut(Cut(x, Region.INSIDE, lower, upper), **more)


def below(upper, x="x1", **more):
    return LearnedCut(Cut(x, Region.BELOW, None, upper), **more)


def above(lower, x="x1", **more):
    return LearnedCut(Cut(x, Region.ABOVE, lower), **more)


def outside(lower, upper, x="x1", **more):
    return LearnedCut(Cut(x, Region.OUTSIDE, lower, upper), **more)


@pytest.fixture
def line():
    """Ten events at 0 … 9, signal below 5, and a second feature that is the first mirrored."""
    x = np.arange(10.0)
    return make_sample(np.stack([x, 9 - x], axis=1), x < 5)


def parameters(data, boundaries, logits=(1.0, 1.0)):
    """Parameters whose neurons have given boundaries (raw) and slopes ±3 in standardised units, importances as given.

    `boundaries` holds for each feature (lower, direction, upper, direction).
    """
    share = np.exp(logits) / np.exp(logits).sum()
    params = np.zeros((len(boundaries), 5))
    params[:, K] = logits
    for i, (lower, low, upper, up) in enumerate(boundaries):
        for value, direction, w, b in ((lower, low, WL, BL), (upper, up, WU, BU)):
            params[i, w] = 3.0 * direction / share[i]
            params[i, b] = -3.0 * direction * (value - data.mean[i]) / data.std[i]
    return params


def test_boundaries_come_out_in_raw_units_and_single_precision(line):
    data = unit_prepared(line, {"x1": 4.5, "x2": 4.5})
    params = parameters(data, [(1.3, 1, 7.7, -1), (2.1, -1, 6.2, 1)])
    flow = learned_flow(params, NONE, data, line, PARALLEL, 4)
    assert flow.replica == 4
    window, edges = (step.cut for step in flow.steps)
    assert (window.region, edges.region) == (Region.INSIDE, Region.OUTSIDE)
    assert (window.lower, window.upper) == pytest.approx((1.3, 7.7), rel=1e-6)
    assert (edges.lower, edges.upper) == pytest.approx((2.1, 6.2), rel=1e-6)
    for value in (window.lower, window.upper, edges.lower, edges.upper):
        assert value == float(np.float32(value))
    wide = make_sample(line.x, line.label, dtype="float64")
    exact = learned_flow(params, NONE, unit_prepared(wide, {"x1": 4.5, "x2": 4.5}), wide, PARALLEL, 0)
    assert exact.steps[0].cut.lower != float(np.float32(exact.steps[0].cut.lower))


def test_a_cut_of_little_importance_is_not_applied_but_still_shown(line):
    data = unit_prepared(line, {"x1": 4.5, "x2": 4.5})
    # Shares are 0.025 and 0.975 where the limit is 0.05/2: exactly at the limit is not above it.
    logits = (np.log(0.025), np.log(0.975))
    params = parameters(data, [(1.3, 1, 7.7, -1), (2.1, -1, 6.2, 1)], logits)
    first, second = learned_flow(params, NONE, data, line, LcfSettings(min_importance=0.0501), 0).steps
    assert (first.active, second.active) == (False, True)
    assert first.cut.region is Region.INSIDE
    assert first.note == "importance 0.025 is not above 0.025"
    assert first.importance == pytest.approx(0.025)
    assert learned_flow(params, NONE, data, line, LcfSettings(min_importance=0.0499), 0).steps[0].active
    assert learned_flow(params, NONE, data, line, LcfSettings(min_importance=0.0), 0).steps[0].active


def test_boundaries_that_cross_keep_everything_and_say_so(line):
    data = unit_prepared(line, {"x1": 4.5, "x2": 4.5})
    params = parameters(data, [(6.0, -1, 3.0, 1), (2.0, -1, 6.0, 1)])
    step = learned_flow(params, NONE, data, line, LcfSettings(tidy=False), 0).steps[0]
    assert (step.cut.region, step.active) == (Region.ALL, False)
    assert step.note == "neither side of its centre is divided, so that it keeps every value"


def test_a_feature_trained_on_all_events_says_so(line):
    data = unit_prepared(line, {"x1": 4.5, "x2": 4.5})
    params = parameters(data, [(1.3, 1, 7.7, -1), (2.1, -1, 6.2, 1)])
    steps = learned_flow(params, np.array([False, True]), data, line, PARALLEL, 0).steps
    assert [step.note for step in steps] == [
        None,
        "trained on all events: too few effective events pass the cuts before it",
    ]


def tidy(sample, *steps, settings=PARALLEL):
    return tidied(CutFlow(steps), sample, settings).steps


def test_the_idle_side_of_a_window_goes_and_its_error_with_it(line):
    (step,) = tidy(line, inside(-3.0, 6.5, lower_error=0.1, upper_error=0.2))
    assert (step.cut, step.lower_error, step.upper_error) == (below(6.5).cut, None, 0.2)
    (step,) = tidy(line, inside(2.5, 11.0, lower_error=0.1, upper_error=0.2))
    assert (step.cut, step.lower_error, step.upper_error) == (above(2.5).cut, 0.1, None)
    (step,) = tidy(line, inside(2.5, 6.5, lower_error=0.1, upper_error=0.2))
    assert (step.cut.region, step.lower_error, step.upper_error) == (Region.INSIDE, 0.1, 0.2)


def test_a_cut_that_would_keep_no_signal_is_not_applied(line):
    signal = line.x[line.label == 1, 0]
    (step,) = tidy(line, above(float(signal.max())))
    assert (step.active, step.note) == (False, "would keep no signal event of the training split")
    (step,) = tidy(line, below(float(signal.max())))
    assert step.active


def test_the_idle_side_of_an_edge_cut_goes_and_its_error_with_it(line):
    line = make_sample(line.x, np.arange(len(line)) % 2, features=line.features)
    (step,) = tidy(line, outside(-3.0, 6.5, lower_error=0.1, upper_error=0.2))
    assert (step.cut, step.lower_error, step.upper_error) == (above(6.5).cut, 0.2, None)
    (step,) = tidy(line, outside(2.5, 11.0, lower_error=0.1, upper_error=0.2))
    assert (step.cut, step.lower_error, step.upper_error) == (below(2.5).cut, None, 0.1)
    (step,) = tidy(line, outside(2.5, 6.5))
    assert step.cut.region is Region.OUTSIDE


@pytest.mark.parametrize("idle", [inside(-1.0, 10.0), below(9.5), above(-0.5), outside(4.2, 4.8)], ids=str)
def test_a_cut_that_rejects_no_training_event_is_not_applied(line, idle):
    (step,) = tidy(line, idle)
    assert not step.active
    assert step.note == "keeps every training event that reaches it"
    assert step.cut == idle.cut


def test_missing_values_are_rejected_so_such_a_cut_is_not_idle():
    sample = make_sample([[0.0], [np.nan], [2.0]], [1, 0, 0])
    (step,) = tidy(sample, below(9.5))
    assert step.active


def test_only_a_sequential_flow_looks_at_what_earlier_cuts_leave(line):
    # The first cut leaves x1 < 5, so x2 > 4: the second then rejects nothing.
    steps = (below(4.5), above(3.5, "x2"))
    assert [step.active for step in tidy(line, *steps)] == [True, True]
    assert [step.active for step in tidy(line, *steps, settings=SEQUENTIAL)] == [True, False]
    asleep = (below(4.5, active=False), above(3.5, "x2"))
    assert [step.active for step in tidy(line, *asleep, settings=SEQUENTIAL)] == [False, True]


def test_tidying_changes_no_training_event():
    rng = np.random.default_rng(5)
    sample = mock_sample(600, seed=5)
    compared = 0
    for _ in range(100):
        low, high = np.sort(rng.uniform(-12, 12, 2))
        makers = (inside(low, high, "left"), outside(low, high, "right"), below(high, "middle"), above(low, "edge"))
        flow = CutFlow(tuple(makers[i] for i in rng.permutation(4)))
        for settings in (PARALLEL, SEQUENTIAL):
            after = tidied(flow, sample, settings)
            if any("no signal" in (step.note or "") for step in after.steps):
                assert not flow.mask(sample.columns, len(sample))[sample.label == 1].any()
                continue
            compared += 1
            before, kept = (f.mask(sample.columns, len(sample)) for f in (flow, after))
            np.testing.assert_array_equal(before, kept)
    assert compared > 50


def test_n_minus_1_against_brute_force():
    sample = mock_sample(800, seed=6)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 800)
    sample = make_sample(sample.x, sample.label, weight, sample.features)
    steps = (
        below(0.3, "left"),
        above(-0.4, "right"),
        inside(-3.0, 2.0, "middle", active=False),
        outside(-2, 2, "edge"),
    )
    flow = with_n_minus_1(CutFlow(steps), sample)

    def error(cuts):
        kept = np.ones(800, dtype=bool)
        for cut in cuts:
            kept &= cut.passes(sample.columns[cut.observable])
        signal, background = ((weight * (sample.label == v)) for v in (1, 0))
        return 0.5 * (1 - (signal * kept).sum() / signal.sum() + (background * kept).sum() / background.sum())

    assert balanced_error(sample, flow.mask(sample.columns, 800)) == pytest.approx(error(flow.cuts))
    for step in flow.steps:
        if not step.active:
            assert step.n_minus_1_loss is None
        else:
            others = [cut for cut in flow.cuts if cut is not step.cut]
            assert step.n_minus_1_loss == pytest.approx(error(others) - error(flow.cuts), abs=1e-12)
    assert flow.steps[0].n_minus_1_loss < 0 < balanced_error(sample, np.zeros(800, dtype=bool))  # it over-cuts


def test_without_efficiencies_there_is_no_n_minus_1():
    sample = make_sample([[0.0], [1.0], [2.0]], [1, 1, 0], [1.0, -1.0, 1.0])
    assert with_n_minus_1(CutFlow((below(0.5),)), sample).steps[0].n_minus_1_loss is None


def test_concerns_name_disagreement_and_empty_selections(line):
    flows = [CutFlow((below(5.5),), replica=r) for r in range(3)] + [CutFlow((above(2.5),), replica=3)]
    assert concerns(consensus(flows), line) == ("x1: only 75% of the replicas agree on its region",)
    four_fifths = consensus([*flows, CutFlow((below(5.6),), replica=4)])
    assert concerns(four_fifths, line) == ()  # 0.8 is enough
    assert concerns(CutFlow((above(8.0),)), line) == ("the selection keeps no signal event of the training split",)
    assert concerns(CutFlow((below(3.0),)), line) == ("the selection keeps no background event of the training split",)
    assert concerns(CutFlow((below(3.0, active=False),)), line) == (
        "no cut is applied: the selection keeps every event",
    )


def train(sample, **settings):
    chosen = {"epochs": 100, "learning_rate": 0.01, "batch_size": 100, **settings}
    resolved, _ = resolve_settings("sequential", chosen)
    return LearnableCutFlow(resolved).fit(sample, TrainingContext(replicas=range(3), threads=2)).flows


def test_an_edge_cut_does_not_empty_the_default_flow_and_does_the_published_one():
    sample = mock_sample(4000, seed=7, kinds="edge weak")
    *_, agreed = train(sample)
    first, second = agreed.steps
    assert first.cut.region is Region.OUTSIDE
    assert first.active
    assert second.active
    left = sample.columns["weak"][first.cut.passes(sample.columns["edge"])]
    boundary = second.cut.upper
    assert second.cut.region is Region.BELOW
    assert np.quantile(left, 0.02) < boundary < np.quantile(left, 0.98)
    centers = {"edge": 0.0, "weak": -1.0}
    *replicas, _ = train(sample, preset="lcf", centers=centers)
    for flow in replicas:
        # The edge cut lets nothing through, so the importance of what follows only ever falls.
        assert flow.steps[0].cut.region is Region.OUTSIDE
        assert flow.steps[1].importance < second.importance / 2


def test_a_starved_feature_trains_on_all_events_and_says_so():
    # The first feature separates all but about one background event in a hundred.
    rng = np.random.default_rng(8)
    label = np.arange(4000) % 2
    x = np.stack([rng.normal(np.where(label, -3.0, 3.0), 1.3), rng.normal(np.where(label, -1.0, 1.0), 2.0)], axis=1)
    sample = make_sample(x, label)
    note = "trained on all events: too few effective events pass the cuts before it"
    starved, fed = (train(sample, min_effective_events=n, tidy=False) for n in (100.0, 2.0))
    assert [flow.steps[1].note for flow in starved] == [note] * 4
    assert all(abs(flow.steps[1].cut.upper) < 0.6 for flow in starved)  # where all events of both classes are even
    assert all(flow.steps[1].note != note for flow in fed)


def test_a_boundary_at_the_centre_has_no_error_of_its_own():
    steps = (inside(-1.0, 0.3, lower_error=0.1, upper_error=0.0), below(2.0, "x2", upper_error=0.2))
    window, other = without_centre_errors(CutFlow(steps), np.array([np.float64(0.3), 1.0])).steps
    assert (window.lower_error, window.upper_error, other.upper_error) == (0.1, None, 0.2)
    assert (window.cut, other) == (steps[0].cut, steps[1])
