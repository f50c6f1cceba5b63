"""Events from files, computed and counted, but not yet normalised: what one job does alone, or a shard its part of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.inputs import InputFile, Rows, read_rows
from cutflow_cli.events.normalisation import check_weights
from cutflow_cli.events.recipe import FilePlan, ProcessRecipe, Progress, Recipe
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.events.splits import hash_values
from cutflow_cli.events.stages import Stage
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import Name, Node, names


@dataclass(slots=True)
class FileCounts:
    """What was found in one file.

    Attributes:
        stages: before the preselection, and after each condition of it.
        not_finite: missing and infinite values of each feature, among the events that passed.
        texts: some of the texts that stood in the columns that pick rows, for messages.
    """

    stages: list[Stage]
    not_finite: dict[str, list[int]]
    texts: frozenset[str] = field(default_factory=frozenset)

    def settle(self) -> None:
        """Complete the sums, once all events of the file are counted."""
        for stage in self.stages:
            stage.settle()


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive events of a file that passed the preselection.

    Attributes:
        file: position of the file.
        rows: numbers of the events among those of the file that belong to the process, shape (events,).
        columns: features and spectators, in the types of an events file.
        weight: generator weight.
        variations: generator weights under each variation of weights, the same as `weight` where it leaves the process
            alone.
        hypothesis: mass point, NaN where there is none; None if no process has any.
        identity: hash of what tells the event; None if splits go by row.
    """

    file: int
    rows: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    weight: NDArray[np.float64]
    variations: dict[str, NDArray[np.float64]]
    hypothesis: NDArray[np.float64] | None
    identity: NDArray[np.uint64] | None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, keep: NDArray[np.bool_]) -> Block:
        """Return some of the events."""
        return Block(
            self.file,
            self.rows[keep],
            {name: values[keep] for name, values in self.columns.items()},
            self.weight[keep],
            {name: values[keep] for name, values in self.variations.items()},
            None if self.hypothesis is None else self.hypothesis[keep],
            None if self.identity is None else self.identity[keep],
        )


class EventReader:
    """Reads the files of a recipe in order, and counts what it sees."""

    def __init__(self, recipe: Recipe, chunk_rows: int, progress: Progress) -> None:
        self.recipe = recipe
        self.chunk_rows = chunk_rows
        self.progress = progress
        self.hypothesis = any(process.hypothesis is not None for process in recipe.processes)
        self.bytes_total = max(1, sum(plan.file.size for plan in recipe.files))
        self.bytes_done = 0

    def sum_weights(self, plan: FilePlan, *, only_rows: bool) -> FileCounts:
        """Count the events of a file before the preselection, reading no more than weights.

        Args:
            plan: the file.
            only_rows: whether weights need not be summed, since it is known what they sum to.
        """
        process, file = plan.process, plan.file
        counts = FileCounts([Stage()], {})
        self.progress(0.0, f"summing weights of {process.name}")
        weight = None if only_rows else process.weight
        nodes = [node for node in (weight, process.condition) if node is not None]
        wanted = tuple(dict.fromkeys(name for node in nodes for name in names(node)))
        if not wanted and not process.needs.matched and file.rows is not None:
            counts.stages[0] = Stage(file.rows, float(file.rows), float(file.rows))
            return counts
        for rows in read_rows(file, wanted, (), process.needs, process.condition, self.chunk_rows):
            counts.stages[0].add(np.ones(rows.events) if weight is None else _weights(process, rows, file))
            counts.texts |= rows.seen
        counts.settle()
        return counts

    def read(self, position: int, counts: FileCounts) -> Iterator[Block]:
        """Read one file.

        Args:
            position: which.
            counts: of the file; added to.

        Yields:
            Events that pass the preselection, in file order.
        """
        plan = self.recipe.files[position]
        process, file = plan.process, plan.file
        stored = tuple(
            dict.fromkeys((*(n for n in process.needs.carried if n in file.stored), *process.needs.identity))
        )
        wanted = tuple(file.bound.names)
        first_row = 0
        for rows in read_rows(file, wanted, stored, process.needs, process.condition, self.chunk_rows):
            counts.texts |= rows.seen
            yield from self.block(position, plan, rows, counts, first_row)
            first_row += rows.events
            share = (rows.first_row + rows.read) / file.rows if file.rows else 0.5
            done = (self.bytes_done + file.size * share) / self.bytes_total
            self.progress(min(done, 1.0), f"{process.name}: {file.location.name}")
        counts.settle()
        self.bytes_done += file.size

    def counts(self) -> FileCounts:
        """Return counters at zero, for one file."""
        stages = [Stage() for _ in range(1 + len(self.recipe.conditions))]
        return FileCounts(stages, {feature.name: [0, 0] for feature in self.recipe.features})

    def block(self, position: int, plan: FilePlan, rows: Rows, counts: FileCounts, first_row: int) -> Iterator[Block]:
        """Apply the preselection to some rows, and compute the columns of what is left."""
        weight = _weights(plan.process, rows, plan.file)
        counts.stages[0].add(weight)
        keep = np.ones(rows.events, dtype=np.bool_)
        for stage, condition in zip(counts.stages[1:], self.recipe.conditions, strict=True):
            keep &= evaluate(condition, rows.values, rows.events)
            stage.add(weight[keep])
        kept = int(np.count_nonzero(keep))
        if not kept:
            return
        if kept < rows.events:
            values = {name: array[keep] for name, array in rows.values.items()}
            rows = Rows(
                values, {name: array[keep] for name, array in rows.stored.items()}, kept, rows.first_row, rows.read
            )
        yield Block(
            file=position,
            rows=first_row + np.flatnonzero(keep),
            columns=self.columns(plan, rows, counts),
            weight=weight[keep],
            variations=self.varied(plan, rows, weight[keep]),
            hypothesis=self.hypotheses(plan.process, rows),
            identity=_identity(plan, rows),
        )

    def columns(self, plan: FilePlan, rows: Rows, counts: FileCounts) -> dict[str, NDArray[Any]]:
        """Compute features and carry spectators."""
        columns: dict[str, NDArray[Any]] = {}
        for feature in self.recipe.features:
            values = _feature_values(feature, self.recipe.nodes[feature.name], rows)
            columns[feature.name] = values
            finite = np.isfinite(values)
            if not finite.all():
                missing = int(np.count_nonzero(np.isnan(values)))
                counts.not_finite[feature.name][0] += missing
                counts.not_finite[feature.name][1] += int(np.count_nonzero(~finite)) - missing
        for name, dtype in self.recipe.spectator_types.items():
            values = rows.stored[name] if name in rows.stored else rows.values[name]
            columns[name] = _carried(values, dtype, name, plan.process)
        return columns

    def varied(self, plan: FilePlan, rows: Rows, weight: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute weights under variations."""
        found = dict.fromkeys(self.recipe.settings.variations, weight)
        for name, node in plan.process.variations.items():
            found[name] = _checked(node, rows, plan.file, f"{render(node)} (variation {name})")
        return found

    def hypotheses(self, process: ProcessRecipe, rows: Rows) -> NDArray[np.float64] | None:
        """Compute mass points."""
        if not self.hypothesis:
            return None
        if process.hypothesis is None:
            return np.full(rows.events, np.nan)
        return evaluate(process.hypothesis, rows.values, rows.events)


def _feature_values(feature: FeatureInfo, node: Node, rows: Rows) -> NDArray[Any]:
    """Compute a feature in double precision and round it once; a column as it is needs no detour."""
    if isinstance(node, Name) and isinstance(rows.values[node.name], np.ndarray):
        values = rows.values[node.name]
    else:
        values = evaluate(node, rows.values, rows.events)
    with np.errstate(over="ignore"):  # beyond single precision is infinite, and counted
        return np.asarray(values.astype(feature.dtype, copy=False))


def _identity(plan: FilePlan, rows: Rows) -> NDArray[np.uint64] | None:
    """Hash what tells events; None where splits go by row.

    Raises:
        InputError: if it is missing for some.
    """
    columns = {name: rows.stored[name] for name in plan.process.needs.identity}
    for name, values in columns.items():
        if values.dtype.kind == "f":  # as whole numbers come that are missing here and there
            msg = (
                f"{plan.file.location}: column {name!r} (to split by) is missing for some of rows {rows.first_row} to "
                f"{rows.first_row + rows.read - 1}; every event needs its number"
            )
            raise InputError(msg)
    return hash_values(list(columns.values())) if columns else None


def _weights(process: ProcessRecipe, rows: Rows, file: InputFile) -> NDArray[np.float64]:
    """Compute generator weights (or yields) of some rows."""
    if process.weight is None:
        return np.ones(rows.events)
    return _checked(process.weight, rows, file, str(process.settings.weight))


def _checked(node: Node, rows: Rows, file: InputFile, name: str) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = evaluate(node, rows.values, rows.events)
    check_weights(weights, str(file.location), name, rows.first_row, rows.read)
    return weights


def _carried(values: NDArray[Any], dtype: str, name: str, process: ProcessRecipe) -> NDArray[Any]:
    """Give a spectator the type that it has in all files.

    Raises:
        InputError: if whole numbers are missing, for which there is no value.
    """
    if dtype != "object" and np.dtype(dtype).kind != "f" and values.dtype.kind == "f":
        msg = f"process {process.name!r}: spectator {name!r} is {dtype} but has missing values; leave it away"
        raise InputError(msg)
    return values.astype(dtype, copy=False)
