"""Users' files that cuts are applied to: names are columns and observables, features are computed as ingest does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutflow_cli.apply.conditions import columns_of, conditions_of
from cutflow_cli.apply.cuts_file import CutsFile, WrittenFeature
from cutflow_cli.apply.inputs import Block, Group, SourceOptions, finite_weights
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.readers import Column, Location, Source, find_column, open_source
from cutflow_cli.observables import Bound, bind
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.per_object import one_per_object, without_quantifiers
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import Name, Node, names


class SourceInput:
    """A file of a user's, checked without reading events.

    Args:
        location: the file.
        cuts: the cuts.
        weight: weight of an event; None for 1.
        options: how to read it.

    Raises:
        InputError: if it is missing or damaged, or lacks a column or observable.
    """

    def __init__(self, location: Location, cuts: CutsFile, weight: Node | None, options: SourceOptions) -> None:
        self.location = location
        self.groups = (Group(str(location)),)
        self.preselection = self.whole_preselection = cuts.preselection
        self.luminosity: float | None = None
        self.weighted = weight is not None
        self.notes: tuple[str, ...] = ()
        self._cuts, self._weight, self._options = cuts, weight, options
        wanted = columns_of(cuts.flows)
        self._features = {name: cuts.features[name] for name in wanted if name in cuts.features}
        self._names = [name for name in wanted if name not in cuts.features]
        with closing(open_source(location, options.tree)) as source:
            self.digest, self.rows = source.digest, source.rows
            self._is_text = source.format == "CSV"
            self._carried = self._columns_to_carry(source)
            needed = self._needed()
            self._bound: Bound[Column] = bind(
                needed, source, where=source.where, user_defined=options.user_defined,
                event_format=options.event_format, users=needed,
            )  # fmt: skip
            columns = (source.column(name) for name in source.names())
            self._any_column = next(column for column in columns if column.kind != "other")
        self._per_object = {name for name in self._bound.names if self._bound.per_object(name)}
        self._before = tuple(without_quantifiers(node, self._per_object) for node in cuts.conditions)
        self._check()
        self.dtypes: Mapping[str, str] = {
            **{name: self._type_of([name]) for name in self._names if name not in self._per_object},
            **{name: item.dtype or self._type_of(names(_tree(item))) for name, item in self._features.items()},
        }

    def _needed(self) -> dict[str, str]:
        """Say what needs each name."""
        cuts = self._cuts
        users: list[tuple[str, Node]] = [("the preselection", node) for node in cuts.conditions]
        users += [(f"feature {name!r} of {cuts.path}", _tree(item)) for name, item in self._features.items()]
        users += [(f"a cut of {cuts.path}", Name(name)) for name in self._names]
        users += [("--weight-column", self._weight)] if self._weight is not None else []
        users += [("--column", Name(name)) for name in self._carried if self._carried[name] is None]
        needed: dict[str, str] = {}
        for user, node in users:
            for name in names(node):
                needed.setdefault(name, user)
        return needed

    def _columns_to_carry(self, source: Source) -> dict[str, Column | None]:
        """Choose what is written as it is; None for an observable."""
        if not self._options.whole:
            return {}
        there = source.names()
        if self._options.columns is None:
            columns = [source.column(name) for name in there]
            if any(column.kind in ("list", "nested") for column in columns):
                return {}  # objects: features alone
            return {column.name: column for column in columns if column.kind in ("number", "text")}
        return {
            name: find_column(source, name, "--column")
            if name in there and source.column(name).kind in ("number", "text")
            else None
            for name in self._options.columns
        }

    def _check(self) -> None:
        """Refuse what has one value for each object where one for the event is needed."""
        wanted = [(f"feature {name!r}", _tree(item)) for name, item in self._features.items()]
        wanted += [("--weight-column", self._weight)] if self._weight is not None else []
        wanted += [("--column", Name(name)) for name in self._carried]
        conditions = {name for one in conditions_of(self._cuts.flows) for name in names(one.tree)}
        wanted += [("a cut", Name(name)) for name in self._names if name not in conditions]
        for user, node in wanted:
            if one_per_object(node, self._per_object):
                text = render(node)
                msg = (
                    f"{self.location}: {user}: `{text}` is one number for each object, where one for the event is "
                    f"needed; take one object, such as jet0 of jet, or reduce it: max({text}), sum({text})"
                )
                raise InputError(msg)
        for name in self._carried:
            item = self._features.get(name)
            if item is not None and _tree(item) != Name(name):
                msg = f"{self.location}: has a column {name!r}, which is a feature of {self._cuts.path}; rename one"
                raise UsageError(msg)

    def _type_of(self, used: Sequence[str]) -> str:
        """Return the type of a feature's column, as ingest chooses it."""
        return "float32" if all(self._bound.fits_float32(name) for name in used) else "float64"

    def blocks(self, flows: Sequence[CutFlow], rows: int, *, whole: bool) -> Iterator[Block]:
        """Read the file; see `Input`."""
        asked = {*columns_of(flows)}
        features = {name: item for name, item in self._features.items() if whole or name in asked}
        used = [name for item in features.values() for name in names(_tree(item))]
        used += [name for name in self._names if name in asked]
        used += [name for node in (*self._before, *((self._weight,) if self._weight else ())) for name in names(node)]
        carried = self._carried if whole else {}
        used += [name for name, column in carried.items() if column is None]
        bound = tuple(dict.fromkeys(used))
        columns = self._columns_to_read(bound, carried)
        with closing(open_source(self.location, self._options.tree)) as source:
            for chunk in source.chunks(columns, rows):
                events = len(chunk[columns[0].name])
                values = self._bound.compute(chunk, bound)
                made = {name: self._feature(name, item, values, events) for name, item in features.items()}
                yield Block(
                    events,
                    {**values, **self._typed(values), **made},
                    tuple(evaluate(node, values, events) for node in self._before),
                    weight=None if self._weight is None else self._weights(self._weight, values, events),
                    columns=self._written(chunk, values, made, carried) if whole else None,
                )

    def _columns_to_read(self, bound: Sequence[str], carried: Mapping[str, Column | None]) -> list[Column]:
        """Collect the columns of a chunk; numbers are doubles where text would settle their type late."""
        columns: dict[str, Column] = {}
        stored = [column for column in carried.values() if column is not None]
        for column in (*self._bound.columns_of(bound), *stored):
            as_double = self._is_text and column.kind == "number"
            columns[column.name] = Column(column.name, "number", "float64", column.shown) if as_double else column
        return list(columns.values()) or [self._any_column]

    def _feature(self, name: str, item: WrittenFeature, values: Mapping[str, Any], events: int) -> NDArray[Any]:
        """Compute a feature in double precision and round it once; a column as it is needs no detour."""
        tree = _tree(item)
        own = values.get(tree.name) if isinstance(tree, Name) else None
        found = own if isinstance(own, np.ndarray) else evaluate(tree, values, events)
        with np.errstate(over="ignore"):  # beyond single precision is infinite
            return np.asarray(found.astype(self.dtypes[name], copy=False))

    def _typed(self, values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Give columns and observables that are cut on themselves the type that a feature would have."""
        with np.errstate(over="ignore"):
            return {
                name: values[name].astype(self.dtypes[name], copy=False)
                for name in self._names
                if name in values and name in self.dtypes
            }

    def _weights(self, node: Node, values: Mapping[str, Any], events: int) -> NDArray[np.float64]:
        return finite_weights(evaluate(node, values, events), str(self.location), render(node))

    def _written(
        self,
        chunk: Mapping[str, Any],
        values: Mapping[str, Any],
        made: Mapping[str, NDArray[Any]],
        carried: Mapping[str, Column | None],
    ) -> pa.RecordBatch:
        """Collect the columns that are written: those carried along, then the features."""
        kept = {name: chunk[name] if column is not None else values[name] for name, column in carried.items()}
        kept |= {name: values[name].astype(self.dtypes[name], copy=False) for name in self._plain_names(values)}
        return pa.RecordBatch.from_pydict({name: pa.array(array) for name, array in {**kept, **made}.items()})

    def _plain_names(self, values: Mapping[str, Any]) -> list[str]:
        """Return the names without a feature of their own that are written as one: those with one value per event."""
        return [
            name for name in self._names if name in values and name in self.dtypes and self._carried.get(name) is None
        ]


def _tree(item: WrittenFeature) -> Node:
    return Name(item.name) if item.tree is None else item.tree
