"""Which columns of a Parquet file are features."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events.schema import RESERVED

#: Names that are never taken for features unless the user names them; the last is pandas' index.
_BOOKKEEPING = re.compile(
    r"^(label|weight|process|split|hypothesis|category|event|run|lumi.*|gen.*|__.*__)$", re.IGNORECASE
)
#: How many columns a sentence names.
_NAMED = 12


def is_numeric(arrow_type: pa.DataType) -> bool:
    """Say whether a column of this type holds a number, or a truth value, per event."""
    return bool(pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type) or pa.types.is_boolean(arrow_type))


def may_cut_on(field: pa.Field) -> bool:
    """Say whether a column of a plain file is a feature where the user names none."""
    return is_numeric(field.type) and not _BOOKKEEPING.match(field.name)


def choose_features(
    path: Path, schema: pa.Schema, known: Sequence[str], wanted: Sequence[str] | None
) -> tuple[str, ...]:
    """Settle which columns are features and in which order.

    Args:
        path: the file, for messages.
        schema: its columns.
        known: the features that it has of itself.
        wanted: those that the user named; None for `known`.

    Raises:
        InputError: if a named column is absent, named twice or not numeric, or if none is left.
    """
    chosen = tuple(known if wanted is None else wanted)
    for name in chosen:
        if chosen.count(name) > 1:
            msg = f"{path}: feature {name!r} is named twice"
            raise InputError(msg)
        if name not in schema.names:
            msg = f"{path}: no column {name!r}; {nearest(name, schema.names)}"
            raise InputError(msg)
        if schema.names.count(name) > 1:
            msg = f"{path}: has {schema.names.count(name)} columns {name!r}, so which one is meant is not known"
            raise InputError(msg)
        if not is_numeric(schema.field(name).type):
            msg = f"{path}: column {name!r} holds {schema.field(name).type}, a feature must be numeric"
            raise InputError(msg)
    if not chosen:
        others = left_out(schema, RESERVED) if wanted is None else ""
        msg = f"{path}: no numeric column is left to cut on{f' ({others})' if others else ''}"
        raise InputError(msg)
    return chosen


def left_out(schema: pa.Schema, but: Collection[str] = ()) -> str:
    """Say which columns of a plain file are no features, and why.

    Args:
        schema: its columns.
        but: columns that have another meaning, of which nothing is to be said.

    Returns:
        A clause such as `left out: name (text), event (bookkeeping)`; empty if there are none.
    """
    found = [
        f"{field.name} ({'bookkeeping' if is_numeric(field.type) else _shown(field.type)})"
        for field in schema
        if field.name not in but and not may_cut_on(field)
    ]
    if not found:
        return ""
    more = f", … ({len(found)} in all)" if len(found) > _NAMED else ""
    return f"left out: {', '.join(found[:_NAMED])}{more}"


def _shown(arrow_type: pa.DataType) -> str:
    """Name a type as a user would."""
    if pa.types.is_dictionary(arrow_type):
        return _shown(arrow_type.value_type)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "text" if any(is_text(arrow_type) for is_text in texts) else str(arrow_type)
