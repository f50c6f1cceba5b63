"""Settings from defaults, a preset, a file and options, each overriding what comes before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.models.protocol import Settings
from cutflow_cli.settings_file import read_mapping
from cutflow_cli.validation import in_words

S = TypeVar("S", bound=Settings)


def resolve_settings(
    kind: type[S], presets: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any]
) -> tuple[S, tuple[str, ...]]:
    """Merge defaults, preset and what the user chose.

    Args:
        kind: the method's settings, with a field `preset`.
        presets: settings of each publication, by its name.
        chosen: settings by name, as given by the user.

    Returns:
        The settings, and a note for each setting in which they depart from the preset.

    Raises:
        ValidationError: if a setting is unknown or out of range.
        UsageError: if something was chosen that the method would not use.
    """
    name = str(chosen.get("preset"))
    preset = presets.get(name, {})
    settings = kind(**{**preset, **chosen})
    settings.refuse_unused(chosen.keys())
    departures = tuple(
        f"--preset {name} has {field} = {value!r}, this run has {getattr(settings, field)!r}"
        for field, value in preset.items()
        if getattr(settings, field) != value
    )
    return settings, departures


def merge_settings_file(
    kind: type[Settings], options: Mapping[str, Any], settings_file: Path | None, fixed: Mapping[str, Any]
) -> dict[str, Any]:
    """Read a settings file and let options override it.

    Args:
        kind: the method's settings.
        options: settings given on the command line, by name.
        settings_file: TOML or YAML file with settings by name; None for none.
        fixed: settings that the command itself decides, such as LCF's strategy; a file may repeat but not change them.

    Raises:
        UsageError: if the file names a setting that does not exist or that the command decides otherwise.
    """
    from_file = {} if settings_file is None else read_mapping(settings_file)
    for name, value in from_file.items():
        if name not in kind.model_fields:
            msg = f"{settings_file}: {name}: no such setting; {nearest(str(name), kind.model_fields)}"
            raise UsageError(msg)
        if name in fixed and value != fixed[name]:
            msg = f"{settings_file}: {name} = {value!r}, but the command asks for {fixed[name]!r}"
            raise UsageError(msg)
    merged = {**from_file, **options, **fixed}
    for name in options:
        if isinstance(from_file.get(name), dict) and isinstance(options[name], dict):
            merged[name] = {**from_file[name], **options[name]}
    return merged


def checked_settings(
    kind: type[S],
    presets: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
    settings_file: Path | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> tuple[S, tuple[str, ...]]:
    """Resolve settings from a file and from options, and say in one line what is wrong with them.

    Args:
        kind: the method's settings, with a field `preset`.
        presets: settings of each publication, by its name.
        options: settings given on the command line, by name. A mapping (such as centres by observable) overrides the
            file's entry by entry.
        settings_file: TOML or YAML file with settings by name; None for none.
        fixed: settings that the command itself decides.

    Returns:
        What `resolve_settings` returns.

    Raises:
        UsageError: at the first setting that is unknown or out of range.
    """
    merged = merge_settings_file(kind, options, settings_file, fixed or {})
    try:
        return resolve_settings(kind, presets, merged)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:  # a combination of settings, whose message names them
            raise UsageError(in_words(first)) from error
        name = str(first["loc"][0])
        where = f"--{name.replace('_', '-')}" if name in options else f"{settings_file}: {name}"
        msg = f"{where}: {in_words(first)} (got {first['input']!r})"
        raise UsageError(msg) from error
