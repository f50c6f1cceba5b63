"""What commands of `cutflow batch` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.batch.manifest import Plan
    from cutflow_cli.batch.profile import System

WHERE = "Where to run"

PlanDirectory = Annotated[
    Path, typer.Argument(metavar="PLAN", help="What `cutflow batch plan` made.", show_default=False)
]
HtCondor = Annotated[bool, typer.Option("--htcondor", help="HTCondor, by condor_submit.", rich_help_panel=WHERE)]
Slurm = Annotated[bool, typer.Option("--slurm", help="Slurm, by sbatch.", rich_help_panel=WHERE)]
Local = Annotated[
    int | None,
    typer.Option(
        "--local",
        metavar="N",
        min=1,
        help="This machine, N tasks at a time.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help="What the site wants of jobs: a name in $XDG_CONFIG_HOME/cutflow/profiles.toml, or a file.toml.",
        show_default="the one called htcondor or slurm, if there is one",
        rich_help_panel=WHERE,
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(metavar="MB", min=1, help="Memory of a job.", show_default="the profile's", rich_help_panel=WHERE),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time that a job may take, such as 3600 or 1h30m.",
        show_default="the profile's",
        rich_help_panel=WHERE,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be submitted, and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
NoQueue = Annotated[bool, typer.Option("--no-queue", help="Believe the tasks' own files, and ask no batch system.")]


def chosen_system(htcondor: bool, slurm: bool, local: int | None) -> System | Literal["local"] | None:
    """Return where tasks are to run; None if that was not said.

    Raises:
        UsageError: if it was said twice.
    """
    given: list[tuple[bool, System | Literal["local"]]] = [
        (htcondor, "htcondor"), (slurm, "slurm"), (local is not None, "local"),
    ]  # fmt: skip
    found = [name for asked, name in given if asked]
    if len(found) > 1:
        msg = f"--{found[0]} and --{found[1]}: give one of them"
        raise UsageError(msg)
    return found[0] if found else None


def open_plan(directory: Path) -> Plan:
    """Open a plan directory."""
    from cutflow_cli.batch.manifest import read_plan

    return read_plan(directory)
