"""Lists of numbers per event: what they are described as, and the one shape that they are handed on in."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.readers.base import Column, Kind

_KINDS: dict[int, Kind] = {0: "number", 1: "list", 2: "nested"}
#: Where ROOT's references to other objects hold those objects' fUniqueID, and how many levels of lists that is.
_REFERENCES = {"TRef": ("ref", 0), "TRefArray": ("refs", 1)}


def describe_form(name: str, form: ak.forms.Form, shown: str) -> Column:
    """Describe a column by the awkward form that its events have.

    Args:
        name: the column.
        form: the form of one event.
        shown: the type in the format's own words.
    """
    depth = 0
    while isinstance(form, ak.forms.ListOffsetForm | ak.forms.RegularForm):
        if form.parameter("__array__") in ("string", "bytestring"):
            kind: Kind = "text" if depth == 0 else "other"
            return Column(name, kind, "object", "text" if kind == "text" else shown)
        depth, form = depth + 1, form.content
    if isinstance(form, ak.forms.RecordForm) and form.parameter("__record__") in _REFERENCES:
        depth += _REFERENCES[form.parameter("__record__")][1]
        kind = _KINDS.get(depth, "other")
        return Column(name, "other" if kind == "number" else kind, "uint32", shown)
    optional = form.is_option
    if optional:
        form = form.content
    if isinstance(form, ak.forms.NumpyForm):
        depth += len(form.inner_shape)
        dtype = np.dtype(form.primitive)
        if depth in _KINDS and dtype.kind in ("f" if optional else "fiub"):
            return Column(name, _KINDS[depth], dtype.name, shown)
    return Column(name, "other", "object", shown)


def to_var(values: ak.Array, column: Column) -> ak.Array:
    """Give lists the shape that a column promises: variable lengths at every level, its type, nothing missing.

    Args:
        values: lists, or arrays of fixed size, or references of ROOT.
        column: a `list` or `nested`.
    """
    for field, _ in _REFERENCES.values():
        if field in values.fields:
            values = values[field]
    values = ak.from_regular(without_missing(values), axis=None)
    return ak.values_astype(values, column.dtype)


def without_missing(values: ak.Array) -> ak.Array:
    """Make missing numbers NaN; only numbers with a fraction may be missing, see `describe_form`."""
    form = values.layout.form
    while form.is_list:
        form = form.content
    return ak.fill_none(values, np.nan, axis=None) if form.is_option else values


def from_counts(content: NDArray[Any] | ak.Array, counts: NDArray[Any]) -> ak.Array:
    """Put consecutive values into lists.

    Args:
        content: values of all lists, one behind the other, shape (sum of counts,), or lists of them.
        counts: lengths of the lists, shape (events,).
    """
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    inner = content.layout if isinstance(content, ak.Array) else ak.contents.NumpyArray(content)
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), inner))


def check_lengths(chunk: dict[str, Any], rows: int, where: str) -> None:
    """Refuse a chunk whose columns have not the number of rows that was asked for.

    Raises:
        InputError: naming the column.
    """
    wrong = next((name for name, values in chunk.items() if len(values) != rows), None)
    if wrong is not None:
        msg = f"{where}: column {wrong!r} has not the length of the others; damaged, make the file again"
        raise InputError(msg)
