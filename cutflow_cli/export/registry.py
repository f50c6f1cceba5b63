"""The dialects there are, by the name that `--format` takes."""

from __future__ import annotations

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.export.adl import Adl
from cutflow_cli.export.awkward import Awkward
from cutflow_cli.export.correctionlib import Correctionlib
from cutflow_cli.export.cpp_struct import Cpp
from cutflow_cli.export.csv import Csv
from cutflow_cli.export.dialect import Dialect, ModelDialect
from cutflow_cli.export.hepdata import HepData
from cutflow_cli.export.json import Json
from cutflow_cli.export.latex import Latex
from cutflow_cli.export.onnx import Onnx
from cutflow_cli.export.python import Python
from cutflow_cli.export.query import Query
from cutflow_cli.export.rdataframe import RDataFrame
from cutflow_cli.export.root import Root
from cutflow_cli.export.text import Text
from cutflow_cli.export.yaml import Yaml

#: In the order in which they are listed, group by group.
_TEXT: tuple[Dialect, ...] = (
    Text(), Json(), Yaml(), Csv(), Correctionlib(), Python(), Query(), Awkward(), Root(), RDataFrame(), Cpp(), Latex(),
    HepData(), Adl(),
)  # fmt: skip
_MODELS: tuple[ModelDialect, ...] = (Onnx(),)
#: What is written as text.
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _TEXT}
#: What is written as a model, for runs that give a score.
MODEL_DIALECTS: dict[str, ModelDialect] = {dialect.name: dialect for dialect in _MODELS}


def listed() -> str:
    """Say which dialects there are, group by group: `people: text; data: json, yaml, csv; …`."""
    groups: dict[str, list[str]] = {}
    for dialect in (*_TEXT, *_MODELS):
        groups.setdefault(dialect.group, []).append(dialect.name)
    return "; ".join(f"{group}: {', '.join(members)}" for group, members in groups.items())


def find_dialect(name: str) -> Dialect | ModelDialect:
    """Look up a dialect.

    Raises:
        UsageError: if there is none of this name.
    """
    found = DIALECTS.get(name) or MODEL_DIALECTS.get(name)
    if found is None:
        near, known = nearest(name, (*DIALECTS, *MODEL_DIALECTS)), f"there are, for {listed()}"
        msg = f"--format {name}: no such format; {f'{near} ({known})' if near.startswith('did') else known}"
        raise UsageError(msg)
    return found
