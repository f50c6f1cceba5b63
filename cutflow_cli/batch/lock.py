"""One attempt at a task at a time, on one machine or on many.

The kernel's lock on a file (`flock`) decides between processes of one machine: it is inherited by the command that an
attempt runs, and ends with the last of them, however they end, so none is ever left behind. File systems that machines
share know of it more or less (NFS and AFS do, Lustre and EOS as mounted), so between machines the time of the file's
last modification decides as well, which an attempt renews as long as it lives: a sign of life.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cutflow_cli.errors import TemporaryError

LOCK = "lock"
#: Seconds between signs of life, and after how many without one an attempt on another machine is taken for dead.
HEARTBEAT, PATIENCE = 20.0, 300.0
_TRIES = 5
#: Seconds between looks at a lock that is waited for.
_PAUSE = 0.5

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose attempt it is: the machine, the process, and the job of the batch system, empty without one."""

    host: str
    pid: int
    job: str

    @classmethod
    def me(cls, job: str = "") -> Owner:
        """Describe this process."""
        return cls(socket.gethostname(), os.getpid(), job)

    def to_text(self) -> str:
        """Write as one line."""
        return f"{self.host} {self.pid} {self.job}\n"

    @classmethod
    def from_text(cls, text: str) -> Owner | None:
        """Read it back; None for anything else."""
        parts = text.split()
        if len(parts) not in (2, 3) or not parts[1].isdecimal():
            return None
        return cls(parts[0], int(parts[1]), parts[2] if len(parts) == 3 else "")


class Lock:
    """A held lock.

    Attributes:
        descriptor: of the file, for the command that an attempt runs to inherit.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self.descriptor = path, descriptor
        self._renewed = time.monotonic()

    def show_life(self) -> None:
        """Renew the sign of life, if it is time to."""
        if time.monotonic() - self._renewed >= HEARTBEAT:
            os.utime(self.descriptor)
            self._renewed = time.monotonic()


@contextmanager
def held(
    directory: Path, me: Owner, *, patience: float = 0.0, meanwhile: Callable[[TemporaryError], None] | None = None
) -> Iterator[Lock]:
    """Hold the lock of a task's directory.

    Args:
        directory: of the task.
        me: who wants it.
        patience: seconds to wait for another attempt to leave; at least one look is taken.
        meanwhile: told now and then, while another attempt is waited for, who it is; may raise to give up.

    Raises:
        TemporaryError: if another attempt holds it.
    """
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + patience
        while (other := _refusal(descriptor, directory, me)) is not None:
            if time.monotonic() >= deadline:
                raise other
            if meanwhile is not None:
                meanwhile(other)
            time.sleep(_PAUSE)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, me.to_text().encode(), 0)
        try:
            yield Lock(directory / LOCK, descriptor)
        finally:
            os.ftruncate(descriptor, 0)  # an empty file belongs to nobody
    finally:
        os.close(descriptor)


def _refusal(descriptor: int, directory: Path, me: Owner) -> TemporaryError | None:
    """Take the lock, or say who has it; between machines a fresh sign of life counts, except of the same job."""
    if not _acquired(descriptor):
        return _taken(directory, _owner(descriptor))
    other = _owner(descriptor)
    if other is None or other.host == me.host or (me.job and other.job == me.job):
        return None
    age = _now(directory) - os.fstat(descriptor).st_mtime
    if age >= PATIENCE:
        return None
    with suppress(OSError):  # where there are no locks, there is none to give back
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return _taken(directory, other, f", whose last sign of life is {age:.0f} s old")


def _acquired(descriptor: int) -> bool:
    """Ask for the lock, more than once, since whoever looks at it (`is_held`) takes it for a moment."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return True  # signs of life alone decide
            if error.errno != errno.EWOULDBLOCK:
                raise
            time.sleep(0.1)
        else:
            return True
    return False


def is_held(directory: Path) -> bool:
    """Whether an attempt at a task is alive, as far as can be seen from here."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                return True
        other = _owner(descriptor)
        if other is None or other.host == socket.gethostname():
            return False
        return _now(directory) - os.fstat(descriptor).st_mtime < PATIENCE
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> Owner | None:
    return Owner.from_text(os.pread(descriptor, 4096, 0).decode(errors="replace"))


def _now(directory: Path) -> float:
    """Return the time by the clock of the file system, which may differ from this machine's."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_mtime
    except OSError:  # somebody else's plan, which we may only look at
        return time.time()


def _taken(directory: Path, owner: Owner | None, more: str = "") -> TemporaryError:
    who = "another process" if owner is None else f"process {owner.pid} on {owner.host}"
    return TemporaryError(f"{directory}: {who} is at work here{more}; nothing was done")
