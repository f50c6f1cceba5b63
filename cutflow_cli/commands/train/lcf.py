"""cutflow train lcf-parallel, lcf-sequential: Learnable Cut Flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import SELECTION, TRAINING, Device
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import assignments, run_method
from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.models.lcf.settings import Strategy


class Preset(StrEnum):
    """Publications that LCF reproduces."""

    LCF = "lcf"


class CutOrder(StrEnum):
    """In which order a sequential flow cuts."""

    GIVEN = "given"
    LEARNED = "learned"


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


@dataclass(frozen=True, slots=True)
class LcfRequest(Request):
    """What a Learnable Cut Flow can be asked."""

    replicas: options.Replicas = "10"
    device: Annotated[
        Device,
        typer.Option(
            "--device",
            help="Where to train; a GPU is faster only with batches of thousands of events.",
            rich_help_panel=options.RUNNING,
        ),
    ] = Device.CPU
    memory: options.Memory = None
    centers: Annotated[
        list[str] | None,
        typer.Option(
            "--center",
            metavar="X=VALUE",
            help="Where to divide an observable; may be repeated, or comma-separated.",
            show_default="the signal's trimmed mean on train",
            rich_help_panel=SELECTION,
        ),
    ] = None
    order: Annotated[
        CutOrder | None,
        typer.Option(
            help="Cuts in the order of the features, or in one that a short parallel training finds.",
            show_default="given",
            rich_help_panel=SELECTION,
        ),
    ] = None
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="lcf: the published method to the letter (arXiv:2503.22498); needs --center for each observable.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    settings: options.SettingsFile = None
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Passes over the training split.",
            show_default="what makes the paper's 39 200 steps: 200 for 100 000 events",
            rich_help_panel=TRAINING,
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Events per step.", show_default="512", rich_help_panel=TRAINING),
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="Adam's learning rate.", show_default="0.001", rich_help_panel=TRAINING),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Output above which a neuron passes an event; higher is tighter.",
            show_default="0.5",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_importance: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of the uniform importance, 1/n, at or below which a cut is not applied.",
            show_default="0.05",
            rich_help_panel=TRAINING,
        ),
    ] = None
    class_weights: options.ClassWeights = None
    negative_weights: options.NegativeWeights = None
    bootstrap: options.RefinedBootstrap = None
    scale: Annotated[
        Scale | None,
        typer.Option(
            help="Unit in which an observable is trained: half its 16-84 % interval, or its standard deviation.",
            show_default="quantiles",
            rich_help_panel=TRAINING,
        ),
    ] = None
    trim: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of an observable's values, at either end, that do not count in its own loss.",
            show_default="0.05",
            rich_help_panel=TRAINING,
        ),
    ] = None
    combination: Annotated[
        Combination | None,
        typer.Option(
            help="How two neurons become one cut: each decides about its own side, or as published.",
            show_default="by-side",
            rich_help_panel=TRAINING,
        ),
    ] = None
    mask: Annotated[
        Mask | None,
        typer.Option(
            help="Events that go on in a sequential flow: those of the cut as applied, or as published.",
            show_default="applied",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_effective_events: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="With fewer effective events of a class left, the next observable of a sequential flow trains on all.",
            show_default="100",
            rich_help_panel=TRAINING,
        ),
    ] = None
    tidy: Annotated[
        bool | None,
        typer.Option(
            "--tidy/--no-tidy",
            help="Drop boundaries that reject no training event, and cuts that keep no signal.",
            show_default="tidy",
            rich_help_panel=TRAINING,
        ),
    ] = None
    objective: options.Objective = None
    background_systematic: options.BackgroundSystematic = None
    min_effective_background: options.MinEffectiveBackground = None
    optimism_folds: options.OptimismFolds = None


def lcf_command(strategy: Strategy) -> Callable[..., None]:
    """Make the command of one LCF strategy: one model, one set of options, one difference."""

    @command(LcfRequest)
    def lcf(request: LcfRequest) -> None:
        from cutflow_cli.models.lcf.model import LearnableCutFlow
        from cutflow_cli.models.lcf.settings import checked_settings

        chosen = given(request, centers=_centers(request.centers))
        resolved, departures = checked_settings(strategy, chosen, request.settings)
        run_method(f"lcf-{strategy}", LearnableCutFlow(resolved), departures, request)

    return lcf


def _centers(given_centers: list[str] | None) -> dict[str, float] | None:
    found = assignments("center", given_centers, "tau21=0.4")
    if found is None:
        return None
    centers: dict[str, float] = {}
    for name, value in found.items():
        try:
            centers[name] = float(value)
        except ValueError:
            centers[name] = math.nan
        if math.isnan(centers[name]):
            msg = f"--center {name}={value}: give each observable's centre once, such as --center tau21=0.4"
            raise UsageError(msg)
    return centers
