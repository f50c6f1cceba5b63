"""Checkpoints: arrays in an `.npz` file, replaced atomically, loaded without executing anything."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError

Arrays = dict[str, NDArray[Any]]


def save_checkpoint(path: Path, arrays: Arrays) -> None:
    """Replace the checkpoint by a new one; the old one stays whole until the new one is."""
    with written_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type, unused-ignore]


def load_checkpoint(path: Path) -> Arrays:
    """Read a checkpoint.

    Raises:
        InputError: if it is damaged.
    """
    content = io.BytesIO(path.read_bytes())  # what fails here is the disk's fault, what fails below the file's
    try:
        with np.load(content, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, KeyError, TypeError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        msg = f"{path}: damaged checkpoint ({error}); start over with --fresh"
        raise InputError(msg) from error
