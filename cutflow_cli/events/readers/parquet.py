"""Parquet files: numbers, texts, and lists of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, is_disk_fault
from cutflow_cli.events.readers.base import Chunk, Column, Format, first_line
from cutflow_cli.events.readers.jagged import from_counts
from cutflow_cli.events.readers.location import Location
from cutflow_cli.events.readers.remote import attempt, resumed
from cutflow_cli.events.schema import READ_BUFFER, REMOTE_READ_BUFFER

#: How pyarrow before 26 begins when it meets an empty entry in a list of fixed size.
NULL_LISTS = "Expected all lists to be of size="


class ParquetSource:
    """A Parquet file opened for reading.

    Raises:
        InputError: if it is truncated or damaged.
    """

    format: Format = "Parquet"

    def __init__(self, location: Location) -> None:
        self.location = location
        self.where = str(location)
        self._file = self._open()
        self.digest = location.digest()
        self.rows: int = self._file.metadata.num_rows

    def _open(self) -> pq.ParquetFile:
        return attempt(self._open_once, self.where)

    def _open_once(self) -> pq.ParquetFile:
        try:
            remote = self.location.is_remote
            file, buffer = (self.location.open(), REMOTE_READ_BUFFER) if remote else (self.location.path, READ_BUFFER)
            # Nothing that grows with the file or its row groups.
            return pq.ParquetFile(file, pre_buffer=False, buffer_size=buffer, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> InputError:
        if self.location.may_recover(error) or is_disk_fault(error, str(self.location)):
            raise error  # the server's or the disk's fault, not the file's
        if NULL_LISTS in str(error):
            msg = f"{self.location}: has missing lists of fixed size, which pyarrow {pa.__version__} can't read"
            return InputError(f"{msg}; pyarrow 26 can")
        what = "truncated Parquet file (its end is missing)"
        if "magic bytes not found" not in str(error):
            what = f"damaged Parquet file ({first_line(error)})"
        return InputError(f"{self.location}: {what}; make it or copy it again")

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def _reopen(self) -> None:
        self.close()
        self._file = self._open()

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return tuple(self._file.schema_arrow.names)

    def column(self, name: str) -> Column:
        """Describe a column.

        Raises:
            InputError: if two columns have this name.
        """
        if self.names().count(name) > 1:
            msg = f"{self.location}: two columns are named {name!r}; rename one"
            raise InputError(msg)
        return describe(name, self._file.schema_arrow.field(name).type)

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read columns in chunks of rows; see `Source.chunks`."""
        return resumed(lambda first: self._chunks(columns, rows, first), self._reopen, self.where)

    def _chunks(self, columns: Sequence[Column], rows: int, first: int) -> Iterator[Chunk]:
        """Read from a row on."""
        groups, skip = self._groups_from(first)
        wanted = [column.name for column in columns]
        try:
            for batch in self._file.iter_batches(batch_size=rows, row_groups=groups, columns=wanted):
                part = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - part.num_rows
                if part.num_rows:
                    yield {column.name: _convert(part, column) for column in columns}
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _groups_from(self, first: int) -> tuple[list[int], int]:
        """Return the row groups from a row on, and how many rows of theirs come before it."""
        metadata, start = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            stop = start + metadata.row_group(group).num_rows
            if stop > first:
                return list(range(group, metadata.num_row_groups)), first - start
            start = stop
        return [], 0


def _convert(batch: pa.RecordBatch, column: Column) -> NDArray[Any] | ak.Array:
    values = batch.column(batch.schema.get_field_index(column.name))
    return to_lists(values) if column.kind in ("list", "nested") else to_numpy(values)


def describe(name: str, kind: pa.DataType) -> Column:
    """Describe a column of an Arrow table."""
    if isinstance(kind, pa.BaseExtensionType):  # awkward marks what it writes by types of its own
        kind = kind.storage_type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_floating(value) or pa.types.is_integer(value) or pa.types.is_boolean(value):
        return Column(name, "number", np.dtype(value.to_pandas_dtype()).name, str(kind))
    if pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value):
        return Column(name, "text", "object", "text")
    inner = describe(name, value.value_type) if _is_list(value) else None
    if inner is not None and inner.kind in ("number", "list") and not pa.types.is_dictionary(value.value_type):
        return Column(name, "list" if inner.kind == "number" else "nested", inner.dtype, str(kind))
    return Column(name, "other", "object", str(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column.type, pa.BaseExtensionType) else column


def to_lists(column: pa.Array) -> ak.Array:
    """Turn an Arrow column of lists, or of lists of lists, into an awkward array; missing lists become empty."""
    column = _storage(column)
    if pa.types.is_fixed_size_list(column.type):
        counts = np.where(column.is_valid().to_numpy(zero_copy_only=False), column.type.list_size, 0)
    else:
        counts = pc.fill_null(column.value_lengths(), 0).to_numpy()
    content = _storage(column.flatten())  # without what missing lists may hide
    return from_counts(to_lists(content) if _is_list(content.type) else to_numpy(content), counts)


def to_numpy(column: pa.Array) -> NDArray[Any]:
    """Turn an Arrow column of numbers or texts into an array; missing numbers become NaN."""
    column = _storage(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count and not pa.types.is_floating(column.type) and describe("", column.type).kind == "number":
        column = (
            column.cast(pa.float64(), safe=False) if not pa.types.is_boolean(column.type) else column.cast(pa.int8())
        )
    return np.asarray(column.to_numpy(zero_copy_only=False))
