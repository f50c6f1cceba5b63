"""What is to be drawn: a mock's settings resolved, and cut into blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import digest
from cutflow_cli.errors import UsageError
from cutflow_cli.events.mock.catalogue import Mock, find_mock
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.events.splits import SplitFractions

#: Most events that are held in memory at once.
BLOCK_EVENTS = 1_000_000
#: Raised whenever the same settings would give other events.
LAW_VERSION = 1
MAX_SEED = 2**32 - 1
MAX_FEATURES = 10_000


@dataclass(frozen=True, slots=True)
class MockPlan:
    """A mock with all its settings resolved.

    Attributes:
        mock: what it is.
        features: the features in order.
        events: number of events per process, in the mock's order of processes.
        seed: decides everything random.
        fractions: shares of the splits.
        block_events: most events in a block.
    """

    mock: Mock
    features: tuple[FeatureInfo, ...]
    events: tuple[int, ...]
    seed: int
    fractions: SplitFractions
    block_events: int

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that the events depend on."""
        return {
            "mock": self.mock.name,
            "events": sum(self.events),
            "seed": self.seed,
            "split": list(self.fractions.as_tuple()),
            "features": [feature.name for feature in self.features],
            "block_events": self.block_events,
            "law_version": LAW_VERSION,
        }

    @property
    def digest(self) -> str:
        """Digest of the settings."""
        return digest(self.settings)

    def blocks(self) -> Iterator[Block]:
        """Cut the sample into blocks of nearly equal size, each with every process in proportion."""
        count = max(1, -(-sum(self.events) // self.block_events))
        for index in range(count):
            first = tuple(total * index // count for total in self.events)
            last = tuple(total * (index + 1) // count for total in self.events)
            sizes = tuple(stop - start for start, stop in zip(first, last, strict=True))
            yield Block(self, index, count, first, sizes)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a sample that is drawn and written in one go.

    Attributes:
        plan: the whole sample.
        index: position of this block.
        count: number of blocks.
        first: number of events of each process in the blocks before.
        sizes: number of events of each process in this block.
    """

    plan: MockPlan
    index: int
    count: int
    first: tuple[int, ...]
    sizes: tuple[int, ...]

    def generator(self, process: int) -> np.random.Generator:
        """Random numbers of one process in this block, independent of all others."""
        sequence = np.random.SeedSequence(self.plan.seed, spawn_key=(1, self.index, process))
        return np.random.Generator(np.random.PCG64(sequence))


@dataclass(frozen=True, slots=True)
class Draw:
    """The events of a block, processes one after the other in the mock's order.

    Attributes:
        columns: features and spectators by name, float32, each of shape (events,).
        split: positions in `SPLITS`; None to assign them by row number and seed.
        relative_weight: weights relative to the mean of the process over all blocks; None where all are equal.
        hypothesis: generated mass of signal, NaN for background; None where the mock has none.
    """

    columns: dict[str, NDArray[np.float32]]
    split: NDArray[np.int8] | None = None
    relative_weight: NDArray[np.float64] | None = None
    hypothesis: NDArray[np.float64] | None = None


def plan_mock(
    name: str,
    events: int | None = None,
    seed: int | None = None,
    *,
    split: SplitFractions | None = None,
    features_count: int | None = None,
    block_events: int = BLOCK_EVENTS,
) -> MockPlan:
    """Resolve the settings of a mock.

    Args:
        name: which mock.
        events: total number of events; None for the mock's own.
        seed: decides everything random, 0 to 2³² − 1; None for the mock's own.
        split: shares of the splits; None for the mock's own.
        features_count: number of features, for a mock that leaves it open.
        block_events: most events in a block. Another value gives other events once there is more than one block.

    Raises:
        UsageError: if there is no such mock, a value is impossible, or an option is one that this mock can't use.
    """
    mock = find_mock(name)
    seed = mock.seed if seed is None else seed
    if not 0 <= seed <= MAX_SEED:
        msg = f"seed {seed}: must be from 0 to {MAX_SEED}"
        raise UsageError(msg)
    own_split = SplitFractions(*mock.fractions)
    if split is not None and mock.published_split and split != own_split:
        shown = ",".join(f"{share:g}" for share in mock.fractions)
        msg = f"{name}: its split is part of the publication ({shown}); leave out --split"
        raise UsageError(msg)
    if block_events < 1:
        msg = f"block of {block_events} events: must hold at least 1"
        raise UsageError(msg)
    return MockPlan(
        mock=mock,
        features=_features(mock, features_count),
        events=_share_out(mock, mock.events if events is None else events),
        seed=seed,
        fractions=own_split if split is None else split,
        block_events=block_events,
    )


def _features(mock: Mock, wanted: int | None) -> tuple[FeatureInfo, ...]:
    if mock.features_count is None:
        if wanted is not None:
            msg = f"{mock.name}: has its {len(mock.features)} features; leave out --features-count"
            raise UsageError(msg)
        return mock.features
    count = mock.features_count if wanted is None else wanted
    if not 1 <= count <= MAX_FEATURES:
        msg = f"{mock.name}: {count} features; --features-count goes from 1 to {MAX_FEATURES}"
        raise UsageError(msg)
    return tuple(FeatureInfo(f"x{number}", label=f"$x_{{{number}}}$") for number in range(1, count + 1))


def _share_out(mock: Mock, events: int) -> tuple[int, ...]:
    """Give each process its share; what rounding leaves goes to the first ones (signal first)."""
    shares = np.array([process.share for process in mock.processes])
    counts = np.floor(shares * events + 1e-9).astype(int)
    counts[: events - counts.sum()] += 1
    if counts.min() < mock.minimum_per_process:
        rare = mock.processes[int(counts.argmin())].name
        fewest = int(np.ceil(mock.minimum_per_process / shares.min()))
        msg = f"{mock.name}: {events} events are too few for process {rare}; --events must be at least {fewest}"
        raise UsageError(msg)
    return tuple(int(count) for count in counts)
