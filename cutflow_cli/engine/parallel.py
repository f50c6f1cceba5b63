"""Training on several threads: each takes some of the replicas and trains them by itself.

Where steps are small this beats giving many threads to each operation, which have to wait for one another some hundred
thousand times a second and, on a machine that others use too, mostly do.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.loop import Stepper

#: Threads that small steps of torch are worth: more mostly wait for Python's lock. Ten replicas of `mlp` took 0.75,
#: 0.51, 0.65, 0.74, 2.5 and 3.1 s an epoch of 10⁵ events on 1, 2, 3, 4, 8 and 10 of 16 cores.
SMALL_STEP_THREADS = 3


def shared_out(replicas: Sequence[int], threads: int) -> tuple[tuple[int, ...], ...]:
    """Deal replicas out to threads, neighbours together, none left idle."""
    groups = min(threads, len(replicas))
    return tuple(tuple(part.tolist()) for part in np.array_split(np.array(replicas), groups))


class ParallelStepper:
    """Trains groups of replicas side by side; in a checkpoint they are together, however many groups there were.

    Args:
        steppers: one a group, in the order of the replicas; states are arrays whose first axis is the replica, or
            scalars that all groups share.
        sizes: how many replicas each trains.
    """

    def __init__(self, steppers: Sequence[Stepper], sizes: Sequence[int]) -> None:
        self._steppers = tuple(steppers)
        self._bounds = np.cumsum(sizes)[:-1]
        self._replicas = sum(sizes)
        self._pool = ThreadPoolExecutor(max_workers=len(self._steppers))

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        parts = list(self._pool.map(lambda stepper: stepper.run_epoch(epoch), self._steppers))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        parts = [stepper.state() for stepper in self._steppers]
        joined = {}
        for name, first in parts[0].items():
            joined[name] = np.concatenate([part[name] for part in parts]) if first.ndim else first
        return joined

    def restore(self, state: Arrays) -> None:
        """Go back to a state.

        Raises:
            ValueError: if it is of another number of replicas.
        """
        for name, values in state.items():
            if values.ndim and len(values) != self._replicas:
                msg = f"{name} is of {len(values)} replicas, not {self._replicas}"
                raise ValueError(msg)
        parts = {name: np.split(values, self._bounds) if values.ndim else None for name, values in state.items()}
        for position, stepper in enumerate(self._steppers):
            stepper.restore({name: state[name] if part is None else part[position] for name, part in parts.items()})
