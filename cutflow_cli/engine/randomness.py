"""Random numbers that a replica draws for itself, the same wherever and beside whatever it is trained.

Replica r of seed s has its own counter-based generator (Philox, Salmon et al., SC 2011) with key (s, r). Streams for
initial values, bootstrap weights and the shuffle of each epoch start at separate counters, so nothing needs to be
remembered between epochs: a resumed training draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray


class Stream(IntEnum):
    """What random numbers are drawn for."""

    INITIAL = 0
    BOOTSTRAP = 1
    SHUFFLE = 2
    REFINING = 3


#: In place of a replica's number: what is drawn for all replicas alike, whichever of them are trained.
SHARED = 2**62


def generator(seed: int, replica: int, stream: Stream, epoch: int = 0) -> np.random.Generator:
    """Return the generator of one replica for one purpose.

    Args:
        seed: seed of the whole run.
        replica: number of the replica, from 0.
        stream: what it draws for.
        epoch: for the shuffle, the epoch from 0.
    """
    return np.random.Generator(np.random.Philox(key=[seed, replica], counter=[0, 0, epoch, int(stream)]))


def epoch_order(seed: int, replica: int, epoch: int, events: int) -> NDArray[np.int32]:
    """Return the order in which a replica sees the events in one epoch: a random permutation.

    The permutation is drawn on the host for every device. It is a Fisher-Yates shuffle driven by SplitMix64 from a key
    of the replica's Philox stream; the bounded numbers are biased by at most events / 2³².

    Args:
        seed: seed of the whole run.
        replica: number of the replica.
        epoch: epoch from 0.
        events: number of events, below 2³¹.
    """
    key = generator(seed, replica, Stream.SHUFFLE, epoch).integers(0, 2**64, dtype=np.uint64)
    order = np.empty(events, dtype=np.int32)
    _compiled_shuffle()(order, key)
    return order


def part_order(seed: int, replica: int, part: int, points: int, repeats: int) -> NDArray[np.int32]:
    """Return the order in which a replica sees few points that stand for many events, a part of them at a time.

    `repeats` events, one after the other, are a sample of `points × repeats` events, in which each point occurs
    `repeats` times; every pass over that sample is a random permutation of it, of which this is one part of `points`
    events. So a point occurs in a part as often as chance has it, and parts differ as much as parts of a sample do.

    No permutation is held: each position is mixed by a Feistel network of four rounds with SplitMix64 as its function
    (M. Luby, C. Rackoff, SIAM J. Comput. 17 (1988) 373), again and again until it lies in range (J. Black, P. Rogaway,
    CT-RSA 2002), with keys from the replica's Philox stream.

    Args:
        seed: seed of the whole run.
        replica: number of the replica.
        part: from 0, on and on through all passes.
        points: number of points, below 2³¹.
        repeats: how many parts are a pass.

    Returns:
        Numbers of points, shape (points,).
    """
    if repeats == 1:
        return epoch_order(seed, replica, part, points)
    over, position = divmod(part, repeats)
    keys = generator(seed, replica, Stream.SHUFFLE, over).integers(0, 2**64, size=4, dtype=np.uint64)
    order = np.empty(points, dtype=np.int32)
    _compiled_mixing()(order, position * points, points * repeats, keys)
    return order


@cache
def _compiled_mixing() -> Callable[[NDArray[np.int32], int, int, NDArray[np.uint64]], None]:
    from cutflow_cli.engine.compile import jit

    compiled: Callable[[NDArray[np.int32], int, int, NDArray[np.uint64]], None] = jit(_mixed)
    return compiled


def _mixed(order: NDArray[np.int32], start: int, total: int, keys: NDArray[np.uint64]) -> None:
    bits = 2
    while (1 << bits) < total:
        bits += 1
    half = np.uint64(bits // 2)
    low, high = np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << (bits - bits // 2)) - 1)
    points = len(order)
    for i in range(points):
        x = np.uint64(start + i)
        while True:
            right, left = x & low, x >> half
            for number in range(4):
                from_right = number % 2 == 0
                z = (right if from_right else left) + keys[number]
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z = z ^ (z >> np.uint64(31))
                if from_right:
                    left ^= z & high
                else:
                    right ^= z & low
            x = (left << half) | right
            if x < np.uint64(total):
                break
        order[i] = np.int64(x) % points


@cache
def _compiled_shuffle() -> Callable[[NDArray[np.int32], np.uint64], None]:
    """Compile the shuffle when it is first needed; numpy's own takes ten times as long."""
    from cutflow_cli.engine.compile import jit

    compiled: Callable[[NDArray[np.int32], np.uint64], None] = jit(_shuffle)
    return compiled


def _shuffle(order: NDArray[np.int32], key: np.uint64) -> None:
    for i in range(len(order)):
        order[i] = i
    state = np.uint64(key)
    for i in range(len(order) - 1, 0, -1):
        state += np.uint64(0x9E3779B97F4A7C15)
        z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        j = ((z >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32)
        swapped = order[i]
        order[i] = order[j]
        order[j] = swapped
