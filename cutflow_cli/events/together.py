"""What shards say about themselves, put together: whether they are one ingest, and what one job would have said."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from cutflow_cli.errors import InputError, NegativeAnswer, UsageError
from cutflow_cli.events.description import ShardDescription
from cutflow_cli.events.recipe import common_type, condition_texts
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.selection.parse import parse_arithmetic, parse_condition
from cutflow_cli.selection.per_object import without_quantifiers
from cutflow_cli.selection.tree import Name

Shards = Sequence[tuple[Path, ShardDescription]]


def together(shards: Shards) -> ShardDescription:
    """Describe the whole that shards are the parts of.

    Args:
        shards: in order of their numbers.

    Raises:
        InputError: if they are not of one ingest, or no one type keeps what they hold.
        NegativeAnswer: if some are missing.
        UsageError: if one is given twice.
    """
    _check(shards)
    descriptions = [description for _, description in shards]
    settings = descriptions[0].settings
    jagged = frozenset(name for one in descriptions for name in one.jagged)
    conditions = (parse_condition(text, "", settings.cut_dialect) for text in settings.preselection)
    whole = replace(
        descriptions[0],
        features=_features(shards),
        spectators={name: _spectator_type(name, shards) for name in settings.spectators},
        preselection=condition_texts(settings, (without_quantifiers(node, jagged) for node in conditions)),
        per_object=tuple(dict.fromkeys(name for one in descriptions for name in one.per_object)),
        jagged=tuple(sorted(jagged)),
        shard=(1, 1),
        files=tuple(file for one in descriptions for file in one.files),
        sources=tuple(source for one in descriptions for source in one.sources),
        formats=tuple(text for one in descriptions for text in one.formats),
        skipped=tuple(file for one in descriptions for file in one.skipped),
    )
    for name in settings.processes:
        if not any(file.process == name for file in whole.files):
            reason = next((f": {file.reason}" for file in whole.skipped if file.process == name), "")
            msg = f"process {name!r}: none of its files could be used{reason}"
            raise InputError(msg)
    return whole


def _check(shards: Shards) -> None:
    """Refuse what is not the whole of one ingest."""
    first_path, first = shards[0]
    for path, other in shards[1:]:
        differs = _difference(first, other)
        if differs:
            msg = f"{first_path} and {path} are not shards of one ingest: {differs}"
            raise InputError(msg)
    for (path, one), (other_path, other) in itertools.pairwise(shards):
        if one.shard == other.shard:
            twice = "is named twice" if path.resolve() == other_path.resolve() else f"and {other_path} are the same"
            msg = f"{path} {twice}: shard {one.shard[0]} of {one.shard[1]}"
            raise UsageError(msg)
    of = first.shard[1]
    numbers = {description.shard[0] for _, description in shards}
    missing = [f"{number}/{of}" for number in range(1, of + 1) if number not in numbers]
    if missing:
        shown = ", ".join(missing[:20]) + (f", … ({len(missing)} in all)" if len(missing) > 20 else "")
        msg = f"{len(missing)} of {of} shards missing: {shown}; nothing was written"
        raise NegativeAnswer(msg)


def _difference(one: ShardDescription, other: ShardDescription) -> str | None:
    """Say in what two descriptions differ that must be the same in all shards."""
    mine, theirs = _settings(one.settings), _settings(other.settings)
    for name, value in mine.items():
        if value != theirs[name]:
            return f"their settings differ in {name}"
    if one.user_defined != other.user_defined:
        return "they were made with other observables of the user's"
    if one.shard[1] != other.shard[1]:
        return f"one is of {one.shard[1]} shards, one of {other.shard[1]}"
    if one.found != other.found:
        return "files were added, removed or renamed between them, so their parts do not fit; make all of them again"
    return None


def _settings(settings: IngestSettings) -> dict[str, Any]:
    """Return what must agree, in its order, which tells how events and features follow each other."""
    asked = settings.model_dump(mode="json", exclude={"on_bad_file"})
    for name in ("features", "processes"):
        asked[name] = list(asked[name].items())
    return asked


def _features(shards: Shards) -> tuple[FeatureInfo, ...]:
    """Describe the features as all files together would have it.

    Raises:
        InputError: if a feature was rounded in one shard, but the files of another need it in double precision.
    """
    having = [(path, description) for path, description in shards if description.files] or shards
    found = []
    for position, first in enumerate(having[0][1].features):
        infos = [(path, description, description.features[position]) for path, description in having]
        types = {info.dtype for _, _, info in infos}
        computed = next((info for _, _, info in infos if info.expression is not None), first)
        if len(types) == 1:
            found.append(computed)
            continue
        wide = next(path for path, _, info in infos if info.dtype == "float64")
        for path, description, info in infos:
            if info.dtype == "float32" and not _as_stored(info, description):
                msg = (
                    f"feature {first.name!r} was rounded to float32 in {path}, but the files of {wide} have it in "
                    "double precision; set its dtype in the settings and make the shards again"
                )
                raise InputError(msg)
        found.append(next(info for _, _, info in infos if info.dtype == "float64"))
    return tuple(found)


def _as_stored(info: FeatureInfo, description: ShardDescription) -> bool:
    """Whether a feature is a column of the files as it is, so that it was single precision from the beginning."""
    node = Name(info.name) if info.expression is None else parse_arithmetic(info.expression)
    return isinstance(node, Name) and node.name not in description.per_object


def _spectator_type(name: str, shards: Shards) -> str:
    types = [description.spectators[name] for _, description in shards if description.files]

    def common(one: str, other: str) -> str:
        found = common_type(one, other)
        if found is None:
            paths = [next(path for path, item in shards if item.spectators[name] == kind) for kind in (types[0], other)]
            msg = f"spectator {name!r} is {types[0]} in {paths[0]} and {other} in {paths[1]}; no one type keeps both"
            raise InputError(msg)
        return found

    return reduce(common, types) if types else ""
