"""One library call for `cutflow train`: events file in, run directory out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cutflow_cli import __version__
from cutflow_cli.artifacts import Action, digest, open_work_directory
from cutflow_cli.cut_rows import version_for
from cutflow_cli.engine.checkpoint import Arrays, save_checkpoint
from cutflow_cli.engine.device import DeviceChoice, resolve_device, resolve_threads
from cutflow_cli.engine.stop import StopRequest, TimeLimit
from cutflow_cli.errors import Interrupted, TemporaryError, UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.checks import check_sample
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.schema import HYPOTHESIS, SPLIT, FeatureInfo
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.stream import SplitStream, training_events
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.models.binning import BinnedMethod
from cutflow_cli.models.protocol import Fitted, Method, TrainingContext
from cutflow_cli.models.state import STATE, save_state
from cutflow_cli.models.streaming.source import Source, StreamingMethod
from cutflow_cli.runs import (
    CUTS,
    FOLD,
    FOLDS,
    HISTORY,
    MANIFEST,
    Run,
    RunManifest,
    open_run,
    write_cut_flows,
    write_table,
)

CHECKPOINT = "checkpoint.npz"
#: Bytes that the events of a training may take; what needs more streams. Not of the machine: results depend on it.
DEFAULT_MEMORY = 1.5e9


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train, on what, and where to put it.

    Attributes:
        name: the method's name on the command line.
        method: the method, with its resolved settings.
        data: the events file.
        out: the run directory.
        features: which features, in the order of the flow; None for the file's own.
        replicas: which replicas.
        seed: seed of everything random.
        fractions: shares of the splits, for a file without a split column; None for the default.
        split_seed: seed of that assignment.
        hypothesis_column: which column of a plain file holds the signal's mass points.
        folds: train once for each fold, which that training does not see; None to train once, on the split for it.
        fold: train on all folds but this one; None for all trainings.
        device: where to train.
        threads: how many threads; None for what the machine allows.
        force: replace an output that was made from something else.
        fresh: forget earlier unfinished work.
        libraries: further libraries whose versions the numbers depend on.
        command: the command line, for the record.
        keep_state: keep the end of the training in the run directory, so that blocks of replicas can be merged.
        limit: when to save a checkpoint and stop; None for never.
        memory: bytes above which a method that can streams its events rather than hold them in memory.
    """

    name: str
    method: Method
    data: Path
    out: Path
    features: tuple[str, ...] | None = None
    replicas: range = range(10)
    seed: int = 0
    fractions: SplitFractions | None = None
    split_seed: int = 0
    hypothesis_column: str = HYPOTHESIS
    folds: Folds | None = None
    fold: int | None = None
    device: DeviceChoice = "auto"
    threads: int | None = None
    force: bool = False
    fresh: bool = False
    libraries: tuple[str, ...] = ()
    command: str | None = None
    keep_state: bool = False
    limit: TimeLimit | None = None
    memory: float = DEFAULT_MEMORY


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
    device = resolve_device(plan.device if state is None else "auto")
    events = open_for_training(plan)
    recorded = device if state is None else plan.device
    wanted = plan_digest(plan, events, recorded)
    fresh = plan.fresh or state is not None
    work = open_work_directory(plan.out, MANIFEST, wanted, force=plan.force, fresh=fresh, scratch=(CHECKPOINT,))
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


def open_for_training(plan: TrainingPlan) -> EventsFile:
    """Open the events of a plan, divided as it says.

    Raises:
        InputError: if they can't be read.
        UsageError: if an option does not fit them.
    """
    events = open_events(plan.data, plan.features, plan.fractions, plan.split_seed, plan.hypothesis_column)
    binning = plan.method.binning if isinstance(plan.method, BinnedMethod) else None
    if binning is not None and binning.observable in events.features:
        if plan.features is not None:
            msg = f"--features: {binning.observable} is what cuts are binned in, so they can't cut on it; leave it out"
            raise UsageError(msg)
        others = tuple(name for name in events.features if name != binning.observable)
        events = open_events(plan.data, others, plan.fractions, plan.split_seed, plan.hypothesis_column)
    if plan.folds is not None:
        return events.with_folds(plan.folds, plan.fold)
    if SPLIT in events.reserved_columns and (plan.fractions is not None or plan.split_seed):
        msg = f"{plan.data}: has its own column 'split'; --split and --split-seed do not apply"
        raise UsageError(msg)
    return events


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


def must_stream(plan: TrainingPlan, events: EventsFile) -> bool:
    """Say whether a training streams: the method can, and needs more memory than allowed to hold the events."""
    if not isinstance(plan.method, StreamingMethod):
        return False
    return plan.method.memory(training_events(events), len(events.features)) > plan.memory


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


def plan_digest(plan: TrainingPlan, events: EventsFile, device: str) -> str:
    """Digest of everything that the result depends on."""
    described = {
        "method": plan.name,
        "settings": plan.method.settings.model_dump(mode="json"),
        "data": events.digest,
        "features": events.features,
        "seed": plan.seed,
        "replicas": [plan.replicas.start, plan.replicas.stop],
        "split": None if plan.fractions is None else plan.fractions.as_tuple(),
        "split_seed": plan.split_seed,
        "hypothesis_column": plan.hypothesis_column,
        "device": device,
    }
    if plan.folds is not None:
        described["folds"] = [plan.folds.as_json(), plan.fold]
    if must_stream(plan, events):
        described["streams"] = True
    return digest(described)


def _columns(events: EventsFile, names: Sequence[str]) -> tuple[FeatureInfo, ...]:
    known = {feature.name: feature for feature in events.metadata.features}
    return tuple(replace(known.get(name, FeatureInfo(name)), dtype=events.column_type(name)) for name in names)


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


def manifest_of(
    plan: TrainingPlan, events: EventsFile, device: str, wanted: str, fitted: Fitted, timings: dict[str, float]
) -> RunManifest:
    """Describe a run.

    Args:
        plan: what was trained.
        events: on what.
        device: where.
        wanted: digest of inputs and settings.
        fitted: what came of it.
        timings: seconds by stage.
    """
    return RunManifest(
        method=plan.name,
        settings={**plan.method.settings.model_dump(mode="json"), **fitted.resolved},
        features=_columns(events, events.features),
        preselection=events.metadata.preselection,
        per_object=events.metadata.per_object,
        spectators=_columns(events, plan.method.spectators),
        scores=() if fitted.scorer is None else fitted.scorer.names,
        data={
            "path": str(plan.data),
            "digest": events.digest,
            "events": events.rows,
            **_assignment(plan, events),
            "hypothesis_column": plan.hypothesis_column,
            "streamed": must_stream(plan, events),
        },
        digest=wanted,
        seed=plan.seed,
        replicas=(plan.replicas.start, plan.replicas.stop),
        device=device,
        timings=timings,
        versions=_versions(("numpy", "torch", "numba", "pyarrow", *plan.libraries)),
        warnings=fitted.warnings,
        notes=fitted.notes,
        recommended=fitted.recommended,
        command=plan.command,
        schema_version=version_for(fitted.flows),
    )


def _assignment(plan: TrainingPlan, events: EventsFile) -> dict[str, Any]:
    """Say how events were divided."""
    if plan.folds is not None:
        return {FOLDS: plan.folds.as_json(), FOLD: plan.fold}
    if SPLIT in events.reserved_columns:
        return {"split_fractions": None, "split_seed": None}
    fractions = plan.fractions or SplitFractions()
    return {"split_fractions": list(fractions.as_tuple()), "split_seed": plan.split_seed}


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "cutflow": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }
