"""What every command of `cutflow train` does with its options: make a plan, train, say what came of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.commands.train.request import Request
    from cutflow_cli.models.protocol import Method
    from cutflow_cli.models.training import Training


def comma_separated(text: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Read an option that may be repeated, or hold several values with commas between; None if it was not given."""
    if text is None or not len(text):
        return None
    joined = text if isinstance(text, str) else ",".join(text)
    return tuple(part.strip() for part in joined.split(",") if part.strip())


def numbers(option: str, text: str | Sequence[str] | None) -> tuple[float, ...] | None:
    """Read numbers with commas between.

    Raises:
        UsageError: if a part is no number.
    """
    parts = comma_separated(text)
    if parts is None:
        return None
    try:
        return tuple(float(part) for part in parts)
    except ValueError as error:
        msg = f"--{option} {text}: give numbers with commas between ({error})"
        raise UsageError(msg) from error


def assignments(option: str, text: Sequence[str] | None, example: str) -> dict[str, str] | None:
    """Read an option of the form NAME=VALUE, which may be repeated or hold several with commas between.

    Raises:
        UsageError: if a part has no `=`, or a name comes twice.
    """
    if not text:
        return None
    found: dict[str, str] = {}
    for part in ",".join(text).split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value or name in found:
            msg = f"--{option} {part}: give each observable once, such as --{option} {example}"
            raise UsageError(msg)
        found[name] = value
    return found


def run_method(
    name: str, method: Method, departures: Sequence[str], request: Request, libraries: tuple[str, ...] = ()
) -> None:
    """Train a method as asked and print what it learned.

    Args:
        name: the method's name on the command line.
        method: with its settings.
        departures: notes on where the settings differ from the preset.
        request: all other options.
        libraries: further libraries whose versions are recorded.
    """
    from cutflow_cli.engine.memory import parse_memory
    from cutflow_cli.engine.replicas import parse_replicas
    from cutflow_cli.engine.stop import TimeLimit
    from cutflow_cli.events.folds import Folds
    from cutflow_cli.events.schema import HYPOTHESIS
    from cutflow_cli.events.splits import SplitFractions
    from cutflow_cli.models.folds import run_folds
    from cutflow_cli.models.plan import DEFAULT_MEMORY, TrainingPlan
    from cutflow_cli.models.training import run_training

    limit = None if request.time_limit is None else TimeLimit.parse(request.time_limit)
    for text in departures:
        terminal.note(text)
    plan = TrainingPlan(
        name=name,
        method=method,
        data=request.events,
        out=request.out,
        features=comma_separated(request.features),
        replicas=parse_replicas(request.replicas),
        seed=request.seed,
        fractions=None if request.split is None else SplitFractions.parse(request.split),
        split_seed=request.split_seed,
        hypothesis_column=request.hypothesis_column or HYPOTHESIS,
        device=request.device.value,
        threads=request.threads,
        force=request.force,
        fresh=request.fresh,
        libraries=libraries,
        command=shlex.join(["cutflow", *sys.argv[1:]]),
        keep_state=request.keep_state,
        limit=limit,
        memory=DEFAULT_MEMORY if request.memory is None else parse_memory(request.memory),
    )
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        terminal.note(text)

    with terminal.progress(f"train {name}") as progress:
        if request.folds is None:
            training = run_training(plan, say=say, progress=progress)
        else:
            training = run_folds(
                plan, Folds.of(request.folds, request.split_seed, plan.fractions), say=say, progress=progress
            )
    report(training, said, as_json=request.as_json)


def report(training: Training, said: Sequence[str], *, as_json: bool, how: str | None = None) -> None:
    """Print what was learned.

    Args:
        training: what came of it.
        said: what the user was told before.
        as_json: for machines.
        how: how the run was made; None for the time that its training took.
    """
    from cutflow_cli.artifacts import Action
    from cutflow_cli.export.choose import Choice
    from cutflow_cli.export.handover import export_cuts

    run = training.run
    for text in run.manifest.warnings:
        if text not in said:
            terminal.warning(text)
    for text in run.manifest.notes:
        terminal.note(text)
    done = training.action is Action.DONE
    seconds = run.manifest.timings.get("train", 0.0)
    how = how or f"trained in {seconds:.1f} s on {run.manifest.device}"
    terminal.note(f"{run.path}: {'already done' if done else how}")
    if as_json:
        exported = json.loads(export_cuts(run, "json").text)
        recommended = run.manifest.recommended
        terminal.result_json({"run": str(run.path), "already_done": done, "recommended": recommended, **exported})
        return
    points = tuple(dict.fromkeys(flow.working_point for flow in run.flows))
    masses = tuple(dict.fromkeys(flow.hypothesis for flow in run.flows))
    one = Choice(working_point=run.manifest.recommended, hypothesis=masses[0])
    terminal.result(export_cuts(run, "text", choice=one).text.rstrip())
    parts = []
    if len(points) > 1:
        parts.append(f"{len(points)} working points, of which {run.manifest.recommended} is recommended")
    if len(masses) > 1:
        parts.append(f"a selection for each of {len(masses)} hypotheses, of which the first is shown")
    if parts:
        terminal.note(f"{run.path}: holds {' and '.join(parts)}; `cutflow export-cuts {run.path}` shows them all")
