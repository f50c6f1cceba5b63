"""Running the command-line tools of batch systems: no Python bindings, which come in versions that fit or don't."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.errors import CutflowError, TemporaryError, UsageError

#: Seconds that a tool may take; a scheduler under load answers late.
TIMEOUT = 120.0


class ToolError(CutflowError):
    """A tool of a batch system refused; the message holds what it said."""


def run_tool(command: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a tool and return what it printed.

    Raises:
        UsageError: if there is no such tool here.
        ToolError: if it fails.
        TemporaryError: if it does not answer.
    """
    if shutil.which(command[0]) is None:
        msg = f"{command[0]}: no such program here; run this where the batch system can be reached"
        raise UsageError(msg)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{command[0]}: no answer within {TIMEOUT:.0f} s; try again later"
        raise TemporaryError(msg) from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        what = next((line for line in said if "error" in line.lower()), said[0] if said else "no word why")
        msg = f"{command[0]} failed ({done.returncode}): {what}"
        raise ToolError(msg)
    return done.stdout
