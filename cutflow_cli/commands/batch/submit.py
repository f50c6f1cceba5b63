"""`cutflow batch submit`: tasks to HTCondor, Slurm, or this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from cutflow_cli.commands import terminal
from cutflow_cli.commands.batch import options
from cutflow_cli.errors import NegativeAnswer, UsageError

if TYPE_CHECKING:
    from cutflow_cli.batch.manifest import Plan
    from cutflow_cli.batch.profile import System


@options.takes_where
def submit(
    plan: options.PlanDirectory,
    *,
    where: options.Where,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Submit the tasks of a plan that were not submitted yet.

    A plain submit file or array script is written to the plan's directory `submit`, and given to the batch system. Jobs
    that are evicted or near their time limit save a checkpoint and go on from it.

    cutflow batch submit scan --slurm --dry-run
    """
    from cutflow_cli.batch.resubmit import never_submitted
    from cutflow_cli.batch.survey import survey

    if where.system is None:
        msg = "say where: --htcondor, --slurm, or --local N for this machine"
        raise UsageError(msg)
    made = options.open_plan(plan)
    choice = never_submitted(survey(made, ask_queue=False), stopped=where.system == "local")
    if not choice.tasks:
        terminal.note(f"{plan}: all of its tasks were submitted or are done; `cutflow batch status {plan}` says more")
        if as_json:
            terminal.result_json({"submitted": []})
        return
    give(made, choice.numbers, where, where.system, dry_run=dry_run, as_json=as_json)


def give(
    plan: Plan,
    numbers: Sequence[int],
    where: options.Where,
    system: System | Literal["local"],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run tasks on this machine, or submit them to a batch system, as asked.

    Raises:
        NegativeAnswer: if one fails here.
    """
    if system == "local":
        assert where.local is not None
        _run_here(plan, numbers, where.local, dry_run=dry_run, as_json=as_json)
    else:
        _hand_over(plan, numbers, where, system, dry_run=dry_run, as_json=as_json)


def _run_here(plan: Plan, numbers: Sequence[int], workers: int, *, dry_run: bool, as_json: bool) -> None:
    """Run tasks on this machine.

    Raises:
        NegativeAnswer: if one fails.
    """
    import shlex

    from cutflow_cli.batch.local import run_local

    if dry_run:
        for number in numbers:
            terminal.result(f"cd {shlex.quote(str(plan.path))} && cutflow {shlex.join(plan.task(number).argv)}")
        return
    codes = run_local(plan, numbers, workers, say=terminal.note)
    failed = [number for number, code in codes.items() if code not in (0, 5)]
    if as_json:
        terminal.result_json({"ran": len(codes), "failed": failed})
    else:
        terminal.result(f"{len(codes) - len(failed)} of {len(codes)} tasks done")
    if failed:
        msg = f"tasks {', '.join(map(str, failed[:10]))} failed; `cutflow batch status` says why"
        raise NegativeAnswer(msg)


def _hand_over(
    plan: Plan, numbers: Sequence[int], where: options.Where, system: System, *, dry_run: bool, as_json: bool
) -> None:
    """Submit tasks to a batch system, or show what would be submitted."""
    from cutflow_cli.batch import submission
    from cutflow_cli.batch.profile import read_profile

    found = read_profile(where.profile, system, memory=where.memory, time=where.time)
    if dry_run:
        files = submission.written_files(plan, numbers, system, found, submission.next_name(plan))
        for name, text in files.items():
            terminal.note(f"submit/{name}:")
            terminal.result(text.rstrip("\n"))
        return
    made = submission.submit(plan, numbers, system, found)
    if as_json:
        jobs = {str(number): job for number, job in made.jobs.items()}
        terminal.result_json({"system": system, "submission": made.name, "submitted": jobs})
    else:
        ids = dict.fromkeys(job.partition("." if system == "htcondor" else "_")[0] for job in made.jobs.values())
        kind = "cluster" if system == "htcondor" else "array"
        terminal.result(f"{len(made.jobs)} tasks submitted to {system} as {kind} {', '.join(ids)}")
    terminal.note(f"next: cutflow batch status {plan.path}")
