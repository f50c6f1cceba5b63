"""NanoAOD and all that spell `Object_attribute`: NTuples with jagged branches, our LHE columns, PFNano.

A counter `nObject` or `NObject` may say how many there are. Without one the first underscore ends the object's name.
"""

from __future__ import annotations

from typing import Any

from cutflow_cli.observables.file import FileLike
from cutflow_cli.observables.stored import Stored


def is_nanoaod(file: FileLike[Any]) -> bool:
    """Whether a file has lists of numbers that are spelled `Object_attribute`."""
    known = frozenset(file.names())
    split = {name: parts[0] for name in file.names() if (parts := _split(name, ())) is not None}
    counted = [name for name, collection in split.items() if {f"n{collection}", f"N{collection}"} & known]
    return any(file.column(name).kind == "list" for name in dict.fromkeys([*counted, *split]))


def nanoaod_collections(file: FileLike[Any], *, counters_hold: bool) -> dict[str, Stored]:
    """Find the collections of a file that spells `Object_attribute`.

    Args:
        file: describes the columns.
        counters_hold: whether a counter is the length of its lists by the format itself; otherwise lists are counted,
            as they may have been cut down since.
    """
    counters = {name[1:]: name for name in file.names() if name[:1] in ("n", "N") and len(name) > 1}
    attributes: dict[str, dict[str, str]] = {}
    for name in file.names():
        parts = _split(name, counters)
        if parts is not None:
            attributes.setdefault(parts[0], {})[parts[1]] = name
    return {
        name: Stored(name, columns, file, counter=_counter(file, counters.get(name)) if counters_hold else None)
        for name, columns in attributes.items()
    }


def _counter(file: FileLike[Any], name: str | None) -> str | None:
    if name is None:
        return None
    column = file.column(name)
    return name if column.kind == "number" and column.dtype.startswith(("int", "uint")) else None


def _split(name: str, counters: dict[str, str] | tuple[()]) -> tuple[str, str] | None:
    """Divide a column's name into object and attribute; the longest object that is counted, or the first word."""
    if "." in name or name.startswith("_"):
        return None
    ends = [place for place, letter in enumerate(name) if letter == "_" and place + 1 < len(name)]
    if not ends:
        return None
    end = next((place for place in reversed(ends) if name[:place] in counters), ends[0])
    return name[:end], name[end + 1 :]
