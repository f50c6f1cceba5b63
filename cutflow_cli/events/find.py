"""From the files that settings name to the files there are."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.errors import InputError, UsageError, naming
from cutflow_cli.events.readers import Location

_PATTERN = frozenset("*?[")
#: What starts a comment in a list of files: not every `#`, since names and addresses may hold one.
_COMMENT = re.compile(r"(^|\s)#.*")


def find_files(patterns: Sequence[str], base: Path, process: str) -> tuple[Location, ...]:
    """Find the files that patterns name, in the order of the patterns, each pattern's files sorted.

    Args:
        patterns: paths, addresses (`root://`, `https://`), patterns with `*`, `**` (directories below), `?` or `[…]`,
            which match names that start with a dot only if they do themselves, as in a shell, or `@list.txt`, a file
            that names paths, addresses and patterns, one in a line (`#` at its start or behind a space begins a
            comment); relative to `base` (in a list: to the list), unless absolute.
        base: the directory they start from.
        process: for messages.

    Raises:
        InputError: if a pattern matches nothing, or a list can't be read.
        UsageError: if a file is named twice, which would count its events twice, or an address is a pattern.
    """
    found: dict[Location | Path, Location] = {}
    for pattern in patterns:
        for match in _matches(pattern, base, process):
            other = found.setdefault(identity(match), match)
            if other is not match:
                spelt = "is named twice" if other == match else f"and {other} are the same file"
                msg = f"process {process!r}: {match} {spelt}; its events would count twice"
                raise UsageError(msg)
    return tuple(found.values())


def identity(file: Location) -> Location | Path:
    """Return what is equal for two spellings of one file: another directory to start from, or a link."""
    return file if file.is_remote else file.path.resolve()


def _matches(pattern: str, base: Path, process: str) -> list[Location]:
    if pattern.startswith("@"):
        return _listed(pattern[1:], base, process)
    if Location(pattern).is_remote:
        return [_remote(pattern, process)]
    path = base / Path(pattern).expanduser()
    if path.exists() or not _PATTERN & set(pattern):
        return [Location(str(path))]
    # As a shell does it, which hides what starts with a dot and takes what stands in `base` literally.
    names = glob.glob(str(Path(pattern).expanduser()), root_dir=base, recursive=True)  # noqa: PTH207
    matches = sorted(match for match in (base / name for name in names) if not match.is_dir())
    if not matches:
        below = f" (it matches directories; files in them are '{path}/*')" if names else ""
        msg = f"process {process!r}: no file matches {str(path)!r}{below}"
        raise InputError(msg)
    return [Location(str(match)) for match in matches]


def _remote(address: str, process: str) -> Location:
    """Take an address as it is; what comes behind a question mark is no pattern but meant for the server.

    Raises:
        UsageError: if it is a pattern.
    """
    if "*" in address.partition("?")[0]:
        msg = (
            f"process {process!r}: {address}: patterns are not looked up on servers; "
            "name the files, or a list of them with @list.txt"
        )
        raise UsageError(msg)
    return Location(address)


def _listed(name: str, base: Path, process: str) -> list[Location]:
    """Read a list of files."""
    if Location(name).is_remote:
        msg = f"process {process!r}: {name}: a list of files is read from a disk only; copy it here first"
        raise UsageError(msg)
    path = base / Path(name).expanduser()
    try:
        with naming(path):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        what = (
            "no such list of files" if isinstance(error, FileNotFoundError) else "is no list of files, a line for each"
        )
        msg = f"process {process!r}: {path}: {what}"
        raise InputError(msg) from error
    found: list[Location] = []
    for number, line in enumerate(lines, start=1):
        text = _COMMENT.sub("", line).strip()
        if text.startswith("@"):
            msg = f"process {process!r}: {path}, line {number}: a list can't name another list ({text})"
            raise InputError(msg)
        found += _matches(text, path.parent, process) if text else []
    if not found:
        msg = f"process {process!r}: {path}: names no file"
        raise InputError(msg)
    return found
