"""CABIN with an objective: a further working point, which one is recommended, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from lcf_cases import mock_sample

from cutflow_cli.errors import CutflowError
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import PRESETS, CabinSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import checked_settings
from cutflow_cli.selection.cut import Region


def physical(sample):
    weight = np.where(sample.label == 1, 0.1, 5.0)
    return replace(sample, weight=weight, expected=weight)


def fit(context, **chosen):
    settings = CabinSettings(targets=(0.5, 0.8), epochs=5, smoothness=0.0, **chosen)
    return CabinScan(settings).fit(physical(mock_sample(2000, kinds="left right middle")), context)


def test_a_working_point_is_refined_and_recommended_by_the_objective():
    validation = physical(mock_sample(2000, seed=1, kinds="left right middle"))
    chosen = {"objective": "asimov", "background_systematic": 0.2, "windows": True, "directions": {"left": "below"},
              "optimism_folds": 2}  # fmt: skip
    context = TrainingContext(replicas=range(2), validation=validation)
    fitted, plain = fit(context, **chosen), fit(context, windows=True, directions={"left": "below"})
    assert fitted.flows[:6] == plain.flows  # the scan itself is what it was
    assert [(flow.working_point, flow.target, flow.replica) for flow in fitted.flows[6:]] == [
        ("objective", None, 0), ("objective", None, 1), ("objective", None, -1),
    ]  # fmt: skip
    assert {step.cut.region for flow in fitted.flows[6:] for step in flow.steps[:1]} <= {Region.BELOW, Region.ALL}
    table, stages = fitted.tables["working_points"], fitted.tables["objective"]
    assert {len(values) for values in table.values()} == {9}
    mine = (table["replica"] == -1) & np.isfinite(table["figure_of_merit"])
    best = table["working_point"][mine][np.argmax(table["figure_of_merit"][mine])]
    assert fitted.notes[-1].startswith("objective: Asimov Z ")
    assert fitted.recommended == best == table["working_point"][table["recommended"]][0]
    for replica in range(2):
        hard = stages["hard_objective"][stages["replica"] == replica]
        assert hard[-1] > 0
    alone = fit(TrainingContext(replicas=range(1, 2), validation=validation), **chosen)
    assert [flow for flow in alone.flows if flow.kind == "replica"] == [
        flow for flow in fitted.flows if flow.replica == 1
    ]


def test_without_validation_what_was_refined_is_recommended():
    fitted = fit(TrainingContext(), objective="s / sqrt(b)")
    assert fitted.recommended == "objective"
    assert sum("no validation split" in text for text in fitted.warnings) == 1
    assert {step.cut.region for step in fitted.flows[-1].steps} <= {Region.ABOVE, Region.BELOW, Region.ALL}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_effective_background": 5.0}, "only an objective uses it"),
        ({"objective": "asimov", "preset": "cabin"}, "knows of no objective"),
        ({"objective": "asimov", "fom": "punzi"}, "the objective recommends"),
        ({"objective": "asimov", "binned_in": "x:0,1,2,3"}, "one selection for all events"),
        ({"objective": "bce"}, "no such objective"),
    ],
)
def test_what_has_no_effect_is_refused(options, said):
    with pytest.raises(CutflowError, match=said):
        checked_settings(CabinSettings, PRESETS, options)
