"""Flows refined for an objective: what becomes of them, on train and on events never seen, alone and in company."""

from dataclasses import replace

import numpy as np
import pytest
from lcf_cases import make_sample, mock_sample

from cutflow_cli.errors import Interrupted, UsageError
from cutflow_cli.metrics.figures_of_merit import Yields
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.refine import refiner as module
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


@pytest.fixture(scope="module")
def train():
    return physical(mock_sample(20_000, seed=1))


def test_it_gains_on_events_that_it_never_saw(train):
    refined = Refiner(train, ASIMOV, 2.0).refine(EQUAL_LIKELIHOOD, None)
    fresh = physical(mock_sample(300_000, seed=2))
    before, after = (figure_on(fresh, flow, ASIMOV, squares=15.0) for flow in (EQUAL_LIKELIHOOD, refined.flow))
    assert after > 1.1 * before
    assert hard(refined, "exact") >= hard(refined, "outward") > hard(refined, "start")
    assert figure_on(train, refined.flow, ASIMOV) == pytest.approx(hard(refined, "exact"))
    assert all(step.importance is None for step in refined.flow.steps)
    kept = refined.flow.mask(train.columns, len(train)) & (train.label == 0)
    assert kept.sum() >= 2
    ascent = [row for row in refined.rows if row.stage == "ascent"]
    assert ascent[-1].soft > ascent[0].soft
    assert ascent[-1].steepness == pytest.approx(7.0)


@pytest.mark.parametrize("text", ["balanced_accuracy", "s / sqrt(b + sigma_b**2)", "punzi"])
def test_every_objective_is_pursued_from_a_bad_start(train, text):
    objective = parse_objective(text)
    bad = CutFlow(
        (LearnedCut(Cut("left", Region.BELOW, None, 3.0)), *EQUAL_LIKELIHOOD.steps[1:3],
         LearnedCut(Cut("edge", Region.ALL), active=False, note="of no importance"))
    )  # fmt: skip
    refined = Refiner(train, objective, 20.0).refine(bad, None)
    assert hard(refined, "exact") > 1.02 * hard(refined, "start")
    assert figure_on(train, refined.flow, objective) == pytest.approx(hard(refined, "exact"))


def test_a_flow_without_cuts_and_one_that_keeps_nothing_find_some(train):
    names = train.features
    nothing = CutFlow(tuple(LearnedCut(Cut(name, Region.ALL), active=False) for name in names))
    empty = CutFlow((LearnedCut(Cut("left", Region.BELOW, None, -50.0)), *nothing.steps[1:]))
    refiner = Refiner(train.take(np.arange(5000)), ASIMOV, 10.0)
    for flow in (nothing, empty):
        refined = refiner.refine(flow, None)
        assert hard(refined, "exact") > 0
        assert refined.flow.cuts


def test_a_narrow_signal_is_not_smeared_by_the_width_of_its_background():
    rng = np.random.default_rng(3)
    label = np.arange(40_000) % 2
    mass = np.where(label == 1, rng.normal(91.0, 1.0, len(label)), rng.uniform(0, 200, len(label)))
    sample = physical(make_sample(mass[:, None], label, features=("mass",)), 100.0, 1e5)
    flow = CutFlow((LearnedCut(Cut("mass", Region.INSIDE, 85.0, 97.0)),))
    cut = Refiner(sample, parse_objective("s_over_sqrt_b"), 10.0).refine(flow, None).flow.cuts[0]
    assert cut.lower == pytest.approx(91 - 1.4, abs=0.4)  # S/√B of a peak on a plateau is best at 1.4 σ
    assert cut.upper == pytest.approx(91 + 1.4, abs=0.4)


def test_replicas_do_not_depend_on_company_or_threads(train):
    sample = train.take(np.arange(4000))
    wider = replace(EQUAL_LIKELIHOOD, replica=1)
    refiner = Refiner(sample, ASIMOV, 5.0)

    def pursued(replicas, threads):
        context = TrainingContext(seed=4, replicas=replicas, threads=threads)
        starts = [replace(wider, replica=replica) for replica in replicas]
        return pursue(refiner, starts, sample, ASIMOV, context, bootstrap=True)

    together, alone = pursued(range(2), 2), pursued(range(1, 2), 1)
    assert together.flows[1] == alone.flows[0]
    assert together.flows[0].cuts != together.flows[1].cuts
    table = together.table
    assert set(table["stage"]) == {"start", "ascent", "outward", "exact", "consensus"}
    ascents = sum(stage == "ascent" for stage in table["stage"])
    assert ascents % 21 == 0
    assert {len(values) for values in table.values()} == {ascents + 2 * 3 + 1}
    assert together.resolved["objective_consensus"] == pytest.approx(table["hard_objective"][-1])
    assert together.resolved["objective_consensus"] == pytest.approx(figure_on(sample, together.agreed, ASIMOV))
    assert together.agreed.kind == "consensus"


def test_who_asks_to_stop_is_heard(train):
    context = TrainingContext(stop_reason=lambda: "TERM")
    with pytest.raises(Interrupted, match="TERM while refining for Asimov Z"):
        pursue(Refiner(train, ASIMOV, 10.0), [EQUAL_LIKELIHOOD], train, ASIMOV, context, bootstrap=False)


def test_doubtful_results_are_said(train):
    accuracy = parse_objective("accuracy")
    sample = train.take(np.arange(2000))
    found = pursue(
        Refiner(sample, accuracy, 10.0), [EQUAL_LIKELIHOOD], sample, accuracy, TrainingContext(), bootstrap=False
    )
    assert any("balanced_accuracy" in text for text in found.warnings)
    impossible = pursue(
        Refiner(sample, ASIMOV, 5000.0), [EQUAL_LIKELIHOOD], sample, ASIMOV, TrainingContext(), bootstrap=False
    )
    assert any("undefined on train" in text for text in impossible.warnings)
    assert impossible.resolved["objective_consensus"] is None


def test_without_expected_events_of_a_class_there_is_nothing_to_pursue(train):
    nothing = replace(train, expected=np.where(train.label == 1, 0.0, 1.0))
    with pytest.raises(UsageError, match="0 signal"):
        Refiner(nothing, ASIMOV, 10.0).refine(EQUAL_LIKELIHOOD, None)


def test_boundaries_move_outward_as_little_as_is_needed(train):
    tight = CutFlow((LearnedCut(Cut("left", Region.BELOW, None, -9.0)), *EQUAL_LIKELIHOOD.steps[1:]), kind="consensus")
    refiner = Refiner(train, ASIMOV, 30.0)
    settled, value = refiner.settled(tight)
    kept = settled.mask(train.columns, len(train)) & (train.label == 0)
    assert 30 <= kept.sum() <= 31
    assert value == pytest.approx(figure_on(train, settled, ASIMOV))
    assert value == refiner.objective_of(settled)
    assert refiner.settled(settled)[0] == settled
    widths = module._widths(train)
    shifts = [(new.cut.upper or new.cut.lower) - (old.cut.upper or old.cut.lower)
              for new, old in zip(settled.steps[:2], tight.steps[:2], strict=True)]  # fmt: skip
    assert shifts[0] / widths[0] == pytest.approx(-shifts[1] / widths[1], rel=1e-4)
