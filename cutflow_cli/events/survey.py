"""All files checked before any event is read: which can't be used, and how they differ from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cutflow_cli.errors import InputError
from cutflow_cli.events.inputs import InputFile, inspect, shown_type
from cutflow_cli.events.readers import Location, open_source
from cutflow_cli.events.schema import SkippedFile

if TYPE_CHECKING:
    from cutflow_cli.events.recipe import ProcessRecipe

_SHOWN_FILES = 20  #: bad files that an error shows
_SHOWN_COLUMNS = 12  #: columns of the matrix of what differs

#: By process and name: what most of the files that can be used have.
Typical = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What the first pass over all files found.

    Attributes:
        good: files that can be used, with the process that each belongs to.
        skipped: files that can't.
        notes: harmless differences that a user should know of.
    """

    good: tuple[tuple[ProcessRecipe, InputFile], ...]
    skipped: tuple[SkippedFile, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Bad:
    process: ProcessRecipe
    location: Location
    reason: str

    @property
    def alike(self) -> str:
        """Why, without the name of the file."""
        return self.reason.removeprefix(str(self.location))


def survey(
    files: Sequence[tuple[ProcessRecipe, Location]],
    *,
    skip_bad: bool,
    complete: bool = True,
    progress: Callable[[float, str], None] | None = None,
) -> Surveyed:
    """Open every file and check that it has what its process needs.

    Args:
        files: with the process that each belongs to.
        skip_bad: whether to go on without files that can't be used.
        complete: whether these are all files; a shard may well have none of a process.
        progress: told the share done and the file.

    Raises:
        InputError: if a file can't be used and `skip_bad` is not set, showing how the bad ones differ from the others;
            or if a process has none left, or can't be normalised without those that are skipped.
    """
    good: list[tuple[ProcessRecipe, InputFile]] = []
    bad: list[_Bad] = []
    for position, (process, location) in enumerate(files):
        try:
            good.append((process, inspect(location, process.settings, process.needs)))
        except InputError as error:
            bad.append(_Bad(process, location, str(error)))
        except PermissionError:
            bad.append(_Bad(process, location, f"{location}: you have no permission to read it"))
        if progress is not None:
            progress((position + 1) / len(files), f"checking {location.name}")
    typical = _typical(good)
    fitting, unlike = _of_typical_kind(good, typical)
    bad += unlike
    if bad and not skip_bad:
        raise _refusal(bad, len(files), typical)
    order = {(process.name, location): position for position, (process, location) in enumerate(files)}
    bad.sort(key=lambda item: order[item.process.name, item.location])
    skipped = tuple(
        SkippedFile(
            item.process.name, item.location.shown, item.reason.replace(str(item.location), item.location.shown)
        )
        for item in bad
    )
    for name, process in {item.process.name: item.process for item in bad}.items():
        left = not complete or any(of.name == name for of, _ in fitting)
        _check_skipped(process, [item for item in skipped if item.process == name], left=left)
    return Surveyed(tuple(fitting), skipped, (*_notes_on_types(fitting), *_notes_on_copies(fitting)))


def _check_skipped(process: ProcessRecipe, skipped: Sequence[SkippedFile], *, left: bool) -> None:
    """Refuse to go on where a process can't do without its bad files.

    Args:
        process: the process.
        skipped: its files that can't be used.
        left: whether it has other files.

    Raises:
        InputError: if it has not, or if what was given for all of its files does not hold for the others.
    """
    if not left:
        likewise = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        msg = f"process {process.name!r}: none of its files can be used: {skipped[0].reason}{likewise}"
        raise InputError(msg)
    settings = process.settings
    given = [
        f"{name} = {value:g}"
        for name, value in (
            ("sum_of_weights", settings.sum_of_weights),
            ("generated_events", settings.generated_events),
        )
        if isinstance(value, int | float)
    ]
    if given or settings.weights_are_yields:
        fault = (
            f"{given[0]} was given for all of its files"
            if given
            else "its weights are yields, of which those of a file left out would be missing"
        )
        remedy = "give what holds for the others, or " if given else ""
        msg = (
            f"process {process.name!r}: {skipped[0].path} can't be skipped: {fault}; {remedy}take it out of files, if "
            f"that is what you mean ({skipped[0].reason})"
        )
        raise InputError(msg)


def _typical(good: Sequence[tuple[ProcessRecipe, InputFile]]) -> Typical:
    """Find what most files of a process have by each name; of as many, what came first."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for process, file in good:
        for name, kind in file.types.items():
            counts.setdefault(process.name, {}).setdefault(name, Counter())[kind] += 1
    return {
        process: {name: counter.most_common(1)[0][0] for name, counter in names.items()}
        for process, names in counts.items()
    }


def _kind(shown: str) -> str:
    """Return what must be the same in all files: number, number for each object, or something else."""
    if shown.endswith("[]"):
        return "number[]"
    try:
        return "number" if np.dtype(shown).kind in "fiub" else shown
    except TypeError:
        return shown


def _of_typical_kind(
    good: Sequence[tuple[ProcessRecipe, InputFile]], typical: Typical
) -> tuple[list[tuple[ProcessRecipe, InputFile]], list[_Bad]]:
    """Tell files where a name is of another kind than in most files of the process: a list for a number, a text."""
    fitting, bad = [], []
    for process, file in good:
        usual = typical[process.name]
        unlike = [name for name, shown in file.types.items() if _kind(shown) != _kind(usual[name])]
        if unlike:
            name = unlike[0]
            others = f"{usual[name]} in most other files of process {process.name!r}"
            bad.append(_Bad(process, file.location, f"{file.location}: {name!r} is {file.types[name]}, but {others}"))
        else:
            fitting.append((process, file))
    return fitting, bad


def _notes_on_types(good: Sequence[tuple[ProcessRecipe, InputFile]]) -> list[str]:
    """Say where numbers are stored as different types, which their values survive."""
    files: dict[tuple[str, str], dict[str, list[InputFile]]] = {}
    for process, file in good:
        for name, shown in file.types.items():
            files.setdefault((process.name, name), {}).setdefault(shown, []).append(file)
    alike: dict[tuple[str, str], list[str]] = {}
    for (process_name, name), types in files.items():
        if len(types) > 1:
            rarest = min(types, key=lambda shown: len(types[shown]))
            counted = " and ".join(f"{shown} in {len(having)}" for shown, having in types.items())
            alike.setdefault((process_name, f"{counted} files ({types[rarest][0].location})"), []).append(name)
    return [
        f"process {process_name!r}: {', '.join(map(repr, names))}: {counted}"
        for (process_name, counted), names in alike.items()
    ]


def _notes_on_copies(good: Sequence[tuple[ProcessRecipe, InputFile]]) -> list[str]:
    """Say which files of a process seem to hold the same events."""
    seen: dict[tuple[str, int, str], InputFile] = {}
    notes = []
    for process, file in good:
        first = seen.setdefault((process.name, file.size, file.digest), file)
        if first is not file:
            notes.append(
                f"process {process.name!r}: {file.location} seems to be a copy of {first.location}; "
                "if it is, its events count twice"
            )
    return notes


def _refusal(bad: Sequence[_Bad], files: int, typical: Typical) -> InputError:
    """Say what is wrong: with one file, with all, or with some alike in one line, else as a matrix."""
    first, others, sound = bad[0], len(bad) - 1, files - len(bad)
    alike = len({item.alike for item in bad}) == 1
    if sound and not alike:
        title = f"{len(bad)} of {files} files can't be used; --on-bad-file skip goes on without them:"
        return InputError("\n  ".join([title, *_matrix(bad, typical)]))
    names = ", ".join(item.location.name for item in bad[1:4]) + (", …" if others > 3 else "")
    more = f" ({'likewise' if alike else 'nor can they be used:'} {names})" if others else ""
    hint = f" ({sound} other file{'s are' if sound > 1 else ' is'} sound: --on-bad-file skip goes on without "
    return InputError(f"{first.reason}{more}" + (f"{hint}{'the bad ones' if others else 'this one'})" if sound else ""))


def _matrix(bad: Sequence[_Bad], typical: Typical) -> list[str]:
    """Show how files differ from the others: a line for each file, a column for each name."""
    differences = [_differences(item, typical.get(item.process.name, {})) for item in bad[:_SHOWN_FILES]]
    differing = {name for found in differences for name in found or {}}
    names = list(dict.fromkeys(name for known in typical.values() for name in known if name in differing))
    names = names[:_SHOWN_COLUMNS]
    lines, others = [], []
    if names:
        usual = {name: shown for of_process in typical.values() for name, shown in of_process.items()}
        lines = [["", *names], ["(most files)", *(usual.get(name, "?") for name in names)]]
    for item, found in zip(bad, differences, strict=False):
        if found and set(found) & set(names):
            lines.append([str(item.location), *(found.get(name, "·") for name in names)])
        else:
            others.append(item.reason)
    widths = [max(len(line[column]) for line in lines) for column in range(len(names) + 1)] if lines else []
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return [*table, *others, *([f"… and {len(bad) - _SHOWN_FILES} more files"] if len(bad) > _SHOWN_FILES else [])]


def _differences(bad: _Bad, typical: dict[str, str]) -> dict[str, str] | None:
    """Find by which names a file has something else than the others; None if it can't be opened."""
    needs = bad.process.needs
    wanted = dict.fromkeys((*needs.names, *needs.carried, *needs.matched, *needs.identity))
    try:
        with closing(open_source(bad.location, bad.process.settings.tree)) as source:
            there = {name: shown_type(source, name, needs, bad.process.settings.format) for name in wanted}
    except (InputError, PermissionError):
        return None
    return {
        name: shown or "missing"
        for name, shown in there.items()
        if shown is None or _kind(shown) != _kind(typical.get(name, shown))
    }
