"""The plan directory: what `cutflow batch plan` freezes and every later command reads.

    plan.json               the frozen manifest: tasks with their command lines, groups, digests of inputs
    settings/NAME.yaml      resolved grid points, one file for each group that has settings
    tasks/00042/            status.json, log.txt, lock, and what the batch system says (job.txt); one writer each
    results/NAME/…          what tasks write
    merged/NAME             what `cutflow batch merge` makes of them
    submit/0001.*           each submission: the file given to the batch system, its log, and the ids of its jobs

A task's command line is relative to the plan directory as far as its outputs are concerned; inputs are absolute, or
below the plan directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cutflow_cli import __version__
from cutflow_cli.artifacts import digest, file_digest, read_json, write_json
from cutflow_cli.errors import InputError, UsageError, nearest

MANIFEST = "plan.json"
SCHEMA_VERSION = 1
TASKS, RESULTS, MERGED, SUBMIT, SETTINGS = "tasks", "results", "merged", "submit", "settings"
#: Digits of a task's directory.
DIGITS = 5

Kind = Literal["train", "ingest", "apply", "evaluate"]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a task reads: its path, absolute or below the plan directory, and the digest of its content."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Task:
    """One job's work.

    Attributes:
        number: counted from 0, in the order of the plan.
        group: the result that it is a part of.
        name: the group and which part.
        argv: its command line, without the program; `--out` is relative to the plan directory.
        out: what it writes, relative to the plan directory.
        inputs: files it reads, as in `argv`.
    """

    number: int
    group: str
    name: str
    argv: tuple[str, ...]
    out: str
    inputs: tuple[InputFile, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks whose outputs are put together to one result.

    Attributes:
        name: also of the merged result.
        kind: how they are put together.
        merged: where the result goes, relative to the plan directory.
        whole: the command line that makes the same on one machine; empty where no single one does.
    """

    name: str
    kind: Kind
    merged: str
    whole: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen plan.

    Attributes:
        path: its directory, absolute.
        tasks: by number.
        groups: in the order of the plan.
        digest: of everything that decides the results.
        version: of cutflow that planned it.
    """

    path: Path
    tasks: tuple[Task, ...]
    groups: tuple[Group, ...]
    digest: str
    version: str = __version__

    def directory(self, number: int) -> Path:
        """Return the directory of a task."""
        return self.path / TASKS / f"{number:0{DIGITS}d}"

    def task(self, number: int) -> Task:
        """Return a task.

        Raises:
            UsageError: if the plan has no such task.
        """
        if not 0 <= number < len(self.tasks):
            msg = f"{self.path}: has tasks 0 to {len(self.tasks) - 1}, no task {number}"
            raise UsageError(msg)
        return self.tasks[number]

    def tasks_of(self, group: Group) -> tuple[Task, ...]:
        """Return the tasks of a group, in order."""
        return tuple(task for task in self.tasks if task.group == group.name)


def plan_digest(tasks: Sequence[Task], groups: Sequence[Group], settings: dict[str, Any]) -> str:
    """Digest of everything that decides the results of a plan.

    Args:
        tasks: all of them.
        groups: all of them.
        settings: content of the settings files, by name.
    """
    return digest(
        {"tasks": [asdict(task) for task in tasks], "groups": [asdict(group) for group in groups], "settings": settings}
    )


def write_plan(plan: Plan, directory: Path) -> None:
    """Write `plan.json` into a directory that is to become the plan's."""
    write_json(
        directory / MANIFEST,
        {
            "schema_version": SCHEMA_VERSION,
            "version": plan.version,
            "digest": plan.digest,
            "groups": [asdict(group) for group in plan.groups],
            "tasks": [asdict(task) for task in plan.tasks],
        },
    )


def read_plan(directory: Path) -> Plan:
    """Read a plan directory.

    Raises:
        InputError: if it is none, damaged or of another schema.
    """
    path = directory / MANIFEST
    if not path.is_file():
        near = [entry.parent.name for entry in directory.parent.glob(f"*/{MANIFEST}")]
        what = "is no plan directory (no plan.json)" if directory.exists() else "no such plan directory"
        hint = f"{nearest(directory.name, near)}" if near else "`cutflow batch plan` makes one"
        msg = f"{directory}: {what}; {hint}"
        raise InputError(msg)
    raw = read_json(path)
    if raw.get("schema_version") != SCHEMA_VERSION:
        found = raw.get("schema_version")
        msg = f"{path}: schema version {found}, this cutflow reads {SCHEMA_VERSION}; plan again"
        raise InputError(msg)
    try:
        groups = tuple(Group(**{**item, "whole": tuple(item["whole"])}) for item in raw["groups"])
        return Plan(directory.resolve(), tuple(map(_task, raw["tasks"])), groups, raw["digest"], raw["version"])
    except (TypeError, KeyError, AttributeError) as error:
        msg = f"{path}: damaged ({error}); plan again"
        raise InputError(msg) from error


def _task(raw: dict[str, Any]) -> Task:
    inputs = tuple(InputFile(**item) for item in raw["inputs"])
    return Task(**{**raw, "argv": tuple(raw["argv"]), "inputs": inputs})


def current_digests(plan: Plan, task: Task) -> dict[str, str | None]:
    """Return the digest that each input of a task has now; None for one that is not there or can't be read."""
    return {file.path: _digest_or_none(plan.path / file.path) for file in task.inputs}


def _digest_or_none(path: Path) -> str | None:
    try:
        return file_digest(path)
    except (InputError, OSError):
        return None
