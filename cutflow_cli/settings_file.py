"""Settings files, TOML or YAML, as all commands read them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml

from cutflow_cli.errors import InputError, UsageError, naming, nearest


def read_mapping(path: Path) -> dict[str, Any]:
    """Read settings by name from TOML or YAML; nothing in the file is executed.

    Raises:
        InputError: if the file is missing or no text.
        UsageError: if it can't be parsed, or a key comes twice.
    """
    try:
        with naming(path):
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        msg = f"{path}: no such file; {nearest(path.name, siblings)}"
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: no settings file (not text); events go into its `files`, or into --signal and --background"
        raise InputError(msg) from error
    match path.suffix.lower():
        case ".toml":
            try:
                return tomllib.loads(text)
            except tomllib.TOMLDecodeError as error:
                msg = f"{path}: not valid TOML: {error}"
                raise UsageError(msg) from error
        case ".yaml" | ".yml":
            return _read_yaml(path, text)
    msg = f"{path}: a settings file's name ends in .toml, .yaml or .yml"
    raise UsageError(msg)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without the rule that the last of two equal keys wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float):
                raise yaml.constructor.ConstructorError(None, None, "this can't be a key", key_node.start_mark)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} comes twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path, text: str) -> dict[str, Any]:
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)  # a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        msg = f"{path}: not valid YAML: {what}{place}"
        raise UsageError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path}: must hold settings by name, such as `features:` and `processes:`"
        raise UsageError(msg)
    return value
