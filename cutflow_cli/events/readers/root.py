"""ROOT files: TTrees and RNTuples, with numbers, texts and lists of numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.readers.base import Chunk, Column, Format, first_line
from cutflow_cli.events.readers.jagged import check_lengths, describe_form, to_var, without_missing

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_CARDINALITY = {f"ROOT::RNTupleCardinality<std::uint{bits}_t>": f"uint{bits}" for bits in (32, 64)}
#: Entries of an RNTuple held in memory at most where its clusters are larger than the chunks asked for.
_CLUSTER_ROWS = 1 << 20


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what uproot raises on damaged bytes into one line; that may be any exception at all."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        msg = f"{path}: damaged or truncated ROOT file ({first_line(error)}); make it or copy it again"
        raise InputError(msg) from error


def open_root(path: Path, tree: str | None) -> RootSource:
    """Open a tree of a ROOT file.

    Args:
        path: the file, which starts as a ROOT file does.
        tree: TTree or RNTuple, with its directory; None for the only one there is.

    Raises:
        InputError: if the file is damaged, or the tree is absent or not the only one.
    """
    _check_length(path)
    with _readable(path):
        file = uproot.open(path, object_cache=None, array_cache=None)
        classes = file.classnames(recursive=True, cycle=False)  # cycles of one name are versions of one object
        trees = [name for name, kind in classes.items() if kind in _TREES]
    if not trees:
        msg = f"{path}: holds no tree (neither TTree nor RNTuple)"
        raise InputError(msg)
    if tree is None and len(trees) > 1:
        msg = f"{path}: holds {len(trees)} trees ({', '.join(trees)}); say which one with tree"
        raise InputError(msg)
    if tree is not None and tree.partition(";")[0] not in trees:
        near = nearest(tree, trees)
        there = f" (there are: {', '.join(trees)})" if near.startswith("did") else ""
        msg = f"{path}: no tree {tree!r}; {near}{there}"
        raise InputError(msg)
    with _readable(path):
        name = trees[0] if tree is None else tree
        return RootSource(path, name, file[name], str(file.file.uuid))


def _check_length(path: Path) -> None:
    """Compare the file's length with the end that its header gives (TFile: fVersion, fBEGIN, fEND)."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(20)
    if len(head) == 20:
        (version,) = struct.unpack(">i", head[4:8])
        (end,) = struct.unpack(">q", head[12:20]) if version >= 1_000_000 else struct.unpack(">i", head[12:16])
    if len(head) < 20 or end > size:
        meant = f", its header says {end}" if len(head) == 20 else ""
        msg = f"{path}: truncated ROOT file: {size} bytes{meant}; make it or copy it again"
        raise InputError(msg)


class RootSource:
    """One TTree or RNTuple of a ROOT file; make it with `open_root`.

    Selections are never given to uproot, which ignores them for RNTuples.
    """

    def __init__(self, path: Path, name: str, tree: Any, uuid: str) -> None:  # noqa: ANN401  (uproot ships no types)
        self.path = path
        self.where = f"{path}, tree {name!r}"
        self.digest = f"uuid:{uuid}"
        self.rows: int = int(tree.num_entries)
        self._tree = tree
        self._is_rntuple = isinstance(tree, uproot.behaviors.RNTuple.RNTuple)
        self.format: Format = "RNTuple" if self._is_rntuple else "ROOT"

    def close(self) -> None:
        """Close the file."""
        self._tree.file.close()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        with _readable(self.path):
            keys = _field_names(self._tree) if self._is_rntuple else self._tree.keys(recursive=True, full_paths=False)
            return tuple(dict.fromkeys(keys))

    def names(self) -> tuple[str, ...]:
        """Return the names of all branches or fields; of a branch in a group (`Jet/Jet.PT`) its own name."""
        return self._names

    def column(self, name: str) -> Column:
        """Describe a branch or field."""
        with _readable(self.path):
            branch = self._tree[name]
            return _describe_field(name, branch) if self._is_rntuple else _describe_branch(name, branch)

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read branches in chunks of entries; see `Source.chunks`."""
        read = self._rntuple_chunks if self._is_rntuple else self._tree_chunks
        first = 0
        with _readable(self.path):
            for chunk in read(columns, rows):
                length = len(next(iter(chunk.values()), ()))
                check_lengths(chunk, length, self.where)
                first += length
                yield chunk
        if first != self.rows and columns:
            msg = f"{self.where}: {first} of {self.rows} entries could be read; damaged, make the file again"
            raise InputError(msg)

    def _tree_chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read branches of a TTree by one iterator, which keeps baskets that reach into the next chunk."""
        wanted = {column.name for column in columns}
        library = "ak" if any(column.kind in ("list", "nested") for column in columns) else "np"
        arrays = self._tree.iterate(
            filter_name=lambda name: name in wanted,  # a list would be taken as patterns: `FatJet.Tau[5]` is one
            step_size=rows,
            library=library,
            how=dict,
        )
        for part in arrays:
            yield {column.name: _converted(part[column.name], column) for column in columns}

    def _rntuple_chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read fields of an RNTuple along its clusters, which are decompressed as a whole whatever is asked for."""
        ends = [int(cluster.num_first_entry + cluster.num_entries) for cluster in self._tree.ntuple.cluster_summaries]
        fields = [self._tree[column.name] for column in columns]
        first = 0
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
