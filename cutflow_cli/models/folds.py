"""Train once for each fold, so that every event is judged by a training that did not see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cutflow_cli.artifacts import PARTIAL_SUFFIX, Action, WorkDirectory
from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.errors import InputError
from cutflow_cli.events.folds import Folds
from cutflow_cli.models.describe import manifest_of
from cutflow_cli.models.device import device_of
from cutflow_cli.models.plan import TrainingPlan, described_plan, open_for_plan, open_for_training
from cutflow_cli.models.protocol import Fitted
from cutflow_cli.models.training import Training, require_state, run_training
from cutflow_cli.runs import CUTS, HISTORY, MANIFEST, Run, fold_directory, open_run, write_cut_flows, write_table
from cutflow_cli.selection.cutflow import CutFlow, consensus

#: Which selection a flow is.
Key = tuple[str, float | None, float | None]


def run_folds(
    plan: TrainingPlan,
    folds: Folds,
    *,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[float, str], None] = lambda done, text: None,
    states: Sequence[Arrays] | None = None,
) -> Training:
    """Train a method once for each fold, on the events of all others, and write one run directory.

    The directory holds the trainings as runs of their own, `fold-0` and so on. Its `cuts.parquet` holds the consensus
    of each as a replica, and their consensus; evaluation applies to each event the selection that did not see it.

    Args:
        plan: what to train.
        folds: how to divide the events.
        say: told what a user should know, a sentence at a time.
        progress: told the share done and the current loss.
        states: for each fold the checkpoint to go on from, as `run_training` takes it; None to train.

    Raises:
        InputError: if the events can't be trained on.
        UsageError: if something else is at the output, or an option does not fit the data.
        Interrupted: if a signal asked to stop; the same plan continues.
    """
    plan = replace(plan, folds=folds, fold=None)
    events = open_for_training(plan)
    device = device_of(plan, events) if states is None else plan.device
    work, wanted = open_for_plan(plan, described_plan(plan, events, device), fresh=plan.fresh)
    if work.action is Action.DONE:
        run = open_run(plan.out)
        for fold in run.folds:
            require_state(fold, plan)
        return Training(run, work.action)
    said: set[str] = set()

    def say_once(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    runs = _train_each(plan, folds, work, say_once, progress, states)
    fitted = together(runs)
    write_cut_flows(work.path / CUTS, fitted.flows)
    write_table(work.path / HISTORY, fitted.history)
    manifest = manifest_of(plan, events, device, wanted, fitted, fitted.timings)
    replace(manifest, scores=runs[0].manifest.scores).write(work.path)
    work.finish()
    return Training(open_run(plan.out), work.action)


def _train_each(
    plan: TrainingPlan,
    folds: Folds,
    work: WorkDirectory,
    say: Callable[[str], None],
    progress: Callable[[float, str], None],
    states: Sequence[Arrays] | None,
) -> list[Run]:
    """Train what is not there yet; give up the directory only if nothing was finished in it."""
    runs: list[Run] = []
    try:
        for fold in range(folds.count):

            def step(done: float, text: str, fold: int = fold) -> None:
                progress((fold + done) / folds.count, f"fold {fold}: {text}")

            one = replace(plan, out=fold_directory(work.path, fold), fold=fold, force=False, fresh=False)
            state = None if states is None else states[fold]
            runs.append(run_training(one, say=say, progress=step, state=state).run)
    except BaseException:
        if not _has_work(work.path):
            work.abandon()
        raise
    return runs


def _has_work(directory: Path) -> bool:
    return any(directory.glob(f"fold-*/{MANIFEST}")) or any(directory.glob(f"fold-*{PARTIAL_SUFFIX}"))


def together(runs: Sequence[Run]) -> Fitted:
    """Put the trainings of all folds together.

    Args:
        runs: one for each fold.

    Returns:
        The consensus of each fold as a replica of its number, and their consensus, for each working point and mass
        point; histories with replicas numbered on from fold to fold; what each had to say.
    """
    flows: list[CutFlow] = []
    for members in _by_selection(runs):
        flows += members
        flows.append(_agreed(members))
    return Fitted(
        flows=tuple(flows),
        history=_histories(runs),
        warnings=_said([run.manifest.warnings for run in runs]),
        notes=_said([run.manifest.notes for run in runs]),
        timings=_added([run.manifest.timings for run in runs]),
        resolved=_common([run.manifest.settings for run in runs]),
        recommended=_commonest([run.manifest.recommended for run in runs]),
    )


def _by_selection(runs: Sequence[Run]) -> list[list[CutFlow]]:
    """Find the selections that every fold has, with the consensus of each fold."""
    found: dict[Key, list[CutFlow]] = {}
    for fold, run in enumerate(runs):
        for flow in run.flows:
            if flow.kind == "consensus":
                key = (flow.working_point, flow.target, flow.hypothesis)
                found.setdefault(key, []).append(replace(flow, kind="replica", replica=fold))
    complete = [members for members in found.values() if len(members) == len(runs)]
    if not complete:
        msg = f"{runs[0].path.parent}: the folds have no selection in common; train again"
        raise InputError(msg)
    return complete


def _agreed(members: Sequence[CutFlow]) -> CutFlow:
    """Return the consensus; where folds cut in another order, in the order of the first."""
    order = members[0].observables
    return consensus(
        [
            replace(flow, steps=tuple(sorted(flow.steps, key=lambda step: order.index(step.cut.observable))))
            if sorted(flow.observables) == sorted(order)
            else flow
            for flow in members
        ]
    )


def _histories(runs: Sequence[Run]) -> dict[str, Any]:
    """Return all histories in one table, in which replicas are numbered on from fold to fold."""
    parts = []
    for fold, run in enumerate(runs):
        table = run.history()
        first, last = run.manifest.replicas
        if "replica" in table.column_names:
            position = table.column_names.index("replica")
            numbers = np.asarray(table.column("replica").to_numpy()) - first + fold * (last - first)
            table = table.set_column(position, "replica", pa.array(numbers, table.schema.field("replica").type))
        parts.append(table.append_column("fold", pa.array(np.full(len(table), fold, dtype=np.int32))))
    whole = pa.concat_tables(parts, promote_options="default")
    return {name: whole.column(name) for name in whole.column_names}


def _said(by_fold: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Say what each training had to say once, with the folds that it is of."""
    found: dict[str, list[int]] = {}
    for fold, texts in enumerate(by_fold):
        for text in texts:
            found.setdefault(text, []).append(fold)
    return tuple(
        text if len(folds) == len(by_fold) else f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}: {text}"
        for text, folds in found.items()
    )


def _added(timings: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in timings for name in one)
    return {name: sum(one.get(name, 0.0) for one in timings) for name in names}


def _common(settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the settings that all trainings have in common."""
    first, *others = settings
    return {name: value for name, value in first.items() if all(name in one and one[name] == value for one in others)}


def _commonest(points: Sequence[str | None]) -> str | None:
    """Return the working point that most folds recommend; the first of them where they are even."""
    return max(dict.fromkeys(points), key=points.count)
