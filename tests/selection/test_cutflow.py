"""Flows of cuts, and what replicas of a flow agree on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, LearnedCut, consensus
from cutflow_cli.selection.tree import And, names

MASS = Cut("mass", Region.INSIDE, 60.0, 100.0)
TAU = Cut("tau21", Region.BELOW, upper=0.5)
COLUMNS = {"mass": np.array([80.0, 80.0, 120.0, np.nan]), "tau21": np.array([0.4, 0.6, 0.4, 0.4])}


def flow(*cuts: Cut | LearnedCut, **settings: object) -> CutFlow:
    steps = tuple(cut if isinstance(cut, LearnedCut) else LearnedCut(cut) for cut in cuts)
    return CutFlow(steps, **settings)  # type: ignore[arg-type]


def below(upper: float, **learned: object) -> CutFlow:
    return flow(LearnedCut(Cut("x", Region.BELOW, upper=upper), **learned))  # type: ignore[arg-type]


def above(lower: float) -> CutFlow:
    return flow(Cut("x", Region.ABOVE, lower=lower))


INACTIVE = flow(LearnedCut(Cut("x", Region.BELOW, upper=9.0), active=False, note="importance below 5 %"))


def test_a_flow_keeps_what_all_its_cuts_keep():
    both = flow(MASS, TAU)
    assert [mask.tolist() for mask in both.step_masks(COLUMNS)] == [
        [True, True, False, False],
        [True, False, True, True],
    ]
    assert both.mask(COLUMNS, 4).tolist() == [True, False, False, False]


def test_inactive_and_open_cuts_are_kept_in_the_record_but_not_applied():
    steps = flow(LearnedCut(MASS, active=False), Cut("eta", Region.ALL), TAU)
    assert steps.cuts == (TAU,)
    assert steps.observables == ("mass", "eta", "tau21")
    assert steps.mask({"tau21": COLUMNS["tau21"]}, 4).tolist() == [True, False, True, True]


def test_a_flow_without_cuts_keeps_everything():
    empty = flow(LearnedCut(MASS, active=False))
    assert empty.mask({}, 3).tolist() == [True, True, True]
    assert empty.expression() is None


def test_a_column_that_is_missing_is_named_with_its_neighbours():
    with pytest.raises(InputError, match=r"cuts on 'tau21', which the events lack: did you mean tau_21\?"):
        flow(TAU).mask({"tau_21": COLUMNS["tau21"]}, 4)


def test_the_expression_names_the_cuts_in_order():
    assert flow(TAU).expression() == TAU.expression()
    both = flow(TAU, MASS).expression()
    assert isinstance(both, And)
    assert both.operands == (TAU.expression(), MASS.expression())
    assert names(both) == ("tau21", "mass")


def test_boundaries_are_rounded_to_what_each_column_holds():
    rounded = flow(Cut("a", Region.BELOW, upper=0.1), Cut("b", Region.BELOW, upper=0.1)).rounded(
        {"a": "float32", "b": "float64"}
    )
    assert [step.cut.upper for step in rounded.steps] == [0.10000000149011612, 0.1]


def test_rounding_needs_every_type():
    with pytest.raises(InputError, match="cuts on 'tau21', whose type is not known"):
        flow(MASS, TAU).rounded({"mass": "float32"})


# --- consensus


def test_the_majority_decides_and_the_median_is_taken_over_those_who_agree():
    agreed = consensus([below(1.0), below(2.0), below(4.0), above(7.0)])
    (step,) = agreed.steps
    assert step.cut == Cut("x", Region.BELOW, upper=2.0)
    assert step.active
    assert step.agreement == 0.75
    assert step.upper_error == pytest.approx(1.5)  # half the range of (1, 2, 4)
    assert step.lower_error is None
    assert (agreed.kind, agreed.replica) == ("consensus", CONSENSUS_REPLICA)


@pytest.mark.parametrize(
    "flows", [[below(1.0), above(0.0)], [below(1.0), INACTIVE], [INACTIVE, above(0.0), below(1.0)]]
)
def test_a_tie_is_inactive(flows):
    (step,) = consensus(flows).steps
    assert not step.active
    assert step.cut.region is Region.ALL
    assert step.note.startswith("replicas disagree, no region has a majority (")
    assert "below 1" in step.note
    assert step.agreement == pytest.approx(1 / len(flows))
    assert consensus(flows).cuts == ()


def test_the_order_of_the_replicas_does_not_matter():
    flows = [below(3.0), above(1.0), below(1.0), INACTIVE, below(2.0)]
    assert consensus(flows) == consensus(flows[::-1])


def test_most_replicas_may_agree_that_a_cut_is_useless():
    (step,) = consensus([INACTIVE, INACTIVE, below(1.0)]).steps
    assert not step.active
    assert step.agreement == pytest.approx(2 / 3)
    assert step.note == "importance below 5 %"


def test_one_replica_is_its_own_consensus_without_spread():
    (step,) = consensus([below(1.0)]).steps
    assert step.cut == Cut("x", Region.BELOW, upper=1.0)
    assert (step.upper_error, step.agreement) == (None, None)


def test_steps_keep_their_order_and_both_sides_their_errors():
    first, second = flow(TAU, MASS), flow(replace(TAU, upper=0.7), replace(MASS, lower=62.0, upper=104.0))
    agreed = consensus([first, second])
    assert agreed.observables == ("tau21", "mass")
    mass = agreed.steps[1]
    assert mass.cut == Cut("mass", Region.INSIDE, 61.0, 102.0)
    assert mass.lower_error == pytest.approx(1.0)  # half the range of two
    assert mass.upper_error == pytest.approx(2.0)


def test_importances_are_averaged_over_all_replicas():
    (step,) = consensus([below(1.0, importance=0.2), below(1.0, importance=0.4), INACTIVE]).steps
    assert step.importance == pytest.approx(0.3)


def test_windows_that_are_empty_give_no_empty_window():
    turned = flow(Cut("x", Region.INSIDE, 3.0, 0.0))
    (step,) = consensus([flow(Cut("x", Region.INSIDE, 3.0, 4.0)), turned]).steps
    assert not step.active
    assert step.note == "the replicas' boundaries cross"


def test_a_boundary_at_infinity_has_no_spread():
    (step,) = consensus([below(math.inf), below(math.inf)]).steps
    assert step.cut.upper == math.inf
    assert step.upper_error is None


def test_only_repeats_of_one_training_are_combined():
    with pytest.raises(InputError, match="no replicas"):
        consensus([])
    for other in (
        flow(TAU),
        replace(below(1.0), working_point="signal_efficiency=0.5"),
        replace(below(1.0), hypothesis=1.0),
    ):
        with pytest.raises(InputError, match="not repeats of one training"):
            consensus([below(1.0), other])
