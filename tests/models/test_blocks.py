"""Blocks of replicas, merged, are the run that one job with all replicas would have written."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.artifacts import Action
from cutflow_cli.engine.checkpoint import joined, load_checkpoint, save_checkpoint
from cutflow_cli.errors import InputError, NegativeAnswer, UsageError
from cutflow_cli.events.folds import Folds
from cutflow_cli.models.blocks import merge_blocks
from cutflow_cli.models.folds import run_folds
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.registry import METHODS, method_of
from cutflow_cli.models.state import STATE
from cutflow_cli.models.training import run_training
from cutflow_cli.runs import MANIFEST

EVENTS = 1200
#: By name of the method: settings with which a training takes a fraction of a second.
QUICK = {
    "lcf-parallel": {"epochs": 3, "learning_rate": 0.05, "bootstrap": True},
    "lcf-sequential": {"epochs": 3, "learning_rate": 0.05, "strategy": "sequential"},
    "cabin-scan": {"epochs": 20, "targets": (0.5, 0.7, 0.9)},
    "cut-and-count": {},
    "bdt": {"trees": 5},
    "mlp": {"hidden": (4,), "epochs": 12, "early_stopping": 2, "learning_rate": 0.2, "batch_size": 64},
    "punzi": {"hidden": (4,), "bce_epochs": 2, "epochs": 3, "mass_column": "mass"},
}
#: What the command line and the machine say of a run, as opposed to its inputs and results.
PROVENANCE = ("timings", "command")


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    rng = np.random.default_rng(3)
    label = np.arange(EVENTS) % 2
    columns = {
        "label": label,
        "weight": rng.uniform(0.5, 1.5, EVENTS),
        "a": rng.normal(label * 1.5).astype(np.float32),
        "b": rng.normal(-0.8 * label).astype(np.float32),
        "mass": np.where(label == 1, rng.normal(100.0, 8.0, EVENTS), rng.uniform(50, 150, EVENTS)),
        "hypothesis": np.where(label == 1, 100.0, np.nan),
    }
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def plan(events, out, name, replicas, **more):
    return TrainingPlan(
        name, method_of(name, QUICK.get(name, {})), events, out, features=("a", "b"), replicas=replicas, seed=5,
        device="cpu", threads=2, **more,
    )  # fmt: skip


def trained(events, directory, name, *blocks, **more):
    """Train blocks, and return their run directories."""
    runs = [directory / f"{block.start}-{block.stop}" for block in blocks]
    for out, block in zip(runs, blocks, strict=True):
        run_training(plan(events, out, name, block, keep_state=True, **more))
    return runs


def manifest(run):
    found = json.loads((run / MANIFEST).read_text())
    return {name: value for name, value in found.items() if name not in PROVENANCE}


def assert_same_run(merged, single, tolerance=0.0):
    """Compare two run directories, file by file, up to a tolerance of numbers that are learned."""
    assert sorted(entry.name for entry in merged.iterdir()) == sorted(entry.name for entry in single.iterdir())
    assert manifest(merged) == manifest(single)
    for path in single.iterdir():
        other = merged / path.name
        if path.is_dir():
            assert_same_run(other, path, tolerance)
        elif path.name == MANIFEST:
            continue
        elif tolerance == 0.0:
            assert other.read_bytes() == path.read_bytes(), path.name
        elif path.suffix == ".parquet":
            assert_close(pq.read_table(other), pq.read_table(path), tolerance)


def assert_close(table, expected, tolerance):
    assert table.schema == expected.schema
    for name in expected.column_names:
        one, other = (each.column(name).to_pylist() for each in (table, expected))
        if pa.types.is_floating(expected.schema.field(name).type):
            one, other = (np.array(values, dtype=np.float64) for values in (one, other))
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            assert one == other, name


@pytest.mark.parametrize("name", METHODS)
def test_merged_blocks_are_one_run(events, tmp_path, name):
    single, merged = tmp_path / "single", tmp_path / "merged"
    run_training(plan(events, single, name, range(4)))
    blocks = trained(events, tmp_path, name, range(2, 3), range(2), range(3, 4))
    merge_blocks(blocks, merged, threads=2)
    assert_same_run(merged, single, tolerance=1e-4 if name in ("mlp", "punzi") else 0.0)


def test_blocks_of_trees_of_scikit_learn(events, tmp_path, monkeypatch):
    monkeypatch.setitem(QUICK, "bdt", {"trees": 3, "backend": "sklearn"})
    run_training(plan(events, tmp_path / "single", "bdt", range(2)))
    blocks = trained(events, tmp_path, "bdt", range(1), range(1, 2))
    with pytest.raises(InputError, match=r"0-1: replica 0, trained alone, has no bootstrap.* --bootstrap"):
        merge_blocks(blocks, tmp_path / "merged")
    monkeypatch.setitem(QUICK, "bdt", {"trees": 3, "backend": "sklearn", "bootstrap": True})
    blocks = trained(events, tmp_path / "again", "bdt", range(1), range(1, 2))
    merge_blocks(blocks, tmp_path / "merged")
    single, merged = tmp_path / "single", tmp_path / "merged"
    for path in single.glob("*.*"):
        assert path.name == MANIFEST or (merged / path.name).read_bytes() == path.read_bytes(), path.name


def test_blocks_of_a_run_with_folds(events, tmp_path):
    folds = Folds(2, seed=1, validation=0.2)
    for out, replicas in (("single", range(2)), ("one", range(1)), ("two", range(1, 2))):
        asked = plan(events, tmp_path / out, "lcf-parallel", replicas, split_seed=1, keep_state=out != "single")
        run_folds(asked, folds)
    with pytest.raises(InputError, match=r"fold-1: is one fold of a run; give the run, .*one$"):
        merge_blocks([tmp_path / "one" / "fold-1"], tmp_path / "merged")
    merge_blocks([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert_same_run(tmp_path / "merged", tmp_path / "single")


@pytest.fixture(scope="module")
def blocks(events, tmp_path_factory):
    """Blocks 0:1, 1:2 and 3:4 of one training."""
    return trained(events, tmp_path_factory.mktemp("blocks"), "lcf-parallel", range(1), range(1, 2), range(3, 4))


def test_merging_again_does_nothing_and_other_blocks_do_not_replace_it(blocks, tmp_path):
    out = tmp_path / "merged"
    assert merge_blocks(blocks[:2], out).action is Action.START
    assert merge_blocks(blocks[1::-1], out, threads=1).action is Action.DONE
    with pytest.raises(UsageError, match="exists and was made from other inputs"):
        merge_blocks(blocks[:1], out)
    assert not (out / STATE).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_missing_blocks_are_listed(blocks, tmp_path):
    with pytest.raises(NegativeAnswer, match=r"^replicas 2:3 of 0:4 are missing; nothing was merged$"):
        merge_blocks(blocks, tmp_path / "merged")
    with pytest.raises(NegativeAnswer, match=r"^replicas 0:1, 2:3, 4:6 of 0:6 are missing"):
        merge_blocks(blocks[1:], tmp_path / "merged", replicas=range(6))
    with pytest.raises(InputError, match=r"3-4: has replicas 3:4, of which some are not in 0:2"):
        merge_blocks(blocks, tmp_path / "merged", replicas=range(2))
    assert list(tmp_path.iterdir()) == []


def test_part_of_a_run_can_be_asked_for(blocks, events, tmp_path):
    run_training(plan(events, tmp_path / "single", "lcf-parallel", range(1, 2)))
    merge_blocks([blocks[1]], tmp_path / "merged", replicas=range(1, 2))
    assert_same_run(tmp_path / "merged", tmp_path / "single")


def test_a_replica_given_twice_is_refused(blocks, events, tmp_path):
    (twice,) = trained(events, tmp_path, "lcf-parallel", range(2))
    with pytest.raises(InputError, match=r"0-1 and .*0-2 both have replica 0; give each once"):
        merge_blocks([twice, *blocks], tmp_path / "merged")
    with pytest.raises(UsageError, match="is one of the runs to merge"):
        merge_blocks(blocks, blocks[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 6}, r"its seed is 6, that of .*0-1 is 5; only blocks of one training can be merged"),
        ({"features": ("b", "a")}, r"its features is \('b', 'a'\), that of"),
        ({"name": "lcf-sequential"}, "its method is lcf-sequential, that of .* is lcf-parallel"),
        ({"settings": {"epochs": 4}}, "its setting epochs is 4, that of .* is 3"),
        ({"split_seed": 3}, "its split_seed as asked for is 3, that of .* is 0"),
    ],
)
def test_what_differs_is_named(blocks, events, tmp_path, monkeypatch, change, words):
    settings, name = change.pop("settings", {}), change.pop("name", "lcf-parallel")
    monkeypatch.setitem(QUICK, name, {**QUICK[name], **settings})
    run_training(replace(plan(events, tmp_path / "other", name, range(1, 2), keep_state=True), **change))
    with pytest.raises(InputError, match=f"other: {words}"):
        merge_blocks([blocks[0], tmp_path / "other"], tmp_path / "merged")


def edited(run, copy, **changes):
    """Copy a run with other entries in its manifest."""
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    found = json.loads((copy / MANIFEST).read_text())
    for name, value in changes.items():
        found[name] = {**found[name], **value} if isinstance(value, dict) else value
    (copy / MANIFEST).write_text(json.dumps(found))
    return copy


def test_other_versions_and_other_events_are_refused(blocks, tmp_path):
    other = edited(blocks[1], tmp_path / "other", versions={"numpy": "1.0"})
    with pytest.raises(InputError, match=r"other: its version of numpy is 1\.0, that of"):
        merge_blocks([blocks[0], other], tmp_path / "merged")
    older = edited(blocks[0], tmp_path / "older", versions={"cutflow": "0.0.1"})
    with pytest.raises(InputError, match=r"older: was trained by cutflow 0\.0\.1, this is .*; merge with the version"):
        merge_blocks([older], tmp_path / "merged")
    other = edited(blocks[1], tmp_path / "events", data={"digest": "beef"})
    with pytest.raises(InputError, match="events: its digest of the events is beef, that of"):
        merge_blocks([blocks[0], other], tmp_path / "merged")


def test_the_events_may_have_moved_but_not_changed(blocks, events, tmp_path):
    moved = [edited(run, tmp_path / run.name, data={"path": "gone.parquet"}) for run in blocks[:2]]
    with pytest.raises(InputError, match=r"gone\.parquet: no such file, and merging needs the events; --data says"):
        merge_blocks(moved, tmp_path / "merged")
    changed = tmp_path / "changed.parquet"
    pq.write_table(pq.read_table(events).slice(1), changed)
    with pytest.raises(InputError, match=r"changed\.parquet: is not the file that the runs were trained on"):
        merge_blocks(moved, tmp_path / "merged", data=changed)
    assert merge_blocks(moved, tmp_path / "merged", data=events).run.manifest.replicas == (0, 2)


def test_a_run_without_its_state_is_refused(blocks, events, tmp_path):
    asked = plan(events, tmp_path / "bare", "lcf-parallel", range(1))
    run_training(asked)
    with pytest.raises(InputError, match=r"bare: holds no state\.npz, without which .*; train with --keep-state"):
        merge_blocks([tmp_path / "bare"], tmp_path / "merged")
    with pytest.raises(UsageError, match=r"bare: was trained without --keep-state; --force trains it again"):
        run_training(replace(asked, keep_state=True))
    damaged = edited(blocks[0], tmp_path / "damaged")
    (damaged / STATE).write_bytes((damaged / STATE).read_bytes()[:-40])
    with pytest.raises(InputError, match=r"state\.npz: damaged"):
        merge_blocks([damaged], tmp_path / "merged")
    arrays = load_checkpoint(blocks[0] / STATE)
    save_checkpoint(damaged / STATE, {name: values for name, values in arrays.items() if name != "params"})
    with pytest.raises(InputError, match=r"do not fit together \(one has 'params', another has not\)"):
        merge_blocks([damaged, blocks[1]], tmp_path / "merged")


def test_states_are_joined_along_the_replicas_and_a_shorter_history_ends_in_nan():
    one = {"epochs_done": np.array(2), "w": np.zeros((1, 3)), "history/loss": np.array([[1.0], [0.5]])}
    other = {"epochs_done": np.array(1), "w": np.ones((2, 3)), "history/loss": np.array([[2.0, 3.0]])}
    whole = joined([one, {**other, "replica/4/best": np.array(7)}])
    assert int(whole["epochs_done"]) == 2
    assert whole["w"].tolist() == [[0.0] * 3, [1.0] * 3, [1.0] * 3]
    np.testing.assert_array_equal(whole["history/loss"], [[1.0, 2.0, 3.0], [0.5, np.nan, np.nan]])
    assert int(whole["replica/4/best"]) == 7


def test_every_method_has_its_name_and_an_unknown_one_is_refused():
    with pytest.raises(InputError, match="no method 'lcf'; "):
        method_of("lcf", {})
    with pytest.raises(InputError, match=r"method bdt: trees: .*trained by another version"):
        method_of("bdt", {"trees": -1})
