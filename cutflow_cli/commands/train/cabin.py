"""cutflow train cabin-scan: CABIN, cuts for a scan of signal efficiencies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import SELECTION, TRAINING
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import assignments, numbers, run_method
from cutflow_cli.errors import UsageError

HELP = "CABIN: cuts for a scan of target signal efficiencies, learned together (arXiv:2502.08615)."


class Preset(StrEnum):
    """What the publication trains."""

    CABIN = "cabin"
    CABIN_BCE = "cabin-bce"


class Smoothing(StrEnum):
    """How the smoothness term adds up."""

    AVERAGED = "averaged"
    PUBLISHED = "published"


def _number(text: str, shown: str) -> typer.models.OptionInfo:
    """Describe an option that takes a number."""
    option: typer.models.OptionInfo = typer.Option(metavar="X", help=text, show_default=shown, rich_help_panel=TRAINING)
    return option


@dataclass(frozen=True, slots=True)
class CabinRequest(Request):
    """What an efficiency scan can be asked."""

    memory: options.Memory = None
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="E1,E2,…",
            help="Signal efficiencies of the working points, comma-separated, between 0 and 1.",
            show_default="0.01,0.05,0.1,0.2,…,0.9,0.93,0.95",
            rich_help_panel=SELECTION,
        ),
    ] = None
    directions: Annotated[
        list[str] | None,
        typer.Option(
            "--direction",
            metavar="X=SIDE",
            help="Side of an observable that is kept, above or below; may be repeated, or comma-separated.",
            show_default="found on train",
            rich_help_panel=SELECTION,
        ),
    ] = None
    windows: Annotated[
        bool | None,
        typer.Option(
            "--windows/--no-windows",
            help="Allow two-sided cuts where no direction is given.",
            show_default="no-windows",
            rich_help_panel=SELECTION,
        ),
    ] = None
    binned_in: Annotated[
        str | None,
        typer.Option(
            metavar="X:E1,E2,…",
            help="Cuts of their own in each bin of an observable, such as jet_pt:300,325,350,375,400: every bin keeps "
            "the target efficiency, neighbouring bins are tied by --smoothness, events outside fail.",
            show_default="one selection for all events",
            rich_help_panel=SELECTION,
        ),
    ] = None
    fom: options.Fom = None
    objective: options.Objective = None
    background_systematic: options.BackgroundSystematic = None
    min_effective_background: options.MinEffectiveBackground = None
    optimism_folds: options.OptimismFolds = None
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="The published method to the letter: cabin, the scan with equation 8 and table 1; cabin-bce, one "
            "network with cross entropy alone.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    settings: options.SettingsFile = None
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--no-exact",
            help="Finish each working point by a search of the hard cuts: target met within one event, lowest "
            "background on train.",
            show_default="exact; no-exact in the presets",
            rich_help_panel=TRAINING,
        ),
    ] = None
    smoothness: Annotated[
        float | None,
        _number(
            "What the exact step pays, in standard deviations of the background, for a unit of equation 8's "
            "smoothness across working points, with --binned-in across bins; 0 frees them.",
            "10",
        ),
    ] = None
    alpha: Annotated[float | None, _number("Weight of the squared distance to the target.", "10")] = None
    beta: Annotated[float | None, _number("Weight of the background efficiency.", "0.1")] = None
    gamma: Annotated[float | None, _number("Weight of the size of the cuts.", "1e-5")] = None
    delta: Annotated[float | None, _number("Weight of the cross entropy.", "0; the publication has 0.001")] = None
    epsilon: Annotated[float | None, _number("Weight of the smoothness across targets or bins.", "1")] = None
    rho: Annotated[
        float | None, _number("What keeps the smoothness finite where neighbouring cuts are equal.", "0.1")
    ] = None
    smoothing: Annotated[
        Smoothing | None,
        typer.Option(
            help="Smoothness averaged over features and targets, interpolating between unequal targets, or summed "
            "over targets with the midpoint, as published.",
            show_default="averaged",
            rich_help_panel=TRAINING,
        ),
    ] = None
    steepness: Annotated[float | None, _number("Steepness n of the logistic functions.", "15")] = None
    learn_weights: Annotated[
        bool | None,
        typer.Option(
            "--learn-weights/--fixed-weights",
            help="Learn the slope of each neuron too, and with it the side that is kept.",
            show_default="fixed-weights",
            rich_help_panel=TRAINING,
        ),
    ] = None
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Gradient steps, each over the whole training split.",
            show_default="200",
            rich_help_panel=TRAINING,
        ),
    ] = None
    learning_rate: Annotated[float | None, _number("Learning rate of the gradient descent.", "0.5")] = None
    class_weights: options.ClassWeights = None
    negative_weights: options.NegativeWeights = None
    bootstrap: options.NeededBootstrap = None


@command(CabinRequest)
def cabin_scan(request: CabinRequest) -> None:
    """Train an efficiency scan."""
    from cutflow_cli.models.cabin.model import CabinScan
    from cutflow_cli.models.cabin.settings import PRESETS, CabinSettings
    from cutflow_cli.models.settings import checked_settings

    chosen = given(request, targets=numbers("targets", request.targets), directions=_directions(request.directions))
    resolved, departures = checked_settings(CabinSettings, PRESETS, chosen, request.settings)
    run_method("cabin-scan", CabinScan(resolved), departures, request)


def _directions(given_directions: list[str] | None) -> dict[str, str] | None:
    found = assignments("direction", given_directions, "met=above")
    for name, side in (found or {}).items():
        if side not in ("above", "below"):
            msg = f"--direction {name}={side}: a side is above or below, such as --direction {name}=above"
            raise UsageError(msg)
    return found
