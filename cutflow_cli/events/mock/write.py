"""Draws a mock, block by block, into an events file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import Action, decide
from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.mock import gaussians, published, slepton, zprime
from cutflow_cli.events.mock.catalogue import Family
from cutflow_cli.events.mock.plan import BLOCK_EVENTS, Block, Draw, MockPlan, plan_mock
from cutflow_cli.events.schema import ROLES, SPLITS, EventsMetadata, ProcessInfo
from cutflow_cli.events.splits import SplitFractions, hashed_splits
from cutflow_cli.events.table import description_of
from cutflow_cli.events.writer import EventsWriter

_PB_PER_FB = 1000.0  # 1 fb⁻¹ = 1000 pb⁻¹

_DRAWERS: dict[Family, Callable[[Block], Draw]] = {
    Family.PUBLISHED: published.draw,
    Family.GAUSSIANS: gaussians.draw,
    Family.SLEPTON: slepton.draw,
    Family.ZPRIME: zprime.draw,
}


class Progress(Protocol):
    """What the writing of a large sample reports to."""

    def __call__(self, done: float, text: str) -> None:
        """Report the share done (0 to 1) and what to say beside it."""


@dataclass(frozen=True, slots=True)
class MockFile:
    """A mock on disk.

    Attributes:
        path: the events file.
        metadata: its description, with what each split holds of each process.
        written: whether it was written now; if not, it was there already.
    """

    path: Path
    metadata: EventsMetadata
    written: bool


def make_mock(
    plan: MockPlan,
    out: Path,
    *,
    force: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
) -> MockFile:
    """Write a mock unless the same one is there already.

    Args:
        plan: what to write; see `plan_mock`.
        out: the events file.
        force: replace whatever file is there.
        command: the command line, kept in the metadata.
        progress: told after each block.

    Raises:
        UsageError: if something else is at `out` and `force` is not set, or if there are too few events for a split.
    """
    existing = description_of(out)
    digest = None if existing is None else existing.digest
    if decide(out, plan.digest, digest, force=force) is Action.DONE:
        assert existing is not None
        return MockFile(out, existing, written=False)
    return MockFile(out, _write(plan, out, command, progress), written=True)


def write_mock(
    name: str,
    out: Path,
    events: int | None = None,
    seed: int | None = None,
    *,
    split: SplitFractions | None = None,
    features_count: int | None = None,
    block_events: int = BLOCK_EVENTS,
    command: str | None = None,
    progress: Progress | None = None,
) -> EventsMetadata:
    """Write a mock, whatever is there.

    Args:
        name: which mock; see `catalogue.MOCKS`.
        out: the events file.
        events: total number of events; None for the mock's own.
        seed: decides everything random; None for the mock's own.
        split: shares of the splits; None for the mock's own.
        features_count: number of features, for a mock that leaves it open.
        block_events: most events held in memory.
        command: the command line, kept in the metadata.
        progress: told after each block.

    Returns:
        The description of the file, with what each split holds of each process.

    Raises:
        UsageError: if a setting is impossible or one that this mock can't use.
    """
    plan = plan_mock(name, events, seed, split=split, features_count=features_count, block_events=block_events)
    return _write(plan, out, command, progress)


def _write(plan: MockPlan, out: Path, command: str | None, progress: Progress | None) -> EventsMetadata:
    total = sum(plan.events)
    held = np.zeros((len(plan.events), len(SPLITS)), dtype=np.int64)
    written = 0
    with EventsWriter(out, _metadata(plan, command), hypothesis=plan.mock.has_hypothesis) as writer:
        for block in plan.blocks():
            batch = _batch(block, written)
            np.add.at(held, (batch.process, batch.split), 1)
            writer.write(batch)
            written += len(batch)
            if progress is not None:
                progress(written / total, f"{written} of {total} events")
        _require_events(plan, held)
    return writer.metadata


def _metadata(plan: MockPlan, command: str | None) -> EventsMetadata:
    processes = tuple(
        ProcessInfo(
            process.name,
            process.role,
            cross_section=process.cross_section,
            generated_events=events,
            generated_sumw=float(events),
        )
        for process, events in zip(plan.mock.processes, plan.events, strict=True)
    )
    return EventsMetadata(
        features=plan.features,
        processes=processes,
        luminosity=plan.mock.luminosity,
        spectators=plan.mock.spectators,
        command=command,
        digest=plan.digest,
        seed=plan.seed,
    )


def _batch(block: Block, first_row: int) -> EventBatch:
    """Draw a block and normalise it: per process, weights of all blocks sum to cross section × luminosity."""
    plan = block.plan
    mock = plan.mock
    drawn = _DRAWERS[mock.family](block)
    per_event = np.array(
        [
            process.cross_section * mock.luminosity * _PB_PER_FB / events
            for process, events in zip(mock.processes, plan.events, strict=True)
        ]
    )
    labels = np.array([ROLES.index(process.role) for process in mock.processes], dtype=np.int8)
    process = np.repeat(np.arange(len(block.sizes), dtype=np.int32), block.sizes)
    weight = per_event[process]
    if drawn.relative_weight is not None:
        weight = weight * drawn.relative_weight
    split = drawn.split
    if split is None:
        split = hashed_splits(first_row, len(process), plan.fractions, plan.seed)
    return EventBatch(dict(drawn.columns), labels[process], weight, process, split, drawn.hypothesis)


def _require_events(plan: MockPlan, held: NDArray[np.int64]) -> None:
    """Refuse a sample that leaves a process out of a split.

    Raises:
        UsageError: naming process and split.
    """
    for process, row in zip(plan.mock.processes, held, strict=True):
        for split, fraction, events in zip(SPLITS, plan.fractions.as_tuple(), row, strict=True):
            if fraction > 0 and events == 0:
                total = sum(plan.events)
                msg = f"{plan.mock.name}: with {total} events none of {process.name} is in {split}; raise --events"
                raise UsageError(msg)
