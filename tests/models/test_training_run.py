"""One library call: events file in, run directory out."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.artifacts import Action, digest
from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.plan import TrainingPlan, described_plan, open_for_training
from cutflow_cli.models.training import CHECKPOINT, run_training


@pytest.fixture
def events(tmp_path):
    rng = np.random.default_rng(3)
    label = np.arange(800) % 2
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"label": label, "a": rng.normal(label * 2.0), "b": rng.normal(-label)}), path)
    return path


class Stopping(LearnableCutFlow):
    """A method that is asked to stop after its first epoch."""

    def fit(self, sample, context):
        object.__setattr__(context, "stop_reason", lambda: "SIGTERM")
        return super().fit(sample, context)


def plan(events, out, method=LearnableCutFlow, epochs=6, **more):
    chosen = LcfSettings(epochs=epochs, learning_rate=0.05)
    return TrainingPlan("lcf-parallel", method(chosen), events, out, replicas=range(2), device="cpu", **more)


def test_the_same_plan_is_done_once(events, tmp_path):
    out = tmp_path / "run"
    first, second = (run_training(plan(events, out)) for _ in range(2))
    assert (first.action, second.action) == (Action.START, Action.DONE)
    assert first.run == second.run
    assert [flow.replica for flow in first.run.flows] == [0, 1, -1]
    assert first.run.history().num_rows == 12


def test_threads_and_the_command_line_do_not_make_it_another_plan(events, tmp_path):
    run_training(plan(events, tmp_path / "run", threads=1))
    again = run_training(plan(events, tmp_path / "run", threads=2, command="cutflow train …"))
    assert again.action is Action.DONE


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"features": ("b", "a")},
        {"fractions": SplitFractions(0.5, 0.0, 0.5)},
        {"split_seed": 2},
        {"epochs": 7},
    ],
    ids=str,
)
def test_another_plan_does_not_take_its_place_unless_forced(events, tmp_path, change):
    run_training(plan(events, tmp_path / "run"))
    with pytest.raises(UsageError, match="exists and was made from other inputs or settings"):
        run_training(plan(events, tmp_path / "run", **change))
    forced = run_training(plan(events, tmp_path / "run", force=True, **change))
    assert forced.action is Action.START
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["events.parquet", "run"]


def test_stopped_it_goes_on_and_fresh_starts_over(events, tmp_path):
    out, partial = tmp_path / "run", tmp_path / "run.partial"
    with pytest.raises(Interrupted, match="stopped by SIGTERM after epoch 1 of 6"):
        run_training(plan(events, out, Stopping))
    assert sorted(entry.name for entry in partial.iterdir()) == [CHECKPOINT, "started.json"]
    (partial / CHECKPOINT).write_bytes(b"spoilt")
    with pytest.raises(InputError, match="--fresh"):
        run_training(plan(events, out))
    assert (partial / CHECKPOINT).read_bytes() == b"spoilt"  # what can't be read is the user's to look at
    assert run_training(plan(events, out, fresh=True)).action is Action.START
    with pytest.raises(Interrupted):
        run_training(plan(events, tmp_path / "second", Stopping))
    said = []
    second = run_training(plan(events, tmp_path / "second"), say=said.append)
    assert second.action is Action.CONTINUE
    assert said[-1].endswith("second.partial: continuing from its checkpoint")
    for file in ("cuts.parquet", "history.parquet"):
        assert (out / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_what_fails_before_any_epoch_leaves_nothing(events, tmp_path):
    with pytest.raises(InputError, match="no column 'c'"):
        run_training(plan(events, tmp_path / "run", features=("a", "c")))
    bad = LearnableCutFlow(LcfSettings(centers={"a": 1e6}))
    with pytest.raises(UsageError, match="outside its training data"):
        run_training(TrainingPlan("lcf-parallel", bad, events, tmp_path / "run", device="cpu"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["events.parquet"]


def test_a_failure_keeps_a_finished_run_that_it_was_to_replace(events, tmp_path):
    run_training(plan(events, tmp_path / "run"))
    before = (tmp_path / "run" / "run.json").read_bytes()
    bad = LearnableCutFlow(LcfSettings(centers={"a": 1e6}))
    with pytest.raises(UsageError):
        run_training(TrainingPlan("lcf-parallel", bad, events, tmp_path / "run", device="cpu", force=True))
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["events.parquet", "run"]


def test_the_manifest_says_how_the_events_were_split(events, tmp_path):
    run_training(plan(events, tmp_path / "run", fractions=SplitFractions(0.5, 0.0, 0.5), split_seed=4))
    data = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert (data["split_fractions"], data["split_seed"], data["events"]) == ([0.5, 0.0, 0.5], 4, 800)


def test_a_run_of_a_version_without_a_setting_is_the_same_while_that_is_at_its_default(events, tmp_path):
    out = tmp_path / "run"
    made = plan(events, out)
    run_training(made)
    manifest = json.loads((out / "run.json").read_text())
    described = described_plan(made, open_for_training(made), "cpu")
    assert manifest["digest"] == digest(described)
    described["settings"].pop("optimism_folds")  # as if a later version had brought it
    for settings in (manifest["settings"], manifest["data"]["settings_asked"]):
        del settings["optimism_folds"]
    (out / "run.json").write_text(json.dumps({**manifest, "digest": digest(described)}))
    assert run_training(made).action is Action.DONE
    chosen = LearnableCutFlow(LcfSettings(epochs=6, learning_rate=0.05, optimism_folds=0))
    with pytest.raises(UsageError, match="exists and was made from other inputs or settings"):
        run_training(replace(made, method=chosen))


def test_what_a_run_differs_in_is_named(events, tmp_path):
    out = tmp_path / "run"
    run_training(plan(events, out))
    for change, named in (
        ({"seed": 1}, "seed: 0 → 1"),
        ({"features": ("b", "a")}, "features: a,b → b,a"),
        ({"epochs": 7}, "epochs: 6 → 7"),
        ({"epochs": None}, "epochs: 6 → None"),
    ):
        with pytest.raises(UsageError) as caught:
            run_training(plan(events, out, **change))
        said = f"{out}: exists and was made from other inputs or settings ({named}); choose another --out"
        assert str(caught.value).startswith(said)
    table = pq.read_table(events)
    pq.write_table(table.slice(0, 700), events)
    with pytest.raises(UsageError, match=r"settings \(the content of the events, then .*events.parquet\)"):
        run_training(plan(events, out))
