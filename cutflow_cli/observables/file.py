"""What observables need to know of a file: its columns, and how one says that a name can't be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np


class ColumnLike(Protocol):
    """A column of a file, as the readers describe it (`events.readers.Column`).

    `kind` is "number" (one per event), "list" (one list of numbers per event), "nested" (lists of lists), "text" or
    "other"; `dtype` is numpy's name of the type of the numbers; `shown` is the type in the format's own words.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def dtype(self) -> str: ...  # noqa: D102
    @property
    def shown(self) -> str: ...  # noqa: D102


AnyColumn = TypeVar("AnyColumn", bound=ColumnLike)


class FileLike(Protocol[AnyColumn]):
    """The columns of a file; every reader's `Source` is one. A column is described only when it is asked for."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns."""

    def column(self, name: str) -> AnyColumn:
        """Describe one of them."""

    def chunks(self, columns: Sequence[AnyColumn], rows: int) -> Iterator[Mapping[str, Any]]:
        """Read columns in chunks of at most so many rows."""


class Refusal(Exception):  # noqa: N818  (becomes an InputError, once file and name are known)
    """An observable can't be had.

    Args:
        reason: why, and what to write instead.
        pattern: how name and reason are put together.
    """

    def __init__(self, reason: str, pattern: str = "observable {}: {}") -> None:
        super().__init__(reason)
        self._pattern = pattern

    def about(self, name: str) -> str:
        """Return the whole message."""
        return self._pattern.format(name, self)


def fits_float32(column: ColumnLike) -> bool:
    """Whether single precision holds every number: floats up to 32 bits, integers up to 16, truth values."""
    dtype = np.dtype(column.dtype)
    return dtype.kind in "fiub" and dtype.itemsize <= (4 if dtype.kind == "f" else 2)


def example_of_text(file: FileLike[AnyColumn], column: AnyColumn) -> str:
    """Show the first text among the first rows of a column that is no number."""
    for chunk in file.chunks([column], 1000):
        for row, value in enumerate(chunk[column.name].tolist(), start=1):
            try:
                float(value or "nan")
            except ValueError:
                return f" ({str(value)[:40]!r} in row {row})"
        break
    return ""
