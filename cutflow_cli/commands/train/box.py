"""cutflow train box: the best rectangular selection for an objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.cut_and_count import CountedWeight
from cutflow_cli.commands.train.options import TRAINING, Device
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import numbers, run_method

HELP = "The best rectangular selection for a figure of merit or at given signal efficiencies, on smoothed backgrounds."


@dataclass(frozen=True, slots=True)
class BoxRequest(Request):
    """What the search can be asked."""

    device: Device = Device.CPU
    settings: options.SettingsFile = None
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FORMULA",
            help="What to make large: asimov, s-sqrt-b, s-sqrt-s-plus-b, punzi, balanced_accuracy, accuracy, or a "
            "formula in s, b, sigma_s and sigma_b such as 's / sqrt(b + sigma_b**2)'.",
            show_default="asimov",
            rich_help_panel=TRAINING,
        ),
    ] = None
    background_systematic: options.BackgroundSystematic = None
    signal_efficiencies: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,…",
            help="A box of least background for each of these, rather than one for the objective.",
            show_default="none",
            rich_help_panel=TRAINING,
        ),
    ] = None
    max_cuts: Annotated[
        int | None,
        typer.Option(
            metavar="K", help="Cut on so many observables at most.", show_default="all of use", rich_help_panel=TRAINING
        ),
    ] = None
    class_weights: Annotated[
        CountedWeight | None,
        typer.Option(
            help="What S and B count: expected events, or simulated ones.",
            show_default="physical",
            rich_help_panel=TRAINING,
        ),
    ] = None
    negative_weights: options.NegativeWeights = None
    smooth: Annotated[
        bool | None,
        typer.Option(
            "--smooth/--no-smooth",
            help="Predict the background from one- and two-dimensional distributions, or only count it.",
            show_default="smooth",
            rich_help_panel=TRAINING,
        ),
    ] = None
    bins: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Equal shares of both classes at which boundaries are tried; the tails get more.",
            show_default="100",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_effective_events: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Events' worth that must be known of the background kept: 1/δ² for a relative error δ; 0 for no "
            "such rule.",
            show_default="10",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_gain: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of the objective that each boundary must add.",
            show_default="what chance adds: √(1/N_s+1/N_b)/2, 0.002 at least",
            rich_help_panel=TRAINING,
        ),
    ] = None
    chance: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Simulated background events that each boundary is taken to reject by chance, times n^⅓ of n kept.",
            show_default="1",
            rich_help_panel=TRAINING,
        ),
    ] = None
    starts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Climbs from different boxes.", show_default="20", rich_help_panel=TRAINING),
    ] = None
    optimism_folds: options.OptimismFolds = None
    bootstrap: options.NeededBootstrap = None


@command(BoxRequest)
def box(request: BoxRequest) -> None:
    """Search as asked."""
    from cutflow_cli.metrics.objectives import parse_objective
    from cutflow_cli.models.box.model import BoxSearch
    from cutflow_cli.models.box.settings import PRESETS, BoxSettings
    from cutflow_cli.models.settings import checked_settings

    if request.objective is not None:
        parse_objective(request.objective)  # says more of what is wrong with it than the settings can
    chosen = given(request, signal_efficiencies=numbers("signal-efficiencies", request.signal_efficiencies))
    resolved, departures = checked_settings(BoxSettings, PRESETS, chosen, request.settings)
    run_method("box", BoxSearch(resolved), departures, request)
