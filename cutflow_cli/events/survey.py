"""All files checked before any event is read: which can't be used, and how they differ from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.errors import InputError
from cutflow_cli.events.inputs import InputFile, inspect
from cutflow_cli.events.schema import SkippedFile

if TYPE_CHECKING:
    from cutflow_cli.events.recipe import ProcessRecipe

_SHOWN_FILES = 20  #: files of a list of problems that an error shows


def survey(
    files: Sequence[tuple[ProcessRecipe, Path]],
    *,
    skip_bad: bool,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[tuple[tuple[ProcessRecipe, InputFile], ...], tuple[SkippedFile, ...]]:
    """Open every file and check that it has what its process needs.

    Args:
        files: with the process that each belongs to.
        skip_bad: whether to go on without files that can't be used.
        progress: told the share done and the file.

    Returns:
        The files that can be used, and those that can't.

    Raises:
        InputError: if a file can't be used and `skip_bad` is not set, naming every one of them; or if a process has
            none left.
    """
    good: list[tuple[ProcessRecipe, InputFile]] = []
    bad: list[SkippedFile] = []
    for position, (process, path) in enumerate(files):
        try:
            good.append((process, inspect(path, process.settings.tree, process.needs, process.settings.format)))
        except InputError as error:
            bad.append(SkippedFile(process.name, str(path), str(error)))
        if progress is not None:
            progress((position + 1) / len(files), f"checking {path.name}")
    if bad and not skip_bad:
        raise _refusal(bad, len(files))
    left = {process.name for process, _ in good}
    for skipped in bad:
        if skipped.process not in left:
            msg = f"process {skipped.process!r}: none of its files can be used; {skipped.reason}"
            raise InputError(msg)
    return tuple(good), tuple(bad)


def _refusal(bad: Sequence[SkippedFile], files: int) -> InputError:
    """Say what is wrong: with all files the same thing in one line, else file by file."""
    if len(bad) in (1, files):
        more = f" (and {len(bad) - 1} more files likewise)" if len(bad) > 1 else ""
        others = f"{files - 1} other file{'s are' if files > 2 else ' is'} sound"
        hint = "" if len(bad) == files else f" ({others}: --on-bad-file skip goes on without this one)"
        return InputError(f"{bad[0].reason}{more}{hint}")
    return InputError(
        "\n  ".join(
            [f"{len(bad)} of {files} files can't be used; --on-bad-file skip goes on without them:", *problems(bad)]
        )
    )


def problems(bad: Sequence[SkippedFile]) -> list[str]:
    """List files that can't be used, alike ones together, a line each."""
    lines = [skipped.reason for skipped in bad[:_SHOWN_FILES]]
    if len(bad) > _SHOWN_FILES:
        lines.append(f"… and {len(bad) - _SHOWN_FILES} more")
    return lines
