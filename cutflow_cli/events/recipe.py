"""What settings come to: parsed expressions, the columns they need, and the files that have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cutflow_cli.artifacts import digest
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.inputs import InputFile, Needs, find_files, inspect
from cutflow_cli.events.normalisation import Normalisation
from cutflow_cli.events.schema import SCHEMA_VERSION, FeatureInfo, SourceFile
from cutflow_cli.events.settings import FeatureSettings, IngestSettings, ProcessSettings
from cutflow_cli.selection.parse import ExpressionError, parse, parse_arithmetic, parse_condition
from cutflow_cli.selection.tree import Name, Node, names


@dataclass(frozen=True, slots=True)
class ProcessRecipe:
    """One process, ready to be read.

    Attributes:
        name: as in the settings.
        settings: of the process.
        normalisation: how its weights become expected events.
        weight: the generator weight; None for 1.
        hypothesis: the mass point of a signal; None where it has none.
        condition: picks rows; None for all.
        needs: the columns it takes.
        files: checked files.
    """

    name: str
    settings: ProcessSettings
    normalisation: Normalisation
    weight: Node | None
    hypothesis: Node | None
    condition: Node | None
    needs: Needs
    files: tuple[InputFile, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything to read and compute.

    Attributes:
        settings: as given.
        features: name, type, unit, label and expression of each.
        nodes: the expression of each feature.
        spectator_types: numpy's name of each spectator's type, the same for all files.
        processes: in the order of the settings.
        digest: of settings and files.
    """

    settings: IngestSettings
    features: tuple[FeatureInfo, ...]
    nodes: tuple[Node, ...]
    spectator_types: dict[str, str]
    processes: tuple[ProcessRecipe, ...]
    digest: str

    @property
    def files(self) -> tuple[InputFile, ...]:
        """All files, as often as processes read them."""
        return tuple(file for process in self.processes for file in process.files)

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files, each once."""
        unique = {file.path: SourceFile(str(file.path), file.size, file.digest) for file in self.files}
        return tuple(unique.values())


def make_recipe(settings: IngestSettings, base: Path) -> Recipe:
    """Parse all expressions, then find and check all files, before any event is read.

    Args:
        settings: what to ingest.
        base: the directory that file patterns start from.

    Raises:
        UsageError: if an expression can't be parsed, a feature has an unusable name, or processes share rows.
        InputError: if a file, tree or column is missing or of the wrong kind.
    """
    nodes = {name: _feature_node(name, item.expression) for name, item in settings.features.items()}
    processes = tuple(_process(name, item, settings, nodes, base) for name, item in settings.processes.items())
    _refuse_shared_rows(processes)
    features = tuple(_feature(name, item, nodes[name], processes) for name, item in settings.features.items())
    recipe = Recipe(settings, features, tuple(nodes.values()), _spectator_types(settings, processes), processes, "")
    return Recipe(settings, features, recipe.nodes, recipe.spectator_types, processes, _digest(recipe))


def _feature_node(name: str, expression: str | None) -> Node:
    where = f"feature {name!r}: "
    try:
        usable = parse(name) == Name(name)
    except ExpressionError:
        usable = False
    if not usable:
        msg = f"{where}a feature's name has letters, digits, underscores and dots, as the names in expressions do"
        raise UsageError(msg)
    node = Name(name) if expression is None else parse_arithmetic(expression, where)
    if not names(node):
        msg = f"{where}{expression!r} names no column, so it is the same for all events"
        raise UsageError(msg)
    return node


def _process(
    name: str, item: ProcessSettings, settings: IngestSettings, nodes: dict[str, Node], base: Path
) -> ProcessRecipe:
    where = f"process {name!r}: "
    weight = None if item.weight is None else parse_arithmetic(item.weight, f"{where}weight: ")
    hypothesis = None if item.hypothesis is None else parse_arithmetic(str(item.hypothesis), f"{where}hypothesis: ")
    condition = parse_condition(item.rows, f"{where}rows: ") if isinstance(item.rows, str) else None
    numbers: dict[str, str] = {}
    users: list[tuple[str, Node | None]] = [(f"feature {feature!r}", node) for feature, node in nodes.items()]
    users += [("the weight", weight), ("the hypothesis", hypothesis), ("for rows", condition)]
    for user, node in users:
        for column in names(node) if node is not None else ():
            numbers.setdefault(column, user if node != Name(column) or not user.startswith("feature") else "a feature")
    needs = Needs(numbers, settings.spectators, item.rows if isinstance(item.rows, dict) else None)
    normalisation = Normalisation.of(item, settings.luminosity)
    files = tuple(inspect(path, item.tree, needs) for path in find_files(item.files, base, name))
    return ProcessRecipe(name, item, normalisation, weight, hypothesis, condition, needs, files)


def _refuse_shared_rows(processes: Iterable[ProcessRecipe]) -> None:
    """Refuse a file that two processes take whole: its events would be signal and background at once."""
    users: dict[tuple[Path, str | None], ProcessRecipe] = {}
    for process in processes:
        for file in process.files:
            key = (file.path.resolve(), file.tree)
            other = users.setdefault(key, process)
            if other is not process and (other.settings.rows is None or process.settings.rows is None):
                msg = (
                    f"{file.path} belongs to processes {other.name!r} and {process.name!r}; "
                    "say with rows which of its rows belong to each"
                )
                raise UsageError(msg)


def _feature(name: str, item: FeatureSettings, node: Node, processes: tuple[ProcessRecipe, ...]) -> FeatureInfo:
    """Describe a feature; one that is stored narrower than its source was computed from it, if only by rounding."""
    needed = _feature_type(node, processes)
    dtype = item.dtype or needed
    as_it_is = node == Name(name) and dtype in (needed, "float64")
    return FeatureInfo(name, dtype, item.unit, item.label, None if as_it_is else item.expression or name)


def _feature_type(node: Node, processes: Iterable[ProcessRecipe]) -> str:
    """Choose float32 where it keeps every value of every column that the feature is made from."""
    columns = (file.columns[name] for process in processes for file in process.files for name in names(node))
    return "float32" if all(column.fits_float32 for column in columns) else "float64"


def _spectator_types(settings: IngestSettings, processes: Iterable[ProcessRecipe]) -> dict[str, str]:
    """Find one type for each spectator that keeps the values of all files.

    Raises:
        InputError: if there is none.
    """
    types: dict[str, str] = {}
    for name in settings.spectators:
        first: InputFile | None = None
        for file in (file for process in processes for file in process.files):
            found = file.columns[name].dtype
            before = types.get(name, found)
            first = first or file
            common = "object" if found == before == "object" else None
            if "object" not in (found, before):
                common = np.result_type(np.dtype(before), np.dtype(found)).name
            exact = common is not None and (
                np.dtype(common).kind != "f" or "f" in np.dtype(before).kind + np.dtype(found).kind
            )
            if common is None or not exact:
                msg = (
                    f"spectator {name!r} is {before} in {first.path} and {found} in {file.path}; no one type keeps both"
                )
                raise InputError(msg)
            types[name] = common
    return types


def _digest(recipe: Recipe) -> str:
    """Digest of what decides the result: settings, and the content of the files in their order."""
    settings: dict[str, Any] = recipe.settings.model_dump(mode="json")
    files = {process.name: [[file.size, file.digest] for file in process.files] for process in recipe.processes}
    order = [list(recipe.settings.features), list(recipe.settings.processes)]  # which a digest of tables forgets
    return digest({"schema": SCHEMA_VERSION, "settings": settings, "files": files, "order": order})
