"""Training of LCF on samples that are not held in memory.

A parallel flow trains on events that stand in for the sample (`prepare_stream`), a sequential one on all events, window
by window (`engine.windows`). What looks at events after the training (tidying, N−1 losses, warnings) reads the file
again. Memory is set by the window, not by the sample; nothing but the order of sums and, for a parallel flow, the
stand-ins makes the result another than in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.loop import Stepper, history_columns, train
from cutflow_cli.engine.randomness import part_order
from cutflow_cli.engine.windows import Windows, window_count
from cutflow_cli.events.splits import uniform
from cutflow_cli.events.stream import SplitStream, StreamBatch
from cutflow_cli.models.lcf.flow import untidied_flow, without_centre_errors
from cutflow_cli.models.lcf.prepare import Units, distance
from cutflow_cli.models.lcf.prepare_stream import epoch_shape, stand_ins, units_of
from cutflow_cli.models.lcf.settings import LcfSettings, resolve_epochs
from cutflow_cli.models.lcf.stream_steppers import OneByOne, RepeatedPasses, WindowStepper
from cutflow_cli.models.lcf.tidy_stream import tidied_by_stream
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.streaming.flows import worth_of
from cutflow_cli.models.streaming.overview import Overview, glance, overview
from cutflow_cli.models.streaming.source import Source
from cutflow_cli.selection.cutflow import CutFlow, consensus

#: Sets apart which window an event is dealt to from all other choices by row number.
_WINDOW_STREAM = 0x717D0


def fit_stream(
    settings: LcfSettings,
    source: Source,
    context: TrainingContext,
    make: Callable[..., Stepper],
) -> Fitted:
    """Train all replicas and combine them.

    Args:
        settings: what to train.
        source: the events.
        context: seed, replicas, device, checkpoint.
        make: makes the stepper for events in memory: data, settings, replicas, threads, order of events.

    Returns:
        One flow per replica, then their consensus, with N-1 losses on train.
    """
    started, stream = time.perf_counter(), source.stoppable(context.stop_reason).train
    seen = overview(stream, glance(stream, context.seed), settings.class_weights, settings.negative_weights)
    notes = seen.check(stream, features_named=source.features_named)
    for text in notes:
        source.say(text)
    units = units_of(seen, stream.features, settings)
    parallel = settings.strategy == "parallel"
    stepper, events = (
        _parallel(seen, units, settings, context, make)
        if parallel
        else _windowed(stream, seen, units, settings, context)
    )
    epochs = resolve_epochs(settings, events)
    prepared = time.perf_counter()
    try:
        history = train(
            stepper,
            epochs,
            checkpoint=context.checkpoint,
            stop_reason=context.stop_reason,
            progress=context.progress,
        )
        state = stepper.state()
    finally:
        if isinstance(stepper, WindowStepper):
            stepper.close()
    trained = time.perf_counter()
    flows = [
        untidied_flow(
            state["params"][row], state["unmasked"][row], units, stream.dtypes, stream.features, settings, replica
        )
        for row, replica in enumerate(context.replicas)
    ]
    agreed, concerns = _combined(flows, stream, units, settings, context.threads)
    columns = history_columns(history, context.replicas)
    timings = {"prepare": prepared - started, "train": trained - prepared, "combine": time.perf_counter() - trained}
    how: dict[str, Any] = {"streamed": "histograms" if parallel else "windows", "events_per_epoch": events}
    return Fitted(agreed, columns, (*notes, *concerns), timings, {"epochs": epochs, **how})


def _combined(
    flows: list[CutFlow], stream: SplitStream, units: Units, settings: LcfSettings, threads: int
) -> tuple[tuple[CutFlow, ...], tuple[str, ...]]:
    """Do what `LearnableCutFlow.fit` does with its flows, in as few passes as may be."""
    if settings.tidy:
        flows = tidied_by_stream(flows, stream, settings, threads)
    agreed = without_centre_errors(consensus(flows).rounded(stream.dtypes), units.centre)
    if settings.tidy:
        (agreed,) = tidied_by_stream([agreed], stream, settings, threads)
    worths = worth_of([*flows, agreed], stream, threads)
    return tuple(one.filled_in() for one in worths), worths[-1].concerns()


def _parallel(
    seen: Overview, units: Units, settings: LcfSettings, context: TrainingContext, make: Callable[..., Stepper]
) -> tuple[Stepper, int]:
    """Make what trains a parallel flow, and say how many events are an epoch."""
    points, passes = epoch_shape(seen.glance.total)
    repeats = -(-seen.glance.total // points)
    plain = settings.model_copy(update={"bootstrap": False})  # the stand-ins are of the bootstrap already

    def order(seed: int, replica: int, part: int, events: int) -> NDArray[np.int32]:
        return part_order(seed, replica, part, events, repeats)

    if settings.bootstrap:
        each = [
            make(stand_ins(seen, units, context.seed, replica), plain, range(replica, replica + 1), 1, order)
            for replica in context.replicas
        ]
        threads = context.threads if context.device == "cpu" else 1  # what records on a GPU must do so alone
        return RepeatedPasses(OneByOne(each, threads), passes), points * passes
    data = stand_ins(seen, units, context.seed)
    return RepeatedPasses(make(data, plain, context.replicas, context.threads, order), passes), points * passes


def _windowed(
    stream: SplitStream, seen: Overview, units: Units, settings: LcfSettings, context: TrainingContext
) -> tuple[Stepper, int]:
    """Make what trains a sequential flow, and say how many events are an epoch."""
    count = window_count(seen.glance.total, len(stream.features) + 2)
    sizes = np.zeros(count, dtype=np.int64)
    for batch in stream.batches():
        sizes += np.bincount(_window_of(batch, count, context.seed), minlength=count)

    def fill() -> Windows:
        windows = Windows(sizes, len(stream.features) + 2)
        try:
            for batch in stream.batches():
                windows.add(_window_of(batch, count, context.seed), _packed(batch, seen, units))
        except BaseException:
            windows.close()
            raise
        return windows

    return WindowStepper(fill, sizes, units, settings, context.seed, context.replicas, context.threads), int(
        sizes.sum()
    )


def _window_of(batch: StreamBatch, count: int, seed: int) -> NDArray[np.int64]:
    """Deal events to windows by chance."""
    return np.minimum((uniform(batch.rows, seed + _WINDOW_STREAM) * count).astype(np.int64), count - 1)


def _packed(batch: StreamBatch, seen: Overview, units: Units) -> NDArray[np.float32]:
    """Put what training needs of an event side by side: u of every feature, sign, training weight."""
    packed = np.empty((len(batch), batch.x.shape[1] + 2), dtype=np.float32)
    for i in range(batch.x.shape[1]):
        packed[:, i] = distance(batch.x[:, i].astype(np.float64), units.centre[i], units.std[i])
    packed[:, -2] = np.where(batch.label == 1, np.float32(-1), np.float32(1))
    packed[:, -1] = seen.rule.apply(batch.weight, batch.label)
    return packed
