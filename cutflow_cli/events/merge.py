"""Shards of an ingest, put together: what one job would have written, byte for byte apart from its command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cutflow_cli.artifacts import Action, decide
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.assemble import Ingested, events_writer, notes_on, refuse_nothing, write_blocks
from cutflow_cli.events.description import ShardDescription
from cutflow_cli.events.finish import CountedFile, Finisher
from cutflow_cli.events.quantiles import PASSES, Columns, quantiles
from cutflow_cli.events.read import Block
from cutflow_cli.events.recipe import Progress, recipe_digest
from cutflow_cli.events.schema import SPLITS, FeatureInfo
from cutflow_cli.events.shards import ShardFile
from cutflow_cli.events.stages import Stage
from cutflow_cli.events.table import description_of
from cutflow_cli.events.together import together
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_arithmetic
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import AsFloat32, Compare, Name, Node, Number


def merge(
    paths: Sequence[Path],
    out: Path,
    *,
    force: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Put the shards of an ingest together into an events file.

    Args:
        paths: all of its shards, in any order.
        out: the events file.
        force: replace whatever file is there.
        command: the command line, kept in the metadata.
        progress: told after each block of events.

    Raises:
        InputError: if a file is no shard, shards are not of one ingest, or one is damaged; or if a process has no
            events, or no positive sum of weights.
        NegativeAnswer: if shards are missing.
        UsageError: if a shard is given twice, or something else is at `out` and `force` is not set.
    """
    if any(path.resolve() == out.resolve() for path in paths):
        msg = f"{out}: is one of the shards; choose another --out"
        raise UsageError(msg)
    shards = sorted((ShardFile(path) for path in paths), key=lambda shard: shard.description.shard)
    whole = together([(shard.path, shard.description) for shard in shards])
    digest = _digest(whole)
    files = {name: sum(file.process == name for file in whole.files) for name in whole.settings.processes}
    existing = description_of(out)
    if decide(out, digest, None if existing is None else existing.digest, force=force) is Action.DONE:
        return Ingested(out, existing, files, (), False, whole.formats_of_processes, whole.skipped)
    refuse_nothing(whole.settings, whole.files)
    task = _Merge(shards, whole, progress or (lambda done, text: None))
    return task.write(out, digest, files, command)


def _digest(whole: ShardDescription) -> str:
    files: dict[str, list[tuple[int, str]]] = {name: [] for name in whole.settings.processes}
    for file, source in zip(whole.files, whole.sources, strict=True):
        files[file.process].append((source.size, source.digest))
    return recipe_digest(whole.settings, whole.user_defined, files)


class _Merge:
    """Shards that fit together, being merged."""

    def __init__(self, shards: Sequence[ShardFile], whole: ShardDescription, progress: Progress) -> None:
        self.shards, self.whole, self.progress = shards, whole, progress
        self.finisher = Finisher(whole.settings, whole.files)
        self.names = tuple(feature.name for feature in whole.features)
        self.types = {feature.name: feature.dtype for feature in whole.features} | whole.spectators
        passes = 1 if whole.settings.keep_quantiles is None else 1 + PASSES
        self.read, self.to_read = 0, max(passes * whole.events, 1)

    def write(self, out: Path, digest: str, files: dict[str, int], command: str | None) -> Ingested:
        """Write the events file."""
        kept, conditions = self.quantile_conditions()
        whole, notes = self.whole, _notes_on_removed(self.whole) if conditions else ()
        if conditions:
            counted = tuple(_with_stages(file, len(conditions), self.names) for file in whole.files)
            texts = tuple(render(node) for node in kept)
            whole = replace(whole, files=counted, preselection=(*whole.preselection, *texts))
        with events_writer(out, whole, self.finisher, digest, command) as writer:
            write_blocks(writer, self.finisher, self.trimmed(self.blocks(), conditions, whole.files))
        notes = (*notes, *notes_on(whole, writer.metadata.processes))
        return Ingested(out, writer.metadata, files, notes, True, whole.formats_of_processes, whole.skipped)

    def blocks(self, columns: tuple[str, ...] | None = None) -> Iterator[Block]:
        """Read all events in their order, files counted over all shards, columns of one type in all of them."""
        first_file = 0
        for shard in self.shards:
            for block in shard.blocks(columns):
                typed = {name: values.astype(self.types[name], copy=False) for name, values in block.columns.items()}
                yield replace(block, file=first_file + block.file, columns=typed)
                self.read += len(block)
                self.progress(self.read / self.to_read, f"{shard.path.name}")
            first_file += len(shard.description.files)

    def quantile_conditions(self) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Return what `keep_quantiles` comes to, in terms of the files' columns and of the features."""
        shares = self.whole.settings.keep_quantiles
        if shares is None:
            return (), ()
        found = quantiles(self.training_columns, self.names, shares)
        of_source, of_features = [], []
        for feature in self.whole.features:
            low, high = found[feature.name]
            if not low <= high:
                msg = f"feature {feature.name!r} has no finite value in the training split to take quantiles of"
                raise InputError(msg)
            of_source.append(_between(low, _stored(feature), high))
            of_features.append(_between(low, Name(feature.name), high))
        return tuple(of_source), tuple(of_features)

    def training_columns(self) -> Iterator[Columns]:
        """Yield features of the events of the training split."""
        train = SPLITS.index("train")
        for block in self.blocks(self.names):
            split = self.finisher.splits(block)
            yield {name: values[split == train] for name, values in block.columns.items()}

    def trimmed(
        self, blocks: Iterator[Block], conditions: Sequence[Node], files: Sequence[CountedFile]
    ) -> Iterator[Block]:
        """Apply conditions on features, and count what they leave."""
        if not conditions:
            yield from blocks
            return
        current = 0
        for block in blocks:
            if block.file != current:  # files follow each other, so the one before is complete
                files[current].counts.settle()
                current = block.file
            keep = np.ones(len(block), dtype=np.bool_)
            stages = files[block.file].counts.stages
            for stage, condition in zip(stages[len(stages) - len(conditions) :], conditions, strict=True):
                keep &= evaluate(condition, block.columns, len(block))
                stage.add(block.weight[keep])
            if keep.any():
                yield block if keep.all() else block.take(keep)
        files[current].counts.settle()


def _with_stages(file: CountedFile, further: int, features: Sequence[str]) -> CountedFile:
    """Make room for further stages; events with missing values do not pass them."""
    stages = [*file.counts.stages, *(Stage() for _ in range(further))]
    return replace(file, counts=replace(file.counts, stages=stages, not_finite={name: [0, 0] for name in features}))


def _notes_on_removed(whole: ShardDescription) -> tuple[str, ...]:
    """Say how many events the quantiles remove though they lie in no tail."""
    found = []
    for feature in whole.features:
        missing = sum(file.counts.not_finite[feature.name][0] for file in whole.files)
        if missing:
            found.append(
                f"feature {feature.name!r} is missing (NaN) in {missing} of {whole.events} events; keep_quantiles "
                "removes them, since what is missing lies between no quantiles"
            )
    return tuple(found)


def _between(low: float, value: Node, high: float) -> Node:
    return Compare((Number(low), value, Number(high)), ("<=", "<="))


def _stored(feature: FeatureInfo) -> Node:
    """Return a feature in terms of the files' columns, rounded as it is stored."""
    if feature.expression is None:
        return Name(feature.name)
    node = parse_arithmetic(feature.expression)
    return AsFloat32(node) if feature.dtype == "float32" else node
