"""The results of a plan: each group of tasks put together to what one job would have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutflow_cli.batch.manifest import Group, Kind, Plan, Task
from cutflow_cli.batch.survey import Survey, TaskState, survey
from cutflow_cli.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class MergedGroup:
    """A result.

    Attributes:
        name: of the group.
        kind: what it is.
        path: where it is.
        parts: from how many tasks.
        written: whether it was written now, or was there already.
        skipped: whether an ingest went on without some files.
        notes: what a user should know, a sentence each.
    """

    name: str
    kind: Kind
    path: Path
    parts: int
    written: bool
    skipped: bool = False
    notes: tuple[str, ...] = ()


def chosen_groups(plan: Plan, names: Sequence[str]) -> tuple[Group, ...]:
    """Return groups by name; all of them for no names.

    Raises:
        UsageError: if there is no such group.
    """
    known = {group.name: group for group in plan.groups}
    for name in names:
        if name not in known:
            msg = f"{plan.path}: plans no result {name!r}; {nearest(name, known)}"
            raise UsageError(msg)
    return tuple(known[name] for name in names) if names else plan.groups


def missing(plan: Plan, groups: Sequence[Group], *, ask_queue: bool = True) -> tuple[TaskState, ...]:
    """Return the tasks without which groups are not complete, and where each stands.

    An output is there as a whole or not at all, since it is renamed when it is finished.
    """
    names = {group.name for group in groups}
    absent = {task.number for task in plan.tasks if task.group in names and not (plan.path / task.out).exists()}
    if not absent:
        return ()
    found: Survey = survey(plan, ask_queue=ask_queue)
    return tuple(state for state in found.tasks if state.task.number in absent)


def merge_group(plan: Plan, group: Group, out: Path, *, force: bool = False, command: str | None = None) -> MergedGroup:
    """Put the outputs of a group together.

    Args:
        plan: the plan.
        group: complete.
        out: the run directory or file to write.
        force: replace what is there.
        command: the command line, for the record.

    Raises:
        UsageError: if something else is at `out` and `force` is not set.
        InputError: if an output is damaged, or does not belong to the others.
    """
    tasks = plan.tasks_of(group)
    parts = [plan.path / task.out for task in tasks]
    match group.kind:
        case "train":
            return _merge_runs(plan, group, tasks, out, force=force, command=command)
        case "ingest":
            from cutflow_cli.events.merge import merge

            made = merge(parts, out, force=force, command=command)
            notes = tuple(f"{file.path}: left out ({file.reason})" for file in made.skipped)
            return MergedGroup(group.name, group.kind, out, len(parts), made.written, bool(made.skipped), notes)
        case "apply" | "evaluate":
            from cutflow_cli.evaluation.saved_cut_flow_merge import merge_cut_flows

            added = merge_cut_flows(parts, out, force=force, command=command)
            return MergedGroup(group.name, group.kind, out, len(parts), added.written, notes=added.notes)


def _merge_runs(
    plan: Plan, group: Group, tasks: Sequence[Task], out: Path, *, force: bool, command: str | None
) -> MergedGroup:
    from cutflow_cli.artifacts import Action
    from cutflow_cli.engine.replicas import parse_replicas
    from cutflow_cli.models.blocks import merge_blocks

    replicas = next(word.partition("=")[2] for word in group.whole if word.startswith("--replicas="))
    said: list[str] = []
    training = merge_blocks(
        [plan.path / task.out for task in tasks],
        out,
        data=plan.path / tasks[0].inputs[0].path,
        replicas=parse_replicas(replicas),
        force=force,
        command=command,
        say=said.append,
    )
    return MergedGroup(group.name, group.kind, out, len(tasks), training.action is not Action.DONE, notes=tuple(said))
