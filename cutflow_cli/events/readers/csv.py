"""CSV files with a header line. Their numbers are read as doubles."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from cutflow_cli.artifacts import file_digest
from cutflow_cli.errors import InputError, naming
from cutflow_cli.events.readers.base import Chunk, Column, Format, first_line
from cutflow_cli.events.readers.location import Location
from cutflow_cli.events.readers.parquet import to_numpy

#: Bytes that Arrow decodes at once. The first block decides what a column seems to hold.
_BLOCK = 1 << 20
_ARROW_TYPES = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "object": pa.string()}
_BAD_VALUE = re.compile(r"In CSV column #(?P<column>\d+): Row #(?P<row>\d+): .*invalid value '(?P<value>.*)'")


class CsvSource:
    """A CSV file opened for reading: a header line, then commas, or tabs or semicolons if the header has them.

    Columns of numbers are float64, except that a column without a point or an exponent in the first megabyte is
    described as int64, so that event numbers can be carried along exactly.

    Raises:
        InputError: if there is no header line, or the file is no table of text.
    """

    format: Format = "CSV"

    def __init__(self, location: Location) -> None:
        self.location = location
        self.path = path = location.path
        self.where = str(location)
        self.rows: int | None = None  # reading to the end would tell
        self.digest = file_digest(path)
        self._names, self._delimiter = _header(path)
        self._seen: dict[str, pa.DataType] | None = None

    def close(self) -> None:
        """Do nothing: each pass over the file opens it and closes it."""

    def names(self) -> tuple[str, ...]:
        """Return the names in the header."""
        return self._names

    def column(self, name: str) -> Column:
        """Describe a column by what the first megabyte of it looks like."""
        if self._seen is None:
            with self._open({}) as reader:
                self._seen = dict(zip(self._names, reader.schema.types, strict=True))
        kind = self._seen[name]
        if pa.types.is_string(kind):
            return Column(name, "text", "object", "text")
        dtype = "int64" if pa.types.is_integer(kind) else "bool" if pa.types.is_boolean(kind) else "float64"
        if dtype == "float64" and not (pa.types.is_floating(kind) or pa.types.is_null(kind)):
            return Column(name, "other", "object", str(kind))
        return Column(name, "number", dtype, dtype)

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read columns in chunks of rows; see `Source.chunks`."""
        types = {column.name: _ARROW_TYPES[column.dtype] for column in columns}
        with naming(self.path), self._open(types) as reader:
            try:
                for batch in reader:
                    for start in range(0, batch.num_rows, rows):
                        part = batch.slice(start, rows)
                        yield {name: to_numpy(part.column(position)) for position, name in enumerate(types)}
            except pa.ArrowException as error:
                raise self._complaint(error) from error

    def _open(self, types: dict[str, pa.DataType]) -> pa_csv.CSVStreamingReader:
        try:
            return pa_csv.open_csv(
                self.path,
                read_options=pa_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK, column_names=list(self._names), skip_rows=1
                ),
                parse_options=pa_csv.ParseOptions(delimiter=self._delimiter),
                convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=list(types)),
            )
        except pa.ArrowException as error:
            raise self._complaint(error) from error

    def _complaint(self, error: Exception) -> InputError:
        """Say in our words what Arrow found."""
        text = first_line(error)
        match = _BAD_VALUE.search(text)
        if match is None:
            return InputError(f"{self.path}: not a well-formed CSV file ({text})")
        name = self._names[int(match["column"])]
        return InputError(f"{self.path}: column {name!r}, line {match['row']}: {match['value']!r} is no number")


def _header(path: Path) -> tuple[tuple[str, ...], str]:
    """Read the names in the first line, and find what separates them."""
    try:
        with naming(path), path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline(1_000_000)
    except UnicodeDecodeError as error:
        msg = f"{path}: is no text in UTF-8, so no CSV file"
        raise InputError(msg) from error
    delimiter = next((mark for mark in ("\t", ";") if mark in line and "," not in line), ",")
    names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), []))
    if not any(names) or any(_is_number(name) for name in names):
        msg = f"{path}: the first line must name the columns, it reads {line.strip()[:60]!r}"
        raise InputError(msg)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        msg = f"{path}: two columns are named {twice!r}"
        raise InputError(msg)
    return names, delimiter


def _is_number(text: str) -> bool:
    try:
        return bool(np.isreal(float(text)))
    except ValueError:
        return False
