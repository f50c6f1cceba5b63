"""The training loop: history, checkpoints, stopping and going on."""

import numpy as np
import pytest

from cutflow_cli.engine import loop
from cutflow_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from cutflow_cli.errors import CutflowError, InputError, Interrupted


class Walk:
    """A stepper whose state depends on every epoch that was run, in order."""

    def __init__(self, replicas=2, fail_at=None):
        self.values = np.zeros(replicas)
        self.fail_at = fail_at
        self.ran = []

    def run_epoch(self, epoch):
        self.ran.append(epoch)
        self.values = self.values * 1.1 + np.arange(1, len(self.values) + 1) * (epoch + 1)
        loss = self.values.copy()
        if epoch == self.fail_at:
            loss[1] = np.nan
        return {"loss": loss, "penalty": self.values / 2}

    def state(self):
        return {"values": self.values.copy()}

    def restore(self, state):
        if state["values"].shape != self.values.shape:
            raise ValueError("values has another shape")
        self.values = state["values"]


def stop_after(epochs):
    """A reason to stop once so many epochs are done."""
    asked = iter(range(1, 1000))
    return lambda: "SIGTERM" if next(asked) >= epochs else None


def test_the_history_has_a_row_per_epoch_and_a_column_per_replica():
    walk = Walk()
    history = loop.train(walk, 4)
    assert list(history) == ["loss", "penalty"]
    assert history["loss"].shape == (4, 2)
    np.testing.assert_array_equal(history["loss"][-1], walk.values)
    np.testing.assert_array_equal(history["penalty"], history["loss"] / 2)
    assert walk.ran == [0, 1, 2, 3]


def test_progress_is_told_the_share_done_and_the_loss():
    told = []
    loop.train(Walk(), 4, progress=lambda done, text: told.append((done, text)))
    assert [done for done, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[0][1] == "loss 1.50000"


def test_stopping_saves_and_going_on_gives_the_same(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    whole = Walk()
    expected = loop.train(whole, 7)
    with pytest.raises(Interrupted, match=r"stopped by SIGTERM after epoch 3 of 7; the same command continues"):
        loop.train(Walk(), 7, checkpoint=checkpoint, stop_reason=stop_after(3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]
    resumed = Walk()
    history = loop.train(resumed, 7, checkpoint=checkpoint)
    assert resumed.ran == [3, 4, 5, 6]
    np.testing.assert_array_equal(resumed.values, whole.values)
    for name in expected:
        np.testing.assert_array_equal(history[name], expected[name])


def test_it_can_be_stopped_as_often_as_one_likes(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    for _ in range(4):
        with pytest.raises(Interrupted):
            loop.train(Walk(), 5, checkpoint=checkpoint, stop_reason=stop_after(1))
    history = loop.train(Walk(), 5, checkpoint=checkpoint, stop_reason=stop_after(1))
    np.testing.assert_array_equal(history["loss"], loop.train(Walk(), 5)["loss"])


def test_a_wish_to_stop_in_the_last_epoch_is_too_late(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    assert len(loop.train(Walk(), 3, checkpoint=checkpoint, stop_reason=stop_after(3))["loss"]) == 3
    assert int(load_checkpoint(checkpoint)["epochs_done"]) == 3  # so that what comes after need not train again
    again = Walk()
    loop.train(again, 3, checkpoint=checkpoint, stop_reason=lambda: "SIGTERM")
    assert again.ran == []


def test_checkpoints_are_saved_now_and_then(tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.npz"
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL", -1.0)
    seen = []
    loop.train(Walk(), 3, checkpoint=checkpoint, progress=lambda done, text: seen.append(checkpoint.is_file()))
    assert seen == [False, True, True]
    assert int(load_checkpoint(checkpoint)["epochs_done"]) == 3


def test_a_loss_that_is_not_finite_stops_with_a_remedy():
    with pytest.raises(CutflowError, match=r"loss of 1 replicas is not finite after epoch 2; lower --learning-rate"):
        loop.train(Walk(fail_at=1), 5)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(Interrupted):
        loop.train(Walk(replicas=3), 5, checkpoint=checkpoint, stop_reason=stop_after(1))
    with pytest.raises(InputError, match=r"belongs to another training .*another shape.*--fresh"):
        loop.train(Walk(replicas=2), 5, checkpoint=checkpoint)
    save_checkpoint(checkpoint, {"unrelated": np.zeros(2)})
    with pytest.raises(InputError, match=r"belongs to another training.*--fresh"):
        loop.train(Walk(), 5, checkpoint=checkpoint)


def test_a_stepper_that_is_finished_ends_the_training_and_stays_ended(tmp_path):
    walk, checkpoint = Walk(), tmp_path / "checkpoint.npz"
    history = loop.train(walk, 9, checkpoint=checkpoint, finished=lambda: len(walk.ran) == 3)
    assert history["loss"].shape == (3, 2)
    again = Walk()
    save_checkpoint(checkpoint, {"values": walk.values, "history/loss": history["loss"], "epochs_done": np.array(3)})
    assert loop.train(again, 9, checkpoint=checkpoint, finished=lambda: True)["loss"].shape == (3, 2)
    assert again.ran == []


class Sums(Walk):
    """Takes an epoch in four parts, each adding to what the one before left."""

    def __init__(self):
        super().__init__()
        self.part, self.sum = 0, np.zeros(2)

    def run_parts(self, epoch):
        while self.part < 4:
            self.sum = self.sum * 0.3 + (epoch + 1) * (self.part + 1)
            self.part += 1
            if self.part < 4:
                yield self.part / 4
        self.part, self.values = 0, self.values + self.sum
        return {"loss": self.values.copy()}

    def state(self):
        return {"values": self.values.copy(), "sum": self.sum.copy(), "part": np.array(self.part)}

    def restore(self, state):
        self.values, self.sum, self.part = state["values"], state["sum"], int(state["part"])


def test_an_epoch_in_parts_stops_within_and_goes_on_to_the_same(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    told = []
    expected = loop.train(Sums(), 3, progress=lambda done, text: told.append((done, text)))
    np.testing.assert_allclose([done for done, _ in told], np.arange(1, 13) / 12)
    assert (told[0][1], told[4][1]) == ("epoch 1", told[3][1])
    with pytest.raises(Interrupted, match=r"stopped by SIGTERM in epoch 2 of 3; the same command continues from there"):
        loop.train(Sums(), 3, checkpoint=checkpoint, stop_reason=stop_after(6))
    stored = load_checkpoint(checkpoint)
    assert (int(stored["epochs_done"]), int(stored["part"])) == (1, 2)
    for _ in range(5):  # the rest, a part at a time
        with pytest.raises(Interrupted):
            loop.train(Sums(), 3, checkpoint=checkpoint, stop_reason=stop_after(1))
    np.testing.assert_array_equal(loop.train(Sums(), 3, checkpoint=checkpoint)["loss"], expected["loss"])


def test_a_long_epoch_is_saved_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL", -1.0)
    checkpoint, seen = tmp_path / "checkpoint.npz", []

    def look(done, _):
        if checkpoint.is_file():
            seen.append(int(load_checkpoint(checkpoint)["part"]))

    loop.train(Sums(), 2, checkpoint=checkpoint, progress=look)
    assert seen == [1, 2, 3, 0, 1, 2, 3]  # what was there before each step was saved
