"""The commands of cutflow batch, in the order in which they are used."""

from __future__ import annotations

import typer

from cutflow_cli.commands.batch import merge, plan, resubmit, run, status, submit

app = typer.Typer(help="Many tasks on HTCondor, Slurm or this machine, and their sum.", no_args_is_help=True)


@app.callback()
def _batch() -> None:
    """Many tasks on HTCondor, Slurm or this machine: plan → submit → status → resubmit → merge."""


app.command("plan")(plan.plan)
app.command("submit")(submit.submit)
app.command("status")(status.status)
app.command("resubmit")(resubmit.resubmit)
app.command("merge")(merge.merge)
app.command("run")(run.run)
