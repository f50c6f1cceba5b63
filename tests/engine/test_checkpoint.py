"""Checkpoints: what is saved is what is loaded, and damage is never taken for data."""

import numpy as np
import pytest

from cutflow_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from cutflow_cli.errors import InputError

ARRAYS = {
    "params": np.random.default_rng(0).normal(size=(3, 4, 5)),
    "unmasked": np.array([[True, False]]),
    "history/loss": np.zeros((0, 3)),
    "epochs_done": np.array(7),
    "single": np.float32([1.5, np.nan]),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "run.partial" / "checkpoint.npz"
    save_checkpoint(path, ARRAYS)
    return path


def test_arrays_come_back_to_the_bit(saved):
    loaded = load_checkpoint(saved)
    assert list(loaded) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert loaded[name].dtype == values.dtype
        np.testing.assert_array_equal(loaded[name], values)
    assert [entry.name for entry in saved.parent.iterdir()] == ["checkpoint.npz"]


def test_saving_again_replaces_all_of_it(saved):
    save_checkpoint(saved, {"one": np.arange(3)})
    assert list(load_checkpoint(saved)) == ["one"]


def test_a_failed_save_keeps_the_old_checkpoint(saved):
    with pytest.raises(ValueError, match="allow_pickle"):
        save_checkpoint(saved, {"bad": np.array([object()])})
    assert list(load_checkpoint(saved)) == list(ARRAYS)
    assert [entry.name for entry in saved.parent.iterdir()] == ["checkpoint.npz"]


def test_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, bad=np.array([{"a": 1}]))
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04", b"\x93NUMPY"], ids=repr)
def test_another_file_is_refused(saved, content):
    saved.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.npz: damaged checkpoint .*--fresh"):
        load_checkpoint(saved)


def test_a_truncated_checkpoint_is_refused(saved):
    whole = saved.read_bytes()
    for size in range(0, len(whole), 97):
        saved.write_bytes(whole[:size])
        with pytest.raises(InputError, match="--fresh"):
            load_checkpoint(saved)


def test_a_flipped_bit_is_refused_or_harmless(saved):
    """Either is right, a wrong number is not."""
    whole = saved.read_bytes()
    for position in range(0, len(whole), 3):
        saved.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        try:
            loaded = load_checkpoint(saved)
        except InputError as error:
            assert "--fresh" in str(error)
            continue
        for name in loaded.keys() & ARRAYS.keys():
            np.testing.assert_array_equal(loaded[name], ARRAYS[name])
