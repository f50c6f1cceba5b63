"""What a task says about itself: `status.json`, replaced atomically when an attempt begins and when it ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from cutflow_cli.artifacts import read_json, write_json
from cutflow_cli.errors import InputError, naming

STATUS, LOG = "status.json", "log.txt"
#: Begins the line that an attempt writes into the log before its command does.
HEADER = "# attempt "
State = Literal["running", "done", "failed", "stopped"]
#: Exit codes of a finished task: done, and done with skipped files.
DONE_CODES = (0, 5)
#: Failures that another attempt with the same inputs can't mend: wrong usage, an input at fault, a negative answer.
HOPELESS = (2, 3, 4)
#: Bytes at the end of a log in which the reason of a failure is looked for.
_TAIL = 16_384


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The last attempt at a task.

    Attributes:
        state: `running` from its beginning; then `done`, `failed`, or `stopped` with a checkpoint saved.
        attempt: counted from 1.
        host: where.
        pid: which process there.
        job: which job of the batch system; empty without one.
        started: when, ISO 8601 in UTC.
        ended: when; None while it runs.
        exit_code: None while it runs.
        reason: why it failed or stopped, in words.
        inputs: digest of each input as this attempt found it; null where it could not be read.
    """

    state: State
    attempt: int
    host: str
    pid: int
    job: str
    started: str
    ended: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    inputs: dict[str, str | None] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write into the directory of the task."""
        write_json(directory / STATUS, asdict(self))

    def end(self, state: State, exit_code: int, reason: str | None) -> TaskStatus:
        """Return the same attempt, ended now."""
        return replace(self, state=state, ended=now(), exit_code=exit_code, reason=reason)


def read_status(directory: Path) -> TaskStatus | None:
    """Read the status of a task; None before its first attempt.

    Raises:
        InputError: if it is damaged.
    """
    path = directory / STATUS
    if not path.exists():
        return None
    raw: dict[str, Any] = read_json(path)
    try:
        found = TaskStatus(**raw)
    except TypeError as error:
        msg = f"{path}: damaged ({error}); remove it to forget the attempts at this task"
        raise InputError(msg) from error
    if found.state not in get_args(State):
        msg = f"{path}: state {found.state!r} is not known; remove it to forget the attempts at this task"
        raise InputError(msg)
    return found


def now() -> str:
    """Return the time, ISO 8601 in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def reason_in_log(log: Path) -> str | None:
    """Return the last thing that the last command said: its error, or else a line; None if it said nothing."""
    try:
        with naming(log), log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    attempt = text.rpartition(HEADER)[2].partition("\n")[2] if HEADER in text else text
    lines = [line.strip() for line in attempt.splitlines() if line.strip()]
    if lines and lines[-1].startswith("cutflow: "):
        return lines[-1].removeprefix("cutflow: ")
    return lines[-1] if lines else None
