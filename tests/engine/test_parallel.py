"""Groups of replicas on threads of their own."""

import numpy as np
import pytest

from cutflow_cli.engine.parallel import ParallelStepper, shared_out


class Count:
    """A stepper that remembers which epochs each of its replicas has seen."""

    def __init__(self, replicas):
        self.replicas = np.array(replicas)
        self.sums = np.zeros(len(replicas))
        self.steps = 0

    def run_epoch(self, epoch):
        self.sums = self.sums * 2 + self.replicas + epoch
        self.steps += 1
        return {"loss": self.sums.copy()}

    def state(self):
        return {"sums": self.sums.copy(), "steps": np.array(self.steps)}

    def restore(self, state):
        self.sums, self.steps = state["sums"].copy(), int(state["steps"])


def grouped(replicas, threads):
    groups = shared_out(replicas, threads)
    return ParallelStepper([Count(group) for group in groups], [len(group) for group in groups])


def test_replicas_are_dealt_out_in_order_and_no_thread_is_idle():
    assert shared_out(range(5, 10), 2) == ((5, 6, 7), (8, 9))
    assert shared_out(range(2), 8) == ((0,), (1,))
    assert shared_out(range(3), 1) == ((0, 1, 2),)


def test_groups_together_do_what_one_does_alone():
    one, several = Count(range(5)), grouped(range(5), 3)
    for epoch in range(4):
        np.testing.assert_array_equal(several.run_epoch(epoch)["loss"], one.run_epoch(epoch)["loss"])
    np.testing.assert_array_equal(several.state()["sums"], one.state()["sums"])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_checkpoint_does_not_depend_on_the_number_of_threads(threads):
    one, several = Count(range(5)), grouped(range(5), threads)
    one.run_epoch(0)
    several.restore(one.state())
    np.testing.assert_array_equal(several.run_epoch(1)["loss"], one.run_epoch(1)["loss"])
    assert several.state()["steps"] == 2


def test_a_checkpoint_of_other_replicas_is_refused():
    with pytest.raises(ValueError, match="sums is of 4 replicas, not 5"):
        grouped(range(5), 2).restore(Count(range(4)).state())


def test_what_goes_wrong_in_a_thread_goes_wrong_outside():
    several = grouped(range(2), 2)
    several._steppers[1].replicas = "spoilt"
    with pytest.raises(TypeError):
        several.run_epoch(0)
