"""Early stopping: best parameters, patience, and independence of the replicas."""

import numpy as np
import pytest
import torch

from cutflow_cli.engine.early_stopping import EarlyStopping


def run(losses, patience, epochs=None):
    """Parameters that count epochs, watched while their losses take the given values."""
    losses = np.array(losses, dtype=np.float64)
    values = torch.zeros(losses.shape[1], 2)
    stopping = EarlyStopping(values, patience)
    for epoch, row in enumerate(losses[:epochs], start=1):
        values.fill_(epoch)
        stopping.update(epoch, row, values)
    return stopping, values


FALL_AND_RISE = np.transpose([[5.0, 3, 4, 3, 6, 1, 1], [5.0, 4, 3, 2, 1, 0.5, 0.7]])


def test_each_replica_stops_for_itself_and_keeps_its_best():
    stopping, values = run(FALL_AND_RISE, patience=2)
    np.testing.assert_array_equal(stopping.best_epoch, [2, 6])
    np.testing.assert_array_equal(stopping.last_epoch, [4, 0])
    assert not stopping.finished
    np.testing.assert_array_equal(stopping.best, [[2, 2], [6, 6]])
    np.testing.assert_array_equal(values, 7)


def test_with_more_patience_a_later_and_better_epoch_is_found():
    stopping, _ = run(FALL_AND_RISE, patience=5)
    np.testing.assert_array_equal(stopping.best[:, 0], [6, 6])


def test_all_replicas_stopped_is_finished():
    stopping, _ = run([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], patience=1)
    assert stopping.finished
    np.testing.assert_array_equal(stopping.last_epoch, [2, 3])


def test_an_equal_loss_is_no_better():
    stopping, _ = run(np.ones((4, 1)), patience=3)
    assert (stopping.best_epoch[0], stopping.last_epoch[0]) == (1, 4)


@pytest.mark.parametrize("at", [1, 3, 5])
def test_going_on_from_a_state_is_going_on(at):
    whole, _ = run(FALL_AND_RISE, patience=2)
    part, values = run(FALL_AND_RISE, patience=2, epochs=at)
    again = EarlyStopping(torch.zeros(2, 2), 2)
    again.restore(part.state())
    for epoch, row in enumerate(FALL_AND_RISE[at:], start=at + 1):
        values.fill_(epoch)
        again.update(epoch, row, values)
    for name, stored in whole.state().items():
        np.testing.assert_array_equal(again.state()[name], stored, err_msg=name)
