"""The files of a process: found, opened once to be checked, and read again later row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.events.readers import Column, Source, find_column, find_number, open_source
from cutflow_cli.events.readers.base import Chunk
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.tree import Node

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Needs:
    """The columns that a process takes from its files.

    Attributes:
        numbers: columns of expressions, with what needs them, for messages.
        carried: spectators, which keep their type.
        matched: columns whose values pick rows, with the wanted value.
    """

    numbers: Mapping[str, str]
    carried: tuple[str, ...] = ()
    matched: Mapping[str, str | float] | None = None

    def columns(self, source: Source) -> dict[str, Column]:
        """Look up all columns in a file.

        Raises:
            InputError: if one is absent or of the wrong kind.
        """
        found = {name: find_number(source, name, user) for name, user in self.numbers.items()}
        for name in self.carried:
            found[name] = find_column(source, name, "a spectator")
        for name, wanted in (self.matched or {}).items():
            column = find_column(source, name, "for rows")
            if (column.kind == "text") != isinstance(wanted, str):
                msg = f"{source.where}: column {name!r} (for rows) holds {column.shown}, it can't be {wanted!r}"
                raise InputError(msg)
            found[name] = column
        return found


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was found fit for use.

    Attributes:
        path: the file.
        tree: its TTree or RNTuple; None for the only one, or for another format.
        size: in bytes.
        digest: of its content.
        rows: number of rows; None where only reading would tell.
        columns: what it says about the columns that are needed.
    """

    path: Path
    tree: str | None
    size: int
    digest: str
    rows: int | None
    columns: dict[str, Column]


def find_files(patterns: Sequence[str], base: Path, process: str) -> tuple[Path, ...]:
    """Find the files that patterns name, in the order of the patterns, each pattern's files sorted.

    Args:
        patterns: paths, or patterns with `*`, `**`, `?` or `[…]`, relative to `base` unless absolute.
        base: the directory they start from.
        process: for messages.

    Raises:
        InputError: if a pattern matches nothing.
        UsageError: if a file is named twice, which would count its events twice.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = base / Path(pattern).expanduser()
        matches = [path]
        if not path.exists() and _PATTERN & set(pattern):
            anchor = Path(path.anchor) if path.is_absolute() else Path()
            matches = sorted(match for match in anchor.glob(str(path.relative_to(anchor))) if match.is_file())
            if not matches:
                msg = f"process {process!r}: no file matches {str(path)!r}"
                raise InputError(msg)
        for match in matches:
            if match in found:
                msg = f"process {process!r}: {match} is named twice; its events would count twice"
                raise UsageError(msg)
            found.append(match)
    return tuple(found)


def inspect(path: Path, tree: str | None, needs: Needs) -> InputFile:
    """Open a file and check that it has what is needed, without reading events.

    Raises:
        InputError: if it is missing, damaged, of a wrong format, or lacks a tree or column.
    """
    with closing(open_source(path, tree)) as source:
        columns = needs.columns(source)
        return InputFile(path, tree, path.stat().st_size, source.digest, source.rows, columns)


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a file, of which some belong to the process.

    Attributes:
        columns: the columns asked for, picked rows only, each of shape (picked,).
        events: number of picked rows.
        first_row: number of the chunk's first row in the file, before picking.
        read: number of rows before picking.
        seen: some of the texts that stood in the columns that pick rows, for messages.
    """

    columns: Chunk
    events: int
    first_row: int
    read: int
    seen: frozenset[str] = frozenset()


def read_rows(
    file: InputFile, names: Sequence[str], needs: Needs, condition: Node | None, chunk_rows: int
) -> Iterator[Rows]:
    """Read the rows of a file that belong to a process.

    Args:
        file: the file.
        names: columns to return, among those that were inspected.
        needs: what the process needs, with the values that pick rows.
        condition: picks rows too; its columns must be among `names`.
        chunk_rows: rows held in memory at most.

    Yields:
        Chunks in file order.

    Raises:
        InputError: if the data are damaged, or text stands where numbers belong.
    """
    matched = needs.matched or {}
    wanted = list(dict.fromkeys([*names, *matched])) or list(file.columns)[:1]  # some column, to count rows by
    columns = [_as_read(file.columns[name], needs) for name in wanted]
    first_row = 0
    with closing(open_source(file.path, file.tree)) as source:
        for chunk in source.chunks(columns, chunk_rows):
            rows = len(chunk[wanted[0]])
            keep = np.ones(rows, dtype=np.bool_)
            seen: set[str] = set()
            for name, value in matched.items():
                keep &= chunk[name] == value
                if isinstance(value, str) and not keep.any():
                    seen.update(str(text) for text in dict.fromkeys(chunk[name].tolist()))
            if condition is not None:
                keep &= evaluate(condition, chunk, rows)
            picked = {name: _pick(chunk[name], keep) for name in names}
            yield Rows(picked, int(np.count_nonzero(keep)), first_row, rows, frozenset(seen))
            first_row += rows


def _as_read(column: Column, needs: Needs) -> Column:
    """Read what expressions use as doubles, which hold what the first rows of a CSV file don't show."""
    if column.name in needs.numbers and column.name not in needs.carried:
        return Column(column.name, "number", "float64", column.shown)
    return column


def _pick(values: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[Any]:
    return values if keep.all() else values[keep]


def nothing_picked(process: str, rows: object, seen: frozenset[str]) -> InputError:
    """Say that no row of the files belongs to a process."""
    if rows is None:
        return InputError(f"process {process!r}: its files hold no events")
    there = f"; {nearest(next(iter(rows.values()), ''), sorted(seen))}" if seen and isinstance(rows, dict) else ""
    return InputError(f"process {process!r}: rows = {rows!r} picks no event of its files{there}")
