"""The compiled kernel fed: what it takes of features and biases, and its blocks of events shared among threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.cabin import kernel

Array = NDArray[np.float64]
Single = NDArray[np.float32]


def exponential(values: Array, steepness: float) -> Single:
    """Return exp(−n x) as the kernel takes it, NaN where x is NaN."""
    limit = kernel.EXPONENT_LIMIT
    return np.asarray(np.exp(np.clip(-steepness * values, -limit, limit)).astype(np.float32))


def event_exponential(z: NDArray[np.floating[Any]], side: Array | float, steepness: float) -> Single:
    """Return exp(−n w x) of events, infinite where x is missing.

    Args:
        z: standardised features, NaN where missing.
        side: weights w, ±1, in a shape that fits.
        steepness: of the logistic functions.
    """
    found = exponential(z.astype(np.float64) * side, steepness)
    found[np.isnan(found)] = np.inf
    return found


class BlockSums:
    """Sums over events with the kernel.

    Args:
        threads: how many may be used; results do not depend on it.
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._pool = threads, ThreadPoolExecutor(max_workers=threads)
        self._loaded = False

    def fill(self, rows: Single, weight: Single, signal_events: int, c: Single, sums: Array, *, entropy: bool) -> None:
        """Sum over each block of events.

        Args:
            rows: of each neuron and event what `event_exponential` gives, signal before background.
            weight: of the events.
            signal_events: how many of them are signal.
            c: of each sub-network and neuron exp(−n b).
            sums: where to put the sums, shape (blocks, sub-networks, 2 + 2 neurons).
            entropy: whether the cross entropy counts.
        """

        def part(first: int, last: int) -> None:
            kernel.event_sums(rows, weight, signal_events, first, last, c, entropy, sums)

        # Two threads that load compiled code for the first time may wait for each other for ever.
        parts = min(self._threads, len(sums)) if self._loaded else 1
        self._loaded = True
        shares = np.linspace(0, len(sums), parts + 1).astype(int)
        list(self._pool.map(part, shares[:-1], shares[1:]))
