"""The counts of applied cuts as a saved cut flow, in the layout of a report's, for `compare` and `merge`.

Jobs of a batch system count parts of the events, each into such a file; `cutflow merge` adds them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from cutflow_cli.apply.inputs import Group, Input
from cutflow_cli.apply.results import Applied, AppliedFlow, GroupFlow, Step
from cutflow_cli.apply.writing import APPLIED_KEY
from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.cut_flow import CLASSES, rows_of_cuts
from cutflow_cli.evaluation.preselection import rows_of_conditions
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow, FlowName
from cutflow_cli.evaluation.saved_cut_flow_files import CutFlowOrigin, write_cut_flow
from cutflow_cli.events.readers import Location
from cutflow_cli.events.schema import ROLES, Role
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA

#: What the events of files that know of no processes are called, unless the user names them.
PROCESS = "events"
OPTION = "--cut-flow"


@dataclass(frozen=True, slots=True)
class CutFlowFile:
    """Where counts are saved as a cut flow.

    Attributes:
        path: the Parquet file.
        process: what the events of files that know of no processes are called in it.
    """

    path: Path
    process: str = PROCESS


def check_cut_flow(saved: CutFlowFile, inputs: Sequence[Input], out: Path | None, files: Sequence[Path | str]) -> None:
    """Refuse counts that have no common cut flow, before they are made.

    Raises:
        UsageError: if processes, weights or preselections do not fit, or the file is one that is read or written.
    """
    locations = [Location.of(name) for name in files]
    taken = {one.path.resolve() for one in locations if not one.is_remote} | ({out.resolve()} if out else set())
    if saved.path.resolve() in taken:
        msg = f"{OPTION} {saved.path}: is a file to read or to write events to; choose another"
        raise UsageError(msg)
    if any(one.weighted for one in inputs) and not all(one.weighted for one in inputs):
        plain = next(one.groups[0].file for one in inputs if not one.weighted)
        msg = f"{OPTION}: {plain} has no weights, other files have; give it some with --weight-column"
        raise UsageError(msg)
    processes_of((group for one in inputs for group in one.groups), saved.process)
    found = {one.whole_preselection: one.groups[0].file for one in inputs}
    if len(found) > 1:
        (first, here), (second, there) = list(found.items())[:2]
        msg = (
            f"{OPTION}: events of {here} pass {' and '.join(first) or 'no preselection'}, those of {there} "
            f"{' and '.join(second) or 'none'}; their counts can't be added"
        )
        raise UsageError(msg)


def save_cut_flow(
    applied: Applied, out: Path, *, process: str = PROCESS, digest: str | None = None, command: str | None = None
) -> None:
    """Write counts as a cut flow, atomically.

    Args:
        applied: the counts.
        out: the Parquet file.
        process: what the events of files that know of no processes are.
        digest: of the cuts, files and settings, kept with what is written.
        command: the command line, likewise.

    Raises:
        UsageError: if the counts of a process can't be added: its files have other cuts.
    """
    origin = CutFlowOrigin(
        ALL_SPLITS, applied.data, _processes(applied, process), applied.luminosity, applied.preselection,
        applied.weighted, digest=digest, command=command,
    )  # fmt: skip
    stored = {"digest": digest, "command": command, "result": applied.stored()}
    write_cut_flow(out, cut_flow_rows(applied, process), origin, {APPLIED_KEY: json.dumps(stored).encode()})


def processes_of(groups: Iterable[Group | GroupFlow], process: str = PROCESS) -> tuple[tuple[str, Role | None], ...]:
    """Return name and role of each process that is counted.

    Args:
        groups: of all files.
        process: what the events of files that know of no processes are.

    Raises:
        UsageError: if one has two roles, or the name of a class that it is not the whole of.
    """
    found: dict[str, Role | None] = {}
    for group in groups:
        name = group.process or process
        role = group.role if group.process else _class_of(name)
        if found.setdefault(name, role) != role:
            msg = f"{OPTION}: process {name!r} is {role or 'of no class'} in {group.file}, elsewhere {found[name]}"
            raise UsageError(f"{msg}; name the events of files without processes otherwise, with --process")
    for role in ROLES:
        members = [name for name, its in found.items() if its == role]
        if role in members and members != [role]:
            msg = f"{OPTION}: process {role!r} is not the whole {role}, whose sum has that name; name it otherwise"
            raise UsageError(msg)
    return tuple(found.items())


def _processes(applied: Applied, process: str) -> tuple[tuple[str, Role | None], ...]:
    return processes_of((group for flow in applied.flows for group in flow.groups), process)


def _class_of(name: str) -> Role | None:
    return next((role for role in ROLES if role == name), None)


def cut_flow_rows(applied: Applied, process: str = PROCESS) -> tuple[CutFlowRow, ...]:
    """Arrange counts as rows of a cut flow: each class and its processes, all events whatever their split.

    A selection for one signal mass is applied to all events like any other; its mass is part of its name, since
    `hypothesis` says which signal was counted. Events without weights count 1 each.

    Args:
        applied: the counts.
        process: what the events of files that know of no processes are.

    Raises:
        UsageError: as `save_cut_flow`.
    """
    roles = _processes(applied, process)
    alone: dict[tuple[str, float | None], int] = {}
    for flow in applied.flows:
        alone[flow.working_point, flow.hypothesis] = alone.get((flow.working_point, flow.hypothesis), 0) + 1
    rows: list[CutFlowRow] = []
    for flow in applied.flows:
        single = alone[flow.working_point, flow.hypothesis] == 1  # as `evaluate --cuts` takes it
        rows += _rows(applied, flow, roles, process, single=single)
    return tuple(rows)


def _rows(
    applied: Applied, flow: AppliedFlow, roles: Sequence[tuple[str, Role | None]], process: str, *, single: bool
) -> Iterator[CutFlowRow]:
    point = flow.working_point
    if flow.hypothesis is not None:
        point += f", hypothesis {flow.hypothesis:.15g}"
    consensus = single or flow.replica == CONSENSUS_REPLICA
    replica = CONSENSUS_REPLICA if consensus else flow.replica
    of: FlowName = (PurePath(applied.cuts).stem, point, "consensus" if consensus else "replica", replica)
    counted: list[tuple[str, list[GroupFlow]]] = []
    for role in CLASSES:
        members = [name for name, its in roles if its == role]
        for name in (role, *(name for name in members if name != role)) if members else ():
            wanted = members if name == role else [name]
            counted.append((name, [one for one in flow.groups if (one.process or process) in wanted]))
    counted += [(name, [one for one in flow.groups if (one.process or process) == name])
                for name, role in roles if role is None]  # fmt: skip
    for name, groups in counted:
        yield from _process_rows(of, name, groups)


def _process_rows(of: FlowName, name: str, groups: Sequence[GroupFlow]) -> Iterator[CutFlowRow]:
    first = groups[0]
    titles = [step.cut for step in first.steps]
    for group in groups[1:]:
        other = [step.cut for step in group.steps]
        if (other, group.before) != (titles, first.before):
            cut = next((a for a, b in zip(other, titles, strict=False) if a != b), other[-1])
            msg = (
                f"{OPTION}: {group.file} has other steps than {first.file}, such as {cut!r}; count them into two files"
            )
            raise UsageError(f"{msg}, which `cutflow merge` can't add either: they are different cuts")
    sums = [_added(same) for same in zip(*(group.steps for group in groups), strict=True)]
    before = first.before
    of_all = [Estimate(None)] * (len(sums) - before)
    if before:
        yield from rows_of_conditions(of, None, name, titles[1 : before + 1], sums[: before + 1])
        of_all = [efficiency(one, sums[0]) for one in sums[before:]]
    yield from rows_of_cuts(of, ALL_SPLITS, None, name, titles[before + 1 :], sums[before:], of_all)


def _added(steps: Sequence[Step]) -> Sums:
    return sum((Sums(one.events, one.sumw, one.sumw2) for one in steps), Sums())
