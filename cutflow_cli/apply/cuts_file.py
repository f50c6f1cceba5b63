"""Cuts in a JSON file: what `cutflow export-cuts --format json` writes, or what somebody wrote by hand.

By hand it may be as short as `{"cuts": ["60 < m_jet < 110", "tau2 / tau1 < 0.5"]}`: conditions of the expression
language, one step of the cut flow each. They are computed in double precision, as a preselection is; the boundary of a
cut with observable and region is rounded to the type of its column, as those of learned cuts are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from cutflow_cli.apply.conditions import make_condition
from cutflow_cli.apply.cuts_schema import (
    BinModel,
    BinnedCutModel,
    CutModel,
    Document,
    FeatureModel,
    FlowModel,
    validate,
)
from cutflow_cli.artifacts import digest
from cutflow_cli.errors import InputError, naming, nearest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, Kind, LearnedCut
from cutflow_cli.selection.parse import ExpressionError, parse_arithmetic, parse_condition
from cutflow_cli.selection.tree import Node

#: Bytes of a file of cuts that nobody exceeds; what is larger is something else, or an attack on memory.
MAX_BYTES = 32 << 20
_MAGIC = {b"PAR1": "a Parquet file", b"root": "a ROOT file", b"\x1f\x8b": "a gzip file", b"PK\x03\x04": "a zip file"}


@dataclass(frozen=True, slots=True)
class WrittenFeature:
    """What a file of cuts says about a feature.

    Attributes:
        name: the feature.
        tree: what it is computed from, in the source's names; None for the source's own column or observable.
        expression: the same as text.
        unit: for example `GeV`.
        dtype: type of its column; None where it is for the source to decide.
    """

    name: str
    tree: Node | None = None
    expression: str | None = None
    unit: str | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class CutsFile:
    """A file of cuts, read and checked.

    Attributes:
        path: the file.
        digest: of its content.
        flows: the selections in it, boundaries as written (`conditions.resolved` rounds them).
        features: those that the file describes, by name.
        preselection: conditions in the source's names that come before the cuts, as text.
        conditions: the same, parsed.
    """

    path: Path
    digest: str
    flows: tuple[CutFlow, ...]
    features: dict[str, WrittenFeature]
    preselection: tuple[str, ...] = ()
    conditions: tuple[Node, ...] = ()

    def feature(self, name: str) -> WrittenFeature:
        """Return what is known of a feature: at least its name."""
        return self.features.get(name, WrittenFeature(name))


def read_cuts(path: Path | str) -> CutsFile:
    """Read a file of cuts.

    Raises:
        InputError: if it is missing, no JSON, of another schema, or says something impossible; the message names the
            file and the place in it.
    """
    path = Path(path)
    raw = _read(path)
    document = validate(raw, str(path))
    features = {name: _feature(path, name, item) for name, item in document.features.items()}
    preselection = tuple(" ".join(text.split()) for text in document.preselection)
    conditions = tuple(
        _parsed(path, f"preselection[{position}]", text, condition=True)
        for position, text in enumerate(document.preselection)
    )
    flows = tuple(_flow(path, prefix, item) for prefix, item in _flows_of(document))
    _refuse_repeated(path, flows)
    return CutsFile(path, digest(raw), flows, features, preselection, conditions)


def _read(path: Path) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Decode a file.

    Raises:
        InputError: if it is no JSON, or too large to be a file of cuts.
    """
    _check_is_file(path)
    with naming(path), path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
    if kind is not None:
        msg = f"{path}: is {kind}; the cuts, a JSON file, come first, then the events"
        raise InputError(msg)
    if len(content) > MAX_BYTES:
        msg = f"{path}: is larger than {MAX_BYTES >> 20} MB, so it is no file of cuts; the cuts come first"
        raise InputError(msg)
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _unique(path, pairs))
    except UnicodeDecodeError as error:
        msg = f"{path}: is no text, a JSON file of cuts was expected"
        raise InputError(msg) from error
    except RecursionError as error:
        msg = f"{path}: is nested too deeply for a file of cuts"
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{path}: is no JSON: {error}"
        raise InputError(msg) from error


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        what = "is a directory"
        if (path / "run.json").is_file():
            what = f"is a run; `cutflow export-cuts {path} --format json --out cuts.json` writes its cuts as a file"
        msg = f"{path}: {what}"
        raise InputError(msg)
    if not path.exists():
        there = [entry.name for entry in path.parent.glob("*.json")] if path.parent.is_dir() else []
        msg = f"{path}: no such file" + (f"; {nearest(path.name, there)}" if there else "")
        raise InputError(msg)


def _unique(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            msg = f"{path}: key {key!r} comes twice in one object"
            raise InputError(msg)
        found[key] = value
    return found


def _flows_of(document: Document) -> Iterable[tuple[str, FlowModel]]:
    if document.cut_flows is None:
        return [("", FlowModel(cuts=document.cuts or []))]
    return [(f"cut_flows[{number}].", flow) for number, flow in enumerate(document.cut_flows)]


def _feature(path: Path, name: str, item: FeatureModel) -> WrittenFeature:
    tree = None
    if item.expression is not None:
        tree = _parsed(path, f"features.{name}.expression", item.expression, condition=False)
    return WrittenFeature(name, tree, item.expression, item.unit, item.dtype)


def _parsed(path: Path, place: str, text: str, *, condition: bool) -> Node:
    """Parse an expression; that it is wrong is the file's fault."""
    try:
        return (parse_condition if condition else parse_arithmetic)(text, f"{path}: {place}: ")
    except ExpressionError as error:
        raise InputError(str(error)) from error


def _flow(path: Path, prefix: str, item: FlowModel) -> CutFlow:
    steps = tuple(_step(path, f"{prefix}cuts[{position}]", entry) for position, entry in enumerate(item.cuts))
    kind: Kind = "consensus" if item.replica == CONSENSUS_REPLICA else "replica"
    return CutFlow(steps, item.working_point, item.target, item.hypothesis, kind, item.replica)


def _step(path: Path, place: str, entry: CutModel | BinnedCutModel | str) -> LearnedCut:
    if isinstance(entry, str):
        try:
            return LearnedCut(make_condition(entry, f"{path}: {place}: "))
        except ExpressionError as error:
            raise InputError(str(error)) from error
    if isinstance(entry, CutModel):
        return LearnedCut(_cut(path, place, entry.observable, entry))
    bins = tuple(
        LearnedCut(_cut(path, f"{place}.bins[{number}]", entry.observable, one))
        for number, one in enumerate(entry.bins)
    )
    try:
        return replace(LearnedCut.from_bins(entry.binned_in, tuple(entry.edges), bins), active=True)
    except InputError as error:
        msg = f"{path}: {place}: {error}"
        raise InputError(msg) from error


def _cut(path: Path, place: str, observable: str, entry: CutModel | BinModel) -> Cut:
    try:
        cut = Cut(observable, Region(entry.region), entry.lower, entry.upper)
    except InputError as error:
        msg = f"{path}: {place}: {error}"
        raise InputError(msg) from error
    if cut.lower is not None and cut.upper is not None and cut.lower > cut.upper:
        _fail_crossed(path, place, cut)
    return cut


def _fail_crossed(path: Path, place: str, cut: Cut) -> NoReturn:
    what = "keeps nothing" if cut.region is Region.INSIDE else "keeps everything"
    msg = (
        f"{path}: {place}: lower {cut.lower!r} is above upper {cut.upper!r}, so the cut on {cut.observable} {what}; "
        "exchange them"
    )
    raise InputError(msg)


def _refuse_repeated(path: Path, flows: tuple[CutFlow, ...]) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for number, flow in enumerate(flows):
        key = (flow.working_point, flow.hypothesis, flow.replica)
        if key in seen:
            msg = (
                f"{path}: cut_flows[{seen[key]}] and cut_flows[{number}] have the same working_point, hypothesis and "
                f"replica ({flow.working_point!r}); give them different names as working_point"
            )
            raise InputError(msg)
        seen[key] = number
