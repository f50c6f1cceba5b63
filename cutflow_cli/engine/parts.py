"""What the checkpoint of a training within an epoch holds beside that of one between two epochs."""

from __future__ import annotations

import numpy as np

from cutflow_cli.engine.checkpoint import Arrays

_DONE, _SUMS = "epoch_parts_done", "epoch_sums/"


def part_arrays(done: int, sums: Arrays) -> Arrays:
    """Say where in an epoch a training is.

    Args:
        done: how many parts of the epoch are done.
        sums: what was summed over them.

    Returns:
        Arrays for its checkpoint; none before the first part, where there is nothing to say.
    """
    if not done:
        return {}
    return {_DONE: np.array(done), **{_SUMS + name: np.array(values) for name, values in sums.items()}}


def taken_apart(state: Arrays) -> tuple[int, Arrays, Arrays]:
    """Return how many parts of an epoch were done, the sums over them, and the rest of a checkpoint."""
    rest = dict(state)
    done = int(rest.pop(_DONE, 0))
    return done, {name.removeprefix(_SUMS): rest.pop(name) for name in state if name.startswith(_SUMS)}, rest
