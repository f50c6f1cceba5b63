"""Flows refined for an objective: what becomes of them, on train and on events never seen, alone and in company."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lcf_cases import make_sample, mock_sample
from scipy.stats import norm

from cutflow_cli.errors import Interrupted, UsageError
from cutflow_cli.metrics.figures_of_merit import Yields
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.refine.pursue import pursue
from cutflow_cli.models.refine.refiner import Refiner
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

ASIMOV = parse_objective("asimov", 0.1)
EQUAL_LIKELIHOOD = CutFlow(
    tuple(
        LearnedCut(cut)
        for cut in (
            Cut("left", Region.BELOW, None, 0.0), Cut("right", Region.ABOVE, 0.0),
            Cut("middle", Region.INSIDE, -3.05, 3.05), Cut("edge", Region.OUTSIDE, -3.04, 3.04),
        )
    )
)  # fmt: skip


def physical(sample, signal=3e3, background=3e6):
    """Cross sections and luminosity of the LCF paper's mocks."""
    sums = np.bincount(sample.label)
    weight = np.where(sample.label == 1, signal / sums[1], background / sums[0])
    return replace(sample, weight=weight, expected=weight)


def figure_on(sample, flow, objective, squares=1.0):
    kept, signal = flow.mask(sample.columns, len(sample)), sample.label == 1
    S, B = (sample.expected[kept & mask].sum() for mask in (signal, ~signal))
    B2 = squares * (sample.expected[kept & ~signal] ** 2).sum()
    totals = (sample.expected[signal].sum(), sample.expected[~signal].sum())
    return float(objective.values(Yields(S, B, B2, *totals))[0])


def hard(refined, stage):
    return [row.hard for row in refined.rows if row.stage == stage][-1]


def refined_of(refiner, *starts, seed=0):
    return refiner.refine(starts, None, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def train():
    return physical(mock_sample(20_000, seed=1))


def test_it_gains_on_events_that_it_never_saw(train):
    refined = refined_of(Refiner(train, ASIMOV, 10.0), EQUAL_LIKELIHOOD)
    fresh = physical(mock_sample(300_000, seed=2))
    before, after = (figure_on(fresh, flow, ASIMOV, squares=15.0) for flow in (EQUAL_LIKELIHOOD, refined.flow))
    assert after > 1.2 * before
    assert hard(refined, "exact") == pytest.approx(after, rel=0.15)  # as estimated: it is not fooled by gaps
    assert hard(refined, "exact") >= hard(refined, "start")
    assert all(step.importance is None for step in refined.flow.steps)
    ascent = [row for row in refined.rows if row.stage == "ascent"]
    assert ascent[-1].soft > ascent[0].soft
    assert ascent[-1].steepness == pytest.approx(7.0)


@given(st.integers(0, 1000), st.sampled_from(["asimov", "balanced_accuracy", "s / (1 + b)"]))
@settings(max_examples=10)
def test_it_never_gets_worse_and_keeps_to_what_is_allowed(seed, text):
    rng = np.random.default_rng(seed)
    sample = physical(mock_sample(600, seed=seed), 50.0, 500.0)
    cuts = [Cut(name, Region.ABOVE, float(rng.normal())) for name in sample.features]
    allowed = [frozenset({Region.ABOVE}), frozenset({Region.BELOW, Region.ABOVE}), frozenset(Region), frozenset()]
    refiner = Refiner(sample, parse_objective(text), 5.0, allowed)
    landscape = refiner.landscape(None, rng)
    start = CutFlow((*(LearnedCut(cut) for cut in cuts[:3]), LearnedCut(cuts[3], active=False)))
    found = refiner.improved([start], landscape)
    before, after = refiner.value(start, landscape), hard(found, "exact")
    boundaries = sum((step.cut.lower is not None) + (step.cut.upper is not None) for step in found.flow.steps)
    price = landscape.min_gain * max(boundaries, 3)
    assert after >= before - price * max(abs(after), abs(before)) - 1e-12
    for step, regions in zip(found.flow.steps, allowed, strict=True):
        assert step.cut.region in {*regions, Region.ALL}
        assert step.cut.rounded("float32") == step.cut
    assert refiner.value(found.flow, landscape) == after  # what is judged is what is handed over


def test_of_several_flows_it_begins_with_the_best(train):
    sample = train.take(np.arange(4000))
    useless = CutFlow((LearnedCut(Cut("left", Region.ABOVE, 3.0)), *EQUAL_LIKELIHOOD.steps[1:]))
    refiner = Refiner(sample, ASIMOV, 10.0)
    both = refined_of(refiner, useless, EQUAL_LIKELIHOOD)
    assert both.rows == refined_of(refiner, EQUAL_LIKELIHOOD).rows


@pytest.mark.parametrize("text", ["balanced_accuracy", "s / sqrt(b + sigma_b**2)", "punzi"])
def test_every_objective_is_pursued_from_a_bad_start(train, text):
    objective = parse_objective(text)
    bad = CutFlow(
        (LearnedCut(Cut("left", Region.BELOW, None, 3.0)), *EQUAL_LIKELIHOOD.steps[1:3],
         LearnedCut(Cut("edge", Region.ALL), active=False, note="of no importance"))
    )  # fmt: skip
    refined = refined_of(Refiner(train, objective, 20.0), bad)
    assert hard(refined, "exact") > 1.02 * hard(refined, "start")
    fresh = figure_on(physical(mock_sample(300_000, seed=2)), refined.flow, objective, squares=15.0)
    assert fresh == pytest.approx(hard(refined, "exact"), rel=0.15)


def test_a_flow_without_cuts_and_one_that_keeps_nothing_find_some(train):
    names = train.features
    nothing = CutFlow(tuple(LearnedCut(Cut(name, Region.ALL), active=False) for name in names))
    empty = CutFlow((LearnedCut(Cut("left", Region.BELOW, None, -50.0)), *nothing.steps[1:]))
    refiner = Refiner(train.take(np.arange(5000)), ASIMOV, 10.0)
    for flow in (nothing, empty):
        refined = refined_of(refiner, flow)
        assert hard(refined, "exact") > 0
        assert refined.flow.cuts


def test_a_narrow_signal_is_not_smeared_by_the_width_of_its_background():
    rng = np.random.default_rng(3)
    label = np.arange(40_000) % 2
    mass = np.where(label == 1, rng.normal(91.0, 1.0, len(label)), rng.uniform(0, 200, len(label)))
    sample = physical(make_sample(mass[:, None], label, features=("mass",)), 100.0, 1e5)
    flow = CutFlow((LearnedCut(Cut("mass", Region.INSIDE, 85.0, 97.0)),))
    cut = refined_of(Refiner(sample, parse_objective("s_over_sqrt_b"), 10.0), flow).flow.cuts[0]

    def worth(lower, upper):
        return (norm.cdf(upper - 91) - norm.cdf(lower - 91)) / np.sqrt(upper - lower)

    assert worth(cut.lower, cut.upper) > 0.95 * worth(91 - 1.4, 91 + 1.4)  # S/√B of a peak on a plateau is best there


def pursued(sample, objective=ASIMOV, guard=10.0, replicas=range(1), threads=1, parts=0, **context):
    starts = [[replace(EQUAL_LIKELIHOOD, replica=replica)] for replica in replicas]
    return pursue(
        Refiner(sample, objective, guard), starts, sample, objective,
        TrainingContext(seed=4, replicas=replicas, threads=threads, **context), parts=parts,
        bootstrap=len(replicas) > 1,
    )  # fmt: skip


def test_replicas_do_not_depend_on_company_or_threads(train):
    sample = train.take(np.arange(4000))
    starts = [replace(EQUAL_LIKELIHOOD, replica=1)]
    together = pursued(sample, replicas=range(2), threads=2)
    context = TrainingContext(seed=4, replicas=range(1, 2))
    alone = pursue(Refiner(sample, ASIMOV, 10.0), [starts], sample, ASIMOV, context, bootstrap=True, parts=0)
    assert together.flows[1] == alone.flows[0]
    assert together.flows[0].cuts != together.flows[1].cuts
    table = together.table
    assert set(table["stage"]) == {"start", "ascent", "exact", "consensus"}
    ascents = sum(stage == "ascent" for stage in table["stage"])
    assert ascents % 11 == 0
    assert {len(values) for values in table.values()} == {ascents + 2 * 2 + 1}
    assert together.resolved["objective_consensus"] == pytest.approx(table["hard_objective"][-1])
    assert together.agreed.kind == "consensus"
    assert together.notes == ()
    assert together.resolved["objective_optimism"] is None


def test_the_optimism_is_estimated_and_said(train):
    sample = train.take(np.arange(8000))
    found = pursued(sample, parts=3)
    optimism, error = (found.resolved[f"objective_{name}"] for name in ("optimism", "optimism_error"))
    assert found.flows == pursued(sample).flows
    expected = found.resolved["objective_consensus"] - optimism
    fresh = physical(mock_sample(300_000, seed=2))
    assert error > 0
    assert abs(figure_on(fresh, found.agreed, ASIMOV, squares=37.5) - expected) < 3 * error
    (note,) = found.notes
    assert f"{expected:.4g} ± {error:.2g} expected on fresh events" in note
    assert "from 3 parts left out in turn" in note


def test_who_asks_to_stop_is_heard(train):
    with pytest.raises(Interrupted, match="TERM while refining for Asimov Z"):
        pursued(train, stop_reason=lambda: "TERM")


def test_doubtful_results_are_said(train):
    sample = train.take(np.arange(2000))
    found = pursued(sample, parse_objective("accuracy"))
    assert any("balanced_accuracy" in text for text in found.warnings)
    impossible = pursued(sample, parse_objective("sqrt(s - 100000)"))
    assert any("undefined on train" in text for text in impossible.warnings)
    assert impossible.resolved["objective_consensus"] is None


def test_without_expected_events_of_a_class_there_is_nothing_to_pursue(train):
    nothing = replace(train, expected=np.where(train.label == 1, 0.0, 1.0))
    with pytest.raises(UsageError, match="0 signal"):
        Refiner(nothing, ASIMOV, 10.0)
