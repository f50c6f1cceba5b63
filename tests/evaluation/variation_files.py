"""Events files with systematic variations, small enough to count by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import (
    SPLITS,
    VARIATION,
    EventsMetadata,
    FeatureInfo,
    ProcessInfo,
    VariationInfo,
    WeightSums,
)
from cutflow_cli.events.writer import EventsWriter

PROCESSES = (ProcessInfo("S", "signal"), ProcessInfo("A", "background"), ProcessInfo("B", "background"))
_ORDER = (*SPLITS, VARIATION)

#: process, split, x, weight, weights under variations, mass point
Event = tuple[str, str, float, float, Mapping[str, float], float | None]


def event(process: str, split: str, x: float, weight: float, mass: float | None = None, **varied: float) -> Event:
    """Make an event that variations leave alone, but for those named."""
    return process, split, x, weight, varied, mass


def write_varied(
    path: Path, batch: EventBatch, processes: Sequence[ProcessInfo], weights: Mapping[str, NDArray[np.float64]]
) -> Path:
    """Write events with further weights under variations."""
    infos = tuple(VariationInfo(name, "w", tuple(process.name for process in processes)) for name in weights)
    features = (FeatureInfo("x"), FeatureInfo("y"))
    metadata = EventsMetadata(features, tuple(processes), luminosity=300.0, variations=infos)
    with EventsWriter(path, metadata, hypothesis=batch.hypothesis is not None) as writer:
        writer.write(replace(batch, variations=dict(weights)))
    return path


def write_events(
    path: Path,
    events: Sequence[Event],
    variations: Sequence[str],
    replaced: Mapping[str, Sequence[str]] | None = None,
    processes: Sequence[ProcessInfo] = PROCESSES,
) -> Path:
    """Write events; y is 0 throughout.

    Args:
        path: the file.
        events: with `split` `variation` for those of alternative samples, which are worth nothing where not named.
        variations: names.
        replaced: processes that alternative samples stand for, by variation.
        processes: all of them.
    """
    names = [process.name for process in processes]
    weights = {
        name: np.array(
            [varied.get(name, 0.0 if split == VARIATION else weight) for _, split, _, weight, varied, _ in events]
        )
        for name in variations
    }
    infos = []
    for name in variations:
        samples = {}
        for process in (replaced or {}).get(name, ()):
            own = [w for w, one in zip(weights[name], events, strict=True) if one[:2] == (process, VARIATION) and w]
            samples[process] = WeightSums(len(own), float(np.sum(own)), float(np.sum(np.square(own))))
            for row, one in enumerate(events):
                if one[0] == process and one[1] != VARIATION:
                    weights[name][row] = 0.0
        infos.append(VariationInfo(name, None if samples else "w", (), samples))
    process = np.array([names.index(one[0]) for one in events], dtype=np.int32)
    masses = np.array([np.nan if one[5] is None else one[5] for one in events])
    batch = EventBatch(
        {"x": np.array([one[2] for one in events], np.float32), "y": np.zeros(len(events), np.float32)},
        np.array([processes[p].role == "signal" for p in process], np.int8),
        np.array([one[3] for one in events]),
        process,
        np.array([_ORDER.index(one[1]) for one in events], np.int8),
        masses if np.isfinite(masses).any() else None,
        variations=weights,
    )
    features = (FeatureInfo("x"), FeatureInfo("y"))
    metadata = EventsMetadata(features, tuple(processes), luminosity=300.0, variations=tuple(infos))
    with EventsWriter(path, metadata, hypothesis=batch.hypothesis is not None) as writer:
        writer.write(batch)
    return path
