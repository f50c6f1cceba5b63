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
from datetime import date
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np

from cutflow_cli.errors import InputError, UsageError, is_disk_fault, naming

PARTIAL_SUFFIX = ".partial"
#: In unfinished work: the digest of the inputs and settings that it was started with.
STARTED = "started.json"
#: A directory made by an older or newer program with another layout says so through this number.
RUN_SCHEMA_VERSION = 1


class Action(Enum):
    """What to do about an output."""

    START = "start"
    CONTINUE = "continue"
    DONE = "done"


def partial_path(out: Path) -> Path:
    """Return where work goes before it is renamed to `out`.

    Raises:
        UsageError: if `out` is a place (`.`, `..`, `/`) rather than a name to be made.
    """
    if out.name in ("", ".."):
        msg = f"{out}: is a directory that is there already; name an output to be made in it"
        raise UsageError(msg)
    return out.with_name(out.name + PARTIAL_SUFFIX)


def as_json(value: Any) -> Any:  # noqa: ANN401  (what `json` can't encode by itself)
    """Encode what settings and results hold beside plain JSON: numpy numbers as numbers, paths and times as text.

    Raises:
        TypeError: for anything else, whose text may change from run to run (an address, the order of a set).
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath | date):
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def digest(value: Any) -> str:  # noqa: ANN401  (anything `as_json` knows)
    """Digest of a JSON-like value, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=as_json)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Digest of a file that does not read the whole of it.

    For Parquet the footer (schema, row groups, offsets, statistics) is hashed, for other files size, first and last
    64 kB. Two files that agree in these are taken as equal.

    Raises:
        InputError: if the file can't be read.
    """
    try:
        with naming(path), path.open("rb") as stream:
            return stream_digest(stream, path.stat().st_size)
    except IsADirectoryError as error:
        msg = f"{path}: is a directory, a file was expected"
        raise InputError(msg) from error
    except FileNotFoundError as error:
        msg = f"{path}: no such file"
        raise InputError(msg) from error


def stream_digest(stream: BinaryIO, size: int) -> str:
    """Digest of an open file of a known size; see `file_digest`."""
    block = 65_536
    head = stream.read(block)
    tail_start = max(0, size - block)
    if head[:4] == b"PAR1" and size >= 12:
        stream.seek(size - 8)
        (footer,) = struct.unpack("<I", stream.read(8)[:4])
        tail_start, head = max(0, size - 8 - footer), b""
    stream.seek(tail_start)
    tail = stream.read()
    return hashlib.sha256(str(size).encode() + head + tail).hexdigest()


def decide(out: Path, wanted: str, existing: str | None, *, force: bool, differs: str = "") -> Action:
    """Decide what to do about an output, from what is there.

    Args:
        out: the output file or directory.
        wanted: digest of this command's inputs and settings.
        existing: digest found in a finished output; None if it has none.
        force: replace whatever is there.
        differs: the first of the inputs and settings in which they differ, for the message.

    Raises:
        UsageError: if something else is there and `force` is not set.
    """
    if not out.exists() or force:
        return Action.START
    if existing == wanted:
        return Action.DONE
    what = "exists" if existing is None else "exists and was made from other inputs or settings"
    what += f" ({differs})" if existing is not None and differs else ""
    msg = f"{out}: {what}; choose another --out, or --force to replace it"
    raise UsageError(msg)


def require_parent(out: Path) -> None:
    """Make the directory above an output.

    Raises:
        UsageError: if it can't be made or is a file.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        msg = f"{out.parent}: can't make this directory ({error.strerror})"
        raise UsageError(msg) from error


@contextmanager
def written_file(out: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to `out` if all went well; remove it otherwise.

    Raises:
        UsageError: if the directory is not there and can't be made, or if `out` is a directory.
    """
    partial = partial_path(out)
    if out.is_dir():
        msg = f"{out}: is a directory, a file was expected"
        raise UsageError(msg)
    require_parent(out)
    try:
        yield partial
        partial.replace(out)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        is_disk_fault(error, out)  # then it names the output
        raise


def write_text(out: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_file(out) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(out: Path, value: Any) -> None:  # noqa: ANN401
    """Write a JSON file atomically, readable by people."""
    write_text(out, json.dumps(value, indent=2, allow_nan=False, default=as_json) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: if it is absent or no JSON object.
    """
    try:
        with naming(path):
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
        scratch: files in it that only unfinished work needs.
    """

    out: Path
    path: Path
    action: Action
    scratch: tuple[str, ...] = ()

    def finish(self) -> None:
        """Put the finished directory in its place."""
        for name in (*self.scratch, STARTED):
            (self.path / name).unlink(missing_ok=True)
        _remove(self.out)
        self.path.replace(self.out)

    def abandon(self) -> None:
        """Remove unfinished work that holds nothing worth continuing."""
        _remove(self.path)


def _remove(path: Path) -> None:
    """Remove a file, a link or a directory with all that it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _stored_digest(path: Path) -> str | None:
    """Return the digest in a JSON file of ours; None if there is none or it can't be read."""
    try:
        found = read_json(path).get("digest")
    except (InputError, OSError):
        return None
    return found if isinstance(found, str) else None


def open_work_directory(
    out: Path,
    manifest_name: str,
    wanted: str,
    *,
    force: bool,
    fresh: bool,
    scratch: tuple[str, ...] = (),
    differs: str = "",
) -> WorkDirectory:
    """Start, continue or skip an output directory.

    Work that has its manifest, which is written last, but was ended before it was put in its place, is put there.

    Args:
        out: the output directory.
        manifest_name: file in it that holds `digest`.
        wanted: digest of this command's inputs and settings.
        force: replace a finished output that was made from something else.
        fresh: forget earlier unfinished work.
        scratch: files that only unfinished work needs.
        differs: the first thing in which a finished output differs, for the message.

    Returns:
        A work directory whose action is DONE (nothing to do), CONTINUE or START.

    Raises:
        UsageError: if something else is at `out`, or if the directory can't be made. A directory that holds files
            but no manifest is none of ours, and is not replaced even with `force`; nor is a file with content. Also
            if there is unfinished work of something else, and neither `fresh` nor `force`.
    """
    partial = partial_path(out)
    finished = out / manifest_name
    if force and out.is_file() and not out.is_symlink() and out.stat().st_size:
        msg = f"{out}: is a file, so --force does not replace it by a directory; choose another --out"
        raise UsageError(msg)
    if force and out.is_dir() and not finished.is_file() and any(out.iterdir()):
        msg = f"{out}: holds files but no {manifest_name}, so --force does not replace it; choose another --out"
        raise UsageError(msg)
    existing = read_json(finished).get("digest") if finished.is_file() and not force else None
    action = decide(out, wanted, existing, force=force, differs=differs)
    if action is Action.DONE:
        return WorkDirectory(out, partial, action)
    started, complete = partial / STARTED, partial / manifest_name
    if not fresh and complete.is_file() and _stored_digest(complete) == wanted:
        WorkDirectory(out, partial, Action.CONTINUE, scratch).finish()
        return WorkDirectory(out, partial, Action.DONE)
    if not fresh and _stored_digest(started) == wanted:
        return WorkDirectory(out, partial, Action.CONTINUE, scratch)
    if not (fresh or force) and partial.is_dir() and any(entry.name != STARTED for entry in partial.iterdir()):
        msg = f"{partial}: holds unfinished work of other inputs or settings; --fresh forgets it, or name another --out"
        raise UsageError(msg)
    require_parent(out)
    _remove(partial)
    try:
        partial.mkdir()
    except PermissionError as error:
        msg = f"{partial}: can't make this directory ({error.strerror})"
        raise UsageError(msg) from error
    write_json(started, {"digest": wanted})
    return WorkDirectory(out, partial, Action.START, scratch)
