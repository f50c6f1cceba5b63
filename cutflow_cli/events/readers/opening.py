"""Recognise a file by what it holds, and open it by the reader of its format."""

from __future__ import annotations

import zlib
from contextlib import closing
from pathlib import Path

import numpy as np

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.readers.base import Source, find_number
from cutflow_cli.events.readers.location import Location

_SUFFIXES = {
    ".root": "ROOT", ".parquet": "Parquet", ".pq": "Parquet", ".csv": "CSV", ".tsv": "CSV", ".txt": "CSV",
    ".lhe": "LHE",
}  # fmt: skip
_MAGIC = {
    b"root": "ROOT", b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x89HDF": "HDF5",
}  # fmt: skip

_HEAD = 4096
_SUMMED_ROWS = 1 << 20


def open_source(file: Location | Path | str, tree: str | None = None) -> Source:
    """Open a file of events, recognised by what it holds, which must agree with its suffix.

    Args:
        file: its path, or its address on a server (`root://`, `https://`) if it is a ROOT or Parquet file.
        tree: the TTree or RNTuple to read from a ROOT file; None for the only one.

    Raises:
        InputError: if the file is missing, empty, damaged, of another format than its name says or of an unknown one,
            or if a tree is named that it does not have, or has no place for.
        TemporaryError: if a server does not answer.
        UsageError: if a package is needed that is not installed.
    """
    location = Location.of(file)
    kind = _recognise(location)
    if kind == "ROOT":
        from cutflow_cli.events.readers.root import open_root

        return open_root(location, tree)
    if tree is not None:
        msg = f"{location}: a tree ({tree!r}) is named, but this is {_a(kind)} file, which has none"
        raise InputError(msg)
    if kind == "Parquet":
        from cutflow_cli.events.readers.parquet import ParquetSource

        return ParquetSource(location)
    if kind == "LHE":
        from cutflow_cli.events.readers.lhe import LheSource

        return LheSource(location)
    from cutflow_cli.events.readers.csv import CsvSource

    return CsvSource(location)


def _recognise(location: Location) -> str:
    """Return the format of a file."""
    if not location.is_remote:
        _check_exists(location.path)
    head = location.head(_HEAD)
    if not head:
        msg = f"{location}: is empty, 0 bytes; make it again"
        raise InputError(msg)
    named = "LHE" if location.name.lower().endswith(".lhe.gz") else _SUFFIXES.get(location.suffix.lower())
    found = _found(head)
    if named == "LHE" and found == "gzip":
        msg = f"{location}: holds no Les Houches events, though its name ends in .lhe.gz; rename it, or write it again"
        raise InputError(msg)
    if found in ("gzip", "zip", "HDF5") or (found is None and b"\0" in head and named in (None, "CSV")):
        msg = (
            f"{location}: is a {found or 'binary'} file; cutflow reads ROOT, Parquet, CSV and LHE files, unpacked "
            "(LHE by gzip too)"
        )
        raise InputError(msg)
    if named is None and found is None:
        msg = f"{location}: neither a ROOT nor a Parquet nor an LHE file; if it is a table of text, name it .csv"
        raise InputError(msg)
    if named is not None and named != (found or "CSV"):
        is_what = f"is {_a(found)} file" if found else f"is no {named} file" + _looks_like_text(head)
        msg = f"{location}: {is_what}, though its name ends in {location.suffix}; rename it, or write it again"
        raise InputError(msg)
    return found or "CSV"


def _check_exists(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        msg = f"{path}: is a link to {path.readlink()}, where there is no file"
        raise InputError(msg)
    if not path.exists():
        entries = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        siblings = [entry.name for entry in entries if entry.suffix.lower() in _SUFFIXES]
        near = f"; {nearest(path.name, siblings)}" if siblings else ""
        msg = f"{path}: no such file{near}"
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path}: is a directory; name files, or a pattern such as '{path}/*.root'"
        raise InputError(msg)
    if not path.is_file():
        msg = f"{path}: is a pipe or a device, a file was expected, which can be read from any place"
        raise InputError(msg)


def _found(head: bytes) -> str | None:
    """Return the format that the first bytes of a file are of; None if they may be a table of text."""
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind == "gzip":
        head = _unpacked(head)
    return "LHE" if head.lstrip().startswith(b"<") and b"<LesHouchesEvents" in head else kind


def _unpacked(head: bytes) -> bytes:
    """Unpack the beginning of a gzip file as far as it goes."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _a(kind: str) -> str:
    return f"{'an' if kind == 'LHE' else 'a'} {kind}"


def _looks_like_text(head: bytes) -> str:
    try:
        return " but text" if head[:1024].decode("ascii").replace("\n", "").strip() else ""
    except UnicodeDecodeError:
        return ""


def tree_sum(file: Location | Path | str, tree: str, column: str) -> tuple[int, float]:
    """Sum a column of a tree, such as the generator weights that NanoAOD keeps for each run.

    Args:
        file: a ROOT file.
        tree: its TTree or RNTuple, such as `Runs`.
        column: a column with one number per entry, such as `genEventSumw`.

    Returns:
        The number of entries, and the sum in double precision.

    Raises:
        InputError: if the file has no such tree or column, or the sum is not finite.
    """
    with closing(open_source(file, tree)) as source:
        found = find_number(source, column, "to be summed")
        entries, total = 0, 0.0
        for chunk in source.chunks([found], _SUMMED_ROWS):
            entries += len(chunk[column])
            total += float(np.sum(chunk[column], dtype=np.float64))
    if not np.isfinite(total):
        msg = f"{source.where}: column {column!r} has values that are not finite, so it has no sum"
        raise InputError(msg)
    return entries, total
