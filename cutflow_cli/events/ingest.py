"""Events from users' files into an events file, in two passes of bounded memory.

All files are checked first; then generator weights are summed where they are not given; then events are read,
computed, weighted, split and written chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import Action, decide
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.inputs import Rows, nothing_picked, read_rows
from cutflow_cli.events.normalisation import GeneratorSums, check_weights, generated
from cutflow_cli.events.recipe import ProcessRecipe, Recipe, make_recipe
from cutflow_cli.events.schema import ROLES, ROW_GROUP_EVENTS, SPLITS, EventsMetadata, ProcessInfo
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.splits import hashed_splits
from cutflow_cli.events.table import description_of
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.tree import names

#: Told the share done (0 to 1) and what is being done.
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What `ingest` did.

    Attributes:
        path: the events file.
        metadata: its description.
        files: number of files read for each process.
        notes: what a user should know, a sentence each.
        written: whether the file was written now; if not, it was there already.
    """

    path: Path
    metadata: EventsMetadata
    files: dict[str, int]
    notes: tuple[str, ...]
    written: bool


def ingest(
    settings: IngestSettings,
    out: Path,
    *,
    base: Path | None = None,
    force: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
    chunk_rows: int = ROW_GROUP_EVENTS,
) -> Ingested:
    """Read users' files into an events file, unless the same one is there already.

    Features are computed in double precision and rounded once, to the type of their column. NaN and infinities in
    features are kept, counted and reported; in weights they are an error.

    Args:
        settings: what to read and how to normalise it.
        out: the events file.
        base: the directory that file patterns start from; None for the working directory.
        force: replace whatever file is there.
        command: the command line, kept in the metadata.
        progress: told after each chunk.
        chunk_rows: rows of a file held in memory at most.

    Raises:
        UsageError: if settings are impossible, or something else is at `out` and `force` is not set.
        InputError: if a file is at fault, or a process has no events or no positive sum of weights.
    """
    recipe = make_recipe(settings, base or Path())
    files = {process.name: len(process.files) for process in recipe.processes}
    if any(file.path.resolve() == out.resolve() for file in recipe.files):
        msg = f"{out}: is one of the files to read; choose another --out"
        raise UsageError(msg)
    existing = description_of(out)
    digest = None if existing is None else existing.digest
    if decide(out, recipe.digest, digest, force=force) is Action.DONE:
        assert existing is not None
        return Ingested(out, existing, files, (), written=False)
    task = _Ingest(recipe, chunk_rows, progress or (lambda done, text: None))
    metadata = task.run(out, command)
    return Ingested(out, metadata, files, task.notes(metadata), written=True)


@dataclass(slots=True)
class _Seen:
    """What has been seen of a process so far."""

    events: int = 0
    sumw: float = 0.0
    texts: frozenset[str] = frozenset()


class _Ingest:
    """One run of `ingest`: its counters, and its two passes."""

    def __init__(self, recipe: Recipe, chunk_rows: int, progress: Progress) -> None:
        self.recipe = recipe
        self.chunk_rows = chunk_rows
        self.progress = progress
        self.not_finite = {feature.name: [0, 0] for feature in recipe.features}  # missing, infinite
        self.seen = {process.name: _Seen() for process in recipe.processes}
        self.bytes_total = sum(file.size for file in recipe.files)
        self.bytes_done = 0

    def run(self, out: Path, command: str | None) -> EventsMetadata:
        """Sum weights, then write all events."""
        recipe, settings = self.recipe, self.recipe.settings
        sums = {process.name: self.generated(process) for process in recipe.processes}
        metadata = EventsMetadata(
            features=recipe.features,
            processes=tuple(_describe(process, sums[process.name]) for process in recipe.processes),
            luminosity=settings.luminosity,
            spectators=settings.spectators,
            sources=recipe.sources,
            command=command,
            digest=recipe.digest,
            seed=settings.seed,
        )
        hypothesis = any(process.hypothesis is not None for process in recipe.processes)
        with EventsWriter(out, metadata, hypothesis=hypothesis) as writer:
            first_row = 0
            for position, process in enumerate(recipe.processes):
                scale = process.normalisation.scale(sums[process.name].sumw)
                first_row = self.write_process(writer, process, position, scale, first_row)
        return writer.metadata

    def generated(self, process: ProcessRecipe) -> GeneratorSums:
        """Settle the denominator of a process; read its weights if they must be summed."""
        settings = process.settings
        given = settings.sum_of_weights is not None or settings.weights_are_yields
        if given or (settings.generated_events is not None and settings.weight is None):
            return generated(process.name, settings, GeneratorSums(None, None, None))
        columns = tuple(dict.fromkeys(names(node) for node in (process.weight, process.condition) if node))
        wanted = tuple(dict.fromkeys(name for part in columns for name in part))
        events, sumw, sumw2, texts = 0, 0.0, 0.0, frozenset[str]()
        for file in process.files:
            self.progress(0.0, f"summing weights of {process.name}")
            if not wanted and process.needs.matched is None and file.rows is not None:
                events, sumw, sumw2 = events + file.rows, sumw + file.rows, sumw2 + file.rows
                continue
            for rows in read_rows(file, wanted, process.needs, process.condition, self.chunk_rows):
                weights = self.weights(process, rows, str(file.path))
                events, texts = events + rows.events, texts | rows.seen
                sumw, sumw2 = sumw + float(weights.sum()), sumw2 + float((weights**2).sum())
        if events == 0:
            raise nothing_picked(process.name, settings.rows, texts)
        return generated(process.name, settings, GeneratorSums(events, sumw, sumw2))

    def weights(self, process: ProcessRecipe, rows: Rows, where: str) -> NDArray[np.float64]:
        """Compute generator weights (or yields) of some rows."""
        if process.weight is None:
            return np.ones(rows.events)
        weights = evaluate(process.weight, rows.columns, rows.events)
        check_weights(weights, where, str(process.settings.weight), rows.first_row)
        return weights

    def write_process(
        self, writer: EventsWriter, process: ProcessRecipe, position: int, scale: float, first_row: int
    ) -> int:
        """Write the events of a process; return the number of the row after them."""
        seen, settings = self.seen[process.name], self.recipe.settings
        wanted = tuple(dict.fromkeys([*process.needs.numbers, *process.needs.carried]))
        for file in process.files:
            for rows in read_rows(file, wanted, process.needs, process.condition, self.chunk_rows):
                weights = self.weights(process, rows, str(file.path))
                seen.events, seen.texts = seen.events + rows.events, seen.texts | rows.seen
                seen.sumw += float(weights.sum())
                if rows.events:
                    split = hashed_splits(first_row, rows.events, settings.split, settings.seed)
                    writer.write(self.batch(process, position, rows, weights * scale, split))
                    first_row += rows.events
                share = (rows.first_row + rows.read) / file.rows if file.rows else 0.5
                done = (self.bytes_done + file.size * share) / max(self.bytes_total, 1)
                self.progress(min(done, 1.0), f"{process.name}: {file.path.name}")
            self.bytes_done += file.size
        self.check_process(process, seen)
        return first_row

    def check_process(self, process: ProcessRecipe, seen: _Seen) -> None:
        """Refuse a process without events, with more than were generated, or with nothing to expect."""
        if seen.events == 0:
            raise nothing_picked(process.name, process.settings.rows, seen.texts)
        count = process.settings.generated_events
        if count is not None and count < seen.events:
            msg = f"process {process.name!r}: generated_events is {count}, but its files hold {seen.events} events"
            raise InputError(msg)
        if not seen.sumw > 0:
            msg = f"process {process.name!r}: the weights of its {seen.events} events sum to {seen.sumw:g}, not above 0"
            raise InputError(msg)

    def batch(
        self,
        process: ProcessRecipe,
        position: int,
        rows: Rows,
        weights: NDArray[np.float64],
        split: NDArray[np.int8],
    ) -> EventBatch:
        """Compute the columns of an events file for some rows."""
        columns = {}
        for feature, node in zip(self.recipe.features, self.recipe.nodes, strict=True):
            with np.errstate(over="ignore"):  # beyond single precision is infinite, and counted below
                values = evaluate(node, rows.columns, rows.events).astype(feature.dtype)
            self.not_finite[feature.name][0] += int(np.count_nonzero(np.isnan(values)))
            self.not_finite[feature.name][1] += int(np.count_nonzero(np.isinf(values)))
            columns[feature.name] = values
        for name, dtype in self.recipe.spectator_types.items():
            columns[name] = _carried(rows.columns[name], dtype, name, process)
        hypothesis = None
        if any(other.hypothesis is not None for other in self.recipe.processes):
            hypothesis = np.full(rows.events, np.nan)
            if process.hypothesis is not None:
                hypothesis = evaluate(process.hypothesis, rows.columns, rows.events)
        return EventBatch(
            columns=columns,
            label=np.full(rows.events, ROLES.index(process.settings.role), dtype=np.int8),
            weight=weights,
            process=np.full(rows.events, position, dtype=np.int32),
            split=split,
            hypothesis=hypothesis,
        )

    def notes(self, metadata: EventsMetadata) -> tuple[str, ...]:
        """Say what a user should know of the result."""
        total = sum(process.total.events for process in metadata.processes)
        found = []
        if all(process.normalisation.kind == "unit" for process in self.recipe.processes):
            found.append("no normalisation was given: every event counts as 1 (give cross sections and luminosity)")
        for name, (missing, infinite) in self.not_finite.items():
            if missing or infinite:
                found.append(
                    f"feature {name!r}: {missing} missing (NaN) and {infinite} infinite values in {total} events; "
                    "kept as they are, a missing value passes no cut"
                )
        for process in self.recipe.processes:
            given, seen = process.settings.sum_of_weights, self.seen[process.name]
            if given is not None and seen.sumw > given * (1 + 1e-6):
                found.append(
                    f"process {process.name!r}: its events have a sum of weights of {seen.sumw:g}, "
                    f"more than the {given:g} given for all generated events"
                )
        shares = self.recipe.settings.split.as_tuple()
        for info in metadata.processes:
            empty = [
                split for split, share in zip(SPLITS, shares, strict=True) if share and not info.splits[split].events
            ]
            if empty:
                found.append(f"process {info.name!r} has no events in split {', '.join(empty)}")
        return tuple(found)


def _describe(process: ProcessRecipe, sums: GeneratorSums) -> ProcessInfo:
    info = ProcessInfo(process.name, process.settings.role, process.normalisation.cross_section)
    return replace(info, generated_events=sums.events, generated_sumw=sums.sumw, generated_sumw2=sums.sumw2)


def _carried(values: NDArray[np.generic], dtype: str, name: str, process: ProcessRecipe) -> NDArray[np.generic]:
    """Give a spectator the type that it has in all files.

    Raises:
        InputError: if whole numbers are missing, for which there is no value.
    """
    if dtype != "object" and np.dtype(dtype).kind != "f" and values.dtype.kind == "f":
        msg = f"process {process.name!r}: spectator {name!r} is {dtype} but has missing values; leave it away"
        raise InputError(msg)
    return values.astype(dtype, copy=False)
