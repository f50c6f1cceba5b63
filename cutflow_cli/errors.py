"""The exception tree: one class per exit code, one line per message.

The command line maps each class to its exit code in one place (`cutflow_cli.app`), so library code raises and never
exits. Exit codes follow what batch systems need: a scheduler should retry 75 and 85, and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class CutflowError(Exception):
    """The program could not do what was asked; the message is one line for the user."""

    exit_code = 1


class UsageError(CutflowError):
    """Wrong usage: an impossible option, an output that exists, an unwritable directory."""

    exit_code = 2


class InputError(CutflowError):
    """The input is at fault: a missing file or column, text where numbers belong, no signal events."""

    exit_code = 3


class NegativeAnswer(CutflowError):  # noqa: N818  (an answer, not an error)
    """The work is done and the answer is no: a comparison differs, nothing was selected."""

    exit_code = 4


class TemporaryError(CutflowError):
    """A failure worth a retry: a read error, a time-out, a full disk."""

    exit_code = 75


class Interrupted(CutflowError):  # noqa: N818  (a request that was honoured, not an error)
    """A signal or the time limit stopped the work after its checkpoint was saved."""

    exit_code = 85


def is_disk_fault(error: BaseException, path: str | Path) -> bool:
    """Say whether the system failed to read or write a file, rather than that its content is damaged.

    Such an error is named after the file, which failed reads and writes are not (a failed open is), and is to be
    raised again: the same command may succeed later.

    Args:
        error: what was raised. Libraries raise OSError without a number, too, for content that they can't read.
        path: the file.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return False
    if error.filename is None:
        error.filename = str(path)
    return True


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name a file in what the system says when it fails to read or write it."""
    try:
        yield
    except OSError as error:
        is_disk_fault(error, path)
        raise


def nearest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Say which known names are nearest to a wrong one, or which names there are.

    Args:
        name: the name that was not found.
        known: the names that exist.
        limit: how many near names to offer.

    Returns:
        A clause to append to an error message, such as `did you mean tau21, tau32?`.
    """
    names = list(known)
    if not names:
        return "there are none"
    close = difflib.get_close_matches(name.lower(), dict.fromkeys(map(str.lower, names)), n=limit, cutoff=0.5)
    if close:
        near = [candidate for lowered in close for candidate in names if candidate.lower() == lowered]
        return f"did you mean {', '.join(near[:limit])}?"
    shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return f"there are: {shown}"
