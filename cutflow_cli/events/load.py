"""Events of one or more splits held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch, EventSample
from cutflow_cli.events.schema import SPLITS, Split

#: Σw by process and mass point (None for events without), of which a split is a share.
Sums = dict[tuple[int, float | None], float]


def load_samples(
    batches: Iterable[EventBatch],
    splits: Sequence[Split | None],
    *,
    path: str,
    features: Sequence[str],
    spectators: Sequence[str],
    dtypes: dict[str, str],
    processes: tuple[str, ...],
) -> tuple[EventSample, ...]:
    """Hold several splits of a file in memory, in one pass over it.

    Args:
        batches: the file, with features and spectators.
        splits: which splits; None for all events.
        path: the file, for messages.
        features: names, in the order of the flow.
        spectators: other columns to keep.
        dtypes: type of each feature's column.
        processes: names of the processes.

    Returns:
        One sample for each of `splits`; a split without events gives an empty one.

    Raises:
        InputError: if the file holds no events at all, or can't be read.
    """
    kept: list[list[EventBatch]] = [[] for _ in splits]
    everything: Sums = {}
    for batch in batches:
        add_sums(everything, batch)
        for parts, split in zip(kept, splits, strict=True):
            parts.append(select(batch, split))
    if not everything:
        msg = f"{path}: holds no events"
        raise InputError(msg)
    wide = any(dtype != "float32" for dtype in dtypes.values())
    samples = []
    for parts in kept:
        joined = {
            name: np.concatenate([batch.columns[name] for batch in parts])
            for name in dict.fromkeys((*features, *spectators))
        }
        hypothesis = None
        if parts[0].hypothesis is not None:
            hypothesis = np.concatenate([batch.hypothesis for batch in parts if batch.hypothesis is not None])
        weight = np.concatenate([batch.weight for batch in parts])
        samples.append(
            EventSample(
                features=tuple(features),
                x=np.stack([joined[name] for name in features], axis=1, dtype=np.float64 if wide else np.float32),
                dtypes=dtypes,
                label=np.concatenate([batch.label for batch in parts]),
                weight=weight,
                expected=weight * np.concatenate(_scales(parts, everything)),
                process=np.concatenate([batch.process for batch in parts]),
                processes=processes,
                hypothesis=hypothesis,
                spectators={name: joined[name] for name in spectators},
            )
        )
    return tuple(samples)


def cells(
    processes: NDArray[np.int32], hypothesis: NDArray[np.float64] | None
) -> Iterable[tuple[tuple[int, float | None], NDArray[np.bool_]]]:
    """Divide events by process and mass point.

    Args:
        processes: of each event, shape (events,).
        hypothesis: mass point of each, NaN for none; None where the file has none.

    Yields:
        Process and mass point (None for events without), and which events are theirs.
    """
    for process in np.unique(processes).tolist():
        mine: NDArray[np.bool_] = processes == process
        points: NDArray[Any] = np.empty(0) if hypothesis is None else hypothesis[mine]
        known = np.unique(points[~np.isnan(points)]).tolist()
        for value in known:
            assert hypothesis is not None
            yield (process, value), mine & (hypothesis == value)
        without = mine if hypothesis is None else mine & np.isnan(hypothesis)
        if without.any():
            yield (process, None), without


def add_sums(sums: Sums, batch: EventBatch) -> None:
    """Add the weights of a batch to the sums by process and mass point."""
    for cell, rows in cells(batch.process, batch.hypothesis):
        sums[cell] = sums.get(cell, 0.0) + float(batch.weight[rows].sum())


def _scales(parts: Sequence[EventBatch], everything: Sums) -> list[NDArray[np.float64]]:
    """Return by how much each event's weight is scaled; 1 where a split can't stand for its process."""
    here: Sums = {}
    for batch in parts:
        add_sums(here, batch)
    ratios = {cell: everything[cell] / total if total else 1.0 for cell, total in here.items()}
    scales = []
    for batch in parts:
        scale = np.ones(len(batch))
        for cell, rows in cells(batch.process, batch.hypothesis):
            scale[rows] = ratios[cell] if ratios[cell] > 0 else 1.0
        scales.append(scale)
    return scales


def select(batch: EventBatch, split: Split | None) -> EventBatch:
    """Return the events of one split; all for None."""
    if split is None:
        return batch
    keep = np.flatnonzero(batch.split == SPLITS.index(split))  # faster by far than a mask, with many columns
    return EventBatch(
        columns={name: values[keep] for name, values in batch.columns.items()},
        label=batch.label[keep],
        weight=batch.weight[keep],
        process=batch.process[keep],
        split=batch.split[keep],
        hypothesis=None if batch.hypothesis is None else batch.hypothesis[keep],
    )
