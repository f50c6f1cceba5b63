"""Columns of names (processes, splits) as positions among the names that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from cutflow_cli.errors import InputError, nearest


def codes_of_names(
    column: pa.Array, known: Sequence[str], path: str, name: str, dtype: DTypeLike = np.intp
) -> NDArray[Any]:
    """Turn names into positions among known names.

    Only the dictionary of the column is looked up (and made, where the file has none), not each event's name.

    Args:
        column: names, whatever they are stored as (text, dictionary, codes), shape (events,).
        known: the names.
        path: the file, for messages.
        name: the column, likewise.
        dtype: integers to return.

    Returns:
        Positions, shape (events,).

    Raises:
        InputError: if a name is not known or missing, or the column is damaged or can't hold names.
    """
    positions = {one: position for position, one in enumerate(known)}
    try:
        listed = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
        names = listed.dictionary.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        msg = f"{path}: column {name!r} holds {column.type}, names were expected"
        raise InputError(msg) from error
    lookup = np.array([positions.get(one, -1) for one in names], dtype=dtype)
    indices = np.asarray(listed.indices.fill_null(0).to_numpy(zero_copy_only=False))
    missing = listed.indices.is_null().to_numpy(zero_copy_only=False) if listed.null_count else None
    if missing is not None and missing.all():
        raise InputError(_unknown(path, name, None, known))
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(lookup):
        msg = f"{path}: damaged Parquet data (column {name!r}: index out of its dictionary); make the file again"
        raise InputError(msg)
    if missing is None and np.array_equal(lookup, np.arange(len(lookup))):
        return indices.astype(dtype)  # as in files that we wrote: several times as fast as to look up
    found: NDArray[Any] = lookup.take(indices)
    if missing is not None:
        found[missing] = -1
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        raise InputError(_unknown(path, name, column[int(unknown[0])].as_py(), known))
    return found


def _unknown(path: str, name: str, value: object, known: Sequence[str]) -> str:
    return f"{path}: column {name!r} holds {value!r}; {nearest(str(value), known)}"
