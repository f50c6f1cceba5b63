"""One library call for `cutflow batch plan`: plan file in, plan directory out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutflow_cli.artifacts import Action, open_work_directory, write_text
from cutflow_cli.batch.expand import Expander
from cutflow_cli.batch.manifest import (
    DIGITS,
    MANIFEST,
    MERGED,
    RESULTS,
    SETTINGS,
    SUBMIT,
    TASKS,
    Plan,
    plan_digest,
    read_plan,
    write_plan,
)
from cutflow_cli.batch.plan_file import read_plan_file
from cutflow_cli.errors import UsageError

#: More tasks than this are taken for a mistake in a grid.
MAX_TASKS = 10**DIGITS


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan.

    Attributes:
        plan: the plan.
        written: whether it was written now; if not, it was there already or was only to be shown.
        notes: what a user should know, a sentence each.
    """

    plan: Plan
    written: bool
    notes: tuple[str, ...] = ()


def make_plan(
    path: Path,
    out: Path,
    *,
    dry_run: bool = False,
    check_command: Callable[[Sequence[str]], None] = lambda argv: None,
) -> Planned:
    """Check a plan file and freeze it into a plan directory.

    Args:
        path: the plan file, TOML or YAML.
        out: the plan directory.
        dry_run: only check.
        check_command: told the command line of a task of each group; raises if it can't be parsed.

    Raises:
        UsageError: if something in the file is unknown, wrong or too much, or if another plan is at `out`.
        InputError: if a sample is missing, damaged, or lacks features.
    """
    directory = out.resolve()
    made = Expander(read_plan_file(path), path, directory).expand()
    if len(made.tasks) > MAX_TASKS:
        msg = f"{path}: makes {len(made.tasks)} tasks, and a plan holds {MAX_TASKS} at most; divide it"
        raise UsageError(msg)
    for group in made.groups:
        first = next(task for task in made.tasks if task.group == group.name)
        try:
            check_command(first.argv)
        except UsageError as error:
            msg = f"{path}: {group.name}: options: {error}"
            raise UsageError(msg) from error
    plan = Plan(directory, tuple(made.tasks), tuple(made.groups), plan_digest(made.tasks, made.groups, made.settings))
    notes = tuple(made.notes)
    if (out / MANIFEST).is_file():
        if read_plan(out).digest != plan.digest:
            msg = f"{out}: is another plan, or its inputs have changed since; choose another --out"
            raise UsageError(msg)
        return Planned(plan, written=False, notes=(*notes, f"{out}: already done"))
    if dry_run:
        return Planned(plan, written=False, notes=notes)
    work = open_work_directory(out, MANIFEST, plan.digest, force=False, fresh=True)
    assert work.action is not Action.DONE
    try:
        for name in (TASKS, RESULTS, MERGED, SUBMIT, SETTINGS):
            (work.path / name).mkdir(exist_ok=True)
        for task in made.tasks:
            (work.path / TASKS / plan.directory(task.number).name).mkdir()
        for file, text in made.settings.items():
            write_text(work.path / file, text)
        write_plan(plan, work.path)
    except BaseException:
        work.abandon()
        raise
    work.finish()
    return Planned(plan, written=True, notes=notes)
