"""mock1 … mock6 of the Learnable Cut Flow paper (arXiv:2503.22498), event by event.

Law, for each feature (normal distributions; x9 and x10 follow x1 of the same event):

    feature  signal                    background                 kept by the best cut
    x1       N(−2, 2)                  N(+2, 2)                   below
    x2       N(+2, 2)                  N(−2, 2)                   above
    x3       N(0, 2)                   half N(−5, 2), N(+5, 2)    inside
    x4       half N(−5, 2), N(+5, 2)   N(0, 2)                    outside
    x5       N(−1, 2)                  N(+1, 2)                   below (weaker)
    x6       N(−3, 2)                  N(+3, 2)                   below (stronger)
    x7       N(−5, 2)                  N(−5, 2)                   no information
    x8       N(+5, 2)                  N(+5, 2)                   no information
    x9       0.9 x1 + N(0, 1)          0.9 x1 + N(0, 1)           correlated
    x10      0.7 x1 + N(0, 1)          0.7 x1 + N(0, 1)           correlated

Draw order: numpy's legacy `RandomState(seed)`, features in the listed order, signal before background, the lower of two
peaks before the upper (two blocks, not a random mixture). Split: half and half by `RandomState(seed).permutation`, test
first, which is scikit-learn's `train_test_split(test_size=0.5, random_state=seed)`. mock6 is mock5 in the row order
that mock5's split left (train, then test), features in another order, split again.

With seed 42 and 200 000 events this is the published sample: the published cuts keep the published numbers of events of
the test half to the event. Other seeds and sizes up to one block (1 000 000 events) are drawn in the same way. A larger
sample is written block by block, so memory stays bounded; each block is such a draw with its own independent stream,
`MT19937(SeedSequence(seed, spawn_key=(block, 0)))`, and split, `spawn_key=(block, 1)`. It is therefore the same law,
but no longer one stream: its first events are not those of the smaller sample. An odd event goes to signal, and to the
test half.

Rows are written signal first, then background, both in the order drawn, for mock6 too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.events.mock.plan import Block, Draw
from cutflow_cli.events.schema import SPLITS

Floats = NDArray[np.float64]

_WIDTH = 2.0
_PEAKS = (-5.0, 5.0)
#: Means (signal, background); None stands for the two peaks.
_MEANS: dict[str, tuple[float | None, float | None]] = {
    "x1": (-2.0, 2.0),
    "x2": (2.0, -2.0),
    "x3": (0.0, None),
    "x4": (None, 0.0),
    "x5": (-1.0, 1.0),
    "x6": (-3.0, 3.0),
    "x7": (-5.0, -5.0),
    "x8": (5.0, 5.0),
}
#: Slopes of the features that follow x1 with unit noise.
_SLOPES = {"x9": 0.9, "x10": 0.7}
_TRAIN, _TEST = SPLITS.index("train"), SPLITS.index("test")


def draw(block: Block) -> Draw:
    """Draw one block of mock1 … mock6.

    Args:
        block: what to draw.

    Returns:
        Features and split, signal first; weights are equal within a process.
    """
    name = block.plan.mock.name
    # mock6 is a rearrangement of mock5, so it is drawn in mock5's order of features.
    order = [feature.name for feature in MOCKS["mock5" if name == "mock6" else name].features]
    drawn = _features(_stream(block, 0), order, block.sizes)
    split = _halves(_stream(block, 1), np.arange(sum(block.sizes)))
    if name == "mock6":
        # The published order of rows: mock5's train half, then its test half, each in the order of the permutation.
        permutation = _stream(block, 1).permutation(sum(block.sizes))
        tested = int(np.count_nonzero(split == _TEST))
        split = _halves(_stream(block, 1), np.concatenate([permutation[tested:], permutation[:tested]]))
    return Draw({feature.name: drawn[feature.name] for feature in block.plan.features}, split)


def _stream(block: Block, purpose: int) -> np.random.RandomState:
    """Random numbers of a block: the published stream for a sample of one block, an independent one otherwise."""
    if block.count == 1:
        return np.random.RandomState(block.plan.seed)
    sequence = np.random.SeedSequence(block.plan.seed, spawn_key=(block.index, purpose))
    return np.random.RandomState(np.random.MT19937(sequence))


def _halves(stream: np.random.RandomState, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Split rows in two, as scikit-learn does, and say for each row which half it is in.

    Args:
        stream: random numbers.
        rows: the order in which the rows are shuffled, shape (events,).

    Returns:
        Positions in `SPLITS`, shape (events,).
    """
    tested = -(-len(rows) // 2)
    split = np.full(len(rows), _TRAIN, dtype=np.int8)
    split[rows[stream.permutation(len(rows))[:tested]]] = _TEST
    return split


def _features(
    stream: np.random.RandomState, order: list[str], sizes: tuple[int, ...]
) -> dict[str, NDArray[np.float32]]:
    """Draw features in order, signal and background of each one after the other."""
    signal, background = sizes
    columns: dict[str, NDArray[np.float32]] = {}
    x1: tuple[Floats, Floats] | None = None
    for name in order:
        if name in _SLOPES:
            assert x1 is not None
            pair = (
                _SLOPES[name] * x1[0] + stream.normal(0.0, 1.0, signal),
                _SLOPES[name] * x1[1] + stream.normal(0.0, 1.0, background),
            )
        else:
            means = _MEANS[name]
            pair = _normal(stream, means[0], signal), _normal(stream, means[1], background)
        if name == "x1":
            x1 = pair
        columns[name] = np.concatenate(pair).astype(np.float32)
    return columns


def _normal(stream: np.random.RandomState, mean: float | None, events: int) -> Floats:
    if mean is not None:
        return stream.normal(mean, _WIDTH, events)
    lower = stream.normal(_PEAKS[0], _WIDTH, events // 2)
    return np.concatenate([lower, stream.normal(_PEAKS[1], _WIDTH, events - events // 2)])
