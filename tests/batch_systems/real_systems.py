"""Real one-node batch systems, started for the tests and stopped after them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutflow_cli.batch.manifest import Plan, read_plan
from cutflow_cli.batch.survey import Survey, survey

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT.parent / "shared" / "batch"
#: Seconds in which a scheduler installs itself and starts, and in which tiny tasks end.
START, WAIT = 280, 120
#: Seconds for which Slurm must not start a job again that it has just ended.
REVOKED = 3


def free_ports(number: int) -> int:
    """Find consecutive ports that nobody listens on, and return the first."""
    for first in range(21817, 29000, 10):
        try:
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    pytest.fail("no free ports for a batch system")


def started(name: str, **settings: str) -> Iterator[dict[str, str]]:
    """Start a batch system, give the environment in which its tools work, and stop it."""
    up, down = SCRIPTS / f"{name}_up.sh", SCRIPTS / f"{name}_down.sh"
    if not up.is_file():
        pytest.skip(f"no start script for a batch system at {up}")
    directory = tempfile.mkdtemp(prefix="cutflow-")  # sockets need short paths
    environment = {**os.environ, **settings}
    try:
        done = subprocess.run(
            ["bash", up, directory], env=environment, capture_output=True, text=True, timeout=START, check=False
        )
        assert done.returncode == 0, f"{up.name} did not start a batch system:\n{done.stdout}{done.stderr}"
        said = subprocess.run(
            ["bash", "-c", f". {directory}/env.sh; env -0"], capture_output=True, text=True, check=True
        )
        yield dict(line.split("=", 1) for line in said.stdout.split("\0") if "=" in line)
    finally:
        subprocess.run(["bash", down, directory], env=environment, capture_output=True, timeout=60, check=False)
        shutil.rmtree(directory, ignore_errors=True)


class System:
    """A batch system, and cutflow used on it."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name, self.environment = name, environment

    def tool(self, *command: str) -> str:
        """Run a tool of the batch system."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def cutflow(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run cutflow where the tools of the batch system are found."""
        return subprocess.run(
            [sys.executable, "-m", "cutflow_cli", *map(str, arguments)],
            env={**self.environment, "NO_COLOR": "1"}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def submit(self, plan: Path, *more: str) -> None:
        done = self.cutflow("batch", "submit", plan, f"--{self.name}", *more)
        assert done.returncode == 0, done.stderr

    def evict(self, job: str) -> None:
        """Take the machine away from a running job, as a batch system does for another user's job."""
        if self.name == "htcondor":
            self.tool("condor_vacate_job", job)
        else:
            self.tool("scancel", "--batch", "--signal=TERM", job)

    def restart_now(self, job: str) -> None:
        """Spare a requeued job the two minutes after which Slurm lets it start again.

        The two minutes have a reason: slurmd refuses a job (`Job credential revoked`, and it has failed) that begins in
        the second in which its former start was ended.
        """
        if self.name == "slurm":
            time.sleep(REVOKED)
            self.tool("scontrol", "update", f"JobId={job}", "StartTime=now")


def system_of(name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> System:
    """Use a batch system from this process too."""
    for variable in ("PATH", "SLURM_CONF", "CONDOR_CONFIG"):
        if variable in environment:
            monkeypatch.setenv(variable, environment[variable])
    return System(name, environment)


def wait(plan: Path, until, seconds: float = WAIT) -> Survey:
    """Look at the tasks of a plan until something holds."""
    opened: Plan = read_plan(plan)
    deadline = time.monotonic() + seconds
    while True:
        found = survey(opened)
        if until(found):
            return found
        logs = [path.read_text() for path in sorted(plan.glob("tasks/*/*.txt"))]
        assert time.monotonic() < deadline, f"waited {seconds} s: {found.tasks} {found.notes}\n{''.join(logs)[-3000:]}"
        time.sleep(1)


def settled(found: Survey) -> bool:
    """Whether nothing will change by itself."""
    return not any(task.state in ("planned", "queued", "running", "evicted") for task in found.tasks)
