"""Outputs on disk: written beside and renamed, never half there, never overwritten by accident.

A command asks `decide` what to do about its output, works in a file or directory with the suffix `.partial`, and
renames it when the work is done. The digest of inputs and settings in an output says whether a repeated command has
anything left to do.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from cutflow_cli.errors import InputError, UsageError

PARTIAL_SUFFIX = ".partial"
#: A directory made by an older or newer program with another layout says so through this number.
RUN_SCHEMA_VERSION = 1


class Action(Enum):
    """What to do about an output."""

    START = "start"
    CONTINUE = "continue"
    DONE = "done"


def partial_path(out: Path) -> Path:
    """Return where work goes before it is renamed to `out`."""
    return out.with_name(out.name + PARTIAL_SUFFIX)


def digest(value: Any) -> str:  # noqa: ANN401  (anything JSON can hold)
    """Digest of a JSON-like value, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Digest of a file that does not read the whole of it.

    For Parquet the footer (schema, row groups, offsets, statistics) is hashed, for other files size, first and last
    64 kB. Two files that agree in these are taken as equal.

    Raises:
        InputError: if the file can't be read.
    """
    block = 65_536
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(block)
            tail_start = max(0, size - block)
            if head[:4] == b"PAR1" and size >= 12:
                stream.seek(size - 8)
                (footer,) = struct.unpack("<I", stream.read(8)[:4])
                tail_start, head = max(0, size - 8 - footer), b""
            stream.seek(tail_start)
            tail = stream.read()
    except IsADirectoryError as error:
        msg = f"{path}: is a directory, a file was expected"
        raise InputError(msg) from error
    except FileNotFoundError as error:
        msg = f"{path}: no such file"
        raise InputError(msg) from error
    return hashlib.sha256(str(size).encode() + head + tail).hexdigest()


def decide(out: Path, wanted: str, existing: str | None, *, force: bool) -> Action:
    """Decide what to do about an output, from what is there.

    Args:
        out: the output file or directory.
        wanted: digest of this command's inputs and settings.
        existing: digest found in a finished output; None if it has none.
        force: replace whatever is there.

    Raises:
        UsageError: if something else is there and `force` is not set.
    """
    if not out.exists() or force:
        return Action.START
    if existing == wanted:
        return Action.DONE
    msg = f"{out}: exists and was made from other inputs or settings; choose another --out, or --force to replace it"
    raise UsageError(msg)


def require_parent(out: Path) -> None:
    """Make the directory above an output.

    Raises:
        UsageError: if it can't be made or is a file.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out.parent}: can't make this directory ({error.strerror})"
        raise UsageError(msg) from error


@contextmanager
def written_file(out: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to `out` if all went well; remove it otherwise.

    Raises:
        UsageError: if the directory is not there and can't be made.
    """
    require_parent(out)
    partial = partial_path(out)
    try:
        yield partial
        partial.replace(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(out: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_file(out) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(out: Path, value: Any) -> None:  # noqa: ANN401
    """Write a JSON file atomically, readable by people."""
    write_text(out, json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: if it is absent or no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"{path}: no such file"
        raise InputError(msg) from error
    except (UnicodeDecodeError, ValueError) as error:
        msg = f"{path}: not a JSON file ({error})"
        raise InputError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path}: holds no JSON object"
        raise InputError(msg)
    return value


@dataclass(frozen=True, slots=True)
class WorkDirectory:
    """An output directory in the making: work in `path`, then `finish`.

    Attributes:
        out: where the result goes.
        path: where the work goes until then.
        action: whether there is earlier work in `path` to continue.
    """

    out: Path
    path: Path
    action: Action

    def finish(self) -> None:
        """Put the finished directory in its place."""
        if self.out.exists():
            shutil.rmtree(self.out)
        self.path.replace(self.out)


def open_work_directory(out: Path, manifest_name: str, wanted: str, *, force: bool, fresh: bool) -> WorkDirectory:
    """Start, continue or skip an output directory.

    Args:
        out: the output directory.
        manifest_name: file in it that holds `digest`.
        wanted: digest of this command's inputs and settings.
        force: replace a finished output that was made from something else.
        fresh: forget earlier unfinished work.

    Returns:
        A work directory whose action is DONE (nothing to do), CONTINUE or START.

    Raises:
        UsageError: if something else is at `out`, or if the directory can't be made.
    """
    finished = out / manifest_name
    existing = read_json(finished).get("digest") if finished.is_file() else None
    action = decide(out, wanted, existing, force=force)
    partial = partial_path(out)
    if action is Action.DONE:
        return WorkDirectory(out, partial, action)
    started = partial / "started.json"
    if not fresh and started.is_file() and read_json(started).get("digest") == wanted:
        return WorkDirectory(out, partial, Action.CONTINUE)
    if partial.exists():
        shutil.rmtree(partial)
    require_parent(out)
    try:
        partial.mkdir()
    except OSError as error:
        msg = f"{partial}: can't make this directory ({error.strerror})"
        raise UsageError(msg) from error
    write_json(started, {"digest": wanted})
    return WorkDirectory(out, partial, Action.START)
