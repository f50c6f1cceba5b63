"""HTCondor: a plain submit file, and what condor_q says of its jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cutflow_cli.batch.manifest import DIGITS, MANIFEST, RESULTS, TASKS, Plan, Task
from cutflow_cli.batch.profile import Profile
from cutflow_cli.batch.queue import Job, JobState
from cutflow_cli.batch.tools import ToolError, run_tool
from cutflow_cli.errors import InputError, UsageError, naming

#: JobStatus of a job's ClassAd (HTCondor manual, job ClassAd attributes).
_STATES: dict[int, JobState] = {
    1: "queued", 2: "running", 3: "gone", 4: "gone", 5: "held", 6: "running", 7: "running",
}  # fmt: skip
_ATTRIBUTES = "ClusterId,ProcId,JobStatus,HoldReason,HoldReasonCode,NumJobStarts,GlobalJobId"
#: HoldReasonCode of a job that its own on_exit_hold holds (HTCondor manual, job ClassAd attributes).
_ON_EXIT = 3
#: Seconds before a job that failed for a passing reason is tried again.
RETRY_PAUSE = 120


def submit_file(plan: Plan, numbers: Sequence[int], profile: Profile, name: str) -> dict[str, str]:
    """Write a submit file as one would by hand.

    Args:
        plan: the plan.
        numbers: tasks to run.
        profile: of the site.
        name: of this submission; its files begin with it.

    Returns:
        Content of the files by name; the first is the one to submit.

    Raises:
        UsageError: if the plan can't be run that way.
    """
    shared = profile.transfer == "shared"
    plain_path(plan.path)
    where = str(plan.path) if shared else "."
    arguments = f"batch run {where} $(task) --job $(ClusterId).$(ProcId){'' if shared else ' --transferred'}"
    files: dict[str, str] = {}
    lines = [
        f"# cutflow batch submit --htcondor: {len(numbers)} tasks of {plan.path}",
        "# One job a task. The task writes its status and log itself; the queue is not needed to know what is done.",
        "",
        f"batch_name     = cutflow-{plan.path.name}",
        f"initialdir     = {plan.path}",
    ]
    if profile.setup:
        script = f"{name}.sh"
        lines += [f"executable     = {plan.path}/submit/{script}", f"arguments      = {arguments}"]
        lines += ["transfer_executable = False"] if shared else []
    else:
        lines += [f"executable     = {profile.python}", "transfer_executable = False"]
        lines += [f"arguments      = -m cutflow_cli {arguments}"]
    if profile.image is not None:
        lines += [f"container_image = {profile.image}"]
    lines += [
        f"log            = submit/{name}.log",
        f"output         = {TASKS}/$(task)/job.txt",
        f"error          = {TASKS}/$(task)/job.txt",
        "",
        "# Nothing comes from the machine that this is submitted on.",
        "getenv         = False",
        f'environment    = "{_environment(profile.environment)}"',
        "",
        f"request_cpus   = {profile.cpus}",
        f"request_memory = {profile.memory}",
    ]
    lines += [f"request_gpus   = {profile.gpus}"] if profile.gpus else []
    lines += [f"request_disk   = {profile.disk}MB"] if profile.disk is not None else []
    lines += [f'+JobFlavour    = "{profile.flavour}"'] if profile.flavour is not None else []
    lines += [f"+MaxRuntime    = {profile.time}"] if profile.time is not None else []
    lines += [f"accounting_group = {profile.accounting_group}"] if profile.accounting_group is not None else []
    lines += [
        "",
        "# 85: a checkpoint was saved, go on from there. 75, such as a stalled disk: another attempt, after a pause.",
        "# Killed, for want of memory: another attempt. All else is done, or an error that another attempt can't mend.",
        "checkpoint_exit_code = 85",
        f"on_exit_hold   = ExitBySignal =?= False && ExitCode =?= 75 && NumJobCompletions <= {profile.retries}",
        'on_exit_hold_reason = "failed for a passing reason, and will be tried again"',
        f"periodic_release = HoldReasonCode =?= {_ON_EXIT} && time() - EnteredCurrentStatus > {RETRY_PAUSE}",
        f"max_retries    = {profile.retries}",
        "retry_until    = ExitBySignal =?= False && ExitCode =!= 75 && ExitCode =!= 85 && ExitCode =!= 137",
        "# TERM first, on eviction; then time to save the checkpoint.",
        "kill_sig       = SIGTERM",
        "job_max_vacate_time = 300",
        "",
    ]
    lines += ["should_transfer_files = NO"] if shared else _transfer(plan, numbers)
    lines += list(profile.extra)
    if shared:
        lines += ["", "queue task from (", *(f"  {number:0{DIGITS}d}" for number in numbers), ")"]
    else:
        rows = [f"  {number:0{DIGITS}d}, {_inputs(plan, plan.task(number))}" for number in numbers]
        lines += ["", "queue task, inputs from (", *rows, ")"]
    files[f"{name}.sub"] = "\n".join(lines) + "\n"
    if profile.setup:
        files[f"{name}.sh"] = _script(profile)
    return files


def plain_path(path: Path) -> None:
    """Refuse paths that submit files would take for something else.

    Raises:
        UsageError: if there are spaces, quotes, or $ in it.
    """
    if re.search(r"[\s\"'$,()]", str(path)):
        msg = f"{path}: has spaces, quotes, commas, brackets or $, which batch systems read as something else"
        raise UsageError(msg)


def _environment(variables: Mapping[str, str]) -> str:
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
    return " ".join(f"{name}='{value}'" for name, value in given.items())


def _script(profile: Profile) -> str:
    return f'#!/bin/bash\n{profile.setup}\nexec {profile.python} -m cutflow_cli "$@"\n'


def _transfer(plan: Plan, numbers: Sequence[int]) -> list[str]:
    """Say which files go where, for a batch system without a shared disk."""
    for number in numbers:
        task = plan.task(number)
        if task.argv[0] == "ingest":
            msg = f"{task.name}: its files are named in a settings file; transfer = 'files' can't know them"
            raise UsageError(msg)
        if task.argv[0] == "evaluate" and any(file.path not in task.argv for file in task.inputs):
            msg = f"{task.name}: runs are directories, which transfer = 'files' does not copy; name cuts instead"
            raise UsageError(msg)
    return [
        "# No shared disk: inputs go to the job, its status, log and results come back, on eviction too.",
        "should_transfer_files   = YES",
        "when_to_transfer_output = ON_EXIT_OR_EVICT",
        "preserve_relative_paths = True",
        f"transfer_input_files    = {MANIFEST}, $(inputs)",
        f"transfer_output_files   = {TASKS}/$(task), {RESULTS}",
        f"transfer_checkpoint_files = {TASKS}/$(task), {RESULTS}",
    ]


def _inputs(plan: Plan, task: Task) -> str:
    names = [Path(file.path).name for file in task.inputs]
    for name in names:
        if names.count(name) > 1:
            msg = f"{task.name}: two of its inputs are called {name!r}; with transfer = 'files' names must differ"
            raise UsageError(msg)
    for file in task.inputs:
        plain_path(Path(file.path))
    return ", ".join(file.path for file in task.inputs)


def submit(plan: Plan, file: Path) -> tuple[str, str]:
    """Submit a file; return the cluster's number and the scheduler that has it, empty if it does not say."""
    said = run_tool(["condor_submit", "-terse", str(file)], cwd=plan.path)
    match = re.search(r"^(\d+)\.\d+", said, flags=re.MULTILINE)
    if match is None:
        msg = f"condor_submit said {said.strip()!r}, which names no cluster"
        raise ToolError(msg)
    try:
        answer = run_tool(["condor_q", match[1], "-limit", "1", "-af", "GlobalJobId"])
    except ToolError:
        answer = ""
    return match[1], answer.partition("#")[0].strip()


def _at(scheduler: str) -> list[str]:
    return ["-name", scheduler] if scheduler else []


def queue(clusters: Sequence[str], scheduler: str) -> dict[str, Job]:
    """Ask for the jobs of clusters that are still in the queue, by `cluster.process`."""
    return parse_queue(run_tool(["condor_q", *_at(scheduler), *clusters, "-json", "-attributes", _ATTRIBUTES]))


def parse_queue(text: str) -> dict[str, Job]:
    """Read what `condor_q -json` prints: nothing at all where there is no job.

    Raises:
        InputError: if it is no such thing.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
        jobs = {}
        for item in found:
            state = _STATES.get(item["JobStatus"], "gone")
            if state == "held" and item.get("HoldReasonCode") == _ON_EXIT:
                state = "queued"  # it releases itself after a pause
            if state != "gone":
                name = f"{item['ClusterId']}.{item['ProcId']}"
                jobs[name] = Job(name, state, item.get("HoldReason"), int(item.get("NumJobStarts", 0)))
    except (ValueError, KeyError, TypeError) as error:
        msg = f"condor_q -json: not understood ({error})"
        raise InputError(msg) from error
    return jobs


def remove(jobs: Sequence[str], scheduler: str) -> None:
    """Remove jobs from the queue."""
    run_tool(["condor_rm", *_at(scheduler), *jobs])


#: Numbers of events of a job's log that say why it is not where it was (HTCondor manual, job event log codes).
_EVENTS = {4: "evicted", 9: "removed", 12: "held", 22: "its machine was lost", 24: "its machine was lost"}
_EVENT = re.compile(r"^(\d{3}) \(0*(\d+)\.0*(\d+)\.\d+\) \S+ \S+ (.*)$")


def last_words(log: Path) -> dict[str, str]:
    """Return what the event log says last of each job that left the queue unfinished, by `cluster.process`."""
    found: dict[str, str] = {}
    name, code = "", 0
    try:
        with naming(log):
            text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    for line in text.splitlines():
        match = _EVENT.match(line)
        if match is not None:
            code, name = int(match[1]), f"{match[2]}.{match[3]}"
            if code in _EVENTS:
                found[name] = _EVENTS[code]
            elif code == 5:  # it ended by itself, and says how in its own status
                found.pop(name, None)
        elif name and code in (9, 12) and line.startswith("\t") and found.get(name) == _EVENTS[code]:
            found[name] += f": {line.strip()}"
        elif line == "...":
            name = ""
    return found
