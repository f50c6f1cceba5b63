"""The steppers of LCF for samples that are not held in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.loop import Parts, Stepper, in_one_go
from cutflow_cli.engine.parallel import ParallelStepper
from cutflow_cli.engine.parts import part_arrays, taken_apart
from cutflow_cli.engine.randomness import SHARED, Stream, epoch_order, generator
from cutflow_cli.engine.windows import Windows
from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.constants import SEQUENTIAL_APPLIED, logit
from cutflow_cli.models.lcf.fused import LcfState, mask_rule
from cutflow_cli.models.lcf.prepare import Units
from cutflow_cli.models.lcf.settings import LcfSettings

T = TypeVar("T")
Single = NDArray[np.float32]


class RepeatedPasses:
    """Calls it an epoch when another stepper has passed over its few events several times, each in a new order."""

    def __init__(self, stepper: Stepper, passes: int) -> None:
        self._stepper, self._passes = stepper, passes
        self._done, self._sums = 0, {}  # type: tuple[int, Arrays]

    def run_parts(self, epoch: int) -> Parts:
        """Train every replica for one epoch, a pass at a time; the losses are means over the passes."""
        while self._done < self._passes:
            terms = self._stepper.run_epoch(epoch * self._passes + self._done)
            self._sums = {name: self._sums.get(name, 0.0) + values for name, values in terms.items()}
            self._done += 1
            if self._done < self._passes:
                yield self._done / self._passes
        means = {name: total / self._passes for name, total in self._sums.items()}
        self._done, self._sums = 0, {}
        return means

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        return in_one_go(self.run_parts(epoch))

    def state(self) -> Arrays:
        """Return all that comes depends on, within an epoch too."""
        return {**self._stepper.state(), **part_arrays(self._done, self._sums)}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._done, self._sums, rest = taken_apart(state)
        self._stepper.restore(rest)


class OneByOne(ParallelStepper):
    """Trains replicas that have events of their own, one stepper each, on so many threads at most."""

    def __init__(self, steppers: Sequence[Stepper], threads: int) -> None:
        super().__init__(steppers, [1] * len(steppers))
        self._pool = ThreadPoolExecutor(max_workers=min(threads, len(steppers)))
        self._loaded = False

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        if self._loaded:
            return super().run_epoch(epoch)
        # Two threads that load compiled code for the first time may wait for each other for ever.
        parts = [stepper.run_epoch(epoch) for stepper in self._steppers]
        self._loaded = True
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class WindowStepper:
    """Trains replicas with the compiled kernel on windows of events (`engine.windows`), each read once an epoch.

    An epoch takes the windows in an order of its own, the same for all replicas, and each replica shuffles what is in
    a window. The last batch of a window may be smaller.

    Args:
        windows: makes the windows when they are needed; of each event they hold u of every feature, its sign and its
            training weight.
        sizes: events of each window.
        units: of the network.
        settings: of the training.
        seed: of everything random.
        replicas: which to train.
        threads: how many may be used; results do not depend on it.
    """

    def __init__(
        self,
        windows: Callable[[], Windows],
        sizes: Iterable[int],
        units: Units,
        settings: LcfSettings,
        seed: int,
        replicas: Sequence[int],
        threads: int,
    ) -> None:
        self._make, self._sizes = windows, tuple(int(size) for size in sizes)
        self._windows: Windows | None = None
        self._units, self._settings, self._seed = units, settings, seed
        self._replicas = tuple(replicas)
        self._lcf = LcfState(len(units.centre), seed, self._replicas)
        self._steps_per_epoch = sum(-(-size // settings.batch_size) for size in self._sizes)
        self._done, self._loss = 0, np.zeros(len(self._replicas))  # windows of this epoch, and the sum of their losses
        self._loaded: set[str] = set()
        self._pool = ThreadPoolExecutor(max_workers=min(threads, len(self._replicas)))

    def run_parts(self, epoch: int) -> Parts:
        """Train every replica for one epoch, a window at a time."""
        sizes, batch = self._sizes, self._settings.batch_size
        if self._done == 0 and mask_rule(self._settings) == SEQUENTIAL_APPLIED:
            self._lcf.unmasked[...] = yield from self._starved()
        order = generator(self._seed, SHARED, Stream.SHUFFLE, epoch).permutation(len(sizes)).tolist()
        step = epoch * self._steps_per_epoch + sum(-(-sizes[window] // batch) for window in order[: self._done])
        with closing(self._each(order[self._done :])) as following:
            for window, rows, weight in following:

                def train(
                    position: int, window: int = window, rows: Single = rows, weight: Single = weight, step: int = step
                ) -> float:
                    return self._train(position, epoch, window, rows, weight, step)

                self._loss += np.array(self._with_all(train)) * len(rows)
                self._done += 1
                step += -(-len(rows) // batch)
                if self._done < len(sizes):
                    yield self._done / len(sizes)
        loss = self._loss / sum(sizes)
        self._done, self._loss = 0, np.zeros(len(loss))
        return {"loss": loss}

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        return in_one_go(self.run_parts(epoch))

    def _with_all(self, work: Callable[[int], T]) -> list[T]:
        """Do something with every replica; the first time one goes ahead, to load the compiled code for it alone."""
        ahead = [] if work.__name__ in self._loaded else [work(0)]
        self._loaded.add(work.__name__)
        return [*ahead, *self._pool.map(work, range(len(ahead), len(self._replicas)))]

    def _each(self, order: Iterable[int]) -> Generator[tuple[int, Single, Single], None, None]:
        """Read windows in an order, each while the one before it is used: number, `kernel.packed` rows, weights."""
        if self._windows is None:
            self._windows = self._make()
        windows = self._windows
        with closing(read_ahead((number, windows.read(number)) for number in order)) as following:
            for window, values in following:
                yield window, np.ascontiguousarray(values[:, :-1]), np.ascontiguousarray(values[:, -1])

    def _weights(self, position: int, window: int, weight: Single) -> Single:
        if not self._settings.bootstrap:
            return weight
        random = generator(self._seed, self._replicas[position], Stream.BOOTSTRAP, window)
        return (weight * random.poisson(1.0, len(weight))).astype(np.float32)

    def _train(self, position: int, epoch: int, window: int, rows: Single, weight: Single, step: int) -> float:
        settings, state, replica = self._settings, self._lcf, self._replicas[position]
        draw = epoch * len(self._sizes) + window
        return float(
            kernel.train_epoch(
                rows,
                self._weights(position, window, weight),
                epoch_order(self._seed, replica, draw, len(rows)),
                settings.batch_size,
                state.params[position],
                state.first[position],
                state.second[position],
                step,
                self._units.standard_centre,
                self._units.limits,
                state.unmasked[position],
                mask_rule(settings),
                logit(settings.threshold),
                settings.min_importance,
                settings.learning_rate,
                settings.by_side,
            )
        )

    def _starved(self) -> Generator[float, None, NDArray[np.bool_]]:
        """Find which features too few effective events of a class reach, a window at a time.

        Returns:
            Shape (replicas, features).
        """
        settings, centres = self._settings, self._units.standard_centre
        replicas, features = self._lcf.params.shape[:2]
        regions = np.empty((replicas, features, 3))
        share = np.empty(features)
        for params, region in zip(self._lcf.params, regions, strict=True):
            kernel.importance(params, share)
            kernel.regions(
                params, share, centres, logit(settings.threshold), settings.min_importance, region, settings.by_side
            )
        sums = np.zeros((replicas, features, 2, 2))
        with closing(self._each(range(len(self._sizes)))) as following:
            for window, rows, weight in following:

                def add(position: int, window: int = window, rows: Single = rows, weight: Single = weight) -> None:
                    mine = self._weights(position, window, weight)
                    kernel.add_reaching(rows[:, :-1], rows[:, -1], mine, regions[position], sums[position])

                self._with_all(add)
                yield 0.0
        left = np.stack([kernel.effective(one) for one in sums])
        return np.asarray(left.min(axis=2) < settings.min_effective_events)

    def state(self) -> Arrays:
        """Return all that comes depends on, within an epoch too."""
        return {**self._lcf.arrays(), **part_arrays(self._done, {"loss": self._loss})}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._done, sums, rest = taken_apart(state)
        self._loss = sums.get("loss", np.zeros(len(self._replicas)))
        self._lcf.restore(rest)

    def close(self) -> None:
        """Give the scratch space back."""
        if self._windows is not None:
            self._windows.close()
