"""What a training is: its plan, the events it opens, and the digest of all that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutflow_cli.artifacts import WorkDirectory, digest, open_work_directory, read_json
from cutflow_cli.engine.device import DeviceChoice
from cutflow_cli.engine.stop import TimeLimit
from cutflow_cli.errors import UsageError
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.schema import HYPOTHESIS, SPLIT
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.stream import training_events
from cutflow_cli.events.table import EventsFile, open_events
from cutflow_cli.models.binning import BinnedMethod
from cutflow_cli.models.protocol import Method
from cutflow_cli.models.same import digest_beside, first_difference
from cutflow_cli.models.streaming.source import StreamingMethod
from cutflow_cli.runs import MANIFEST

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


def must_stream(plan: TrainingPlan, events: EventsFile) -> bool:
    """Say whether a training streams: the method can, and needs more memory than allowed to hold the events."""
    if not isinstance(plan.method, StreamingMethod):
        return False
    return plan.method.memory(training_events(events), len(events.features)) > plan.memory


def described_plan(plan: TrainingPlan, events: EventsFile, device: str) -> dict[str, Any]:
    """Return everything that the result depends on, JSON-like."""
    described: dict[str, Any] = {
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
    return described


def open_for_plan(
    plan: TrainingPlan, described: Mapping[str, Any], *, fresh: bool, scratch: tuple[str, ...] = ()
) -> tuple[WorkDirectory, str]:
    """Start, continue or skip the run directory of a plan, as `open_work_directory` does.

    A run of a version that lacked settings which the plan has at their defaults is the plan's.

    Returns:
        The work directory, and the digest of the plan.

    Raises:
        UsageError: as `open_work_directory`; of a run of something else it names the first difference.
    """
    manifest = plan.out / MANIFEST
    stored = read_json(manifest) if manifest.is_file() and not plan.force else {}
    wanted = digest(described)
    if stored.get("digest") == (beside := digest_beside(described, plan.method.settings, stored)):
        wanted = beside
    differs = first_difference(described, stored) if stored else ""
    work = open_work_directory(
        plan.out, MANIFEST, wanted, force=plan.force, fresh=fresh, scratch=scratch, differs=differs
    )
    return work, wanted
