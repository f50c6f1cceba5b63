"""Training by folds: every event is left out of one training, and all is in one run directory."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.artifacts import Action
from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.events.folds import Folds
from cutflow_cli.models.folds import run_folds
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.training import run_training
from cutflow_cli.runs import open_run
from cutflow_cli.selection.cutflow import consensus

EVENTS = 600
FOLDS = Folds(3, seed=2, validation=0.2)


@pytest.fixture
def events(tmp_path):
    rng = np.random.default_rng(3)
    label = np.arange(EVENTS) % 2
    path = tmp_path / "events.parquet"
    columns = {"label": label, "a": rng.normal(label * 2.0), "b": rng.normal(-label), "row": np.arange(EVENTS)}
    pq.write_table(pa.table({**columns, "split": np.full(EVENTS, "test")}), path)
    return path


class Recording(LearnableCutFlow):
    """Remembers which events it was given."""

    seen: list = []  # noqa: RUF012
    spectators = ("row",)

    def fit(self, sample, context):
        self.seen.append((sample.spectators["row"].copy(), context.validation.spectators["row"].copy()))
        return super().fit(sample, context)


class Stopping(LearnableCutFlow):
    """Is asked to stop after its first epoch, at the second fold."""

    calls = 0

    def fit(self, sample, context):
        type(self).calls += 1
        if type(self).calls > 1:
            object.__setattr__(context, "stop_reason", lambda: "SIGTERM")
        return super().fit(sample, context)


class Talking(LearnableCutFlow):
    """Has something to say of its result: how many signal events it had, and one sentence that is always the same."""

    def fit(self, sample, context):
        notes = ("as ever", f"{int((sample.label == 1).sum())} signal events")
        return replace(super().fit(sample, context), notes=notes)


def plan(events, out, method=LearnableCutFlow, **more):
    chosen = LcfSettings(epochs=4, learning_rate=0.05)
    return TrainingPlan(
        "lcf-parallel", method(chosen), events, out, features=("a", "b"), replicas=range(2), device="cpu", **more
    )


def test_every_event_is_left_out_of_one_training(events, tmp_path):
    Recording.seen.clear()
    run_folds(plan(events, tmp_path / "run", Recording), FOLDS)
    fold = FOLDS.of_rows(np.arange(EVENTS))
    assert len(Recording.seen) == FOLDS.count
    for number, (train, validation) in enumerate(Recording.seen):
        assert set(train) | set(validation) == set(np.flatnonzero(fold != number))
        assert not set(train) & set(validation)


def test_each_fold_is_a_run_and_their_consensus_stands_above(events, tmp_path):
    training = run_folds(plan(events, tmp_path / "run"), FOLDS)
    run = training.run
    assert (training.action, run.manifest.folds, run.manifest.fold) == (Action.START, FOLDS, None)
    assert [one.manifest.fold for one in run.folds] == [0, 1, 2]
    assert [[flow.replica for flow in one.flows] for one in run.folds] == [[0, 1, -1]] * 3
    of_folds = [one.flows[-1] for one in run.folds]
    assert [flow.cuts for flow in run.flows[:-1]] == [flow.cuts for flow in of_folds]
    assert [(flow.kind, flow.replica) for flow in run.flows] == [*(("replica", n) for n in range(3)), ("consensus", -1)]
    assert run.flows[-1] == consensus(run.flows[:-1])
    assert {one.flows[-1].cuts for one in run.folds} != {run.folds[0].flows[-1].cuts}  # they did see other events
    assert sorted(set(run.history().column("replica").to_pylist())) == [0, 1, 2, 3, 4, 5]
    assert run.history().num_rows == 3 * 2 * 4
    assert run_folds(plan(events, tmp_path / "run"), FOLDS).action is Action.DONE


def test_a_fold_is_what_a_plan_for_it_alone_trains(events, tmp_path):
    run = run_folds(plan(events, tmp_path / "run"), FOLDS).run
    alone = run_training(plan(events, tmp_path / "alone", folds=FOLDS, fold=1)).run
    assert alone.flows == run.folds[1].flows
    assert open_run(run.path / "fold-1").flows == alone.flows


def test_other_folds_are_another_plan(events, tmp_path):
    run_folds(plan(events, tmp_path / "run"), FOLDS)
    with pytest.raises(UsageError, match="other inputs or settings"):
        run_folds(plan(events, tmp_path / "run"), Folds(4, seed=2))
    with pytest.raises(UsageError, match="other inputs or settings"):
        run_training(plan(events, tmp_path / "run"))


def test_stopped_folds_continue_where_they_were(events, tmp_path):
    Stopping.calls = 0
    with pytest.raises(Interrupted):
        run_folds(plan(events, tmp_path / "run", Stopping), FOLDS)
    assert (tmp_path / "run.partial" / "fold-0" / "run.json").is_file()
    assert not (tmp_path / "run").exists()
    done = run_folds(plan(events, tmp_path / "run"), FOLDS)
    whole = run_folds(plan(events, tmp_path / "whole"), FOLDS)
    assert done.action is Action.CONTINUE
    assert done.run.flows == whole.run.flows


def test_what_the_folds_say_is_said_once(events, tmp_path):
    said = []
    run = run_folds(plan(events, tmp_path / "run"), FOLDS, say=said.append).run
    assert len(said) == len(set(said))
    assert any(
        "divided into 3 folds by row number with seed 2; its column 'split' is not used" in text for text in said
    )
    for text in run.manifest.warnings:
        assert text.startswith("fold") or all(text in one.manifest.warnings for one in run.folds)


def test_what_the_folds_found_is_kept_with_the_folds_it_is_of(events, tmp_path):
    run = run_folds(plan(events, tmp_path / "run", Talking), FOLDS).run
    said = run.manifest.notes
    assert said.count("as ever") == 1
    for fold, one in enumerate(run.folds):
        (count,) = (text for text in one.manifest.notes if text != "as ever")
        assert any(text.endswith(count) and str(fold) in text.partition(":")[0] for text in said)


def test_a_damaged_record_of_folds_is_said(events, tmp_path):
    run = run_folds(plan(events, tmp_path / "run"), FOLDS).run
    raw = json.loads((run.path / "run.json").read_text())
    raw["data"]["folds"]["count"] = 1
    (run.path / "run.json").write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"run.json: damaged .*--folds 1"):
        open_run(run.path)
