"""cutflow train punzi: networks trained on Punzi's smallest detectable cross section."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import SELECTION, TRAINING
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import assignments, run_method

HELP = "Punzi network: one cut that serves all masses of a search for a peak (EPJ C 82:121)."


class Preset(StrEnum):
    """Publications that are reproduced."""

    PUNZI = "punzi"


class MassScale(StrEnum):
    """What the reconstructed mass column holds."""

    SQUARED = "squared"
    LINEAR = "linear"


class Form(StrEnum):
    """Which expression of the smallest detectable signal."""

    PAPER = "paper"
    IMPROVED = "improved"


class Optimiser(StrEnum):
    """What takes the steps."""

    ADAM = "adam"
    SGD = "sgd"


class Unit(StrEnum):
    """Unit in which the network sees a feature."""

    ROBUST = "robust"
    MOMENTS = "moments"
    MIN_MAX = "min-max"
    NONE = "none"


def _training(kind: str, text: str, shown: str, least: float | None = None) -> typer.models.OptionInfo:
    """Describe an option of the training."""
    option: typer.models.OptionInfo = typer.Option(
        metavar=kind, help=text, show_default=shown, min=least, rich_help_panel=TRAINING
    )
    return option


def _search(kind: str, text: str, shown: str) -> typer.models.OptionInfo:
    """Describe an option of the hypotheses and their windows."""
    option: typer.models.OptionInfo = typer.Option(
        metavar=kind, help=text, show_default=shown, rich_help_panel=SELECTION
    )
    return option


@dataclass(frozen=True, slots=True)
class PunziRequest(Request):
    """What Punzi networks can be asked."""

    hypothesis_column: Annotated[
        str | None,
        _search(
            "COLUMN", "Mass that signal events were generated with, in a file not written by cutflow.", "hypothesis"
        ),
    ] = None
    replicas: options.Replicas = "10"
    mass_column: Annotated[
        str | None,
        _search("COLUMN", "Reconstructed mass in which each hypothesis has its window.", "no windows"),
    ] = None
    mass_scale: Annotated[
        MassScale | None,
        typer.Option(
            help="Whether that column holds the mass or its square, for windows without a centre.",
            show_default="squared",
            rich_help_panel=SELECTION,
        ),
    ] = None
    windows: Annotated[
        Path | None,
        _search("FILE", "CSV table of masses, centres and widths of the windows.", "fitted to the signal's core"),
    ] = None
    window_columns: Annotated[
        list[str] | None,
        _search(
            "WHAT=COLUMN",
            "Which columns of the table hold mass, centre, width and generated events; may be repeated.",
            "found by their names",
        ),
    ] = None
    n_sigma: Annotated[float | None, _search("X", "Half the size of a window, in widths.", "2")] = None
    holdout_hypotheses: Annotated[
        str | None,
        _search("M1,M2,…", "Masses to evaluate but not to train on: every-second, or which.", "none"),
    ] = None
    generated_events: Annotated[
        float | None,
        _search(
            "N",
            "Generated signal events of each mass that the file stands for, so that ε counts from them.",
            "those in the file",
        ),
    ] = None
    luminosity: Annotated[float | None, _search("X", "Luminosity in fb^-1, for σ_min in fb.", "that of the events")] = (
        None
    )
    preset: Annotated[
        Preset | None,
        typer.Option(help="punzi: the publication to the letter (EPJ C 82:121, section 5).", rich_help_panel=TRAINING),
    ] = None
    settings: options.SettingsFile = None
    form: Annotated[
        Form | None,
        typer.Option(
            help="σ_min as printed in equation 9, or as the released code has it.",
            show_default="paper",
            rich_help_panel=TRAINING,
        ),
    ] = None
    a: Annotated[float | None, _training("X", "Significance of the discovery, in standard deviations.", "3")] = None
    b: Annotated[float | None, _training("X", "Standard deviations of its power.", "1.28155, for 90 %")] = None
    hidden: Annotated[str | None, _training("N,N,…", "Units of each hidden layer.", "16,16")] = None
    unit: Annotated[
        Unit | None,
        typer.Option(
            help="Unit of the features: half the 16-84 % interval with tails compressed (robust), standard deviation, "
            "range, or as they are.",
            show_default="moments",
            rich_help_panel=TRAINING,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser | None,
        typer.Option(
            help="adam, whose rate falls along a cosine, or sgd, whose rate is halved when the loss stops falling.",
            show_default="adam",
            rich_help_panel=TRAINING,
        ),
    ] = None
    patience: Annotated[int | None, _training("N", "Epochs without gain before it is halved.", "10", 0)] = None
    bce_epochs: Annotated[int | None, _training("N", "Passes of the pretraining.", "20", 1)] = None
    bce_batch_size: Annotated[int | None, _training("N", "Events per step of the pretraining.", "1024", 1)] = None
    bce_learning_rate: Annotated[float | None, _training("X", "Learning rate of the pretraining.", "0.01")] = None
    epochs: Annotated[int | None, _training("N", "Passes with Punzi's loss.", "100", 1)] = None
    batch_size: Annotated[str | None, _training("N|all", "Events per step with it, about.", "20000")] = None
    learning_rate: Annotated[float | None, _training("X", "Learning rate with it.", "0.03")] = None
    normalise_loss: Annotated[
        bool | None,
        typer.Option(
            "--normalise-loss/--loss-in-fb",
            help="Divide the loss by its value after pretraining, so that its learning rate has no unit.",
            show_default="normalise-loss",
            rich_help_panel=TRAINING,
        ),
    ] = None
    sharpness: Annotated[
        float | None,
        _training(
            "X", "Factor that the logit is multiplied by, growing from 1 to this, so that sums become counts.", "20"
        ),
    ] = None
    background_floor: Annotated[
        float | None,
        _training("N", "Effective events of the training split that B counts for at least; 0 for none.", "60", 0),
    ] = None
    negative_weights: options.NegativeWeights = None
    bootstrap: options.Bootstrap = None
    fixed_threshold: Annotated[float | None, _training("X", "The one cut for all hypotheses.", "0.5")] = None
    min_effective_events: Annotated[
        float | None,
        _training("N", "Effective background events that the best cut of a hypothesis must keep.", "10", 0),
    ] = None


@command(PunziRequest)
def punzi(request: PunziRequest) -> None:
    """Train Punzi networks as asked."""
    from cutflow_cli.models.punzi.settings import PRESETS, PunziSettings
    from cutflow_cli.models.settings import checked_settings

    columns = assignments("window-columns", request.window_columns, "width=core_sigma")
    resolved, departures = checked_settings(
        PunziSettings, PRESETS, given(request, window_columns=columns), request.settings
    )
    from cutflow_cli.models.punzi.model import PunziNet  # torch, which takes its time

    run_method("punzi", PunziNet(resolved), departures, request, ("safetensors",))
