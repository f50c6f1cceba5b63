"""The methods of cutflow train, in the order in which help lists them."""

from __future__ import annotations

import typer

from cutflow_cli.commands.train import bdt, box, cabin, cut_and_count, mlp, punzi
from cutflow_cli.commands.train.lcf import lcf_command

app = typer.Typer(help="Learn a selection from an events file.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Learn a selection from an events file."""


app.command("lcf-parallel", help="Learnable Cut Flow, every observable on all events (arXiv:2503.22498).")(
    lcf_command("parallel")
)
app.command("lcf-sequential", help="Learnable Cut Flow, every observable on what earlier cuts keep.")(
    lcf_command("sequential")
)
app.command("cabin-scan", help=cabin.HELP)(cabin.cabin_scan)
app.command("cut-and-count", help=cut_and_count.HELP)(cut_and_count.cut_and_count)
app.command("box", help=box.HELP)(box.box)
app.command("bdt", help=bdt.HELP)(bdt.bdt)
app.command("mlp", help=mlp.HELP)(mlp.mlp)
app.command("punzi", help=punzi.HELP)(punzi.punzi)
