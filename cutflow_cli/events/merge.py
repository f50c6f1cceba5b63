"""Shards of an ingest, put together: what one job would have written, byte for byte apart from its command line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from cutflow_cli.artifacts import Action, decide
from cutflow_cli.errors import InputError, NegativeAnswer, UsageError
from cutflow_cli.events.assemble import Ingested, events_writer, notes_on, write_blocks
from cutflow_cli.events.finish import CountedFile, Finisher
from cutflow_cli.events.quantiles import Columns, quantiles
from cutflow_cli.events.read import Block, Stage
from cutflow_cli.events.recipe import recipe_digest
from cutflow_cli.events.schema import SPLITS, FeatureInfo
from cutflow_cli.events.shards import ShardDescription, ShardFile
from cutflow_cli.events.table import description_of
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_arithmetic
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import AsFloat32, Compare, Name, Node, Number

Progress = Callable[[float, str], None]


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
        InputError: if a file is no shard, or shards are not of one ingest.
        NegativeAnswer: if shards are missing.
        UsageError: if a shard is given twice, or something else is at `out` and `force` is not set.
    """
    with ExitStack() as stack:
        shards = [stack.enter_context(closing(ShardFile(path))) for path in paths]
        shards.sort(key=lambda shard: shard.description.shard)
        _check(shards)
        whole = _together([shard.description for shard in shards])
        digest = _digest(whole)
        files = {name: sum(file.process == name for file in whole.files) for name in whole.settings.processes}
        existing = description_of(out)
        if decide(out, digest, None if existing is None else existing.digest, force=force) is Action.DONE:
            return Ingested(out, existing, files, (), False, whole.formats, whole.skipped)
        return _Merge(shards, whole, progress or (lambda done, text: None)).write(out, digest, files, command)


def _check(shards: Sequence[ShardFile]) -> None:
    """Refuse what is not the whole of one ingest."""
    first = shards[0]
    for shard in shards[1:]:
        for name, what in (
            ("settings", "other settings"), ("user_defined", "other observables of the user"),
            ("features", "features of another type; name their dtype in the settings"),
            ("spectators", "spectators of another type"), ("preselection", "another preselection"),
        ):  # fmt: skip
            if getattr(shard.description, name) != getattr(first.description, name):
                msg = f"{shard.path} and {first.path} are not shards of one ingest: {what}"
                raise InputError(msg)
        if shard.description.shard[1] != first.description.shard[1]:
            msg = (
                f"{first.path} is of {first.description.shard[1]} shards, {shard.path} of {shard.description.shard[1]}"
            )
            raise InputError(msg)
    numbers = [shard.description.shard[0] for shard in shards]
    for one, other in itertools.pairwise(shards):
        if one.description.shard == other.description.shard:
            msg = f"{one.path} and {other.path} are both shard {one.description.shard[0]}"
            raise UsageError(msg)
    of = first.description.shard[1]
    missing = [str(number) for number in range(1, of + 1) if number not in numbers]
    if missing:
        shown = ", ".join(missing[:10]) + (", …" if len(missing) > 10 else "")
        msg = f"incomplete: {len(missing)} of {of} shards are missing ({shown}); nothing was written"
        raise NegativeAnswer(msg)


def _together(descriptions: Sequence[ShardDescription]) -> ShardDescription:
    first = descriptions[0]
    return replace(
        first,
        shard=(1, 1),
        per_object=tuple(dict.fromkeys(name for one in descriptions for name in one.per_object)),
        files=tuple(file for one in descriptions for file in one.files),
        sources=tuple(source for one in descriptions for source in one.sources),
        skipped=tuple(file for one in descriptions for file in one.skipped),
        formats={name: text for one in descriptions for name, text in one.formats.items()},
    )


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
        self.events = sum(file.counts.stages[-1].events for file in whole.files)

    def write(self, out: Path, digest: str, files: dict[str, int], command: str | None) -> Ingested:
        """Write the events file."""
        kept, conditions = self.quantile_conditions()
        whole = self.whole
        if conditions:
            counted = tuple(_with_stages(file, len(conditions), self.names) for file in whole.files)
            texts = tuple(render(node) for node in kept)
            whole = replace(whole, files=counted, preselection=(*whole.preselection, *texts))
        with events_writer(out, whole, self.finisher, digest, command) as writer:
            write_blocks(writer, self.finisher, self.trimmed(self.blocks(), conditions, whole.files))
        notes = notes_on(whole, writer.metadata.processes)
        return Ingested(out, writer.metadata, files, notes, True, whole.formats, whole.skipped)

    def blocks(self, columns: tuple[str, ...] | None = None) -> Iterator[Block]:
        """Read all events in their order, files counted over all shards."""
        first_file, done = 0, 0
        for shard in self.shards:
            for block in shard.blocks(columns):
                yield replace(block, file=first_file + block.file)
                done += len(block)
                self.progress(done / max(self.events, 1), f"{done} of {self.events} events")
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
        for block in blocks:
            keep = np.ones(len(block), dtype=np.bool_)
            stages = files[block.file].counts.stages
            for stage, condition in zip(stages[len(stages) - len(conditions) :], conditions, strict=True):
                keep &= evaluate(condition, block.columns, len(block))
                stage.add(block.weight[keep])
            yield block if keep.all() else block.take(keep)


def _with_stages(file: CountedFile, further: int, features: Sequence[str]) -> CountedFile:
    """Make room for further stages; events with missing values do not pass them."""
    stages = [*file.counts.stages, *(Stage() for _ in range(further))]
    return replace(file, counts=replace(file.counts, stages=stages, not_finite={name: [0, 0] for name in features}))


def _between(low: float, value: Node, high: float) -> Node:
    return Compare((Number(low), value, Number(high)), ("<=", "<="))


def _stored(feature: FeatureInfo) -> Node:
    """Return a feature in terms of the files' columns, rounded as it is stored."""
    if feature.expression is None:
        return Name(feature.name)
    node = parse_arithmetic(feature.expression)
    return AsFloat32(node) if feature.dtype == "float32" else node
