"""The events file, written from events that have been read: by one job at once, or from shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cutflow_cli.events.description import ShardDescription
from cutflow_cli.events.finish import CountedFile, Finisher
from cutflow_cli.events.inputs import nothing_picked
from cutflow_cli.events.not_finite import count_not_finite, what_cuts_do
from cutflow_cli.events.process_settings import TreeSum
from cutflow_cli.events.read import Block
from cutflow_cli.events.recipe import Recipe
from cutflow_cli.events.schema import SPLITS, EventsMetadata, ProcessInfo, SkippedFile, VariationInfo, WeightSums
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.writer import EventsWriter


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest made.

    Attributes:
        path: the events file, or the shard.
        metadata: its description; None for a shard.
        files: number of files read for each process, alternative samples included.
        notes: what a user should know, a sentence each.
        written: whether the file was written now; if not, it was there already.
        formats: how the files of each process were understood.
        skipped: files that could not be used.
        shard: which part of the files, and of how many; None for all.
    """

    path: Path
    metadata: EventsMetadata | None
    files: dict[str, int]
    notes: tuple[str, ...]
    written: bool
    formats: dict[str, str]
    skipped: tuple[SkippedFile, ...] = ()
    shard: tuple[int, int] | None = None


@contextmanager
def events_writer(
    out: Path, description: ShardDescription, finisher: Finisher, digest: str, command: str | None
) -> Iterator[EventsWriter]:
    """Open an events file for writing; when all is written, complete its description and check it.

    Args:
        out: the events file.
        description: what is being read; its counts may still be growing.
        finisher: made from the same counts, or from those of a first pass.
        digest: of inputs and settings.
        command: the command line.

    Raises:
        InputError: at the end, if a process has no events left, or no positive sum of weights.
    """
    settings = description.settings
    metadata = EventsMetadata(
        features=description.features,
        processes=finisher.describe(complete=False),
        luminosity=settings.luminosity,
        preselection=description.preselection,
        per_object=description.per_object,
        spectators=settings.spectators,
        variations=_announced(finisher),
        sources=tuple(dict.fromkeys(description.sources)),
        skipped=description.skipped,
        command=command,
        digest=digest,
        seed=settings.seed,
    )
    hypothesis = any(process.hypothesis is not None for process in settings.processes.values())
    with EventsWriter(out, metadata, hypothesis=hypothesis) as writer:
        yield writer
        counted = Finisher(settings, description.files)
        counted.check()
        writer.metadata = replace(
            writer.metadata,
            processes=counted.describe(complete=True),
            variations=counted.describe_variations(),
        )


def _announced(finisher: Finisher) -> tuple[VariationInfo, ...]:
    """Say which variations there will be, before their events are counted."""
    return tuple(
        VariationInfo(name, replaced={of: WeightSums() for of in finisher.replaced(name)})
        for name in finisher.variations
    )


def write_blocks(writer: EventsWriter, finisher: Finisher, blocks: Iterable[Block]) -> None:
    """Write events."""
    for block in blocks:
        writer.write(finisher.finish(block))


def refuse_nothing(settings: IngestSettings, files: Sequence[CountedFile]) -> None:
    """Refuse a process without events.

    Args:
        settings: of the ingest.
        files: what was found in all files before the preselection.

    Raises:
        InputError: naming the process, and what there was instead where rows are picked.
    """
    for name, process in settings.processes.items():
        mine = [file.counts for file in files if file.process == name]
        if not sum(counts.stages[0].events for counts in mine):
            texts = frozenset[str]().union(*(counts.texts for counts in mine))
            raise nothing_picked(name, process.rows, texts)


def notes_on_weights(recipe: Recipe) -> tuple[str, ...]:
    """Say which processes have generator weights in their files that nothing uses."""
    found: dict[str, str] = {}
    for plan in recipe.files:
        if plan.process.weight is None and plan.file.generator_weight is not None:
            found.setdefault(plan.process.name, plan.file.generator_weight)
    return tuple(
        f"process {name!r}: its files have generator weights, {column!r}, that are not used: every event counts the "
        f"same; unless they are all equal, name them as its weight"
        for name, column in found.items()
    )


def notes_on(description: ShardDescription, processes: Sequence[ProcessInfo]) -> tuple[str, ...]:
    """Say what a user should know of the result."""
    settings = description.settings
    found = []
    if all(item.cross_section is None and not item.weights_are_yields for item in settings.processes.values()):
        found.append("no normalisation was given: every event counts as 1 (give cross sections and luminosity)")
    events = sum(file.counts.stages[-1].events for file in description.files)
    for feature in description.features:
        missing, infinite = (
            sum(file.counts.not_finite[feature.name][which] for file in description.files) for which in (0, 1)
        )
        if missing or infinite:
            found.append(
                f"feature {feature.name!r}: {count_not_finite(missing, infinite)} in {events} events; "
                f"kept as they are, {what_cuts_do(missing, infinite)}"
            )
    for name, process in settings.processes.items():
        mine = [file for file in description.files if file.process == name]
        given = process.sum_of_weights
        if isinstance(given, TreeSum):
            given = sum(file.beside or 0.0 for file in mine)
        seen = sum(file.counts.stages[0].sumw for file in mine)
        if given is not None and seen > given * (1 + 1e-6):
            found.append(
                f"process {name!r}: its events have a sum of weights of {seen:g}, "
                f"more than the {given:g} given for all generated events"
            )
    shares = settings.split.as_tuple()
    for info in processes:
        empty = [split for split, share in zip(SPLITS, shares, strict=True) if share and not info.splits[split].events]
        if empty:
            found.append(f"process {info.name!r} has no events in split {', '.join(empty)}")
    return tuple(found)
