"""One library call for `cutflow train`: events file in, run directory out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cutflow_cli.artifacts import Action
from cutflow_cli.engine.checkpoint import Arrays, save_checkpoint
from cutflow_cli.engine.device import resolve_threads
from cutflow_cli.engine.stop import StopRequest
from cutflow_cli.errors import Interrupted, TemporaryError, UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.checks import check_sample
from cutflow_cli.events.stream import SplitStream, training_events
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.describe import manifest_of
from cutflow_cli.models.device import device_of, device_of_merged
from cutflow_cli.models.plan import TrainingPlan, described_plan, must_stream, open_for_plan, open_for_training
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.state import STATE, save_state
from cutflow_cli.models.streaming.source import Source, StreamingMethod
from cutflow_cli.runs import (
    CUTS,
    HISTORY,
    Run,
    open_run,
    write_cut_flows,
    write_table,
)

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True, slots=True)
class Training:
    """What came of it.

    Attributes:
        run: the finished run.
        action: whether it was trained now, continued, or there already.
    """

    run: Run
    action: Action


def run_training(
    plan: TrainingPlan,
    *,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[float, str], None] = lambda done, text: None,
    state: Arrays | None = None,
) -> Training:
    """Train a method and write its run directory.

    Args:
        plan: what to train.
        say: told what a user should know, a sentence at a time.
        progress: told the share done and the current loss.
        state: checkpoint of all replicas from trainings on `plan.device`, to go on from; None to train.

    Raises:
        InputError: if the events can't be trained on.
        UsageError: if something else is at the output, an option does not fit the data, or the time limit is too
            short for anything to be finished.
        Interrupted: if a signal or the time limit asked to stop; the same plan continues.
        TemporaryError: if that was before anything was trained; the same plan starts over.
    """
    events = open_for_training(plan)
    device = device_of(plan, events) if state is None else device_of_merged(plan)
    recorded = device if state is None else plan.device
    fresh = plan.fresh or state is not None
    described = described_plan(plan, events, recorded)
    work, wanted = open_for_plan(plan, described, fresh=fresh, scratch=(CHECKPOINT,))
    if work.action is Action.DONE:
        return Training(require_state(open_run(plan.out), plan), work.action)
    for text in events.notes:
        say(text)
    checkpoint = work.path / CHECKPOINT
    try:
        if state is not None:
            save_checkpoint(checkpoint, state)
        if work.action is Action.CONTINUE and checkpoint.is_file():
            say(f"{work.path}: continuing from its checkpoint")
        _train(plan, events, (device, recorded), wanted, work.path, say, progress)
    except BaseException:
        if state is not None or not checkpoint.is_file():
            work.abandon()
        raise
    work.finish()
    return Training(open_run(plan.out), work.action)


def require_state(run: Run, plan: TrainingPlan) -> Run:
    """Return a run that is there already.

    Raises:
        UsageError: if it lacks the state that the plan asks to keep.
    """
    if plan.keep_state and not (run.path / STATE).is_file():
        msg = f"{run.path}: was trained without --keep-state; --force trains it again"
        raise UsageError(msg)
    return run


def _train(
    plan: TrainingPlan,
    events: EventsFile,
    devices: tuple[str, str],
    wanted: str,
    directory: Path,
    say: Callable[[str], None],
    progress: Callable[[float, str], None],
) -> None:
    """Load, check, train on the first device, and write the run into its work directory as of the second."""
    started = time.perf_counter()
    source = _source(plan, events, say)
    sample, validation, notes = _loaded(plan, events, say) if source is None else (None, None, ())
    loaded = time.perf_counter() - started
    checkpoint = directory / CHECKPOINT
    before = _stamp(checkpoint)
    with StopRequest(plan.limit) as stop:
        context = TrainingContext(
            seed=plan.seed,
            replicas=plan.replicas,
            device=devices[0],
            threads=resolve_threads(plan.threads),
            validation=validation,
            luminosity=events.metadata.luminosity,
            checkpoint=checkpoint,
            stop_reason=stop.why,
            progress=progress,
        )
        try:
            if source is None:
                assert sample is not None
                fitted = plan.method.fit(sample, context)
            else:
                assert isinstance(plan.method, StreamingMethod)
                fitted = plan.method.fit_stream(source, context)
        except Interrupted as interrupted:
            if stop.out_of_time and _stamp(checkpoint) == before:
                msg = f"{stop.reason}: nothing was finished that could be kept for the next start; give more time"
                raise UsageError(msg) from interrupted
            if not checkpoint.is_file():
                msg = f"stopped by {stop.reason}; nothing was trained yet, the same command starts over"
                raise TemporaryError(msg) from interrupted
            raise
    fitted = replace(fitted, warnings=(*notes, *fitted.warnings))
    if plan.keep_state:
        save_state(directory, plan, checkpoint)
    _write(plan, directory, events, devices[1], wanted, fitted, loaded)


def _source(plan: TrainingPlan, events: EventsFile, say: Callable[[str], None]) -> Source | None:
    """Return events to stream, if they must be, and say so."""
    if not must_stream(plan, events):
        return None
    say(
        f"{plan.data}: streams its {training_events(events)} events for training, which would need more than "
        f"{plan.memory / 1e9:.3g} GB in memory (--memory)"
    )
    train, validation = (SplitStream(events, split) for split in ("train", "validation"))
    return Source(train, validation, _features_named(plan, events), say)


def _features_named(plan: TrainingPlan, events: EventsFile) -> bool:
    return plan.features is not None or bool(events.metadata.writer_version)


def _loaded(
    plan: TrainingPlan, events: EventsFile, say: Callable[[str], None]
) -> tuple[EventSample, EventSample | None, tuple[str, ...]]:
    """Hold train and validation in memory, and check them; no validation where it does not have both classes."""
    sample, validation = events.load_splits(("train", "validation"), plan.method.spectators)
    notes = check_sample(sample, plan.data, features_named=_features_named(plan, events))
    for text in notes:
        say(text)
    return sample, validation if len(np.unique(validation.label)) > 1 else None, notes


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tell one state of a file that is replaced from another; None while there is none."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


def _write(
    plan: TrainingPlan, directory: Path, events: EventsFile, device: str, wanted: str, fitted: Fitted, loaded: float
) -> None:
    if fitted.flows:
        write_cut_flows(directory / CUTS, fitted.flows)
    write_table(directory / HISTORY, fitted.history)
    for name, columns in fitted.tables.items():
        write_table(directory / f"{name}.parquet", columns)
    if fitted.scorer is not None:
        fitted.scorer.save(directory)
    manifest_of(plan, events, device, wanted, fitted, {"load": loaded, **fitted.timings}).write(directory)
