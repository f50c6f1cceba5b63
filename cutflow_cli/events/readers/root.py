"""ROOT files: TTrees and RNTuples with one number per event and branch."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.readers.base import Chunk, Column, first_line

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_RNTUPLE_TYPES = {
    "bool": "bool", "float": "float32", "double": "float64",
    **{f"std::{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"ROOT::RNTupleCardinality<std::uint{bits}_t>": f"uint{bits}" for bits in (32, 64)},
}  # fmt: skip


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

    def close(self) -> None:
        """Close the file."""
        self._tree.file.close()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        with _readable(self.path):
            keys = self._tree.keys() if self._is_rntuple else self._tree.keys(recursive=True, full_paths=False)
        return tuple(dict.fromkeys(keys))

    def names(self) -> tuple[str, ...]:
        """Return the names of all branches or fields."""
        return self._names

    def column(self, name: str) -> Column:
        """Describe a branch or field."""
        with _readable(self.path):
            branch = self._tree[name]
            return _describe_field(name, branch) if self._is_rntuple else _describe_branch(name, branch)

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read branches in chunks of entries; see `Source.chunks`."""
        for start in range(0, self.rows, rows):
            stop = min(start + rows, self.rows)
            with _readable(self.path):
                chunk = {column.name: self._read(column, start, stop) for column in columns}
            if any(len(values) != stop - start for values in chunk.values()):
                msg = f"{self.where}: branches of unequal length; damaged, make the file again"
                raise InputError(msg)
            yield chunk

    def _read(self, column: Column, start: int, stop: int) -> NDArray[Any]:
        values = self._tree[column.name].array(entry_start=start, entry_stop=stop, library="np")
        if column.kind == "text":
            return np.asarray(values, dtype=object)
        return np.asarray(values, dtype=column.dtype)


def _describe_branch(name: str, branch: Any) -> Column:  # noqa: ANN401
    interpretation = branch.interpretation
    if isinstance(interpretation, uproot.AsStrings):
        return Column(name, "text", "object", "text")
    if isinstance(interpretation, uproot.interpretation.numerical.Numerical):
        dtype = getattr(interpretation, "to_dtype", None)
        if dtype is not None and dtype.names is None and dtype.shape == () and dtype.kind in "fiub":
            return Column(name, "number", np.dtype(dtype).newbyteorder("=").name, branch.typename)
    return Column(name, "other", "object", f"{branch.typename} (not one number per event)")


def _describe_field(name: str, field: Any) -> Column:  # noqa: ANN401
    typename = field.typename
    if _one_per_event(field):
        if typename == "std::string":
            return Column(name, "text", "object", "text")
        if typename in _RNTUPLE_TYPES:
            return Column(name, "number", _RNTUPLE_TYPES[typename], typename)
    return Column(name, "other", "object", f"{typename or 'a collection'} (not one number per event)")


def _one_per_event(field: Any) -> bool:  # noqa: ANN401
    """Whether neither the field nor what it lies in repeats within an event."""
    single = (uproot.const.RNTupleFieldRole.LEAF, uproot.const.RNTupleFieldRole.RECORD)
    while isinstance(field, uproot.models.RNTuple.RField):
        if field.record.repetition or (field.record.struct_role not in single and not _is_scalar(field)):
            return False
        field = field.parent
    return True


def _is_scalar(field: Any) -> bool:  # noqa: ANN401
    return field.typename == "std::string" or field.typename in _RNTUPLE_TYPES
