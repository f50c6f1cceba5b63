"""One attempt at one task: what a job of a batch system executes.

The command runs as a process of its own, so that whatever happens to it, a full memory or a fault in a library, there
is somebody left who writes down what happened. Signals go on to it; it saves a checkpoint and ends with 85.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cutflow_cli.artifacts import partial_path
from cutflow_cli.batch.lock import Lock, Owner, held
from cutflow_cli.batch.manifest import RESULTS, InputFile, Plan, Task, current_digests, read_plan
from cutflow_cli.batch.task_status import DONE_CODES, HEADER, LOG, TaskStatus, now, read_status, reason_in_log
from cutflow_cli.errors import InputError, Interrupted, NegativeAnswer, TemporaryError

STOPPED = Interrupted.exit_code
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
#: Seconds between looks at the running command.
_POLL = 0.2
#: Seconds for which a job waits for an earlier attempt at its task. That of a job that was held or removed, and
#: submitted again, may still be saving its checkpoint; to try again later would cost minutes in the queue.
LEAVE = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt came to.

    Attributes:
        task: which.
        status: as written.
        already_done: whether there was nothing to do.
    """

    task: Task
    status: TaskStatus
    already_done: bool = False

    @property
    def exit_code(self) -> int:
        """The code for the batch system: the command's own."""
        return self.status.exit_code or 0


def run_task(
    directory: Path,
    number: int,
    *,
    job: str = "",
    transferred: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Attempt:
    """Run a task of a plan, unless it is done.

    Args:
        directory: the plan directory.
        number: of the task.
        job: which job of the batch system this is, for the record.
        transferred: look for inputs in the plan directory, by their names alone, where a batch system that copies
            files puts them.
        say: told what happens, a sentence at a time.

    Raises:
        UsageError: if the plan has no such task.
        InputError: if the directory is no plan.
        TemporaryError: if another attempt at the task is at work, and a job's has not ended within `LEAVE` seconds.
        Interrupted: if a signal asked to stop while that was waited for.
    """
    plan = read_plan(directory)
    task = plan.task(number)
    home = plan.directory(number)
    home.mkdir(parents=True, exist_ok=True)  # absent where files were copied, not shared
    (plan.path / RESULTS).mkdir(exist_ok=True)
    me = Owner.me(job)
    with (
        _forwarding() as forward,
        held(home, me, patience=LEAVE if job else 0.0, meanwhile=_wait(forward, say)) as lock,
    ):
        before = read_status(home)
        if before is not None and before.state == "done" and (plan.path / task.out).exists():
            return Attempt(task, before, already_done=True)
        here = _with_transferred(task) if transferred else task
        found = dict(zip((file.path for file in task.inputs), current_digests(plan, here).values(), strict=True))
        attempt = 1 if before is None else before.attempt + 1
        status = TaskStatus("running", attempt, me.host, me.pid, job, now(), inputs=found)
        status.write(home)
        say(f"{task.name}: attempt {attempt} on {me.host}")
        changed = _changed(plan, here, list(found.values()))
        if changed is not None:
            status = status.end("failed", InputError.exit_code, changed)
        else:
            code = _execute(plan, here, home / LOG, lock, attempt, forward)
            status = _ended(status, plan, task, home / LOG, code, forward.asked)
        status.write(home)
    return Attempt(task, status)


def _wait(forward: _Forward, say: Callable[[str], None]) -> Callable[[TemporaryError], None]:
    """Say once that another attempt is waited for, and stop waiting when asked to."""
    said = False

    def meanwhile(other: TemporaryError) -> None:
        nonlocal said
        if forward.asked is not None:
            msg = f"stopped by {forward.asked} before it began: {str(other).partition(';')[0]}"
            raise Interrupted(msg)
        if not said:
            say(f"{str(other).partition(';')[0]}; waiting up to {LEAVE:.0f} s for it to end")
            said = True

    return meanwhile


def _with_transferred(task: Task) -> Task:
    """Replace the paths of inputs elsewhere by their names."""
    names = {file.path: Path(file.path).name for file in task.inputs if Path(file.path).is_absolute()}
    argv = tuple(names.get(word, word) for word in task.argv)
    inputs = tuple(InputFile(names.get(file.path, file.path), file.digest) for file in task.inputs)
    return Task(task.number, task.group, task.name, argv, task.out, inputs)


def _changed(plan: Plan, task: Task, found: Sequence[str | None]) -> str | None:
    """Say which input is not what it was when the plan was made."""
    for file, digest in zip(task.inputs, found, strict=True):
        if digest is None:
            what = "can't be read" if (plan.path / file.path).exists() else "no such file"
            return f"{plan.path / file.path}: {what}, though it was there when the plan was made"
        if digest != file.digest:
            return f"{plan.path / file.path}: has changed since the plan was made; plan again, in another directory"
    return None


def _environment() -> dict[str, str]:
    """Return what the command needs; batch systems may give neither PATH nor HOME."""
    given = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **given}


def _command(task: Task) -> list[str]:
    return [sys.executable, "-m", "cutflow_cli", *task.argv]


def _execute(plan: Plan, task: Task, log: Path, lock: Lock, attempt: int, forward: _Forward) -> int:
    """Run the command; return its exit code, negative for the signal that ended it."""
    (plan.path / task.out).parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        stream.write(f"{HEADER}{attempt}, {now()}: cutflow {shlex.join(task.argv)}\n".encode())
        stream.flush()
        process = subprocess.Popen(
            _command(task),
            cwd=plan.path,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.descriptor,),  # so that the lock lives as long as the command
            process_group=0,  # a signal to our group reaches it once, through us
        )
        forward.to(process)
        while process.poll() is None:
            lock.show_life()
            time.sleep(_POLL)
    return process.returncode


class _Forward:
    """Passes signals on to the command, those too that came before it was started."""

    def __init__(self) -> None:
        self.asked: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._early: int | None = None

    def to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self._early is not None:
            process.send_signal(self._early)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name
        if self._process is None:
            self._early = number
        else:
            self._process.send_signal(number)


@contextmanager
def _forwarding() -> Iterator[_Forward]:
    forward = _Forward()
    previous = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield forward
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _ended(status: TaskStatus, plan: Plan, task: Task, log: Path, code: int, stop: str | None) -> TaskStatus:
    """Say how the attempt ended."""
    if code in DONE_CODES or (code == NegativeAnswer.exit_code and task.argv[0] == "evaluate"):
        # a part of the events in which a selection keeps no signal is evaluated all the same
        if (plan.path / task.out).exists():
            return status.end("done", code if code in DONE_CODES else 0, None)
        return status.end("failed", 1, f"{task.out}: was not written, though the command ended with {code}")
    if code == STOPPED:
        return status.end("stopped", STOPPED, reason_in_log(log))
    early = stop is not None and (code == TemporaryError.exit_code or code == -signal.Signals[stop].value)
    if early:  # before there was anything to save
        kept = partial_path(plan.path / task.out).exists()
        return status.end("stopped", STOPPED, f"stopped by {stop} {'while it trained' if kept else 'before it began'}")
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; out of memory, perhaps" if name == "SIGKILL" else ""
        return status.end("failed", 128 - code, f"killed by {name}{hint}")
    return status.end("failed", code, reason_in_log(log) or f"ended with {code}")
