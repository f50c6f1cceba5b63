"""cutflow train mlp: multilayer perceptrons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import TRAINING
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import run_method

HELP = "Multilayer perceptron: a score, and the cut on it that a figure of merit prefers."


class Preset(StrEnum):
    """Publications whose network is reproduced."""

    LCF = "lcf"
    CABIN = "cabin"
    HML = "hml"


class Activation(StrEnum):
    """What hidden layers do to a sum."""

    RELU = "relu"
    TANH = "tanh"


class Unit(StrEnum):
    """Unit in which the network sees a feature."""

    ROBUST = "robust"
    MOMENTS = "moments"
    MIN_MAX = "min-max"
    NONE = "none"


class Optimiser(StrEnum):
    """What takes the steps."""

    ADAM = "adam"
    RMSPROP = "rmsprop"
    SGD = "sgd"


@dataclass(frozen=True, slots=True)
class MlpRequest(Request):
    """What perceptrons can be asked."""

    replicas: options.Replicas = "5"
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="A publication to the letter: lcf (arXiv:2503.22498, the baseline), cabin (arXiv:2502.08615, eq. 9: "
            "no hidden layer) or hml (HEP ML LAB, SimpleMLP).",
            rich_help_panel=TRAINING,
        ),
    ] = None
    settings: options.SettingsFile = None
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…",
            help="Units of each hidden layer; none for a linear model.",
            show_default="64,64",
            rich_help_panel=TRAINING,
        ),
    ] = None
    activation: Annotated[
        Activation | None,
        typer.Option(help="Of the hidden layers.", show_default="relu", rich_help_panel=TRAINING),
    ] = None
    unit: Annotated[
        Unit | None,
        typer.Option(
            help="Unit of the features: half the 16-84 % interval with tails compressed (robust), standard deviation, "
            "range, or as they are.",
            show_default="robust",
            rich_help_panel=TRAINING,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser | None,
        typer.Option(
            help="adam and rmsprop as in Keras, or plain gradient descent.",
            show_default="adam",
            rich_help_panel=TRAINING,
        ),
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="X", help="The optimiser's, at first.", show_default="0.01", rich_help_panel=TRAINING),
    ] = None
    halve_after: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Halve a replica's learning rate when more than N epochs in a row bring no smaller loss; 0 for never.",
            show_default="4",
            rich_help_panel=TRAINING,
        ),
    ] = None
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Passes over the training split.",
            show_default="what makes 6 000 steps, but 10 to 200",
            rich_help_panel=TRAINING,
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        typer.Option(metavar="N|all", help="Events per step.", show_default="512", rich_help_panel=TRAINING),
    ] = None
    early_stopping: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Stop a replica after N epochs without a smaller validation loss and take its best epoch; 0 for "
            "never.",
            show_default="10 if there is a validation split",
            rich_help_panel=TRAINING,
        ),
    ] = None
    class_weights: options.ClassWeights = None
    negative_weights: options.NegativeWeights = None
    bootstrap: options.Bootstrap = None
    fom: options.Fom = None
    min_effective_events: options.MinEffectiveEvents = None
    fixed_threshold: options.FixedThreshold = None


@command(MlpRequest)
def mlp(request: MlpRequest) -> None:
    """Train multilayer perceptrons as asked."""
    from cutflow_cli.models.mlp.settings import PRESETS, MlpSettings
    from cutflow_cli.models.settings import checked_settings

    resolved, departures = checked_settings(MlpSettings, PRESETS, given(request), request.settings)
    from cutflow_cli.models.mlp.model import MultilayerPerceptron  # torch, which takes its time

    run_method("mlp", MultilayerPerceptron(resolved), departures, request, ("safetensors",))
