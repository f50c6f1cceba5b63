"""The commands of cutflow batch, in the order in which they are used."""

from __future__ import annotations

import typer

from cutflow_cli.commands.batch import merge, plan, resubmit, run, status, submit
from cutflow_cli.commands.help_text import Command

app = typer.Typer(help="Many tasks on HTCondor, Slurm or this machine, and their sum.", no_args_is_help=True)


@app.callback()
def _batch() -> None:
    """Many tasks on HTCondor, Slurm or this machine: plan → submit → status → resubmit → merge."""


app.command("plan", cls=Command)(plan.plan)
app.command("submit", cls=Command)(submit.submit)
app.command("status", cls=Command)(status.status)
app.command("resubmit", cls=Command)(resubmit.resubmit)
app.command("merge", cls=Command)(merge.merge)
app.command("run", cls=Command)(run.run)
