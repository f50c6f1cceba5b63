"""The cut flows that are to be added, and whether they can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutflow_cli.artifacts import file_digest
from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow, FlowName
from cutflow_cli.evaluation.saved_cut_flow_files import (
    CutFlowOrigin,
    read_cut_flow,
    require_same_cuts,
)

#: A flow and the signal that it is counted on.
Counted = tuple[FlowName, float | None]
#: Rows of one process in order: those before position 0, or those from it on.
Stages = tuple[CutFlowRow, ...]
#: Rows of a flow by process, by split; those before position 0 are under `BEFORE`.
Splits = Mapping[str, Mapping[str, Stages]]
BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the cut flows to add.

    Attributes:
        path: as it was given.
        digest: of the table.
        origin: what it counts.
        flows: the rows.
    """

    path: Path
    digest: str
    origin: CutFlowOrigin
    flows: Mapping[Counted, Splits]

    @classmethod
    def read(cls, path: Path) -> Part:
        """Read a cut flow.

        Raises:
            InputError: if it is missing, damaged or no cut flow, or does not say what it counts.
        """
        saved = read_cut_flow(path)
        if saved.origin is None:
            msg = f"{path}: does not say which events it counts; evaluate or apply again"
            raise InputError(msg)
        flows: dict[Counted, dict[str, dict[str, list[CutFlowRow]]]] = {}
        for row in sorted(saved.every, key=lambda row: row.position):
            flow = ((row.run, row.working_point, row.kind, row.replica), row.hypothesis)
            split = BEFORE if row.position < 0 else row.split
            flows.setdefault(flow, {}).setdefault(split, {}).setdefault(row.process, []).append(row)
        whole = {
            flow: {split: {name: tuple(rows) for name, rows in its.items()} for split, its in splits.items()}
            for flow, splits in flows.items()
        }
        for flow, splits in whole.items():
            _require_complete(path, flow, splits)
        return cls(path, file_digest(saved.file), saved.origin, whole)


def _require_complete(path: Path, flow: Counted, splits: Splits) -> None:
    counted = [(name, rows) for split, its in splits.items() if split != BEFORE for name, rows in its.items()]
    wanted = list(range(1 + max((rows[-1].position for _, rows in counted), default=0)))
    for name, rows in counted:
        if [row.position for row in rows] != wanted:
            msg = f"{path}: is damaged: {name_of(flow)} lacks or repeats a row of {name!r}; make it again"
            raise InputError(msg)


def require_distinct(paths: Sequence[Path], out: Path) -> None:
    """Refuse a path that is given twice, or is the output too.

    Raises:
        UsageError: if there is one.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            msg = f"{path}: is given twice; its events would count twice"
            raise UsageError(msg)
        seen.add(path.resolve())
    if out.resolve() in seen:
        msg = f"{out}: is one of the cut flows; choose another --out"
        raise UsageError(msg)


def require_addable(parts: Sequence[Part]) -> None:
    """Check that parts count different events in the same way.

    Raises:
        InputError: naming the first thing that is otherwise.
    """
    for number, part in enumerate(parts):
        for other in parts[:number]:
            _require_disjoint(other, part)
    for part in parts[1:]:
        _require_alike(parts[0], part)


def _require_disjoint(first: Part, second: Part) -> None:
    known = {one.digest: one for one in first.origin.data}
    for one in second.origin.data:
        if one.digest in known:
            other = known[one.digest].path
            same = f" (there as {other})" if other != one.path else ""
            msg = f"{second.path}: counts the events of {one.path}, which {first.path} counts too{same}"
            raise InputError(f"{msg}; they would count twice")


def _require_alike(first: Part, part: Part) -> None:
    """Refuse parts that can't be added."""
    a, b = first.origin, part.origin
    if a.split != b.split:
        meant = ("all events" if one.split == ALL_SPLITS else f"split {one.split}" for one in (a, b))
        msg = f"{first.path} counts {next(meant)}, {part.path} {next(meant)}; only the same can be added"
        raise InputError(msg)
    if a.weighted != b.weighted:
        plain = first.path if b.weighted else part.path
        msg = f"{plain}: counts events without weights, the others with; apply again with --weight-column"
        raise InputError(msg)
    if a.preselection != b.preselection:
        shown = [" and ".join(one.preselection) or "none" for one in (a, b)]
        msg = f"{part.path}: the preselection of its events is {shown[1]}, that of {first.path} is {shown[0]}"
        raise InputError(msg)
    roles = dict(a.processes)
    for name, role in b.processes:
        if roles.get(name, role) != role:
            msg = f"{part.path}: process {name!r} is {role or 'of no class'}, in {first.path} {roles[name]}"
            raise InputError(msg)
    for own, other in ((first, part), (part, first)):
        there = [name_of(flow) for flow in other.flows]
        for name in map(name_of, _consensus_first(own)):
            if name not in there:
                msg = f"{other.path}: has no selection {name!r}, which {own.path} has; {nearest(name, there)}"
                raise InputError(msg)
    for flow in _consensus_first(first):
        cuts = tuple(cuts_of(one.flows[flow].values(), one) for one in (first, part))
        require_same_cuts((first.path, part.path), name_of(flow), (cuts[0], cuts[1]))


def _consensus_first(part: Part) -> list[Counted]:
    """Arrange flows so that errors speak of those that are quoted."""
    return sorted(part.flows, key=lambda flow: flow[0][2] != "consensus")


def name_of(flow: Counted) -> str:
    """Name a flow for people."""
    (run, working_point, kind, replica), hypothesis = flow
    return label(run, working_point, hypothesis) + (f" replica {replica}" if kind == "replica" else "")


def cuts_of(splits: Iterable[Mapping[str, Stages]], part: Part) -> dict[int, str]:
    """Return the cuts of a flow by position, without conditions of the preselection, which files keep by themselves.

    Raises:
        InputError: if they are not the same in all its rows.
    """
    found: dict[int, str] = {}
    for rows in (rows for processes in splits for rows in processes.values()):
        for row in rows:
            if row.position >= 0 and found.setdefault(row.position, row.cut) != row.cut:
                msg = f"{part.path}: is damaged: position {row.position} of run {row.run!r} is two cuts; make it again"
                raise InputError(msg)
    return found
