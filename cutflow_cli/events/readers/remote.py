"""Files on servers (`root://`, `https://`): which failures are worth a retry, and how to go on behind one.

Whether a failure will pass is judged by its kind: a refusal by the server (no such file, not allowed) will not, an
overload, a broken connection or a time-out may.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from cutflow_cli.errors import CutflowError, InputError, TemporaryError, UsageError
from cutflow_cli.events.readers.base import Chunk, first_line

T = TypeVar("T")

#: Seconds to wait before the second and the third attempt, which is the last.
WAITS = (1.0, 4.0)

_SCHEME = re.compile(r"(?P<scheme>root|https?)://", re.IGNORECASE)
#: XRootD's kXR_NotFound, kXR_NotAuthorized and kXR_isDirectory, which arrive as text.
_XROOTD_REFUSALS = re.compile(r"\[30(11|10|16)\]|No such file|Permission denied", re.IGNORECASE)
#: What uproot makes of a failed request among several, instead of raising what it got.
_LOST_ERROR = re.compile(r"'\w*Error' object is not subscriptable")
_PASSING_STATUS = (408, 425, 429)


def is_remote(where: str) -> bool:
    """Whether a text is the address of a file on a server."""
    return _SCHEME.match(where) is not None


def filesystem(where: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address, and the file's name in it.

    Raises:
        UsageError: if what reads from this kind of server is not installed.
    """
    import fsspec  # type: ignore[import-untyped]

    match = _SCHEME.match(where)
    assert match is not None  # see `is_remote`
    try:
        fsspec.get_filesystem_class(match["scheme"].lower())
    except (ImportError, ValueError) as error:
        msg = f"{where}: what reads {match[0]} is not installed: pip install 'cutflow-cli[remote]'"
        raise UsageError(msg) from error
    system, path = fsspec.core.url_to_fs(where)
    return system, str(path)


def judge(error: BaseException) -> Literal["passing", "refused", "other"]:
    """Say whether a failure may pass, is the server's refusal, or has nothing to do with the transfer."""
    if isinstance(error, CutflowError):
        return "other"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return "refused"
    status = getattr(error, "status", None)  # aiohttp's ClientResponseError; aiohttp may be absent
    if isinstance(status, int) and _from_aiohttp(error):
        return "passing" if status >= 500 or status in _PASSING_STATUS else "refused"
    if isinstance(error, OSError):
        return "refused" if _XROOTD_REFUSALS.search(str(error)) else "passing"
    lost = isinstance(error, TypeError) and _LOST_ERROR.search(str(error))
    return "passing" if lost or _from_aiohttp(error) else "other"


def _from_aiohttp(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] == "aiohttp" for kind in type(error).__mro__)


def attempt(action: Callable[[], T], where: str) -> T:
    """Do something with a file; if it is on a server, up to three times.

    Raises:
        InputError: if the server refuses, as for a file that is not there.
        TemporaryError: if it fails three times in ways that may pass.
    """
    if not is_remote(where):
        return action()
    for wait in WAITS:
        try:
            return action()
        except Exception as error:
            if judge(error) != "passing":
                raise _told(error, where) from error
            time.sleep(wait)
    try:
        return action()
    except Exception as error:
        raise _told(error, where) from error


def resumed(read: Callable[[int], Iterator[Chunk]], reopen: Callable[[], None], where: str) -> Iterator[Chunk]:
    """Read chunks; if the file is on a server and reading fails, open it again and go on behind the last chunk.

    Args:
        read: gives the chunks from a row on.
        reopen: makes a new connection.
        where: the file.

    Raises:
        InputError: if the server refuses.
        TemporaryError: if it fails three times at the same place in ways that may pass.
    """
    if not is_remote(where):
        yield from read(0)
        return
    done = 0
    waits = list(WAITS)
    while True:
        try:
            for chunk in read(done):
                done, waits = done + len(next(iter(chunk.values()))), list(WAITS)
                yield chunk
        except Exception as error:
            if judge(error) != "passing" or not waits:
                raise _told(error, where) from error
            time.sleep(waits.pop(0))
            attempt(reopen, where)
        else:
            return


def _told(error: Exception, where: str) -> Exception:
    """Say what went wrong in one line; what is none of the server's doing stays as it is."""
    verdict = judge(error)
    if verdict == "passing":
        tries = len(WAITS) + 1
        what = "a request failed" if isinstance(error, TypeError) else first_line(error)
        return TemporaryError(f"{where}: could not be read in {tries} attempts ({what}); try again later")
    if verdict == "refused":
        missing = isinstance(error, FileNotFoundError) or getattr(error, "status", None) in (404, 410)
        what = "no such file on the server" if missing else f"the server refuses it ({first_line(error)})"
        return InputError(f"{where}: {what}; check the address")
    return error
