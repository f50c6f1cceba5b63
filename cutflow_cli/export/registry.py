"""The dialects there are, by the name that `--format` takes."""

from __future__ import annotations

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.export.dialect import Dialect
from cutflow_cli.export.json import Json
from cutflow_cli.export.python import Python
from cutflow_cli.export.rdataframe import RDataFrame
from cutflow_cli.export.root import Root
from cutflow_cli.export.text import Text

_ALL: tuple[Dialect, ...] = (Text(), Json(), Python(), Root(), RDataFrame())
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def find_dialect(name: str) -> Dialect:
    """Look up a dialect.

    Raises:
        UsageError: if there is none of this name.
    """
    if name not in DIALECTS:
        near, known = nearest(name, DIALECTS), f"there are: {', '.join(DIALECTS)}"
        msg = f"--format {name}: no such format; {near if near == known else f'{near} ({known})'}"
        raise UsageError(msg)
    return DIALECTS[name]
