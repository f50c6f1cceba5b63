"""What commands of `cutflow batch` share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cutflow_cli.errors import UsageError

if TYPE_CHECKING:
    from cutflow_cli.batch.manifest import Plan
    from cutflow_cli.batch.profile import System

WHERE = "Where to run"

PlanDirectory = Annotated[
    Path, typer.Argument(metavar="PLAN", help="What `cutflow batch plan` made.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be submitted, and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
NoQueue = Annotated[bool, typer.Option("--no-queue", help="Believe the tasks' own files, and ask no batch system.")]


@dataclass(frozen=True, slots=True)
class Where:
    """Where tasks are to run, and what their jobs get there.

    Attributes:
        system: None if it was not said.
        local: how many tasks at a time on this machine; None for a batch system.
        profile: of the site, by name or file; None for the one named after the batch system.
        memory: of a job in MB; None for the profile's.
        time: that a job may take; None for the profile's.
    """

    system: System | Literal["local"] | None
    local: int | None
    profile: str | None
    memory: int | None
    time: str | None


def _where(
    *,
    htcondor: Annotated[
        bool, typer.Option("--htcondor", help="HTCondor, by condor_submit.", rich_help_panel=WHERE)
    ] = False,
    slurm: Annotated[bool, typer.Option("--slurm", help="Slurm, by sbatch.", rich_help_panel=WHERE)] = False,
    local: Annotated[
        int | None,
        typer.Option(
            "--local",
            metavar="N",
            min=1,
            help="This machine, N tasks at a time.",
            show_default=False,
            rich_help_panel=WHERE,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME|FILE",
            help="What the site wants of jobs: a name in $XDG_CONFIG_HOME/cutflow/profiles.toml, or a file.toml.",
            show_default="the one called htcondor or slurm, if there is one",
            rich_help_panel=WHERE,
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="MB", min=1, help="Memory of a job.", show_default="the profile's", rich_help_panel=WHERE),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time that a job may take, such as 3600 or 1h30m.",
            show_default="the profile's",
            rich_help_panel=WHERE,
        ),
    ] = None,
) -> Where:
    """Put the options together.

    Raises:
        UsageError: if they contradict one another.
    """
    given: list[tuple[bool, System | Literal["local"]]] = [
        (htcondor, "htcondor"), (slurm, "slurm"), (local is not None, "local"),
    ]  # fmt: skip
    found = [name for asked, name in given if asked]
    if len(found) > 1:
        msg = f"--{found[0]} and --{found[1]}: give one of them"
        raise UsageError(msg)
    if local is not None:
        for name, value in (("profile", profile), ("memory", memory), ("time", time)):
            if value is not None:
                msg = f"--{name}: is for batch systems; --local has no use for it"
                raise UsageError(msg)
    return Where(found[0] if found else None, local, profile, memory, time)


def takes_where(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where to run; it is told what they come to as its argument `where`."""
    options = inspect.signature(_where, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401  (the values of its options)
        where = _where(**{name: given.pop(name) for name in options})
        command(**given, where=where)

    shown = [one for name, had in own.parameters.items() for one in (options.values() if name == "where" else [had])]
    # typer reads the options here
    run.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    return run


def open_plan(directory: Path) -> Plan:
    """Open a plan directory."""
    from cutflow_cli.batch.manifest import read_plan

    return read_plan(directory)
