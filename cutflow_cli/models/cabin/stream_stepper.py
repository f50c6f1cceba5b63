"""The stepper of CABIN for samples that are not held in memory: the sums over all events, a piece at a time.

A step of CABIN needs sums over the whole training split, in which a score is a product over the observables of one
event, so no histogram of observables will do. What the kernel needs of an event, exp(−n w x) of each neuron and the
training weight, is worked out once and kept in a scratch file, in pieces of one class, in the order of the file; each
step reads all of them. Sums have the blocks of the compiled path in memory, and differ from its by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient
from cutflow_cli.models.cabin.prepare import Neurons, standardised
from cutflow_cli.models.cabin.settings import CabinSettings
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
                packed[:, column] = exponential(z, float(side), steepness)
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


def exponential(z: Single, side: float, steepness: float) -> Single:
    """Return exp(−n w x), infinite where x is missing, as the kernel takes it."""
    exponent = np.clip(-steepness * (z.astype(np.float64) * side), -kernel.EXPONENT_LIMIT, kernel.EXPONENT_LIMIT)
    return np.asarray(np.exp(np.where(np.isnan(z), np.inf, exponent)).astype(np.float32))


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
        self._replicas, self._bootstrap, self._threads = tuple(replicas), bootstrap, threads
        self._networks = 1 if settings.single else len(settings.targets)
        self._bias = neurons.initial_bias(len(self._replicas), self._networks)
        self._pieces: Windows | None = None
        self._signal_pieces = 0
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._loaded = False
        self._forget()

    def run_parts(self, epoch: int) -> Parts:
        """Take one step with every replica, a piece of the events at a time."""
        del epoch  # nothing is shuffled
        if self._pieces is None:
            self._pieces, self._signal_pieces = self._fill()
        pieces, count = self._pieces, len(self._pieces.sizes)
        exponent = np.clip(-self._settings.steepness * self._bias, -kernel.EXPONENT_LIMIT, kernel.EXPONENT_LIMIT)
        c = np.exp(exponent).astype(np.float32)
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
            sums = _event_sums(one, total, entropy=self._settings.delta > 0)
            found, gradient = loss_and_gradient(self._bias[row], sums, self._settings)
            self._bias[row] -= self._settings.learning_rate * gradient
            terms.append(found)
        self._forget()
        return {name: np.array([row[name] for row in terms]) for name in terms[0]}

    def _forget(self) -> None:
        """Begin sums over all events: of background and signal, for every replica."""
        shape = (len(self._replicas), 2, self._networks, 2 + 2 * self._bias.shape[2])
        self._done, self._sums, self._totals = 0, np.zeros(shape), np.zeros(shape[:2])

    def _weights(self, replica: int, piece: int, weight: Single) -> Single:
        if not self._bootstrap:
            return weight
        random = generator(self._seed, replica, Stream.BOOTSTRAP, piece)
        return (weight * random.poisson(1.0, len(weight))).astype(np.float32)

    def _sum(self, rows: Single, weight: Single, c: Single, *, signal: bool) -> Array:
        """Sum over one piece, shape (networks, 2 + 2 neurons)."""
        blocks = -(-len(weight) // kernel.BLOCK)
        sums = np.zeros((blocks, self._networks, 2 + 2 * len(rows)))
        signals, entropy = len(weight) if signal else 0, self._settings.delta > 0

        def fill(first: int, last: int) -> None:
            kernel.event_sums(rows, weight, signals, first, last, c, entropy, sums)

        # Two threads that load compiled code for the first time may wait for each other for ever.
        shares = np.linspace(0, blocks, min(self._threads, blocks) + 1).astype(int) if self._loaded else [0, blocks]
        self._loaded = True
        list(self._pool.map(fill, shares[:-1], shares[1:]))
        return np.asarray(sums.sum(axis=0))

    def state(self) -> Arrays:
        """Return all that comes depends on, within a step too."""
        return {"bias": self._bias.copy(), **part_arrays(self._done, {"sums": self._sums, "totals": self._totals})}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._forget()
        done, sums, rest = taken_apart(state)
        for name, mine, stored in [("bias", self._bias, rest["bias"])] + [
            (name, getattr(self, f"_{name}"), values) for name, values in sums.items()
        ]:
            if stored.shape != mine.shape:
                msg = f"{name} has another shape"
                raise ValueError(msg)
            mine[...] = stored
        self._done = done

    def close(self) -> None:
        """Give the scratch space back."""
        if self._pieces is not None:
            self._pieces.close()


def _event_sums(sums: Array, totals: Array, *, entropy: bool) -> EventSums:
    """Divide sums by sums of weights.

    Args:
        sums: of background and signal, shape (2, networks, 2 + 2 neurons).
        totals: their sums of weights, shape (2,).
        entropy: whether the cross entropy counts.
    """
    neurons = (sums.shape[2] - 2) // 2
    (background, signal), both, total = sums, sums.sum(axis=0), float(totals.sum())
    slope, middle = slice(1, 1 + neurons), 1 + neurons
    return EventSums(
        signal[:, 0] / totals[1],
        background[:, 0] / totals[0],
        signal[:, slope] / totals[1],
        background[:, slope] / totals[0],
        both[:, middle] / total if entropy else np.zeros(len(both)),
        both[:, middle + 1 :] / total if entropy else np.zeros((len(both), neurons)),
    )
