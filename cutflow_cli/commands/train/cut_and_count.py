"""cutflow train cut-and-count: the best region of each observable, by scanning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import TRAINING, Device
from cutflow_cli.commands.train.request import Request, command, given
from cutflow_cli.commands.train.running import run_method

HELP = "Cut and count: the region of each observable with the best figure of merit, found exactly by scanning."


class Preset(StrEnum):
    """Publications whose scan is reproduced."""

    HML = "hml"


class Strategy(StrEnum):
    """Which events an observable sees."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


class Order(StrEnum):
    """Which observable is next."""

    GIVEN = "given"
    GREEDY = "greedy"


class Search(StrEnum):
    """Where boundaries may be."""

    EXACT = "exact"
    BINS = "bins"


class CountedWeight(StrEnum):
    """What S and B count."""

    PHYSICAL = "physical"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class CutAndCountRequest(Request):
    """What the scan can be asked."""

    device: Device = Device.CPU
    threads: int | None = None
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="hml: the scan of HEP ML LAB over 50 bins, for the accuracy of unweighted events.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    settings: options.SettingsFile = None
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="Each observable sees the events that earlier cuts keep, or all (parallel).",
            show_default="sequential",
            rich_help_panel=TRAINING,
        ),
    ] = None
    order: Annotated[
        Order | None,
        typer.Option(
            help="Next in a sequential flow: the observable that gains most (greedy), or as given by --features.",
            show_default="greedy",
            rich_help_panel=TRAINING,
        ),
    ] = None
    fom: options.Fom = None
    background_systematic: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Systematic uncertainty of B as a fraction, for asimov; its statistical error always counts.",
            show_default="0",
            rich_help_panel=TRAINING,
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
    search: Annotated[
        Search | None,
        typer.Option(
            help="Boundaries between any two values, or at bin edges where one class takes over (bins).",
            show_default="exact",
            rich_help_panel=TRAINING,
        ),
    ] = None
    bins: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Equal bins between least and greatest value.",
            show_default="50",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_effective_events: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Effective events of each class that a cut must leave, where few of them would be an advantage; "
            "0 for no such rule.",
            show_default="10",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_signal_efficiency: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of the signal left that each cut must keep, lest the first cut spends what the others need; "
            "0 for no such rule.",
            show_default="0.75",
            rich_help_panel=TRAINING,
        ),
    ] = None
    min_gain: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share by which each boundary must raise the figure of merit.",
            show_default="0.001",
            rich_help_panel=TRAINING,
        ),
    ] = None
    cross_check: Annotated[
        bool | None,
        typer.Option(
            "--cross-check/--no-cross-check",
            help="Only take a boundary whose like, found on one half of the events, gains on the other.",
            show_default="cross-check",
            rich_help_panel=TRAINING,
        ),
    ] = None
    bootstrap: options.NeededBootstrap = None


@command(CutAndCountRequest)
def cut_and_count(request: CutAndCountRequest) -> None:
    """Scan as asked."""
    from cutflow_cli.models.cut_and_count.model import CutAndCount
    from cutflow_cli.models.cut_and_count.settings import PRESETS, CutAndCountSettings
    from cutflow_cli.models.settings import checked_settings

    resolved, departures = checked_settings(CutAndCountSettings, PRESETS, given(request), request.settings)
    run_method("cut-and-count", CutAndCount(resolved), departures, request)
