"""The files of a process: opened once to be checked, and read again later row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.process_settings import EventFormat, ProcessSettings, TreeSum
from cutflow_cli.events.readers import Column, Location, Source, find_column, open_source, tree_sum
from cutflow_cli.observables import NOTHING, Bound, UserObservables, bind
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.tree import Node


@dataclass(frozen=True, slots=True)
class Needs:
    """What a process takes from its files.

    Attributes:
        names: columns and observables of expressions, with what needs them, for messages.
        carried: spectators, which keep their type.
        matched: columns whose values pick rows, with the wanted value.
        identity: columns of whole numbers that tell an event.
        user_defined: observables from a user's file.
    """

    names: Mapping[str, str]
    carried: tuple[str, ...] = ()
    matched: Mapping[str, str | float] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    user_defined: UserObservables = NOTHING

    def stored(self, source: Source) -> dict[str, Column]:
        """Look up the columns that are taken as they are stored.

        Raises:
            InputError: if one is absent or of the wrong kind.
        """
        found = {name: find_column(source, name, "a spectator") for name in self.carried if name in source.names()}
        for name, wanted in self.matched.items():
            column = find_column(source, name, "for rows")
            if (column.kind == "text") != isinstance(wanted, str):
                msg = f"{source.where}: column {name!r} (for rows) holds {column.shown}, it can't be {wanted!r}"
                raise InputError(msg)
            found[name] = column
        for name in self.identity:
            column = find_column(source, name, "to split by")
            if column.kind != "number" or np.dtype(column.dtype).kind not in "iu":
                msg = f"{source.where}: column {name!r} (to split by) holds {column.shown}, whole numbers are needed"
                raise InputError(msg)
            found[name] = column
        return found

    def bind(self, source: Source, event_format: EventFormat | None) -> Bound[Column]:
        """Find out what the file has by the names of expressions.

        Raises:
            InputError: if it has no such column or observable.
        """
        names = {**self.names, **{name: "a spectator" for name in self.carried if name not in source.names()}}
        return bind(
            names, source, where=source.where, event_format=event_format, user_defined=self.user_defined, users=names
        )


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was found fit for use.

    Attributes:
        location: the file.
        tree: its TTree or RNTuple; None for the only one, or for another format.
        size: in bytes.
        digest: of its content.
        rows: number of rows; None where only reading would tell.
        stored: columns that are taken as they are, by name.
        bound: what it has by the names of expressions.
        format: how it was understood, for people: `NanoAOD ROOT`, `flat CSV`.
        is_text: whether its numbers are text, whose type the first rows do not settle.
        any_column: a column to count rows by where no other is needed.
        generator_weight: the column that simulated events have their weight in by the format's convention; None
            where there is none.
        beside: sum of weights in a tree beside the events; None unless it was asked for.
        header: cross section (pb) and error of its header; None unless they were asked for.
    """

    location: Location
    tree: str | None
    size: int
    digest: str
    rows: int | None
    stored: Mapping[str, Column]
    bound: Bound[Column]
    format: str
    is_text: bool
    any_column: Column
    generator_weight: str | None = None
    beside: float | None = None
    header: tuple[float, float] | None = None

    def dtype_of(self, spectator: str) -> str:
        """Return numpy's name of the type of a spectator."""
        return self.stored[spectator].dtype if spectator in self.stored else "float64"

    @property
    def types(self) -> dict[str, str]:
        """By name what is needed and how it is stored, for people: `float32`, `float32[]` for objects, `text`."""
        stored = {name: "text" if column.kind == "text" else column.dtype for name, column in self.stored.items()}
        return {**{name: _shown(self.bound, name, is_text=self.is_text) for name in self.bound.names}, **stored}


def shown_type(source: Source, name: str, needs: Needs, event_format: EventFormat | None) -> str | None:
    """Say as `InputFile.types` does how one of the names that a process needs is stored; None if it is missing."""
    alone = replace(needs, names={name: ""}, carried=(), matched={}, identity=())
    try:
        return _shown(alone.bind(source, event_format), name, is_text=source.format == "CSV")
    except InputError:
        return source.column(name).shown if name in source.names() else None


def _shown(bound: Bound[Column], name: str, *, is_text: bool) -> str:
    own = next((column.dtype for column in bound.columns if column.name == name and not is_text), "number")
    return f"{own}[]" if bound.per_object(name) else own


def inspect(location: Location, settings: ProcessSettings, needs: Needs) -> InputFile:
    """Open a file and check that it has what is needed, without reading events.

    Args:
        location: the file.
        settings: of its process.
        needs: what the process takes from it.

    Raises:
        InputError: if it is missing, damaged, of a wrong format, or lacks a tree, column, observable or header.
    """
    summed = settings.sum_of_weights
    beside = tree_sum(location, summed.tree, summed.column)[1] if isinstance(summed, TreeSum) else None
    with closing(open_source(location, settings.tree)) as source:
        columns = (source.column(name) for name in source.names())
        readable = next((column for column in columns if column.kind != "other"), None)
        if readable is None:
            msg = f"{source.where}: holds no column that can be read"
            raise InputError(msg)
        bound = needs.bind(source, settings.format)
        return InputFile(
            location=location,
            tree=settings.tree,
            size=location.size(),
            digest=source.digest,
            rows=source.rows,
            stored=needs.stored(source),
            bound=bound,
            format=source.format if source.format == bound.format else f"{bound.format} {source.format}",
            is_text=source.format == "CSV",
            any_column=readable,
            generator_weight=_generator_weight(source, bound.format),
            beside=beside,
            header=_header_cross_section(source) if settings.cross_section == "header" else None,
        )


#: Where simulated events have their weight; in flat files only a name that can mean nothing else counts.
_GENERATOR_WEIGHT = {"NanoAOD": "genWeight", "flat": "genWeight", "Delphes": "Event.Weight", "LHE": "weight"}


def _generator_weight(source: Source, event_format: EventFormat) -> str | None:
    name = _GENERATOR_WEIGHT[event_format]
    return name if name in source.names() else None


def _header_cross_section(source: Source) -> tuple[float, float]:
    """Return the cross section (pb) and its error in a file's header.

    Raises:
        InputError: if files of its format have none.
    """
    from cutflow_cli.events.readers.lhe import LheSource

    if not isinstance(source, LheSource):
        msg = f"{source.where}: a {source.format} file has no header with a cross section; give cross_section (pb)"
        raise InputError(msg)
    return source.cross_section


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a file, of which some belong to the process.

    Attributes:
        values: columns and observables of expressions, picked rows only: shape (picked,), or one value per object.
        stored: columns taken as they are stored, picked rows only.
        events: number of picked rows.
        first_row: number of the chunk's first row in the file, before picking.
        read: number of rows before picking.
        seen: some of the texts that stood in the columns that pick rows, for messages.
    """

    values: dict[str, Any]
    stored: dict[str, NDArray[Any]]
    events: int
    first_row: int
    read: int
    seen: frozenset[str] = frozenset()


def read_rows(
    file: InputFile, names: Sequence[str], stored: Sequence[str], needs: Needs, condition: Node | None, chunk_rows: int
) -> Iterator[Rows]:
    """Read the rows of a file that belong to a process.

    Args:
        file: the file.
        names: columns and observables to compute, among those that were bound.
        stored: columns to return as they are, among those that were inspected.
        needs: what the process needs, with the values that pick rows.
        condition: picks rows too; its columns must be among `names`.
        chunk_rows: rows held in memory at most.

    Yields:
        Chunks in file order.

    Raises:
        InputError: if the data are damaged, or text stands where numbers belong.
    """
    columns = _columns_to_read(file, names, (*stored, *needs.matched))
    first_row = 0
    with closing(open_source(file.location, file.tree)) as source:
        for chunk in source.chunks(columns, chunk_rows):
            rows = len(chunk[columns[0].name])
            values = file.bound.compute(chunk, names)
            keep, seen = _picked(chunk, values, rows, needs, condition)
            whole = bool(keep.all())
            yield Rows(
                values if whole else {name: array[keep] for name, array in values.items()},
                {name: chunk[name] if whole else chunk[name][keep] for name in stored},
                int(np.count_nonzero(keep)),
                first_row,
                rows,
                seen,
            )
            first_row += rows


def _columns_to_read(file: InputFile, names: Sequence[str], stored: Sequence[str]) -> list[Column]:
    """Collect the columns of a chunk; numbers for expressions are doubles where text would settle their type late."""
    columns: dict[str, Column] = {}
    for column in file.bound.columns_of(names):
        as_double = file.is_text and column.kind == "number"
        columns[column.name] = Column(column.name, "number", "float64", column.shown) if as_double else column
    columns.update({name: file.stored[name] for name in stored})
    return list(columns.values()) or [file.any_column]


def _picked(
    chunk: Mapping[str, Any], values: Mapping[str, Any], rows: int, needs: Needs, condition: Node | None
) -> tuple[NDArray[np.bool_], frozenset[str]]:
    """Say which rows belong to the process, and which texts stood there instead."""
    keep = np.ones(rows, dtype=np.bool_)
    seen: set[str] = set()
    for name, value in needs.matched.items():
        keep &= chunk[name] == value
        if isinstance(value, str) and not keep.any():
            seen.update(str(text) for text in dict.fromkeys(chunk[name].tolist()))
    if condition is not None:
        keep &= evaluate(condition, values, rows)
    return keep, frozenset(seen)


def nothing_picked(process: str, rows: object, seen: frozenset[str]) -> InputError:
    """Say that no row of the files belongs to a process."""
    if rows is None:
        return InputError(f"process {process!r}: its files hold no events")
    there = f"; {nearest(next(iter(rows.values()), ''), sorted(seen))}" if seen and isinstance(rows, dict) else ""
    return InputError(f"process {process!r}: rows = {rows!r} picks no event of its files{there}")
