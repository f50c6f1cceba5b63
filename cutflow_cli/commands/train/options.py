"""The options that every method of `cutflow train` shares."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

SELECTION = "What to learn from"
TRAINING = "Training"
RUNNING = "Running"


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


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


Events = Annotated[Path, typer.Argument(metavar="EVENTS", help="Events file (Parquet) to learn from.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Run directory to write.")]
Features = Annotated[
    str | None,
    typer.Option(
        help="Observables, comma-separated, in the order of the flow.",
        show_default="the file's own",
        rich_help_panel=SELECTION,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="T,V,E",
        help="Shares of train, validation and test, for a file without a split column.",
        show_default="0.6,0.2,0.2",
        rich_help_panel=SELECTION,
    ),
]
SplitSeed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of that assignment.", rich_help_panel=SELECTION)]
FoldCount = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="K",
        help="Train K times, each time without another of K parts of all events, whatever their split; evaluate then "
        "judges every event by the training that did not see it. --split-seed moves the parts.",
        show_default="one training, on its split",
        rich_help_panel=SELECTION,
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="TOML or YAML file with any of these settings, underscores in names; options override it.",
        rich_help_panel=TRAINING,
    ),
]
ClassWeights = Annotated[
    ClassWeight | None,
    typer.Option(
        help="Event weights in the loss: each class to the same sum, as they are, or one each.",
        show_default="balanced",
        rich_help_panel=TRAINING,
    ),
]
NegativeWeights = Annotated[
    NegativeWeight | None,
    typer.Option(
        help="Negative weights in training; yields always keep them.", show_default="keep", rich_help_panel=TRAINING
    ),
]


def _bootstrap(default: str, more: str = "") -> OptionInfo:
    made: OptionInfo = typer.Option(
        "--bootstrap/--no-bootstrap",
        help=f"Give each replica its own bootstrap of the training split{more}.",
        show_default=default,
        rich_help_panel=TRAINING,
    )
    return made


Bootstrap = Annotated[bool | None, _bootstrap("no-bootstrap")]
#: For methods without anything random in them, whose replicas would be the same without it.
NeededBootstrap = Annotated[bool | None, _bootstrap("bootstrap if there are several replicas")]
#: For methods of which an objective leaves nothing random.
RefinedBootstrap = Annotated[bool | None, _bootstrap("no-bootstrap", "; several that pursue an objective have one")]
Fom = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Figure of merit that decides, computed with the physical weights: asimov, s_over_sqrt_b, "
        "s_over_sqrt_s_plus_b, punzi, balanced_accuracy or accuracy.",
        show_default="asimov",
        rich_help_panel=TRAINING,
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|EXPR",
        help="What the cuts are refined for: asimov, s_over_sqrt_b, s_over_sqrt_s_plus_b, punzi, balanced_accuracy, "
        "accuracy, or a formula in s, b, sigma_s, sigma_b, of expected events.",
        show_default="the method's own loss",
        rich_help_panel=TRAINING,
    ),
]
BackgroundSystematic = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        min=0,
        help="Systematic uncertainty of B in the objective, as a fraction of B.",
        show_default="0",
        rich_help_panel=TRAINING,
    ),
]
MinEffectiveBackground = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Events' worth that must be known of the background that cuts refined for an objective keep: 1/δ² for a "
        "relative error δ; 0 for no such rule.",
        show_default="10",
        rich_help_panel=TRAINING,
    ),
]
OptimismFolds = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Parts of the training split that are left out in turn to estimate the optimism; 0 for no estimate.",
        show_default="5",
        rich_help_panel=TRAINING,
    ),
]
MinEffectiveEvents = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Effective events of either class that the threshold must keep.",
        show_default="10",
        rich_help_panel=TRAINING,
    ),
]
FixedThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Keep events with a score above this.",
        show_default="what --fom prefers on validation",
        rich_help_panel=TRAINING,
    ),
]
Replicas = Annotated[
    str,
    typer.Option(
        metavar="R",
        help="Independent repeats, or a block of them: 5:10 gives replicas 5 to 9 of a longer run.",
        rich_help_panel=TRAINING,
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of everything random.", rich_help_panel=TRAINING)]
DeviceOption = Annotated[
    Device,
    typer.Option(
        "--device", help="Where to train; auto takes CUDA where torch finds a device.", rich_help_panel=RUNNING
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Threads.",
        show_default="OMP_NUM_THREADS, or what the batch system allots, or the cores at hand",
        rich_help_panel=RUNNING,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace an output made from other inputs or settings.", rich_help_panel=RUNNING),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Forget an unfinished training and start over.", rich_help_panel=RUNNING)
]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Save a checkpoint and exit with 85 before this time is over, such as 3600 or 1h30m; the same command "
        "continues.",
        show_default="none",
        rich_help_panel=RUNNING,
    ),
]
KeepState = Annotated[
    bool,
    typer.Option(
        "--keep-state",
        help="Keep what `cutflow merge` needs to put blocks of replicas together: state.npz in the run directory.",
        rich_help_panel=RUNNING,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory that the events may take, such as 500MB or 4GB. A training that needs more streams them from the "
        "file, and shuffles them in $TMPDIR where it must; its cuts differ within their errors.",
        show_default="1.5GB",
        rich_help_panel=RUNNING,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=RUNNING)]
