"""What every reader gives: named columns, read in chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, nearest

if TYPE_CHECKING:
    import awkward as ak

    from cutflow_cli.events.readers.location import Location

Kind = Literal["number", "text", "list", "nested", "other"]
#: What is printed to users.
Format = Literal["ROOT", "RNTuple", "Parquet", "CSV", "LHE"]
#: Columns by name: arrays of shape (events,), lists of type `events * var * number` or `events * var * var * number`.
Chunk = dict[str, "NDArray[Any] | ak.Array"]


@dataclass(frozen=True, slots=True)
class Column:
    """What a file says about one of its columns.

    Attributes:
        name: the column.
        kind: one number per event, one text per event, one list of numbers per event (`list`, such as the pT of
            jets), a list of lists of numbers per event (`nested`, such as the N-subjettinesses of jets, or ROOT's
            references to the constituents of jets, as their fUniqueID), or something else, which can't be read.
        dtype: numpy's name of the type of the numbers; `object` where there are none.
        shown: the type in the format's own words, for messages.
    """

    name: str
    kind: Kind
    dtype: str
    shown: str

    @property
    def fits_float32(self) -> bool:
        """Whether single precision holds every value: floats up to 32 bits, integers up to 16, truth values."""
        kind = np.dtype(self.dtype)
        return kind.itemsize <= (4 if kind.kind == "f" else 2)


class Source(Protocol):
    """A file opened for reading. `chunks` may be called any number of times, one pass at a time."""

    @property
    def location(self) -> Location:
        """The file, as the user named it."""

    @property
    def format(self) -> Format:
        """The format, to be printed."""

    @property
    def where(self) -> str:
        """The file, and the tree in it, for messages."""

    @property
    def rows(self) -> int | None:
        """The number of rows; None where only reading to the end would tell."""

    @property
    def digest(self) -> str:
        """Digest of the content, found without reading the whole file."""

    def close(self) -> None:
        """Close the file; users may have more files than a process may hold open."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns."""

    def column(self, name: str) -> Column:
        """Describe one of `names`."""

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read columns from the first row to the last.

        Args:
            columns: which ones; a `number` is read as such even where the file would hold it to be text.
            rows: rows per chunk at most.

        Yields:
            Arrays of equal length by column name. Missing numbers are NaN (an integer column with missing values
            comes as float64), missing texts are None, missing lists are empty. Lists come as `ak.Array` without
            option types or fixed sizes.

        Raises:
            InputError: if the data are damaged, or text stands where numbers belong.
        """


def find_column(source: Source, name: str, user: str) -> Column:
    """Look up a column.

    Args:
        source: the file.
        name: the column.
        user: what needs it, for messages, such as `feature 'ratio'`.

    Raises:
        InputError: if it is absent, or has no single value per event.
    """
    if name not in source.names():
        msg = f"{source.where}: no column {name!r} ({user}); {nearest(name, source.names())}"
        raise InputError(msg)
    column = source.column(name)
    if column.kind not in ("number", "text"):
        msg = (
            f"{source.where}: column {name!r} ({user}) holds {column.shown}; "
            "only columns with one number per event can be read"
        )
        raise InputError(msg)
    return column


def find_number(source: Source, name: str, user: str) -> Column:
    """Look up a column that must hold numbers.

    Raises:
        InputError: if it is absent, or holds something else.
    """
    column = find_column(source, name, user)
    if column.kind == "text":
        msg = f"{source.where}: column {name!r} ({user}) holds text{_example(source, column)}, numbers were expected"
        raise InputError(msg)
    return column


def _example(source: Source, column: Column) -> str:
    """Show the first text among the first rows that is no number."""
    for chunk in source.chunks([column], 1000):
        for row, value in enumerate(chunk[column.name].tolist(), start=1):
            try:
                float(value or "nan")
            except ValueError:
                return f" ({str(value)[:40]!r} in row {row})"
        break
    return ""


def first_line(error: BaseException) -> str:
    """Return what a library said, in one line, for a message of ours."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(",.")
