"""The stepper of CABIN for samples that are not held in memory: the sums over all events, a piece at a time.

A step of CABIN needs sums over the whole training split, in which a score is a product over the observables of one
event, so no histogram of observables will do. What the kernel needs of an event, exp(−n w x) of each neuron and the
training weight, is worked out once and kept in a scratch file, in pieces of one class, in the order of the file; each
step reads all of them. Sums have the blocks of the compiled path in memory, and differ from its by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.loop import Parts, in_one_go
from cutflow_cli.engine.parts import part_arrays, taken_apart
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.engine.windows import WINDOW_BYTES, Windows
from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.events.stream import SplitStream
from cutflow_cli.models.cabin import kernel
from cutflow_cli.models.cabin.blocks import BlockSums, event_exponential, exponential
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient
from cutflow_cli.models.cabin.prepare import Neurons, standardised
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.steppers import by_term, stored_beside
from cutflow_cli.models.weights import WeightRule

Array = NDArray[np.float64]
Single = NDArray[np.float32]


def fill_pieces(
    stream: SplitStream,
    events: NDArray[np.int64],
    rule: WeightRule,
    moments: tuple[Array, Array],
    neurons: Neurons,
    steepness: float,
) -> tuple[Windows, int]:
    """Write what steps need of every event to scratch.

    Args:
        stream: the training split.
        events: of background and signal, shape (2,).
        rule: for training weights.
        moments: means and standard deviations of the features.
        neurons: what each neuron looks at.
        steepness: of the logistic functions.

    Returns:
        The pieces, and how many of them, the first ones, hold signal; the others hold background.
    """
    columns = len(neurons) + 1
    size = max(1, WINDOW_BYTES // (4 * columns * kernel.BLOCK)) * kernel.BLOCK
    sizes = [[min(size, total - start) for start in range(0, total, size)] for total in events[::-1].tolist()]
    pieces = Windows([*sizes[0], *sizes[1]], columns)
    seen, first = [0, 0], (len(sizes[0]), 0)
    try:
        for batch in stream.batches():
            packed = np.empty((len(batch), columns), dtype=np.float32)
            for column, (feature, side) in enumerate(zip(neurons.feature, neurons.side, strict=True)):
                z = standardised(batch.x[:, feature], moments[0][feature], moments[1][feature])
                packed[:, column] = event_exponential(z, float(side), steepness)
            packed[:, -1] = rule.apply(batch.weight, batch.label)
            for label in (0, 1):
                mine = np.flatnonzero(batch.label == label)
                piece = first[label] + (seen[label] + np.arange(len(mine))) // size
                pieces.add(piece, packed[mine])
                seen[label] += len(mine)
    except BaseException:
        pieces.close()
        raise
    return pieces, len(sizes[0])


class PiecewiseStepper:
    """Trains replicas with the compiled kernel by gradient descent on pieces; weights of neurons are ±1.

    Args:
        fill: makes the pieces when they are needed; see `fill_pieces`.
        neurons: what each neuron looks at.
        settings: of the training.
        seed: of everything random.
        replicas: which to train.
        bootstrap: whether each replica has Poisson weights of its own.
        threads: how many may be used; results do not depend on it.
    """

    def __init__(
        self,
        fill: Callable[[], tuple[Windows, int]],
        neurons: Neurons,
        settings: CabinSettings,
        seed: int,
        replicas: Sequence[int],
        *,
        bootstrap: bool,
        threads: int,
    ) -> None:
        self._fill, self._settings, self._seed = fill, settings, seed
        self._replicas, self._bootstrap = tuple(replicas), bootstrap
        self._bias = neurons.initial_bias(len(self._replicas), settings.networks)
        self._pieces: Windows | None = None
        self._signal_pieces = 0
        self._blocks = BlockSums(threads)
        self._forget()

    def run_parts(self, epoch: int) -> Parts:
        """Take one step with every replica, a piece of the events at a time."""
        del epoch  # nothing is shuffled
        if self._pieces is None:
            self._pieces, self._signal_pieces = self._fill()
        pieces, count = self._pieces, len(self._pieces.sizes)
        c = exponential(self._bias, self._settings.steepness)
        with closing(read_ahead((number, pieces.read(number)) for number in range(self._done, count))) as following:
            for number, values in following:
                self._add(number, values, c)
                self._done += 1
                if self._done < count:
                    yield self._done / count
        return self._stepped()

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Take one step with every replica."""
        return in_one_go(self.run_parts(epoch))

    def _add(self, number: int, values: Single, c: Single) -> None:
        """Add the sums over one piece, for every replica."""
        label = int(number < self._signal_pieces)
        rows, weight = np.ascontiguousarray(values[:, :-1].T), np.ascontiguousarray(values[:, -1])
        for position, replica in enumerate(self._replicas):
            mine = self._weights(replica, number, weight)
            self._totals[position, label] += mine.sum(dtype=np.float64)
            self._sums[position, label] += self._sum(rows, mine, c[position], signal=bool(label))

    def _stepped(self) -> dict[str, NDArray[np.float64]]:
        """Take the step that sums over all events lead to, and forget them; return the loss terms."""
        terms = []
        for row, (one, total) in enumerate(zip(self._sums, self._totals, strict=True)):
            sums = EventSums.of(one[1], one[0], (total[1], total[0]), entropy=self._settings.delta > 0)
            found, gradient = loss_and_gradient(self._bias[row], sums, self._settings)
            self._bias[row] -= self._settings.learning_rate * gradient
            terms.append(found)
        self._forget()
        return by_term(terms)

    def _forget(self) -> None:
        """Begin sums over all events: of background and signal, for every replica."""
        shape = (len(self._replicas), 2, self._settings.networks, 2 + 2 * self._bias.shape[2])
        self._done, self._sums, self._totals = 0, np.zeros(shape), np.zeros(shape[:2])

    def _weights(self, replica: int, piece: int, weight: Single) -> Single:
        if not self._bootstrap:
            return weight
        random = generator(self._seed, replica, Stream.BOOTSTRAP, piece)
        return (weight * random.poisson(1.0, len(weight))).astype(np.float32)

    def _sum(self, rows: Single, weight: Single, c: Single, *, signal: bool) -> Array:
        """Sum over one piece, shape (networks, 2 + 2 neurons)."""
        blocks = -(-len(weight) // kernel.BLOCK)
        sums = np.zeros((blocks, self._settings.networks, 2 + 2 * len(rows)))
        signals, entropy = len(weight) if signal else 0, self._settings.delta > 0
        self._blocks.fill(rows, weight, signals, c, sums, entropy=entropy)
        return np.asarray(sums.sum(axis=0))

    def state(self) -> Arrays:
        """Return all that comes depends on, within a step too."""
        return {"bias": self._bias.copy(), **part_arrays(self._done, {"sums": self._sums, "totals": self._totals})}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._forget()
        done, sums, rest = taken_apart(state)
        own = {"bias": self._bias, **{name: getattr(self, f"_{name}") for name in sums}}
        for mine, stored in stored_beside(own, {**rest, **sums}):
            mine[...] = stored
        self._done = done

    def close(self) -> None:
        """Give the scratch space back."""
        if self._pieces is not None:
            self._pieces.close()
