"""What settings come to: parsed expressions, the columns they need, and the files that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cutflow_cli.artifacts import digest
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.find import find_files, identity
from cutflow_cli.events.inputs import InputFile, Needs
from cutflow_cli.events.process_settings import FeatureSettings, ProcessSettings
from cutflow_cli.events.readers import Location
from cutflow_cli.events.schema import SCHEMA_VERSION, FeatureInfo, SkippedFile, SourceFile
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.survey import survey
from cutflow_cli.observables import NOTHING, UserObservables
from cutflow_cli.selection.parse import ExpressionError, parse, parse_arithmetic, parse_condition
from cutflow_cli.selection.per_object import one_per_object, without_quantifiers
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import Name, Node, names

#: Told the share done (0 to 1) and what is being done.
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class ProcessRecipe:
    """One process, ready to be read.

    Attributes:
        name: as in the settings.
        settings: of the process.
        weight: the generator weight; None for 1.
        variations: generator weights under the variations that change them.
        hypothesis: the mass point of a signal; None where it has none.
        condition: picks rows; None for all.
        needs: what it takes from its files.
    """

    name: str
    settings: ProcessSettings
    weight: Node | None
    variations: Mapping[str, Node]
    hypothesis: Node | None
    condition: Node | None
    needs: Needs


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file of a process.

    Attributes:
        process: the process.
        file: the file, found fit for use.
    """

    process: ProcessRecipe
    file: InputFile


@dataclass(frozen=True)
class Recipe:
    """Everything to read and compute.

    Attributes:
        settings: as given.
        nodes: the expression of each feature.
        preselection: the conditions that all events must pass.
        processes: in the order of the settings.
        files: all files in the order in which they are read.
        skipped: files that can't be used and are done without.
        notes: what a user should know of the files, a sentence each.
        shard: which part of the files this is, from 1, and of how many.
        found: digest of the names of all files, those of other shards included.
        user_defined: observables from a user's file.
    """

    settings: IngestSettings
    nodes: dict[str, Node]
    preselection: tuple[Node, ...]
    processes: tuple[ProcessRecipe, ...]
    files: tuple[FilePlan, ...]
    skipped: tuple[SkippedFile, ...] = ()
    shard: tuple[int, int] = (1, 1)
    notes: tuple[str, ...] = ()
    found: str = ""
    user_defined: UserObservables = NOTHING

    @cached_property
    def per_object(self) -> frozenset[str]:
        """Names that have one value for each object of a collection."""
        return frozenset(
            name for plan in self.files for name in plan.file.bound.names if plan.file.bound.per_object(name)
        )

    @cached_property
    def observables(self) -> tuple[str, ...]:
        """Names that are no column with one value per event: observables of objects, and users' own."""
        found = (
            name
            for plan in self.files
            for name in plan.file.bound.names
            if plan.file.bound.per_object(name) or not plan.file.bound.is_column(name)
        )
        return tuple(dict.fromkeys(found))

    @cached_property
    def conditions(self) -> tuple[Node, ...]:
        """The preselection, without `[any]` and `[all]` where there is one value per event."""
        return tuple(without_quantifiers(node, self.per_object) for node in self.preselection)

    @cached_property
    def condition_texts(self) -> tuple[str, ...]:
        """The preselection in our own language."""
        return condition_texts(self.settings, self.conditions)

    @cached_property
    def features(self) -> tuple[FeatureInfo, ...]:
        """Name, type, unit, label and expression of each feature."""
        return tuple(
            _feature(name, item, self.nodes[name], self.files) for name, item in self.settings.features.items()
        )

    @cached_property
    def spectator_types(self) -> dict[str, str]:
        """Numpy's name of each spectator's type, the same for all files."""
        return {name: _spectator_type(name, self.files) for name in self.settings.spectators}

    @cached_property
    def formats(self) -> dict[str, str]:
        """How the files of each process were understood."""
        found: dict[str, dict[str, None]] = {}
        for plan in self.files:
            found.setdefault(plan.process.name, {})[plan.file.format] = None
        return {name: " and ".join(formats) for name, formats in found.items()}

    @cached_property
    def digest(self) -> str:
        """Digest of what decides the result: settings, user's observables, files in their order, and which shard."""
        files: dict[str, list[tuple[int, str]]] = {process.name: [] for process in self.processes}
        for plan in self.files:
            files[plan.process.name].append((plan.file.size, plan.file.digest))
        shard = () if self.shard == (1, 1) else (*self.shard, self.found)
        return recipe_digest(self.settings, self.user_defined.digest, files, shard)

    def check(self) -> None:
        """Settle everything that can be wrong with expressions and types before events are read.

        Raises:
            InputError: if an expression gives a number for each object where one for the event is needed, or if no
                one type keeps a spectator.
        """
        wanted: list[tuple[str, Node | None]] = [(f"feature {name!r}", node) for name, node in self.nodes.items()]
        for process in self.processes:
            where = f"process {process.name!r}: "
            wanted += [(f"{where}weight", process.weight), (f"{where}hypothesis", process.hypothesis)]
            wanted += [(f"variation {name!r}", node) for name, node in process.variations.items()]
        for user, node in wanted:
            if node is not None and one_per_object(node, self.per_object):
                text = render(node)
                msg = (
                    f"{user}: `{text}` is one number for each object, where one for the event is needed; "
                    f"take one object, such as jet0 of jet, or reduce it: max({text}), sum({text})"
                )
                raise InputError(msg)
        for name in self.settings.spectators:
            if name in self.per_object:
                msg = f"spectator {name!r} has one value for each object, where one for the event is needed"
                raise InputError(msg)
        _ = self.features, self.spectator_types


def condition_texts(settings: IngestSettings, conditions: Iterable[Node]) -> tuple[str, ...]:
    """Write the preselection in our own language, as the user did where that says the same.

    Args:
        settings: with the conditions as they were asked for.
        conditions: what they came to, in the same order.
    """
    asked = (" ".join(text.split()) for text in settings.preselection)
    own = settings.cut_dialect == "cutflow"
    pairs = zip(asked, conditions, strict=True)
    return tuple(text if own and parse(text) == node else render(node) for text, node in pairs)


def recipe_digest(
    settings: IngestSettings,
    user_defined: str | None,
    files: Mapping[str, Iterable[tuple[int, str]]],
    shard: tuple[int | str, ...] = (),
) -> str:
    """Digest of what decides the result of an ingest.

    Args:
        settings: as given.
        user_defined: digest of the user's own observables; None for none.
        files: size and digest of every file, by process, in the order in which they are read.
        shard: for a shard, which part of the files, of how many, and of which.
    """
    asked: dict[str, Any] = settings.model_dump(mode="json", exclude={"on_bad_file"})
    order = [list(settings.features), list(settings.processes)]  # which a digest of tables forgets
    content = {name: [list(file) for file in of_process] for name, of_process in files.items()}
    whole = {"schema": SCHEMA_VERSION, "settings": asked, "files": content, "order": order}
    return digest({**whole, "observables": user_defined, "shard": list(shard)})


def source_of(file: InputFile) -> SourceFile:
    """Describe a file for the metadata."""
    return SourceFile(file.location.shown, file.size, file.digest)


def make_recipe(
    settings: IngestSettings,
    base: Path,
    shard: tuple[int, int] = (1, 1),
    user_defined: UserObservables = NOTHING,
    progress: Progress | None = None,
) -> Recipe:
    """Parse all expressions, then find and check all files, before any event is read.

    Args:
        settings: what to ingest.
        base: the directory that file patterns start from.
        shard: which part of the files to take, from 1, and of how many.
        user_defined: observables from a user's file.
        progress: told the share of files checked.

    Raises:
        UsageError: if an expression can't be parsed, a feature has an unusable name, processes share rows, or there
            are fewer files than shards.
        InputError: if a file, tree, column or observable is missing or of the wrong kind.
    """
    nodes = {name: _feature_node(name, item.expression) for name, item in settings.features.items()}
    preselection = tuple(
        parse_condition(text, f"preselection {position}: ", settings.cut_dialect)
        for position, text in enumerate(settings.preselection, start=1)
    )
    processes = tuple(
        _process(name, item, settings, nodes, preselection, user_defined) for name, item in settings.processes.items()
    )
    found = [
        (process, file) for process in processes for file in find_files(process.settings.files, base, process.name)
    ]
    _refuse_shared_rows(found)
    chosen = _of_shard(found, shard)
    surveyed = survey(chosen, skip_bad=settings.on_bad_file == "skip", complete=shard == (1, 1), progress=progress)
    recipe = Recipe(
        settings,
        nodes,
        preselection,
        processes,
        files=tuple(FilePlan(process, file) for process, file in surveyed.good),
        skipped=surveyed.skipped,
        shard=shard,
        notes=surveyed.notes,
        found=digest([(process.name, _below(base, file)) for process, file in found]),
        user_defined=user_defined,
    )
    recipe.check()
    return recipe


def _below(base: Path, file: Location) -> str:
    """Return the name of a file that is the same wherever a batch system puts the directory that it is in."""
    if not file.is_remote and file.path.is_relative_to(base):
        return file.path.relative_to(base).as_posix()
    return str(file)


def _of_shard(
    found: list[tuple[ProcessRecipe, Location]], shard: tuple[int, int]
) -> list[tuple[ProcessRecipe, Location]]:
    """Take the part of a shard: consecutive files, as many in each as in every other, or one more."""
    number, of = shard
    if not 1 <= number <= of:
        msg = f"--shard {number}/{of}: the first number runs from 1 to the second"
        raise UsageError(msg)
    if of > len(found):
        msg = f"--shard {number}/{of}: there are only {len(found)} files; a shard takes whole files, at least one"
        raise UsageError(msg)
    return found[len(found) * (number - 1) // of : len(found) * number // of]


def _feature_node(name: str, expression: str | None) -> Node:
    where = f"feature {name!r}: "
    try:
        usable = parse(name) == Name(name) and not set(name) & set(",:")
    except ExpressionError:
        usable = False
    if not usable:
        msg = f"{where}a feature's name has letters, digits, underscores and dots; write 'name = expression'"
        raise UsageError(msg)
    node = Name(name) if expression is None else parse_arithmetic(expression, where)
    if not names(node):
        msg = f"{where}{expression!r} names no column, so it is the same for all events"
        raise UsageError(msg)
    return node


def _process(
    name: str,
    item: ProcessSettings,
    settings: IngestSettings,
    nodes: dict[str, Node],
    preselection: tuple[Node, ...],
    user_defined: UserObservables,
) -> ProcessRecipe:
    where = f"process {name!r}: "
    weight = None if item.weight is None else parse_arithmetic(item.weight, f"{where}weight: ")
    hypothesis = None if item.hypothesis is None else parse_arithmetic(str(item.hypothesis), f"{where}hypothesis: ")
    condition = (
        parse_condition(item.rows, f"{where}rows: ", settings.cut_dialect) if isinstance(item.rows, str) else None
    )
    variations = {
        variation: parse_arithmetic(asked.weight, f"variation {variation!r}: ")
        for variation, asked in settings.variations.items()
        if item.replaces is None and (name in asked.processes if asked.processes else item.weight is not None)
    }
    users: list[tuple[str, Node | None]] = [(f"feature {feature!r}", node) for feature, node in nodes.items()]
    users += [("the weight", weight), ("the hypothesis", hypothesis), ("for rows", condition)]
    users += [("the preselection", node) for node in preselection]
    users += [(f"variation {variation!r}", node) for variation, node in variations.items()]
    needed: dict[str, str] = {}
    for user, node in users:
        for column in names(node) if node is not None else ():
            needed.setdefault(column, "a feature" if user == f"feature {column!r}" else user)
    matched = item.rows if isinstance(item.rows, dict) else {}
    needs = Needs(needed, settings.spectators, matched, settings.split_by, user_defined)
    return ProcessRecipe(name, item, weight, variations, hypothesis, condition, needs)


def _refuse_shared_rows(found: Iterable[tuple[ProcessRecipe, Location]]) -> None:
    """Refuse a file that two processes take whole: its events would be signal and background at once."""
    users: dict[tuple[Location | Path, str | None], ProcessRecipe] = {}
    for process, file in found:
        other = users.setdefault((identity(file), process.settings.tree), process)
        if other is not process and (other.settings.rows is None or process.settings.rows is None):
            msg = (
                f"{file} belongs to processes {other.name!r} and {process.name!r}; "
                "say with rows which of its rows belong to each"
            )
            raise UsageError(msg)


def _feature(name: str, item: FeatureSettings, node: Node, files: Iterable[FilePlan]) -> FeatureInfo:
    """Describe a feature; one that is stored narrower than its source was computed from it, if only by rounding."""
    # float32 where it keeps every value of every column that the feature is made from
    fits = all(plan.file.bound.fits_float32(used) for plan in files for used in names(node))
    needed = "float32" if fits else "float64"
    dtype = item.dtype or needed
    as_it_is = node == Name(name) and dtype in (needed, "float64")
    return FeatureInfo(name, dtype, item.unit, item.label, None if as_it_is else item.expression or name)


def _spectator_type(name: str, files: Iterable[FilePlan]) -> str:
    """Find one type that keeps a spectator's values in all files; empty if there are none.

    Raises:
        InputError: if there is none.
    """
    so_far, first = "", ""
    for plan in files:
        found = plan.file.dtype_of(name)
        common = common_type(so_far or found, found)
        if common is None:
            msg = (
                f"spectator {name!r} is {so_far} in {first} and {found} in {plan.file.location}; no one type keeps both"
            )
            raise InputError(msg)
        so_far, first = common, first or str(plan.file.location)
    return so_far


def common_type(one: str, other: str) -> str | None:
    """Return numpy's name of a type that keeps the values of two; None if there is none."""
    if "object" in (one, other):
        return "object" if one == other else None
    common = np.result_type(np.dtype(one), np.dtype(other))
    exact = common.kind != "f" or "f" in np.dtype(one).kind + np.dtype(other).kind
    return common.name if exact else None
