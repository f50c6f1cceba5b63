"""The external shuffle: what is written comes back, whole windows only, and a small disk is found at once."""

import errno

import numpy as np
import pytest

from cutflow_cli.engine import windows
from cutflow_cli.engine.windows import Windows, window_count


def test_events_come_back_in_their_windows_in_the_order_of_their_adding():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1000, 3)).astype(np.float32)
    window = rng.integers(0, 5, 1000)
    stored = Windows(np.bincount(window, minlength=6), 3)
    for start in range(0, 1000, 130):
        stored.add(window[start : start + 130], values[start : start + 130])
        stored.add(window[:0], values[:0])
    for number in (3, 0, 5, 4, 1, 2):
        np.testing.assert_array_equal(stored.read(number), values[window == number])
    stored.close()


def test_a_window_that_was_not_filled_or_overflows_is_a_mistake():
    stored = Windows([2, 1], 1)
    stored.add(np.array([0]), np.ones((1, 1), dtype=np.float32))
    with pytest.raises(ValueError, match="holds 2 events, only 1 were added"):
        stored.read(0)
    with pytest.raises(ValueError, match="holds 1 events, 2 were added"):
        stored.add(np.array([1, 1]), np.ones((2, 1), dtype=np.float32))
    stored.close()


def test_no_space_is_said_before_anything_is_written(monkeypatch, tmp_path):
    def full(_number, _start, _size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(windows.os, "posix_fallocate", full)
    monkeypatch.setattr(windows.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="No space") as caught:
        Windows([1_000_000_000], 10)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == f"{tmp_path} (40.0 GB of scratch, elsewhere with TMPDIR)"
    assert list(tmp_path.iterdir()) == []


def test_windows_are_of_a_size_not_of_a_number():
    assert window_count(10, 10) == 1
    assert window_count(60_000_000, 10) == 36
