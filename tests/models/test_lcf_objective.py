"""LCF with an objective: what is refused, what stays as it was, and that blocks of replicas still fit together."""

from dataclasses import replace

import numpy as np
import pytest
from lcf_cases import mock_sample

from cutflow_cli.errors import CutflowError, UsageError
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.models.blocks import merge_blocks
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings, checked_settings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.training import run_training

ASIMOV = {"objective": "asimov", "background_systematic": 0.1, "optimism_folds": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"background_systematic": 0.1}, "only an objective uses it"),
        ({"min_effective_background": 5.0}, "only an objective uses it"),
        ({"optimism_folds": 3}, "only an objective uses it"),
        ({"objective": "asimov", "optimism_folds": 1}, "at least 2 parts"),
        ({"objective": "bce", "background_systematic": 0.1}, "only an objective uses it"),
        ({"objective": "accuracy", "min_effective_background": 5.0}, "does not profit from small numbers"),
        ({"objective": "punzi", "background_systematic": 0.1}, "knows of no uncertainty"),
        ({"objective": "s / b", "background_systematic": 0.1}, "does not name sigma_b"),
        ({"objective": "asimow"}, "asimov"),
        ({"objective": "s / sqrt(bb)"}, "no quantity 'bb'"),
        ({"objective": "asimov", "background_systematic": -0.1}, "background-systematic"),
        ({"objective": "asimov", "preset": "lcf"}, "leave out --preset"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_refused(options, said):
    with pytest.raises(CutflowError, match=said):
        checked_settings("parallel", options)


def test_cross_entropy_alone_is_what_it_was():
    sample = mock_sample(1500)
    plain, named = (
        LearnableCutFlow(LcfSettings(epochs=3, **chosen)).fit(sample, TrainingContext(replicas=range(2)))
        for chosen in ({}, {"objective": "bce"})
    )
    assert plain.flows == named.flows
    assert plain.tables == named.tables == {}
    assert "objective_start" not in plain.resolved


def test_an_objective_refines_what_lcf_learned():
    sample = mock_sample(3000)
    weight = np.where(sample.label == 1, 0.02, 20.0)
    sample = replace(sample, weight=weight, expected=weight)
    chosen = {"epochs": 10, "strategy": "sequential"}
    plain = LearnableCutFlow(LcfSettings(**chosen)).fit(sample, TrainingContext())
    refined = LearnableCutFlow(LcfSettings(**chosen, **ASIMOV)).fit(sample, TrainingContext())
    assert refined.history["loss"].tolist() == plain.history["loss"].tolist()
    assert refined.flows[0].cuts != plain.flows[0].cuts
    assert refined.flows[-1].kind == "consensus"
    stages = dict(zip(refined.tables["objective"]["stage"], refined.tables["objective"]["hard_objective"], strict=True))
    assert refined.resolved["objective_consensus"] == stages["consensus"] > max(stages["start"], 0.0)
    assert "expected on fresh events" in refined.notes[0]
    assert refined.resolved["epochs"] == 10
    assert set(refined.timings) == {"prepare", "train", "refine"}


def test_streaming_is_refused():
    with pytest.raises(UsageError, match="--objective asimov: needs the events in memory"):
        LearnableCutFlow(LcfSettings(**ASIMOV)).fit_stream(None, TrainingContext())


def test_blocks_of_replicas_become_the_run_of_all(tmp_path):
    data = tmp_path / "mock1.parquet"
    write_mock("mock1", data, events=6000)
    method = LearnableCutFlow(LcfSettings(epochs=2, bootstrap=True, **ASIMOV))

    def train(name, replicas):
        out = tmp_path / name
        plan = TrainingPlan("lcf-parallel", method, data, out, replicas=replicas, keep_state=True, device="cpu")
        return run_training(plan).run

    whole = train("whole", range(2))
    blocks = [train(f"block{replica}", range(replica, replica + 1)).path for replica in range(2)]
    merged = merge_blocks(blocks, tmp_path / "merged").run
    assert merged.flows == whole.flows
    names = ["objective.parquet", "history.parquet"]
    assert all((merged.path / name).read_bytes() == (whole.path / name).read_bytes() for name in names)
    assert merged.manifest.settings["objective_consensus"] == whole.manifest.settings["objective_consensus"]
