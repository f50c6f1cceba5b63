"""ROOT files: TTrees and RNTuples, with numbers, texts and lists of numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, is_disk_fault, nearest
from cutflow_cli.events.readers.base import Chunk, Column, Format, first_line
from cutflow_cli.events.readers.jagged import check_lengths, describe_form, to_var, without_missing
from cutflow_cli.events.readers.location import Location
from cutflow_cli.events.readers.remote import attempt, resumed

T = TypeVar("T")

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_CARDINALITY = {f"ROOT::RNTupleCardinality<std::uint{bits}_t>": f"uint{bits}" for bits in (32, 64)}
#: Entries of an RNTuple held in memory at most where its clusters are larger than the chunks asked for.
_CLUSTER_ROWS = 1 << 20

#: The trees of a NanoAOD file; the others say something of runs and of the file, not of events.
_NANOAOD_TREES = frozenset({"Events", "LuminosityBlocks", "Runs", "MetaData", "ParameterSets"})


@contextmanager
def _readable(location: Location) -> Iterator[None]:
    """Turn what uproot raises on damaged bytes into one line; that may be any exception at all."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if location.may_recover(error) or is_disk_fault(error, str(location)):
            raise  # the server's or the disk's fault, not the file's
        msg = f"{location}: damaged or truncated ROOT file ({first_line(error)}); make it or copy it again"
        raise InputError(msg) from error


def open_root(location: Location, tree: str | None) -> RootSource:
    """Open a tree of a ROOT file.

    Args:
        location: the file, which starts as a ROOT file does.
        tree: TTree or RNTuple, with its directory; None for the only one there is, or of a NanoAOD file
            `Events`.

    Raises:
        InputError: if the file is damaged, or the tree is absent or not the only one.
        TemporaryError: if a server does not answer.
    """
    _check_length(location)
    file = attempt(lambda: _open(location), str(location))
    trees = attempt(lambda: _trees(location, file), str(location))
    if not trees:
        msg = f"{location}: holds no tree (neither TTree nor RNTuple)"
        raise InputError(msg)
    if tree is None and "Events" in trees and _NANOAOD_TREES.issuperset(trees):
        tree = "Events"
    if tree is None and len(trees) > 1:
        msg = f"{location}: holds {len(trees)} trees ({', '.join(trees)}); say which one with tree"
        raise InputError(msg)
    if tree is not None and tree.partition(";")[0] not in trees:
        near = nearest(tree, trees)
        there = f" (there are: {', '.join(trees)})" if near.startswith("did") else ""
        msg = f"{location}: no tree {tree!r}; {near}{there}"
        raise InputError(msg)
    return RootSource(location, trees[0] if tree is None else tree, file)


def _open(location: Location) -> Any:  # noqa: ANN401  (uproot ships no types)
    """Open a file; a server's is opened by its address alone, in which uproot would look for a colon and a tree."""
    with _readable(location):
        file = {str(location): None} if location.is_remote else location.path
        return uproot.open(file, object_cache=None, array_cache=None)


def _trees(location: Location, file: Any) -> list[str]:  # noqa: ANN401
    with _readable(location):
        classes = file.classnames(recursive=True, cycle=False)  # cycles of one name are versions of one object
        return [name for name, kind in classes.items() if kind in _TREES]


def _check_length(location: Location) -> None:
    """Compare the file's length with the end that its header gives (TFile: fVersion, fBEGIN, fEND)."""
    size, head = location.size(), location.head(20)
    if len(head) == 20:
        (version,) = struct.unpack(">i", head[4:8])
        (end,) = struct.unpack(">q", head[12:20]) if version >= 1_000_000 else struct.unpack(">i", head[12:16])
    if len(head) < 20 or end > size:
        meant = f", its header says {end}" if len(head) == 20 else ""
        msg = f"{location}: truncated ROOT file: {size} bytes{meant}; make it or copy it again"
        raise InputError(msg)


class RootSource:
    """One TTree or RNTuple of a ROOT file; make it with `open_root`.

    Selections are never given to uproot, which ignores them for RNTuples.
    """

    def __init__(self, location: Location, name: str, file: Any) -> None:  # noqa: ANN401
        self.location = location
        self.where = f"{location}, tree {name!r}"
        self.digest = f"uuid:{file.file.uuid}"
        self._name = name
        self._tree = self._attempt(lambda: file[name])
        self._types: dict[str, Column] = {}
        self._is_rntuple = isinstance(self._tree, uproot.behaviors.RNTuple.RNTuple)
        self.format: Format = "RNTuple" if self._is_rntuple else "ROOT"
        self.rows: int = self._attempt(lambda: int(self._tree.num_entries))

    def _attempt(self, action: Callable[[], T]) -> T:
        def readably() -> T:
            with _readable(self.location):
                return action()

        return attempt(readably, str(self.location))

    def close(self) -> None:
        """Close the file."""
        self._tree.file.close()

    def _reopen(self) -> None:
        self.close()
        self._tree = self._attempt(lambda: _open(self.location)[self._name])

    @cached_property
    def _names(self) -> tuple[str, ...]:
        def keys() -> tuple[str, ...]:
            if self._is_rntuple:
                return tuple(dict.fromkeys(_field_names(self._tree)))
            return tuple(dict.fromkeys(self._tree.keys(recursive=True, full_paths=False)))

        return self._attempt(keys)

    def names(self) -> tuple[str, ...]:
        """Return the names of all branches or fields; of a branch in a group (`Jet/Jet.PT`) its own name."""
        return self._names

    def column(self, name: str) -> Column:
        """Describe a branch or field."""
        return self._attempt(lambda: self._describe(name))

    def _describe(self, name: str) -> Column:
        branch = self._tree[name]
        if not self._is_rntuple:
            return _describe_branch(name, branch)
        if not branch.top_level or not branch.typename:
            return _describe_field(name, branch)
        if branch.typename not in self._types:  # uproot takes milliseconds for each, and types are few
            self._types[branch.typename] = _describe_field(name, branch)
        return replace(self._types[branch.typename], name=name)

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read branches in chunks of entries; see `Source.chunks`."""
        return resumed(lambda first: self._chunks(columns, rows, first), self._reopen, str(self.location))

    def _chunks(self, columns: Sequence[Column], rows: int, first: int) -> Iterator[Chunk]:
        """Read from an entry on."""
        read = self._rntuple_chunks if self._is_rntuple else self._tree_chunks
        with _readable(self.location):
            for chunk in read(columns, rows, first):
                length = len(next(iter(chunk.values()), ()))
                check_lengths(chunk, length, self.where)
                first += length
                yield chunk
        if first != self.rows and columns:
            msg = f"{self.where}: {first} of {self.rows} entries could be read; damaged, make the file again"
            raise InputError(msg)

    def _tree_chunks(self, columns: Sequence[Column], rows: int, first: int) -> Iterator[Chunk]:
        """Read branches of a TTree by one iterator, which keeps baskets that reach into the next chunk."""
        wanted = {column.name for column in columns}
        library = "ak" if any(column.kind in ("list", "nested") for column in columns) else "np"
        arrays = self._tree.iterate(
            filter_name=lambda name: name in wanted,  # a list would be taken as patterns: `FatJet.Tau[5]` is one
            entry_start=first,
            step_size=rows,
            library=library,
            how=dict,
        )
        for part in arrays:
            yield {column.name: _converted(part[column.name], column) for column in columns}

    def _rntuple_chunks(self, columns: Sequence[Column], rows: int, first: int) -> Iterator[Chunk]:
        """Read fields of an RNTuple along its clusters, which are decompressed as a whole whatever is asked for."""
        ends = [int(cluster.num_first_entry + cluster.num_entries) for cluster in self._tree.ntuple.cluster_summaries]
        fields = [self._tree[column.name] for column in columns]
        while first < self.rows:
            fitting = [end for end in ends if first < end <= first + rows]
            within = min((end for end in ends if end > first), default=self.rows)
            last = max(fitting, default=min(within, first + max(rows, _CLUSTER_ROWS)))
            block = [field.array(entry_start=first, entry_stop=last) for field in fields]
            for start in range(0, last - first, rows):
                parts = zip(columns, block, strict=True)
                yield {column.name: _converted(values[start : start + rows], column) for column, values in parts}
            first = last


def _converted(values: Any, column: Column) -> NDArray[Any] | ak.Array:  # noqa: ANN401
    """Turn what uproot gives into what a column promises."""
    if column.kind in ("list", "nested"):
        return to_var(values, column)
    if column.kind == "text":
        return np.array(values.tolist(), dtype=object)
    if isinstance(values, ak.Array):
        values = without_missing(values)
    return np.asarray(values, dtype=column.dtype)


def _describe_branch(name: str, branch: Any) -> Column:  # noqa: ANN401
    """Describe a branch of a TTree by what uproot makes of it."""
    interpretation, shown = branch.interpretation, str(branch.typename)
    if branch.branches:
        return Column(name, "other", "object", f"a group of branches ({branch.branches[0].name}, …)")
    if name.endswith(".fBits"):  # ROOT writes two more bytes for objects that are referred to, which uproot refuses
        return Column(name, "other", "object", "status bits of ROOT's objects")
    if isinstance(interpretation, uproot.AsStrings):
        return Column(name, "text", "object", "text")
    try:
        return describe_form(name, interpretation.awkward_form(branch.file), shown)
    except (uproot.interpretation.identify.UnknownInterpretation, uproot.interpretation.objects.CannotBeAwkward):
        return Column(name, "other", "object", shown)


def _field_names(ntuple: Any) -> Iterator[str]:  # noqa: ANN401
    """List the fields of an RNTuple as its `keys` does, which takes seconds for a thousand of them."""
    parts: dict[int, list[int]] = {}
    for number, record in enumerate(ntuple.field_records):
        parts.setdefault(-1 if record.parent_field_id == number else record.parent_field_id, []).append(number)

    def below(parent: int, prefix: str) -> Iterator[str]:
        for number in parts.get(parent, ()):
            field = ntuple.all_fields[number]
            if field.in_variant:
                continue
            name = prefix if field.is_anonymous else f"{prefix}{field.name}"
            if not field.is_anonymous:
                yield name
            yield from below(number, name if field.is_anonymous else f"{name}.")

    return below(-1, "")


def _describe_field(name: str, field: Any) -> Column:  # noqa: ANN401
    """Describe a field of an RNTuple, which may lie in a record or in a collection of records."""
    shown = str(field.typename or "a collection of records")
    if shown in _CARDINALITY:  # for which uproot's form says int64
        return Column(name, "number", _CARDINALITY[shown], shown)
    form, _ = field.to_akform()
    return describe_form(name, _inside(form, name.split(".")), shown)


def _inside(form: ak.forms.Form, path: Sequence[str]) -> ak.forms.Form:
    """Leave out the records that a field lies in, as uproot does in its arrays."""
    if isinstance(form, ak.forms.RecordForm):
        for position, part in enumerate(path, start=1):
            if part in form.fields:
                return _inside(form.content(part), path[position:])
    elif isinstance(form, ak.forms.ListOffsetForm | ak.forms.RegularForm):
        return form.copy(content=_inside(form.content, path))
    return form
