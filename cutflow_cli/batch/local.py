"""Tasks on this machine, several at a time: for a small plan, and to try a large one."""

from __future__ import annotations

import heapq
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from cutflow_cli.batch.lock import is_held
from cutflow_cli.batch.manifest import Plan
from cutflow_cli.batch.task_status import read_status
from cutflow_cli.errors import Interrupted, TemporaryError, UsageError

#: Attempts at a task that fails for a passing reason, and seconds before the next.
ATTEMPTS, PAUSE = 3, 5.0
#: Seconds between looks at a task at which somebody else is at work.
LOOK = 1.0
_POLL = 0.05


class _Pool:
    """Runs `cutflow batch run` for each task."""

    def __init__(self, plan: Plan, numbers: Sequence[int], workers: int, say: Callable[[str], None]) -> None:
        self.plan, self.workers, self.say = plan, workers, say
        self.waiting = [(0.0, number) for number in sorted(numbers)]  # a heap: not before when, which
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.attempts = dict.fromkeys(numbers, 0)
        self.codes: dict[int, int] = {}
        self.elsewhere: set[int] = set()
        self.stopped: str | None = None
        self.sent_home = False

    def stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = signal.Signals(number).name  # and `step` sees to it, whatever it is doing now

    def send_home(self) -> None:
        """Start nothing more, and let what runs save its checkpoints."""
        self.waiting.clear()
        for process in self.running.values():
            process.terminate()
        self.sent_home = True

    def is_done(self, number: int) -> bool:
        status = read_status(self.plan.directory(number))
        there = (self.plan.path / self.plan.task(number).out).exists()
        return status is not None and status.state == "done" and there

    def start(self, number: int) -> None:
        self.attempts[number] += 1
        threads = max(1, len(os.sched_getaffinity(0)) // self.workers)
        command = [sys.executable, "-m", "cutflow_cli", "batch", "run", str(self.plan.path), str(number)]
        with (self.plan.directory(number) / "job.txt").open("ab") as stream:
            self.running[number] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={"OMP_NUM_THREADS": str(threads), **os.environ},
                process_group=0,  # Ctrl-C reaches tasks through us, once
            )

    def step(self) -> None:
        if self.stopped is not None and not self.sent_home:
            self.send_home()
        while (
            self.stopped is None
            and self.waiting
            and len(self.running) < self.workers
            and self.waiting[0][0] <= time.monotonic()
        ):
            number = heapq.heappop(self.waiting)[1]
            if self.is_done(number):  # by somebody else meanwhile
                self.codes[number] = 0
            elif is_held(self.plan.directory(number)):
                self.leave_to_others(number)
            else:
                self.start(number)
        for number, process in list(self.running.items()):
            if process.poll() is not None:
                del self.running[number]
                self.ended(number, process.returncode)

    def leave_to_others(self, number: int) -> None:
        """Come back to a task when somebody else has done it, or left it."""
        if number not in self.elsewhere:
            self.elsewhere.add(number)
            self.say(f"task {number}: somebody else is at work on it")
        heapq.heappush(self.waiting, (time.monotonic() + LOOK, number))

    def ended(self, number: int, code: int) -> None:
        if code == TemporaryError.exit_code and self.stopped is None and is_held(self.plan.directory(number)):
            self.attempts[number] -= 1  # somebody else was faster: no attempt
            self.leave_to_others(number)
        elif code == TemporaryError.exit_code and self.attempts[number] < ATTEMPTS and self.stopped is None:
            self.say(f"task {number}: failed for a passing reason; again in {PAUSE:.0f} s")
            heapq.heappush(self.waiting, (time.monotonic() + PAUSE, number))
        elif code == Interrupted.exit_code and self.stopped is None:  # a time limit of its own: go on at once
            heapq.heappush(self.waiting, (0.0, number))
        else:
            self.codes[number] = code
            name = self.plan.task(number).name
            self.say(f"task {number} ({name}): {'done' if code in (0, 5) else f'ended with {code}'}")


@contextmanager
def _signals(pool: _Pool) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    previous = {number: signal.signal(number, pool.stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_local(
    plan: Plan, numbers: Sequence[int], workers: int, *, say: Callable[[str], None] = lambda text: None
) -> dict[int, int]:
    """Run tasks here and wait for them.

    Args:
        plan: the plan.
        numbers: which tasks.
        workers: how many at the same time.
        say: told as each ends.

    Returns:
        The exit code of each task.

    Raises:
        UsageError: if there are to be no workers.
        Interrupted: if a signal asked to stop; running tasks have saved their checkpoints.
    """
    if workers < 1:
        msg = f"--local {workers}: at least one task has to run at a time"
        raise UsageError(msg)
    pool = _Pool(plan, numbers, workers, say)
    with _signals(pool):
        while pool.waiting or pool.running:
            pool.step()
            time.sleep(_POLL)
    if pool.stopped is not None:
        msg = f"stopped by {pool.stopped}; {len(pool.codes)} of {len(numbers)} tasks had ended or saved a checkpoint"
        raise Interrupted(f"{msg}; the same command continues")
    return pool.codes
