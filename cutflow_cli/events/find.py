"""From the files that settings name to the files there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.errors import InputError, UsageError

_PATTERN = frozenset("*?[")


def find_files(patterns: Sequence[str], base: Path, process: str) -> tuple[Path, ...]:
    """Find the files that patterns name, in the order of the patterns, each pattern's files sorted.

    Args:
        patterns: paths, patterns with `*`, `**`, `?` or `[…]`, or `@list.txt`, a file that names files and patterns,
            one in a line (`#` starts a comment); relative to `base` (in a list: to the list), unless absolute.
        base: the directory they start from.
        process: for messages.

    Raises:
        InputError: if a pattern matches nothing, or a list can't be read.
        UsageError: if a file is named twice, which would count its events twice.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        for match in _matches(pattern, base, process):
            if match in found:
                msg = f"process {process!r}: {match} is named twice; its events would count twice"
                raise UsageError(msg)
            found[match] = None
    return tuple(found)


def _matches(pattern: str, base: Path, process: str) -> list[Path]:
    if pattern.startswith("@"):
        return _listed(base / Path(pattern[1:]).expanduser(), process)
    path = base / Path(pattern).expanduser()
    if path.exists() or not _PATTERN & set(pattern):
        return [path]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    matches = sorted(match for match in anchor.glob(str(path.relative_to(anchor))) if match.is_file())
    if not matches:
        msg = f"process {process!r}: no file matches {str(path)!r}"
        raise InputError(msg)
    return matches


def _listed(path: Path, process: str) -> list[Path]:
    """Read a list of files."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        what = (
            "no such list of files" if isinstance(error, FileNotFoundError) else "is no list of files, a line for each"
        )
        msg = f"process {process!r}: {path}: {what}"
        raise InputError(msg) from error
    named = [line.partition("#")[0].strip() for line in lines]
    found = [match for name in named if name for match in _matches(name, path.parent, process)]
    if not found:
        msg = f"process {process!r}: {path}: names no file"
        raise InputError(msg)
    return found
