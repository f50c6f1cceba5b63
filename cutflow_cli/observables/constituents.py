"""Objects of objects: the constituents of jets, by Delphes' references or by PFNano's tables of indices.

Constituents are first a list for each object, as places in the flat values of all candidates of a chunk; then the
slices of `jet:3.constituents:10` are taken, and the two levels become one list per event. A place of -1 is a
reference to something that the file does not hold: its values are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cutflow_cli.observables import arrays
from cutflow_cli.observables.arrays import Floats, Integers, Jagged
from cutflow_cli.observables.file import Refusal
from cutflow_cli.observables.joined import common_coordinates
from cutflow_cli.observables.objects import Chosen, Coordinates, Objects
from cutflow_cli.observables.steps import Node, Read, Step
from cutflow_cli.observables.stored import Stored

#: A TRef's last 24 bits number the object, the others its process (ROOT, `TProcessID`).
_OBJECT_BITS = np.int64(0xFFFFFF)


class Constituents:
    """The constituents of chosen objects, as one list per event; see `Objects`.

    Args:
        name: for messages.
        places: where each one stands in the flat values of the candidates, `events * var`.
        candidates: the collections that constituents are found in, in the order of those values.
        lengths: for each collection, a list per event that has its length.
        owned: whether an event has the one object that they belong to; None for those of a collection.
    """

    single = False
    transverse_only = False

    def __init__(
        self, name: str, places: Node, candidates: Sequence[Objects], lengths: Sequence[Node], owned: Node | None
    ) -> None:
        self.name = name
        self._places = places
        self._candidates = tuple(candidates)
        self._lengths = tuple(lengths)
        self._owned = owned

    def branch(self, name: str) -> Node | None:
        """Return what the file stores under this name for all candidates; None if a collection lacks it."""
        stored = [candidates.branch(name) for candidates in self._candidates]
        return None if any(node is None for node in stored) else self._gather(stored)

    def value(self, name: str) -> Node:
        """Return an observable of each constituent; missing for candidates of a collection that lacks it."""
        values: list[Node | None] = []
        refusals: list[Refusal] = []
        for candidates in self._candidates:
            try:
                values.append(candidates.value(name))
            except Refusal as refusal:
                values.append(None)
                refusals.append(refusal)
        if len(refusals) == len(values):
            raise refusals[0]
        return self._gather(values)

    def coordinates(self) -> Coordinates:
        """Return which observables the four-momenta are best made from."""
        return common_coordinates(self._candidates)

    def count(self) -> Node:
        """Return the number of constituents of each event; missing where the one object is."""
        number = Step(arrays.counts, (self._places,))
        return number if self._owned is None else Step(_where_owned, (number, self._owned))

    def _gather(self, values: Sequence[Node | None]) -> Node:
        filled = [
            Step(_missing_like, (like,)) if node is None else Step(arrays.doubles, (node,))
            for node, like in zip(values, self._lengths, strict=True)
        ]
        return Step(_gather, (self._places, *filled))


def referenced(main: Chosen, column: str, which: slice | int, candidates: Sequence[Stored]) -> Constituents:
    """Return constituents that Delphes names by references (`FatJet.Constituents`, a TRefArray).

    Args:
        main: whose constituents.
        column: the references, as numbers.
        which: which of the constituents of each object: a slice, or the place of one.
        candidates: collections with a unique number for each object, `fUniqueID`.

    Raises:
        Refusal: if the file has no such collections.
    """
    ids = [(stored, number) for stored in candidates if (number := stored.attribute("fUniqueID")) is not None]
    if not ids:
        msg = f"{column} refers to objects that this file does not hold (towers, tracks or particles)"
        raise Refusal(msg)
    numbers = tuple(Read(number, structure=True) for _, number in ids)
    nested = Step(_match, (Read(column, structure=True), *numbers))
    return _constituents(main, nested, which, [stored for stored, _ in ids], numbers)


class Linked:
    """The rows of a table of indices, with the observables of the candidates that they name; see `Objects`."""

    single = False
    transverse_only = False

    def __init__(self, links: Stored, column: str, candidates: Stored) -> None:
        self.name = candidates.name
        self._links = links
        self._column = Read(column, structure=True)
        self._candidates = candidates

    def branch(self, name: str) -> Node | None:
        """Return what the file stores under this name, for the candidates or for the rows themselves."""
        stored = self._candidates.branch(name)
        return self._links.branch(name) if stored is None else self._of_rows(stored)

    def value(self, name: str) -> Node:
        """Return an observable of the candidate of each row, or a branch of the rows themselves."""
        own = self.branch(name)
        return self._of_rows(self._candidates.value(name)) if own is None else own

    def coordinates(self) -> Coordinates:
        """Return which observables the four-momenta are best made from."""
        return self._candidates.coordinates()

    def count(self) -> Node:
        """Return the number of rows of each event."""
        return Step(arrays.counts, (self._column,))

    def _of_rows(self, values: Node) -> Node:
        return Step(_look_up, (self._column, values))


def indexed(
    main: Chosen, links: Stored, columns: tuple[str, str], which: slice | int, candidates: Stored
) -> Constituents:
    """Return constituents that PFNano names by indices (`FatJetPFCands_jetIdx`, `FatJetPFCands_pFCandsIdx`).

    Args:
        main: whose constituents.
        links: the table of indices.
        columns: those of its columns that name the object and the candidate of each row.
        which: which of the constituents of each object: a slice, or the place of one.
        candidates: the collection `PFCands`.
    """
    owner, rows = Read(columns[0], structure=True), Linked(links, columns[1], candidates)
    nested = Step(_sort_by_owner, (owner, main.objects.count()))
    return _constituents(main, nested, which, [rows], [owner])


def _constituents(
    main: Chosen, nested: Node, which: slice | int, candidates: Sequence[Objects], lengths: Sequence[Node]
) -> Constituents:
    chosen: tuple[Any, ...] = (main.index, main.start, main.stop)
    chosen += (None, None, which) if isinstance(which, int) else (which.start, which.stop, None)
    places = Step(_choose, (nested,), chosen)
    owned = None if main.index is None else Step(_has_object, (nested,), (main.index,))
    return Constituents(main.text, places, candidates, lengths, owned)


def _match(references: Jagged, *numbers: Jagged) -> Jagged:
    """Find referenced objects: `events * var * var` of their places, candidates being numbered per event."""
    events = [np.repeat(np.arange(len(number)), arrays.counts(number)) for number in numbers]
    keys = np.concatenate([_key(event, arrays.flat(number)) for event, number in zip(events, numbers, strict=True)])
    order = np.argsort(keys, kind="stable")
    per_object = ak.flatten(references, axis=1)
    per_event = arrays.counts(ak.flatten(references, axis=2))
    wanted = _key(np.repeat(np.arange(len(references)), per_event), arrays.flat(per_object))
    found = np.minimum(np.searchsorted(keys, wanted, sorter=order), max(len(keys) - 1, 0))
    places = np.full(len(wanted), -1, dtype=np.int64)
    if len(keys):
        there = (keys[order[found]] == wanted) & ((wanted & _OBJECT_BITS) != 0)  # 0 is a null reference
        places[there] = order[found[there]]
    return arrays.lists(arrays.lists(places, arrays.counts(per_object)), arrays.counts(references))


def _key(event: Integers, number: NDArray[Any]) -> Integers:
    return (event.astype(np.int64) << 24) | (number.astype(np.int64) & _OBJECT_BITS)


def _sort_by_owner(owners: Jagged, objects: Any) -> Jagged:  # noqa: ANN401
    """Turn rows that name their object into one list of rows for each object; rows of no object are dropped."""
    number, rows = np.asarray(objects, dtype=np.int64), arrays.counts(owners)
    owner = arrays.flat(owners).astype(np.int64)
    kept = (owner >= 0) & (owner < np.repeat(number, rows))
    target = (owner + np.repeat(arrays.starts(number), rows))[kept]
    order = np.argsort(target, kind="stable")
    lengths = np.bincount(target, minlength=int(number.sum())).astype(np.int64)
    return arrays.lists(arrays.lists(np.flatnonzero(kept)[order], lengths), number)


def _look_up(indices: Jagged, values: Jagged) -> Jagged:
    """Return the values at indices within the event; missing where an index points outside."""
    stock, rows = arrays.counts(values), arrays.counts(indices)
    index = arrays.flat(indices).astype(np.int64)
    there = (index >= 0) & (index < np.repeat(stock, rows))
    places = np.where(there, index + np.repeat(arrays.starts(stock), rows), -1)
    return _gather(arrays.lists(places, rows), values)


def _choose(
    nested: Jagged,
    index: int | None,
    start: int,
    stop: int | None,
    sub_start: int | None,
    sub_stop: int | None,
    sub_index: int | None,
) -> Jagged:
    """Take slices on both levels, and make one list per event."""
    outer = slice(start, stop) if index is None else slice(index, index + 1)
    objects = nested[:, outer]
    if sub_index is None:
        return ak.flatten(objects[:, :, sub_start:sub_stop], axis=2)
    places = arrays.nth(ak.flatten(objects, axis=1), sub_index)
    return arrays.lists(np.where(np.isnan(places), -1, places).astype(np.int64), arrays.counts(objects))


def _has_object(nested: Jagged, index: int) -> NDArray[np.bool_]:
    return arrays.counts(nested) > index


def _where_owned(number: Integers, there: NDArray[np.bool_]) -> Floats:
    return np.where(there, number.astype(np.float64), np.nan)


def _missing_like(values: Jagged) -> Jagged:
    return ak.full_like(arrays.doubles(values), np.nan)


def _gather(places: Jagged, *values: Jagged) -> Jagged:
    """Return the values at places of several collections, one after another; missing at -1."""
    content = np.concatenate([arrays.flat(part) for part in values])
    place = arrays.flat(places)
    result = np.full(len(place), np.nan)
    result[place >= 0] = content[place[place >= 0]]
    return arrays.lists(result, arrays.counts(places))
