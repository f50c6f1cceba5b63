"""From settings to a recipe: expressions parsed, files found and checked, before any event is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cutflow_cli.artifacts import digest
from cutflow_cli.errors import UsageError
from cutflow_cli.events.find import find_files, identity
from cutflow_cli.events.inputs import Needs
from cutflow_cli.events.process_settings import ProcessSettings
from cutflow_cli.events.readers import Location
from cutflow_cli.events.recipe import FilePlan, ProcessRecipe, Progress, Recipe
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.survey import survey
from cutflow_cli.observables import NOTHING, UserObservables
from cutflow_cli.selection.parse import ExpressionError, parse, parse_arithmetic, parse_condition
from cutflow_cli.selection.tree import Name, Node, names


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
    found = _found(processes, base)
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


def files_of_shards(recipe: Recipe, base: Path, most: int) -> list[list[FilePlan]]:
    """Divide the files of a recipe as `--shard` does.

    Args:
        recipe: of all files.
        base: the directory that file patterns start from.
        most: how many shards at most; there are no more than files.

    Returns:
        The files of each shard, without those that are skipped.
    """
    found = _found(recipe.processes, base)
    of = min(len(found), most)
    plans = {(plan.process.name, plan.file.location): plan for plan in recipe.files}
    parts = [_of_shard(found, (number, of)) for number in range(1, of + 1)]
    return [[plans[process.name, file] for process, file in part if (process.name, file) in plans] for part in parts]


def _found(processes: Iterable[ProcessRecipe], base: Path) -> list[tuple[ProcessRecipe, Location]]:
    return [(process, file) for process in processes for file in find_files(process.settings.files, base, process.name)]


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
