"""Settings of `cutflow ingest` from a TOML or YAML file, with errors that name file, key and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.process_settings import FeatureSettings, ProcessSettings, VariationSettings
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.settings_file import read_mapping
from cutflow_cli.validation import in_words

_SECTIONS: dict[str, type[BaseModel]] = {
    "processes": ProcessSettings, "features": FeatureSettings, "variations": VariationSettings,
}  # fmt: skip


def load_settings(
    path: Path, overrides: dict[str, Any] | None = None, more: dict[str, Any] | None = None
) -> IngestSettings:
    """Read a settings file.

    Args:
        path: a file whose name ends in .toml, .yaml or .yml.
        overrides: settings of the top level that replace the file's.
        more: `preselection` and `variations` that are added to the file's.

    Raises:
        InputError: if the file is missing or no text.
        UsageError: if it can't be parsed, a setting is unknown, wrong or contradicts another, or a variation is in
            the file already.
    """
    raw = read_mapping(path)
    added = {name: _added(name, raw.get(name), items, path) for name, items in (more or {}).items() if items}
    return validate({**raw, **(overrides or {}), **added}, f"{path}: ")


def _added(name: str, of_file: Any, items: Any, path: Path) -> Any:  # noqa: ANN401  (checked when all is together)
    """Add conditions or variations to those of a file; what is neither list nor table is left to be refused."""
    if isinstance(items, dict):
        if not isinstance(of_file, dict | None):
            return of_file
        for item in items:
            if item in (of_file or {}):
                msg = f"{path}: {name}.{item} is there already; give the other one another name"
                raise UsageError(msg)
        return {**(of_file or {}), **items}
    listed = [of_file] if isinstance(of_file, str) else of_file
    return [*(listed or []), *items] if isinstance(listed, list | None) else of_file


def validate(raw: dict[str, Any], where: str = "") -> IngestSettings:
    """Check settings, however they were given.

    Args:
        raw: as in the file.
        where: put before an error's message.

    Raises:
        UsageError: at the first setting that is unknown, wrong or contradicts another.
    """
    try:
        return IngestSettings.model_validate(raw)
    except ValidationError as error:
        raise UsageError(where + _explain(error)) from error
    except UsageError as error:
        if not where or type(error) is not UsageError:
            raise
        raise UsageError(where + str(error)) from error


def _explain(error: ValidationError) -> str:
    """Say the first thing that is wrong in one line."""
    errors = error.errors(include_url=False)
    first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])  # missing, if misspelt
    place = [str(part) for part in first["loc"] if part != "[key]"]
    if first["type"] == "extra_forbidden":
        if place[-1].replace("-", "_") == "observables_from":
            return f"{'.'.join(place)}: only the command line names code that is executed: --observables-from FILE.py"
        model = _SECTIONS.get(place[0], IngestSettings) if len(place) > 1 else IngestSettings
        return f"{'.'.join(place)}: no such setting; {nearest(place[-1], model.model_fields)}"
    if first["type"] == "missing":
        return f"{'.'.join(place)}: is missing"
    if place[2:3] in (["rows"], ["hypothesis"], ["sum_of_weights"], ["cross_section"]):
        place = place[:3]  # pydantic adds which of several types it tried
    if first["type"] == "string_pattern_mismatch":
        return f"{'.'.join(place)}: {first['input']!r} is no name; one has letters, digits and underscores"
    text = in_words(first)
    given = first["input"]
    shown = f" (got {given!r})" if isinstance(given, str | int | float) and first["type"] != "value_error" else ""
    return f"{'.'.join(place)}: {text}{shown}" if place else text + shown
