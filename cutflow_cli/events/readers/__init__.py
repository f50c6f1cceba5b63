"""Readers of flat tables: ROOT, Parquet and CSV. Nothing else knows the formats."""

from __future__ import annotations

from pathlib import Path

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.readers.base import Column, Source, find_column, find_number

__all__ = ["Column", "Source", "find_column", "find_number", "open_source"]

_SUFFIXES = {
    ".root": "ROOT", ".parquet": "Parquet", ".pq": "Parquet", ".csv": "CSV", ".tsv": "CSV", ".txt": "CSV",
}  # fmt: skip
_MAGIC = {
    b"root": "ROOT", b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x89HDF": "HDF5",
}  # fmt: skip


def open_source(path: Path, tree: str | None = None) -> Source:
    """Open a file of events, recognised by what it holds, which must agree with its suffix.

    Args:
        path: the file.
        tree: the TTree or RNTuple to read from a ROOT file; None for the only one.

    Raises:
        InputError: if the file is missing, empty, damaged, of another format than its name says or of an unknown one,
            or if a tree is named that it does not have, or has no place for.
    """
    kind = _recognise(path)
    if kind == "ROOT":
        from cutflow_cli.events.readers.root import open_root

        return open_root(path, tree)
    if tree is not None:
        msg = f"{path}: a tree ({tree!r}) is named, but this is a {kind} file, which has none"
        raise InputError(msg)
    if kind == "Parquet":
        from cutflow_cli.events.readers.parquet import ParquetSource

        return ParquetSource(path)
    from cutflow_cli.events.readers.csv import CsvSource

    return CsvSource(path)


def _recognise(path: Path) -> str:
    """Return the format of a file."""
    if not path.exists():
        entries = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        siblings = [entry.name for entry in entries if entry.suffix.lower() in _SUFFIXES]
        near = f"; {nearest(path.name, siblings)}" if siblings else ""
        msg = f"{path}: no such file{near}"
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path}: is a directory; name files, or a pattern such as '{path}/*.root'"
        raise InputError(msg)
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        msg = f"{path}: is empty"
        raise InputError(msg)
    named = _SUFFIXES.get(path.suffix.lower())
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if found in ("gzip", "zip", "HDF5") or (found is None and b"\0" in head and named in (None, "CSV")):
        msg = f"{path}: is a {found or 'binary'} file; cutflow reads ROOT, Parquet and CSV files, unpacked"
        raise InputError(msg)
    if named is None and found is None:
        msg = f"{path}: neither a ROOT nor a Parquet file; if it is a table of text, name it .csv"
        raise InputError(msg)
    if named is not None and named != (found or "CSV"):
        is_what = f"is a {found} file" if found else f"is no {named} file" + _looks_like_text(head)
        msg = f"{path}: {is_what}, though its name ends in {path.suffix}; rename it, or write it again"
        raise InputError(msg)
    return found or "CSV"


def _looks_like_text(head: bytes) -> str:
    try:
        return " but text" if head[:1024].decode("ascii").replace("\n", "").strip() else ""
    except UnicodeDecodeError:
        return ""
