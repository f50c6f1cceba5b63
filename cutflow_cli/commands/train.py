"""cutflow train: learn a selection."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.engine.device import DeviceChoice
    from cutflow_cli.models.lcf.settings import Strategy
    from cutflow_cli.models.training import Training

app = typer.Typer(help="Learn a selection from an events file.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Learn a selection from an events file."""


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Preset(StrEnum):
    """Publications that LCF reproduces."""

    LCF = "lcf"


class ClassWeight(StrEnum):
    """How the loss weighs the classes."""

    BALANCED = "balanced"
    PHYSICAL = "physical"
    UNIT = "unit"


class NegativeWeight(StrEnum):
    """What training does with negative weights."""

    KEEP = "keep"
    DROP = "drop"
    ABS = "abs"


class Mask(StrEnum):
    """Which events go on to the next observable."""

    APPLIED = "applied"
    PUBLISHED = "published"


class Combination(StrEnum):
    """How two neurons become one cut."""

    BY_SIDE = "by-side"
    PUBLISHED = "published"


class Scale(StrEnum):
    """Unit in which an observable is trained."""

    QUANTILES = "quantiles"
    MOMENTS = "moments"


_SELECTION = "What to learn from"
_TRAINING = "Training"
_RUNNING = "Running"


def _lcf_command(strategy: Strategy) -> Callable[..., None]:
    """Make the command of one LCF strategy: one model, one set of options, one difference."""

    def command(
        events: Annotated[Path, typer.Argument(metavar="EVENTS", help="Events file (Parquet) to learn from.")],
        out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Run directory to write.")],
        features: Annotated[
            str | None,
            typer.Option(
                help="Observables, comma-separated, in the order of the flow.",
                show_default="the file's own",
                rich_help_panel=_SELECTION,
            ),
        ] = None,
        center: Annotated[
            list[str] | None,
            typer.Option(
                metavar="X=VALUE",
                help="Where to divide an observable; may be repeated, or comma-separated.",
                show_default="the signal's trimmed mean on train",
                rich_help_panel=_SELECTION,
            ),
        ] = None,
        split: Annotated[
            str | None,
            typer.Option(
                metavar="T,V,E",
                help="Shares of train, validation and test, for a file without a split column.",
                show_default="0.6,0.2,0.2",
                rich_help_panel=_SELECTION,
            ),
        ] = None,
        split_seed: Annotated[
            int, typer.Option(metavar="N", min=0, help="Seed of that assignment.", rich_help_panel=_SELECTION)
        ] = 0,
        preset: Annotated[
            Preset | None,
            typer.Option(
                help="lcf: the published method to the letter (arXiv:2503.22498); needs --center for each observable.",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        settings: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="TOML or YAML file with any of these settings, underscores in names; options override it.",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        epochs: Annotated[
            int | None,
            typer.Option(
                metavar="N",
                min=1,
                help="Passes over the training split.",
                show_default="what makes the paper's 39 200 steps: 200 for 100 000 events",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        batch_size: Annotated[
            int | None,
            typer.Option(metavar="N", min=1, help="Events per step.", show_default="512", rich_help_panel=_TRAINING),
        ] = None,
        learning_rate: Annotated[
            float | None,
            typer.Option(metavar="X", help="Adam's learning rate.", show_default="0.001", rich_help_panel=_TRAINING),
        ] = None,
        threshold: Annotated[
            float | None,
            typer.Option(
                metavar="P",
                help="Output above which a neuron passes an event; higher is tighter.",
                show_default="0.5",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        min_importance: Annotated[
            float | None,
            typer.Option(
                metavar="X",
                help="Share of the uniform importance, 1/n, at or below which a cut is not applied.",
                show_default="0.05",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        class_weights: Annotated[
            ClassWeight | None,
            typer.Option(
                help="Event weights in the loss: each class to the same sum, as they are, or one each.",
                show_default="balanced",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        negative_weights: Annotated[
            NegativeWeight | None,
            typer.Option(
                help="Negative weights in training; yields always keep them.",
                show_default="keep",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        bootstrap: Annotated[
            bool | None,
            typer.Option(
                "--bootstrap/--no-bootstrap",
                help="Give each replica its own bootstrap of the training split.",
                show_default="no-bootstrap",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        scale: Annotated[
            Scale | None,
            typer.Option(
                help="Unit in which an observable is trained: half its 16-84 % interval, or its standard deviation.",
                show_default="quantiles",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        trim: Annotated[
            float | None,
            typer.Option(
                metavar="X",
                help="Share of an observable's values, at either end, that do not count in its own loss.",
                show_default="0.05",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        combination: Annotated[
            Combination | None,
            typer.Option(
                help="How two neurons become one cut: each decides about its own side, or as published.",
                show_default="by-side",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        mask: Annotated[
            Mask | None,
            typer.Option(
                help="Events that go on in a sequential flow: those of the cut as applied, or as published.",
                show_default="applied",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        min_effective_events: Annotated[
            float | None,
            typer.Option(
                metavar="N",
                help="With fewer effective events of a class left, the next observable of a sequential flow "
                "trains on all.",
                show_default="100",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        tidy: Annotated[
            bool | None,
            typer.Option(
                "--tidy/--no-tidy",
                help="Drop boundaries that reject no training event, and cuts that keep no signal.",
                show_default="tidy",
                rich_help_panel=_TRAINING,
            ),
        ] = None,
        replicas: Annotated[
            str,
            typer.Option(
                metavar="R",
                help="Independent repeats, or a block of them: 5:10 gives replicas 5 to 9 of a longer run.",
                rich_help_panel=_TRAINING,
            ),
        ] = "10",
        seed: Annotated[
            int, typer.Option(metavar="N", min=0, help="Seed of everything random.", rich_help_panel=_TRAINING)
        ] = 0,
        device: Annotated[Device, typer.Option(help="Where to train.", rich_help_panel=_RUNNING)] = Device.AUTO,
        threads: Annotated[
            int | None,
            typer.Option(
                metavar="N",
                help="Threads.",
                show_default="OMP_NUM_THREADS, or the cores at hand",
                rich_help_panel=_RUNNING,
            ),
        ] = None,
        force: Annotated[
            bool,
            typer.Option(
                "--force", help="Replace an output made from other inputs or settings.", rich_help_panel=_RUNNING
            ),
        ] = False,
        fresh: Annotated[
            bool,
            typer.Option("--fresh", help="Forget an unfinished training and start over.", rich_help_panel=_RUNNING),
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_RUNNING)
        ] = False,
    ) -> None:
        given = {
            "preset": preset, "centers": _centers(center), "epochs": epochs, "batch_size": batch_size,
            "learning_rate": learning_rate, "threshold": threshold, "min_importance": min_importance,
            "class_weights": class_weights, "negative_weights": negative_weights, "bootstrap": bootstrap,
            "scale": scale, "trim": trim, "combination": combination, "mask": mask,
            "min_effective_events": min_effective_events, "tidy": tidy,
        }  # fmt: skip
        chosen = {name: str(value) if isinstance(value, StrEnum) else value
                  for name, value in given.items() if value is not None}  # fmt: skip
        _run_lcf(
            strategy, events, out, chosen, settings, features=features, split=split, split_seed=split_seed,
            replicas=replicas, seed=seed, device=device.value, threads=threads, force=force, fresh=fresh,
            as_json=as_json,
        )  # fmt: skip

    return command


def _centers(options: list[str] | None) -> dict[str, float] | None:
    if not options:
        return None
    centers: dict[str, float] = {}
    for part in ",".join(options).split(","):
        name, equals, value = part.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not equals or math.isnan(number) or name.strip() in centers:
            msg = f"--center {part}: give each observable's centre once, such as --center tau21=0.4"
            raise UsageError(msg)
        centers[name.strip()] = number
    return centers


def _run_lcf(
    strategy: Strategy, events: Path, out: Path, chosen: dict[str, Any], settings_file: Path | None, *,
    features: str | None, split: str | None, split_seed: int, replicas: str, seed: int, device: DeviceChoice,
    threads: int | None, force: bool, fresh: bool, as_json: bool,
) -> None:  # fmt: skip
    from cutflow_cli.engine.replicas import parse_replicas
    from cutflow_cli.events.splits import SplitFractions
    from cutflow_cli.models.lcf.model import LearnableCutFlow
    from cutflow_cli.models.lcf.settings import checked_settings
    from cutflow_cli.models.training import TrainingPlan, run_training

    names = None if features is None else tuple(name.strip() for name in features.split(",") if name.strip())
    resolved, departures = checked_settings(strategy, chosen, settings_file)
    for text in departures:
        terminal.note(text)
    plan = TrainingPlan(
        name=f"lcf-{strategy}", method=LearnableCutFlow(resolved), data=events, out=out, features=names,
        replicas=parse_replicas(replicas), seed=seed, fractions=None if split is None else SplitFractions.parse(split),
        split_seed=split_seed, device=device, threads=threads, force=force, fresh=fresh,
        command=shlex.join(["cutflow", *sys.argv[1:]]),
    )  # fmt: skip
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        terminal.note(text)

    with terminal.progress(f"training {plan.name}") as progress:
        training = run_training(plan, say=say, progress=progress)
    _report(training, said, as_json=as_json)


def _report(training: Training, said: Sequence[str], *, as_json: bool) -> None:
    from cutflow_cli.artifacts import Action
    from cutflow_cli.export.handover import export_cuts

    run = training.run
    for text in run.manifest.warnings:
        if text not in said:
            terminal.warning(text)
    done = training.action is Action.DONE
    seconds = run.manifest.timings.get("train", 0.0)
    terminal.note(f"{run.path}: {'already done' if done else f'trained in {seconds:.1f} s on {run.manifest.device}'}")
    if as_json:
        exported = json.loads(export_cuts(run, "json").text)
        terminal.result_json({"run": str(run.path), "already_done": done, **exported})
    else:
        terminal.result(export_cuts(run, "text").text.rstrip())


app.command("lcf-parallel", help="Learnable Cut Flow, every observable on all events (arXiv:2503.22498).")(
    _lcf_command("parallel")
)
app.command("lcf-sequential", help="Learnable Cut Flow, every observable on what earlier cuts keep.")(
    _lcf_command("sequential")
)
