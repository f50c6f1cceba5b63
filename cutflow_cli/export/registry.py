"""The dialects there are, by the name that `--format` takes."""

from __future__ import annotations

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.export.adl import Adl
from cutflow_cli.export.awkward import Awkward
from cutflow_cli.export.cpp_struct import Cpp
from cutflow_cli.export.csv import Csv
from cutflow_cli.export.dialect import Dialect
from cutflow_cli.export.hepdata import HepData
from cutflow_cli.export.json import Json
from cutflow_cli.export.latex import Latex
from cutflow_cli.export.python import Python
from cutflow_cli.export.query import Query
from cutflow_cli.export.rdataframe import RDataFrame
from cutflow_cli.export.root import Root
from cutflow_cli.export.text import Text
from cutflow_cli.export.yaml import Yaml

#: In the order in which they are listed, group by group.
_ALL: tuple[Dialect, ...] = (
    Text(), Json(), Yaml(), Csv(), Python(), Query(), Awkward(), Root(), RDataFrame(), Cpp(), Latex(), HepData(), Adl(),
)  # fmt: skip
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def listed() -> str:
    """Say which dialects there are, group by group: `people: text; data: json, yaml, csv; …`."""
    groups: dict[str, list[str]] = {}
    for dialect in _ALL:
        groups.setdefault(dialect.group, []).append(dialect.name)
    return "; ".join(f"{group}: {', '.join(members)}" for group, members in groups.items())


def find_dialect(name: str) -> Dialect:
    """Look up a dialect.

    Raises:
        UsageError: if there is none of this name.
    """
    if name not in DIALECTS:
        near, known = nearest(name, DIALECTS), f"there are, for {listed()}"
        msg = f"--format {name}: no such format; {f'{near} ({known})' if near.startswith('did') else known}"
        raise UsageError(msg)
    return DIALECTS[name]
