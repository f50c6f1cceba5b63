"""Slurm: plain array scripts, and what squeue and sacct say of their elements."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.batch.manifest import DIGITS, TASKS, Plan
from cutflow_cli.batch.profile import Profile
from cutflow_cli.batch.queue import Job, JobState
from cutflow_cli.batch.tools import ToolError, run_tool
from cutflow_cli.errors import UsageError

#: States of squeue in which a job still has its place in the queue (Slurm manual, squeue, job state codes).
_STATES: dict[str, JobState] = {
    "PENDING": "queued", "REQUEUED": "queued", "CONFIGURING": "queued", "RESV_DEL_HOLD": "held",
    "SPECIAL_EXIT": "held", "REQUEUE_HOLD": "held", "REQUEUE_FED": "queued", "RUNNING": "running",
    "COMPLETING": "running", "SUSPENDED": "running", "STOPPED": "running", "SIGNALING": "running",
    "RESIZING": "running", "STAGE_OUT": "running",
}  # fmt: skip


def max_array_size() -> int:
    """Ask how large an array may be (its largest index plus one)."""
    said = run_tool(["scontrol", "show", "config"])
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", said, flags=re.MULTILINE)
    return int(match[1]) if match else 1001


def chunk_of(limit: int) -> int:
    """Return how many tasks an array holds: the largest power of ten in the limit, so that names stay readable."""
    if limit < 1:
        msg = "this Slurm takes no job arrays (MaxArraySize is 0); use another batch system"
        raise UsageError(msg)
    return int(min(10 ** (len(str(limit)) - 1), 10**DIGITS))


def arrays(plan: Plan, numbers: Sequence[int], profile: Profile, name: str, limit: int) -> dict[str, str]:
    """Write array scripts as one would by hand, one for each part that an array may hold.

    Args:
        plan: the plan.
        numbers: tasks to run.
        profile: of the site.
        name: of this submission; its files begin with it.
        limit: the largest index of an array plus one.

    Returns:
        Content of the scripts by name, in order.

    Raises:
        UsageError: if the path of the plan has characters that Slurm replaces by something else.
    """
    if re.search(r"[\s%\\\"'$`]", str(plan.path)):
        msg = f"{plan.path}: has spaces, quotes, % or $, which Slurm reads as something else"
        raise UsageError(msg)
    size = chunk_of(limit)
    parts: dict[int, list[int]] = {}
    for number in sorted(numbers):
        parts.setdefault(number // size, []).append(number % size)
    return {
        f"{name}{'' if len(parts) == 1 else f'-{part}'}.sbatch": _script(plan, profile, part, size, indices)
        for part, indices in parts.items()
    }


def ranges(indices: Sequence[int]) -> str:
    """Write indices as Slurm reads them: 0-4,7."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][-1] + 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _script(plan: Plan, profile: Profile, part: int, size: int, indices: Sequence[int]) -> str:
    width = len(str(size)) - 1  # digits of an index; those before them are the part's
    task = f"{part:0{DIGITS - width}d}" if width < DIGITS else ""
    task += f"%{width}a" if width else ""
    options = [
        ("job-name", f"cutflow-{plan.path.name}"),
        ("array", ranges(indices) + (f"%{profile.max_running}" if profile.max_running else "")),
        ("output", f"{plan.path}/{TASKS}/{task}/job.txt"),
        ("open-mode", "append"),
        ("export", "NONE"),
        ("requeue", None),
        ("signal", f"B:USR1@{profile.signal_before}"),
        ("ntasks", "1"),
        ("cpus-per-task", str(profile.cpus)),
        ("mem", f"{profile.memory}M"),
    ]
    options += [("gpus", str(profile.gpus))] if profile.gpus else []
    options += [("time", clock(profile.time))] if profile.time is not None else []
    options += [(key, value) for key in ("partition", "account", "qos") if (value := getattr(profile, key)) is not None]
    lines = ["#!/bin/bash", f"# cutflow batch submit --slurm: {len(indices)} tasks of {plan.path}"]
    lines += ["# One element a task. The task writes its status and log itself."]
    lines += [f"#SBATCH --{key}" if value is None else f"#SBATCH --{key}={value}" for key, value in options]
    lines += [line if line.startswith("#SBATCH") else f"#SBATCH {line}" for line in profile.extra]
    lines += ["", f"task=$(({part * size} + SLURM_ARRAY_TASK_ID))"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in profile.environment.items()]
    lines += ["export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}", *([profile.setup] if profile.setup else [])]
    inside = f"apptainer exec --bind {plan.path} {profile.image} " if profile.image is not None else ""
    lines += [_BODY.format(inside=inside, python=profile.python, plan=plan.path, retries=profile.retries)]
    return "\n".join(lines)


_BODY = """
{inside}{python} -m cutflow_cli batch run {plan} "$task" --job "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" &
child=$!
# USR1 comes before the time limit, TERM when Slurm takes the machine away: both make cutflow save a checkpoint.
trap 'kill -USR1 $child' USR1
trap 'kill -TERM $child' TERM
wait $child; code=$?
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done  # a signal ends `wait` before the child ends

# 85: a checkpoint was saved, go on from there. 75, or killed: worth another attempt. All else is done, or an error that
# another attempt can't mend. A job that was cancelled stays cancelled.
again=no
[ $code -eq 85 ] && again=yes
[ $code -eq 75 -o $code -eq 137 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {retries} ] && again=yes
state=$(scontrol show job -o "$SLURM_JOB_ID" | grep -o 'JobState=[A-Z_]*')
[ $again = yes ] && [ "$state" = JobState=RUNNING ] && scontrol requeue "$SLURM_JOB_ID"
exit $code
"""


def clock(duration: int) -> str:
    """Write seconds as Slurm reads them: hours:minutes:seconds."""
    return f"{duration // 3600}:{duration // 60 % 60:02d}:{duration % 60:02d}"


def job_name(job: str, number: int, size: int) -> str:
    """Return what Slurm calls a task: its array and its index there."""
    return f"{job}_{number % size}"


def submit(plan: Plan, file: Path) -> str:
    """Submit a script; return the number of the array."""
    said = run_tool(["sbatch", "--parsable", str(file)], cwd=plan.path)
    match = re.match(r"(\d+)", said.strip().splitlines()[-1] if said.strip() else "")
    if match is None:
        msg = f"sbatch said {said.strip()!r}, which names no job"
        raise ToolError(msg)
    return match[1]


def queue(jobs: Sequence[str]) -> dict[str, Job]:
    """Ask for the elements of arrays that Slurm still knows, by `array_index`."""
    try:
        return parse_queue(
            run_tool(["squeue", "-h", "--array", "-t", "all", "-j", ",".join(jobs), "-o", "%F|%K|%T|%r"])
        )
    except ToolError as error:
        if "Invalid job id" in str(error):  # it forgets jobs some minutes after their end
            return {}
        raise


def parse_queue(text: str) -> dict[str, Job]:
    """Read lines `array|index|state|reason` of squeue."""
    jobs = {}
    for line in text.splitlines():
        parts = line.split("|", maxsplit=3)
        if len(parts) != 4 or not parts[1].isdecimal():
            continue
        array, index, state, reason = parts
        known = _STATES.get(state, "gone")
        if known == "queued" and "held" in reason.lower():  # JobHeldUser, job requeued in held state, …
            known = "held"
        said = None if reason in ("None", "") else reason
        if known == "gone":
            said = state.lower().replace("_", " ")
        jobs[f"{array}_{index}"] = Job(f"{array}_{index}", known, said)
    return jobs


def accounted(jobs: Sequence[str]) -> dict[str, str]:
    """Ask the accounting how jobs ended that the queue has forgotten; nothing where there is no accounting."""
    try:
        said = run_tool(["sacct", "-n", "-P", "-X", "-j", ",".join(jobs), "-o", "JobID,State"])
    except (ToolError, UsageError):
        return {}
    return parse_accounting(said)


def parse_accounting(text: str) -> dict[str, str]:
    """Read lines `array_index|state` of sacct."""
    found = {}
    for line in text.splitlines():
        job, _, state = line.partition("|")
        if re.fullmatch(r"\d+_\d+", job) and not state.startswith(("COMPLETED", "PENDING", "RUNNING")):
            found[job] = state.lower().replace("_", " ")
    return found


def remove(jobs: Sequence[str]) -> None:
    """Cancel elements."""
    run_tool(["scancel", *jobs])
