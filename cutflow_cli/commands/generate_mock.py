"""`cutflow generate-mock`: a simulated sample with a known answer."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutflow_cli.commands import terminal
from cutflow_cli.events.mock.catalogue import MOCKS

if TYPE_CHECKING:
    from cutflow_cli.events.mock.write import MockFile

_LIST = "\n\n".join(f"[bold]{mock.name}[/bold]: {mock.summary}" for mock in MOCKS.values())
_EVENTS = ", ".join(f"{mock.events} {mock.name}" for mock in MOCKS.values() if not mock.published_split)


def _names(incomplete: str) -> list[str]:
    return [name for name in MOCKS if name.startswith(incomplete)]


def generate_mock(
    name: Annotated[str, typer.Argument(metavar="MOCK", help=_LIST, autocompletion=_names, show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The events file to write.", show_default=False)],
    events: Annotated[
        int | None, typer.Option(help="Number of events, all processes.", show_default=f"200000 mock1–6, {_EVENTS}")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides events and split, 0 to 2³² − 1; 42 is the published sample.")] = 42,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="TRAIN,VALIDATION,TEST",
            help="Shares of the splits; mock1–6 have the published 0.5,0,0.5 and no other.",
            show_default="0.6,0.2,0.2",
        ),
    ] = None,
    features_count: Annotated[
        int | None, typer.Option(help="Number of features, for gaussians only.", show_default="10")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a simulated sample with a known answer.

    mock1 … mock6 are the benchmark of arXiv:2503.22498, event by event.

    Up to 1000000 events are one draw; larger samples are drawn in independent blocks of at
    most so many, so memory stays bounded. The same command again finds its file and stops.
    """
    from cutflow_cli.events.mock.plan import plan_mock
    from cutflow_cli.events.mock.write import make_mock
    from cutflow_cli.events.splits import SplitFractions

    fractions = None if split is None else SplitFractions.parse(split)
    plan = plan_mock(name, events, seed, split=fractions, features_count=features_count)
    with terminal.progress(f"{name}") as progress:
        made = make_mock(plan, out, force=force, command=shlex.join(["cutflow", *sys.argv[1:]]), progress=progress)
    if not made.written:
        terminal.note(f"{out}: already done, the same mock with the same settings is there")
    if as_json:
        terminal.result_json(_as_json(made))
    else:
        _print(made)


def _as_json(made: MockFile) -> dict[str, Any]:
    from dataclasses import asdict

    return {"out": str(made.path), "written": made.written, **asdict(made.metadata)}


def _print(made: MockFile) -> None:
    from cutflow_cli.events.schema import SPLITS

    metadata = made.metadata
    rows = []
    for process in metadata.processes:
        held = [process.splits[split] for split in SPLITS]
        total = process.total
        rows.append(
            [
                process.name,
                process.role,
                f"{process.cross_section:.6g}",
                str(total.events),
                f"{total.sumw:.6g}",
                *(f"{sums.sumw:.6g} ({sums.events})" if sums.events else "–" for sums in held),
            ]
        )
    total_events = sum(process.total.events for process in metadata.processes)
    terminal.table(
        f"{made.path}: {total_events} events, {len(metadata.features)} features, normalised to "
        f"{metadata.luminosity:g} fb⁻¹, seed {metadata.seed}",
        ["process", "role", "σ [pb]", "events", "Σw", *(f"Σw {split} (events)" for split in SPLITS)],
        rows,
    )
