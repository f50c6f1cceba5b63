"""What the options of `cutflow ingest` say, put into the words of a settings file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.events.settings import IngestSettings


def given_only(**options: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever the options hold)
    """Leave out what was not given."""
    return {name: value for name, value in options.items() if value is not None and value not in ([], {})}


def parts(text: str) -> list[str]:
    """Divide a list with commas."""
    return [part.strip() for part in text.split(",")]


def cross_section(text: str | None) -> float | str | None:
    """Read a cross section: a number in pb, or `header`.

    Raises:
        UsageError: if it is neither.
    """
    if text in (None, "header"):
        return text
    try:
        return float(str(text))
    except ValueError as error:
        msg = f"cross section {text!r}: give a number in pb, or 'header' for LHE files"
        raise UsageError(msg) from error


def tree_sum(text: str | None) -> dict[str, str] | None:
    """Read where files hold their sums of weights, `TREE:COLUMN`.

    Raises:
        UsageError: if one of the two is missing.
    """
    if text is None:
        return None
    tree, colon, column = text.rpartition(":")
    if not (colon and tree and column):
        msg = f"--sum-of-weights-from {text!r}: give a tree and a column, such as Runs:genEventSumw"
        raise UsageError(msg)
    return {"tree": tree, "column": column}


def variations(items: list[str]) -> dict[str, str]:
    """Read weights under variations, each `NAME=EXPR`.

    Raises:
        UsageError: if a name or a weight is missing, or a name comes twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, expression = item.partition("=")
        if not (name.strip() and equals and expression.strip()):
            msg = f"--variation {item!r}: give it a name and a weight, such as 'pileup_up=genWeight*puUp'"
            raise UsageError(msg)
        if name.strip() in found:
            msg = f"--variation {name.strip()!r} is given twice"
            raise UsageError(msg)
        found[name.strip()] = expression.strip()
    return found


def shard_of(text: str) -> tuple[int, int]:
    """Read which part of the files is asked for, `I/N`.

    Raises:
        UsageError: if it is not that.
    """
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        msg = f"--shard {text!r}: give which part and of how many, such as 3/8"
        raise UsageError(msg)
    return int(number), int(of)


def settings_of(
    path: Path | None,
    per_process: dict[str, dict[str, Any]],
    common: dict[str, Any],
    tables: dict[str, Any],
    overrides: dict[str, Any],
    more: dict[str, Any],
) -> tuple[IngestSettings, Path]:
    """Put a settings file and options together; return the directory that file patterns start from, too.

    Args:
        path: the settings file; None for options only.
        per_process: settings of the processes `signal` and `background`.
        common: settings of both.
        tables: features and spectators.
        overrides: settings that replace the file's.
        more: conditions and variations that are added to the file's.

    Raises:
        InputError: if the settings file is missing or no text.
        UsageError: if options contradict the file or one another, or something is missing, unknown or wrong.
    """
    from cutflow_cli.events.settings_file import load_settings, validate

    if path is None:
        return validate({**_from_options(per_process, common, {**tables, **overrides}), **more}), Path()
    _refuse_beside_file(path, per_process, common, tables)
    return load_settings(path, overrides, more), path.parent


#: How a setting is spelled as an option.
_OPTION = {"files": "", "features": "feature", "spectators": "spectator", "weight": "weight-column"}


def _option(name: str, process: str = "") -> str:
    words = _OPTION.get(name, name.replace("_", "-"))
    if name == "sum_of_weights" and not process:
        words = "sum-of-weights-from"
    return "--" + "-".join(part for part in (process, words) if part)


def _refuse_beside_file(
    path: Path, per_process: dict[str, dict[str, Any]], common: dict[str, Any], tables: dict[str, Any]
) -> None:
    """Refuse options that a settings file would make ambiguous."""
    given = [_option(name, process) for process, options in per_process.items() for name in options]
    given += [_option(name) for name in (*common, *tables)]
    if given:
        msg = f"{given[0]} can't stand beside a settings file; set it in {path}, for the processes that it holds for"
        raise UsageError(msg)


def _from_options(
    per_process: dict[str, dict[str, Any]], common: dict[str, Any], tables: dict[str, Any]
) -> dict[str, Any]:
    """Spell options as settings: one process `signal`, one `background`."""
    missing = [_option("files", process) for process, options in per_process.items() if "files" not in options]
    missing += ["--feature"] if "features" not in tables else []
    if missing:
        msg = f"{missing[0]} is missing; give a settings file, or --signal, --background and --feature"
        raise UsageError(msg)
    for process, options in per_process.items():
        if "sum_of_weights" in options and "sum_of_weights" in common:
            msg = f"--sum-of-weights-from and {_option('sum_of_weights', process)}: give one of them"
            raise UsageError(msg)
    return {
        **tables,
        "processes": {role: {"role": role, **common, **options} for role, options in per_process.items()},
    }
