"""Events from users' files into an events file, in passes of bounded memory.

All files are checked first; then generator weights are summed where they are not given; then events are read, computed,
selected, weighted, split and written chunk by chunk. A shard does the reading for some of the files only, and leaves
what needs all of them to `merge`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cutflow_cli.artifacts import Action, decide, partial_path
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.assemble import (
    Ingested,
    events_writer,
    notes_on,
    notes_on_weights,
    refuse_nothing,
    write_blocks,
)
from cutflow_cli.events.description import ShardDescription
from cutflow_cli.events.divided import make_shards, remove_shards
from cutflow_cli.events.find import identity
from cutflow_cli.events.finish import CountedFile, Finisher
from cutflow_cli.events.merge import merge
from cutflow_cli.events.prepare import make_recipe
from cutflow_cli.events.read import Block, EventReader, FileCounts
from cutflow_cli.events.recipe import FilePlan, Progress, Recipe
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, EventsMetadata
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.shards import ShardWriter, digest_of_shard
from cutflow_cli.events.table import description_of
from cutflow_cli.executor import HERE, Executor
from cutflow_cli.observables import NOTHING, UserObservables


def ingest(
    settings: IngestSettings,
    out: Path,
    *,
    base: Path | None = None,
    shard: tuple[int, int] | None = None,
    user_defined: UserObservables = NOTHING,
    force: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
    chunk_rows: int = ROW_GROUP_EVENTS,
    executor: Executor = HERE,
) -> Ingested:
    """Read users' files into an events file, unless the same one is there already.

    Features are computed in double precision and rounded once, to the type of their column. NaN and infinities in
    features are kept, counted and reported; in weights they are an error.

    Args:
        settings: what to read and how to normalise it.
        out: the events file, or the shard.
        base: the directory that file patterns start from; None for the working directory.
        shard: which part of the files to read, from 1, and of how many; None for all, as an events file.
        user_defined: observables from a user's file.
        force: replace whatever file is there.
        command: the command line, kept in the metadata.
        progress: told after each chunk.
        chunk_rows: rows of a file held in memory at most; the result does not depend on it beyond rounding of sums.
        executor: reads the files, some at a time, if it is not this process; the events file is the same.

    Raises:
        UsageError: if settings are impossible, or something else is at `out` and `force` is not set.
        InputError: if a file is at fault, or a process has no events or no positive sum of weights.
    """
    progress = progress or (lambda done, text: None)
    recipe = make_recipe(settings, base or Path(), shard or (1, 1), user_defined, _part(progress, 0.0, _CHECKED))
    if any(identity(plan.file.location) == out.resolve() for plan in recipe.files):
        msg = f"{out}: is one of the files to read; choose another --out"
        raise UsageError(msg)
    task = _Ingest(recipe, chunk_rows, progress, command)
    if shard is not None:
        return task.as_shard(out, force=force)
    if not executor.is_here:
        return task.by_workers(out, base or Path(), executor, force=force)
    if settings.keep_quantiles is not None:
        return task.through_shard(out, force=force)
    return task.at_once(out, force=force)


#: Shares of the work that are done when files are checked, and when events are read that quantiles are taken of.
_CHECKED, _READ = 0.05, 0.7


def _part(progress: Progress, start: float, stop: float) -> Progress:
    """Return what reports a part of the work as that part of the whole."""
    return lambda done, text: progress(start + done * (stop - start), text)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Make a directory beside an output for as long as it is needed.

    It has one name for each output, so that what a killed job left is found and removed by the next.
    """
    directory = partial_path(out).with_name(f".{out.name}.parts")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class _Ingest:
    """One run of `ingest`."""

    def __init__(self, recipe: Recipe, chunk_rows: int, progress: Progress, command: str | None) -> None:
        self.recipe = recipe
        self.working, self.merging = _part(progress, _CHECKED, _READ), _part(progress, _READ, 1.0)
        trimmed = recipe.shard == (1, 1) and recipe.settings.keep_quantiles is not None
        self.reader = EventReader(recipe, chunk_rows, _part(progress, _CHECKED, _READ if trimmed else 1.0))
        self.command = command
        self.files = {
            process.name: sum(plan.process is process for plan in recipe.files) for process in recipe.processes
        }

    def at_once(self, out: Path, *, force: bool) -> Ingested:
        """Sum weights, then write all events."""
        existing = description_of(out)
        if decide(out, self.recipe.digest, None if existing is None else existing.digest, force=force) is Action.DONE:
            return self.made(out, existing, written=False)
        first = [self.counted(plan, self.first_pass(plan)) for plan in self.recipe.files]
        refuse_nothing(self.recipe.settings, first)
        finisher = Finisher(self.recipe.settings, first)
        files = [replace(file, counts=self.reader.counts()) for file in first]
        description = ShardDescription.of(self.recipe, tuple(files), self.command)
        with events_writer(out, description, finisher, self.recipe.digest, self.command) as writer:
            for position, file in enumerate(files):
                write_blocks(writer, finisher, self.blocks(position, file.counts))
        notes = notes_on(description, writer.metadata.processes)
        return self.made(out, writer.metadata, written=True, notes=notes)

    def made(
        self, out: Path, metadata: EventsMetadata | None, *, written: bool, notes: tuple[str, ...] = ()
    ) -> Ingested:
        """Say what there is now."""
        recipe = self.recipe
        shard = recipe.shard if metadata is None else None
        notes = (*notes, *recipe.notes, *notes_on_weights(recipe))
        return Ingested(out, metadata, self.files, notes, written, recipe.formats, recipe.skipped, shard)

    def first_pass(self, plan: FilePlan) -> FileCounts:
        """Count what a file holds, as far as that is needed before its events are read."""
        settings = plan.process.settings
        given = settings.sum_of_weights is not None or settings.weights_are_yields
        known = given or (settings.generated_events is not None and settings.weight is None)
        # Rows are numbered over all files, so of a file whose rows are picked or not known they must be counted.
        with self.said_late():
            return self.reader.sum_weights(plan, only_rows=known)

    def blocks(self, position: int, counts: FileCounts) -> Iterator[Block]:
        """Read the events of a file."""
        with self.said_late():
            yield from self.reader.read(position, counts)

    @contextmanager
    def said_late(self) -> Iterator[None]:
        """Say why a file at fault was not skipped as others are, where that was asked for.

        Raises:
            InputError: if reading fails.
        """
        try:
            yield
        except InputError as error:
            if self.recipe.settings.on_bad_file == "fail":
                raise
            msg = f"{error}; this shows only when events are read, too late to skip the file: take it out of files"
            raise InputError(msg) from error

    def counted(self, plan: FilePlan, counts: FileCounts) -> CountedFile:
        """Add to the counts of a file what it says about its normalisation beside its events."""
        return CountedFile(plan.process.name, counts, plan.file.beside, plan.file.header)

    def as_shard(self, out: Path, *, force: bool) -> Ingested:
        """Read this shard's events."""
        if decide(out, self.recipe.digest, digest_of_shard(out), force=force) is Action.DONE:
            return self.made(out, None, written=False)
        files = tuple(self.counted(plan, self.reader.counts()) for plan in self.recipe.files)
        with ShardWriter(out, self.recipe) as writer:
            for position, file in enumerate(files):
                for block in self.blocks(position, file.counts):
                    writer.write(block)
            writer.finish(ShardDescription.of(self.recipe, files, self.command))
        return self.made(out, None, written=True)

    def through_shard(self, out: Path, *, force: bool) -> Ingested:
        """Read all events beside the output first, since a quantile needs all before the first can be written."""
        existing = description_of(out)
        if decide(out, self.recipe.digest, None if existing is None else existing.digest, force=force) is Action.DONE:
            return self.made(out, existing, written=False)
        with _beside(out) as directory:
            shard = directory / "events.parquet"
            self.as_shard(shard, force=True)
            merged = merge([shard], out, force=force, command=self.command, progress=self.merging)
        return self.made(out, merged.metadata, written=True, notes=merged.notes)

    def by_workers(self, out: Path, base: Path, executor: Executor, *, force: bool) -> Ingested:
        """Have all events read by workers, which share a disk with this process."""
        existing = description_of(out)
        if decide(out, self.recipe.digest, None if existing is None else existing.digest, force=force) is Action.DONE:
            return self.made(out, existing, written=False)
        shards = make_shards(self.recipe, out, base, executor, self.command, self.working)
        merged = merge(shards, out, force=force, command=self.command, progress=self.merging)
        remove_shards(out)
        return self.made(out, merged.metadata, written=True, notes=merged.notes)
