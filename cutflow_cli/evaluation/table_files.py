"""The Parquet tables of a report: which there are, their columns, and how they are written and read."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError, naming
from cutflow_cli.evaluation.detail_rows import CorrelationRow, OverlapRow, TotalsRow, VariantRow
from cutflow_cli.evaluation.rows import CutFlowRow, MetricRow, RocRow
from cutflow_cli.evaluation.variation_rows import VariationRow

_ARROW: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64()}
#: Columns that hold small numbers.
_SHORT = frozenset({"replica", "position"})
#: Columns of rows about cuts that differ by bin of an observable.
_OF_BINS = ("binned_in", "boundaries")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One table of a report.

    Attributes:
        attribute: of `Report`.
        file: its name in the directory.
        row: what a row is; its attributes are the columns, in order.
        optional: columns that are left out where no row has anything in them.
    """

    attribute: str
    file: str
    row: type[Any]
    optional: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is called in JSON."""
        return self.file.removesuffix(".parquet")

    @property
    def schema(self) -> pa.Schema:
        """Columns and their types."""
        return self.schema_of(fields(self.row))

    def schema_of(self, attributes: Iterable[Field[Any]]) -> pa.Schema:
        """Return the schema of some attributes of a row."""
        hints = get_type_hints(self.row)
        return pa.schema([(column_name(one.name), _arrow_type(one.name, hints[one.name])) for one in attributes])

    def used(self, rows: Sequence[Any]) -> tuple[Field[Any], ...]:
        """Return the attributes that a table of some rows has as columns: all, but optional ones without a value."""
        return tuple(
            one
            for one in fields(self.row)
            if one.name not in self.optional or any(getattr(row, one.name) is not None for row in rows)
        )

    def records(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Turn rows into records with the columns that their file has."""
        used = self.used(rows)
        return [{column_name(one.name): getattr(row, one.name) for one in used} for row in rows]


TABLES = (
    TableFile("metrics", "metrics.parquet", MetricRow),
    TableFile("cut_flow", "cutflow.parquet", CutFlowRow),
    TableFile("roc", "roc.parquet", RocRow),
    TableFile("totals", "cutflow_totals.parquet", TotalsRow),
    TableFile("n_minus_1", "n_minus_1.parquet", VariantRow, _OF_BINS),
    TableFile("stability", "stability.parquet", VariantRow, _OF_BINS),
    TableFile("overlap", "overlap.parquet", OverlapRow),
    TableFile("correlations", "correlations.parquet", CorrelationRow),
    TableFile("variations", "variations.parquet", VariationRow),
)


def column_name(attribute: str) -> str:
    """Return the column of an attribute: `yield` is no name in Python."""
    return attribute.rstrip("_")


def _arrow_type(name: str, hint: Any) -> pa.DataType:  # noqa: ANN401  (a type, or a union of types)
    if name in _SHORT:
        return pa.int32()
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = {str if get_origin(one) is Literal else one for one in get_args(hint)} - {type(None)}
    if get_origin(hint) is tuple:  # of one kind of number each
        return pa.list_(_arrow_type("", get_args(hint)[0]))
    return _ARROW[str if get_origin(hint) is Literal else hint]


def as_record(row: Any) -> dict[str, Any]:  # noqa: ANN401  (a row of any table)
    """Turn a row into a record with the columns' names."""
    return {column_name(one.name): getattr(row, one.name) for one in fields(row)}


def write_rows(
    path: Path, table: TableFile, rows: Sequence[Any], metadata: Mapping[bytes, bytes] | None = None
) -> None:
    """Write a table, with what else its file says."""
    used = table.used(rows)
    schema = table.schema_of(used).with_metadata(metadata)
    columns = [[getattr(row, one.name) for row in rows] for one in used]
    with written_file(path) as partial:
        arrays = [pa.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)]
        pq.write_table(pa.table(arrays, schema=schema), partial, compression="zstd")


def read_rows(path: Path, table: TableFile) -> tuple[Any, ...]:
    """Read a table.

    Raises:
        InputError: if there is no such file.
        TypeError: if it has other columns, naming one.
    """
    attributes = {column_name(one.name): one for one in fields(table.row)}
    records = list(_read(path))
    if records:
        unknown = [name for name in records[0] if name not in attributes]
        absent = [
            name
            for name, one in attributes.items()
            if name not in records[0] and one.default is MISSING and one.default_factory is MISSING
        ]
        if unknown or absent:
            word, name = ("no", absent[0]) if absent else ("an unknown", unknown[0])
            msg = f"there is {word} column {name!r}; another version wrote it, or it is another table"
            raise TypeError(msg)
    return tuple(
        table.row(**{attributes[name].name: _value(value) for name, value in record.items()}) for record in records
    )


def _read(path: Path) -> Iterable[dict[str, Any]]:
    if not path.is_file():
        msg = f"{path}: no such file; the report is incomplete, evaluate again with --force"
        raise InputError(msg)
    with naming(path):
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _value(cell: Any) -> Any:  # noqa: ANN401  (as above)
    return tuple(cell) if isinstance(cell, list) else cell
