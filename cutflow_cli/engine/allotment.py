"""What a batch system lets a job have: cores, and a place for scratch files."""

from __future__ import annotations

import os
import re
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
THREADS_VARIABLE, SCRATCH_VARIABLE = "OMP_NUM_THREADS", "TMPDIR"


def usable_threads() -> int:
    """Return how many threads to start: OMP_NUM_THREADS, what the batch system allots, or the cores at hand."""
    asked = os.environ.get(THREADS_VARIABLE, "").split(",")[0]
    return _number(asked) or allotted_cores() or min(_cores(), _quota() or _cores())


def allotted_cores() -> int | None:
    """Return how many cores Slurm or HTCondor allots; None for no job of theirs, or where they do not say.

    Slurm says so in SLURM_CPUS_PER_TASK, if it was asked for a number; HTCondor in `Cpus` of the file that
    _CONDOR_MACHINE_AD names.
    """
    return _number(os.environ.get("SLURM_CPUS_PER_TASK", "")) or _cores_of_slot()


def settle_environment() -> None:
    """Tell libraries of this process, and processes that it starts, what the batch system lets the job have.

    They would take all cores of a machine that the job shares. What is set is left as it is; nothing is set outside
    jobs. HTCondor's scratch directory is taken where it has not set TMPDIR itself.
    """
    cores = allotted_cores() or _quota()
    if cores is not None and cores < _cores():
        os.environ.setdefault(THREADS_VARIABLE, str(cores))
    scratch = os.environ.get("_CONDOR_SCRATCH_DIR", "")
    if scratch and Path(scratch).is_dir():
        os.environ.setdefault(SCRATCH_VARIABLE, scratch)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores_of_slot() -> int | None:
    """Return `Cpus` of HTCondor's description of the slot."""
    path = os.environ.get("_CONDOR_MACHINE_AD", "")
    try:
        match = re.search(
            r"^Cpus\s*=\s*(\d+)\s*$", Path(path).read_text(errors="replace"), re.MULTILINE | re.IGNORECASE
        )
    except OSError:
        return None
    return _number(match[1]) if match else None


def _quota() -> int | None:
    """Return the cores that the control group grants (containers, systemd slices), rounded up; None for no limit."""
    try:
        own = next(line for line in _OWN_CGROUP.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    group = _CGROUPS / own.removeprefix("0::").lstrip("/")
    found = []
    for directory in (group, *group.parents):
        try:
            limit, period = (directory / "cpu.max").read_text().split()
            found.append(-(-int(limit) // int(period)))
        except (OSError, ValueError):  # none here, or `max`
            continue
    return max(1, min(found)) if found else None
