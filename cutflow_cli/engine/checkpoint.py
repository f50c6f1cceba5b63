"""Checkpoints: arrays in an `.npz` file, replaced atomically, loaded without executing anything."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError, naming

Arrays = dict[str, NDArray[Any]]
T = TypeVar("T")

#: Names of what the training loop keeps beside a stepper's state: loss terms of shape (epochs, replicas), epochs done.
HISTORY, EPOCHS_DONE = "history/", "epochs_done"
#: Arrays that are of one replica alone are named after it: `replica/3/trees`.
_REPLICA = re.compile(r"replica/(\d+)/(.+)")


def save_checkpoint(path: Path, arrays: Arrays) -> None:
    """Replace the checkpoint by a new one; the old one stays whole until the new one is."""
    with written_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type, unused-ignore]


def load_checkpoint(path: Path) -> Arrays:
    """Read a checkpoint.

    Raises:
        InputError: if it is damaged.
    """
    with naming(path):
        content = io.BytesIO(path.read_bytes())  # what fails here is the disk's fault, what fails below the file's
    try:
        with np.load(content, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, KeyError, TypeError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        msg = f"{path}: damaged checkpoint ({error}); start over with --fresh"
        raise InputError(msg) from error


class FinishedReplicas:
    """What is known of replicas that are finished, in a checkpoint, beside whatever else it holds.

    Args:
        checkpoint: where to keep them; None for nowhere.

    Raises:
        InputError: if the checkpoint is damaged.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        self._path = checkpoint
        self._arrays = load_checkpoint(checkpoint) if checkpoint is not None and checkpoint.is_file() else {}

    def read(self, replica: int, reader: Callable[[Arrays], T]) -> T | None:
        """Return a replica; None if it is not finished.

        Args:
            replica: its number.
            reader: makes of arrays what they were made from; raises KeyError or ValueError where it can't.

        Raises:
            InputError: if it can't.
        """
        found = {}
        for name, values in self._arrays.items():
            match = _REPLICA.fullmatch(name)
            if match and int(match[1]) == replica:
                found[match[2]] = values
        try:
            return reader(found) if found else None
        except (KeyError, ValueError) as error:
            msg = f"{self._path}: this checkpoint belongs to another training ({error}); start over with --fresh"
            raise InputError(msg) from error

    def add(self, replica: int, arrays: Arrays) -> None:
        """Keep a replica that was finished now."""
        self._arrays.update({f"replica/{replica}/{name}": values for name, values in arrays.items()})
        if self._path is not None:
            save_checkpoint(self._path, self._arrays)


def without_finished(arrays: Arrays) -> Arrays:
    """Return what a checkpoint holds apart from finished replicas."""
    return {name: values for name, values in arrays.items() if not _REPLICA.fullmatch(name)}


def joined(states: Sequence[Arrays]) -> Arrays:
    """Put checkpoints of trainings that are over, of one replica block each, together to that of all their replicas.

    Arrays have the replicas as their first axis, histories as their second. Scalars are of the training that took
    longest; the history of one that early stopping ended before is NaN from there on.

    Args:
        states: one of each block, in the order of the replicas.

    Raises:
        ValueError: if they do not hold the same.
    """
    names = [set(without_finished(state)) for state in states]
    for other in names:
        if other != names[0]:
            msg = f"one has {min(other ^ names[0])!r}, another has not"
            raise ValueError(msg)
    longest = max(states, key=lambda state: int(state.get(EPOCHS_DONE, 0)))
    whole: Arrays = {}
    for state in states:
        whole.update({name: values for name, values in state.items() if _REPLICA.fullmatch(name)})
    for name in without_finished(longest):
        parts = [state[name] for state in states]
        if parts[0].ndim == 0:
            whole[name] = longest[name]
        elif name.startswith(HISTORY):
            epochs = len(longest[name])
            rows = [np.pad(part, ((0, epochs - len(part)), (0, 0)), constant_values=np.nan) for part in parts]
            whole[name] = np.concatenate(rows, axis=1)
        else:
            whole[name] = np.concatenate(parts)
    return whole
