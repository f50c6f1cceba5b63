"""cutflow train bdt: boosted decision trees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import TRAINING
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import run_method

HELP = "Boosted decision trees: a score, and the cut on it that a figure of merit prefers."


class Preset(StrEnum):
    """Publications whose trees are reproduced."""

    LCF = "lcf"
    HML = "hml"
    CABIN = "cabin"


class Backend(StrEnum):
    """Which library grows the trees."""

    XGBOOST = "xgboost"
    SKLEARN = "sklearn"


@dataclass(frozen=True, slots=True)
class BdtRequest(Request):
    """What trees can be asked."""

    preset: Annotated[
        Preset | None,
        typer.Option(
            help="A publication to the letter: lcf (arXiv:2503.22498, the baseline) and hml (HEP ML LAB), both "
            "scikit-learn's 100 trees of depth 3, or cabin (arXiv:2502.08615), XGBoost's 500 of depth 3.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    settings: options.SettingsFile = None
    backend: Annotated[
        Backend | None,
        typer.Option(
            help="Library that grows the trees: XGBoost's histograms, or scikit-learn's GradientBoostingClassifier.",
            show_default="xgboost",
            rich_help_panel=TRAINING,
        ),
    ] = None
    trees: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Trees at most.", show_default="1000", rich_help_panel=TRAINING),
    ] = None
    depth: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=30, help="Depth of each.", show_default="4", rich_help_panel=TRAINING),
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="What each tree's answer is multiplied by.",
            show_default="0.1",
            rich_help_panel=TRAINING,
        ),
    ] = None
    subsample: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of the events, drawn anew, that each tree is grown on.",
            show_default="1",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_child_weight: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            help="Smallest sum of w·p·(1-p) in a leaf, weights having mean one; xgboost only.",
            show_default="10",
            rich_help_panel=TRAINING,
        ),
    ] = None
    early_stopping: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Stop a replica after N trees without a smaller validation loss and keep those up to its best; 0 for "
            "never.",
            show_default="20 if there is a validation split",
            rich_help_panel=TRAINING,
        ),
    ] = None
    class_weights: options.ClassWeights = None
    negative_weights: options.NegativeWeights = None
    bootstrap: options.NeededBootstrap = None
    fom: options.Fom = None
    min_effective_events: options.MinEffectiveEvents = None
    fixed_threshold: options.FixedThreshold = None


@command(BdtRequest)
def bdt(request: BdtRequest) -> None:
    """Grow boosted decision trees as asked."""
    from cutflow_cli.models.bdt.model import BoostedTrees
    from cutflow_cli.models.bdt.settings import PRESETS, BdtSettings
    from cutflow_cli.models.settings import checked_settings

    resolved, departures = checked_settings(BdtSettings, PRESETS, given(request), request.settings)
    library = {"xgboost": "xgboost", "sklearn": "scikit-learn"}[resolved.backend]
    run_method("bdt", BoostedTrees(resolved), departures, request, (library,))
