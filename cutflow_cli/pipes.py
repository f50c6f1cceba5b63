"""What is printed to a pipe that nobody reads any more, as after `cutflow compare … | head -1`, is dropped.

So the work is finished, with the exit code that it would have had, whenever the reader goes: otherwise that would
depend on how much of the text had fitted into the pipe by then.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Outlet(io.FileIO):
    """A file descriptor that leads nowhere from the first write on that no reader is there for."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for libraries that write past Python, and processes started later
            os.close(nowhere)
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Make stdout and stderr take what nobody reads; streams that are no files of the system stay as they are."""
    sys.stdout, sys.stderr = _without_reader(sys.stdout), _without_reader(sys.stderr)


def _without_reader(stream: TextIO) -> TextIO:
    buffer = getattr(stream, "buffer", None)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        return stream
    stream.flush()
    outlet = _Outlet(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        outlet if isinstance(buffer, io.FileIO) else io.BufferedWriter(outlet),  # unbuffered, or not (python -u)
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
