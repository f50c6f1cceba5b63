"""The command line run in the process of the tests, which spares each the start of Python and of the libraries."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cutflow_cli import app


@pytest.fixture(scope="session")
def run_here() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as `run_cutflow` does, but here: for tests of which only one needs a process of its own."""

    def run(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cutflow_cli.app._stop_on_signals", lambda: None)  # they are pytest's here
            patch.setattr("cutflow_cli.app.settle_environment", lambda: None)  # and so is the environment
            for name, value in {"COLUMNS": "120", "NO_COLOR": "1", **environment}.items():
                patch.setenv(name, value)
            if cwd is not None:
                patch.chdir(cwd)
            patch.setattr(sys, "argv", ["cutflow", *map(str, arguments)])
            with (
                contextlib.redirect_stdout(stdout),
                contextlib.redirect_stderr(stderr),
                pytest.raises(SystemExit) as stopped,
            ):
                app.run()
        printed = (stream.buffer.getvalue().decode() for stream in (stdout, stderr))
        return subprocess.CompletedProcess(["cutflow", *map(str, arguments)], int(stopped.value.code or 0), *printed)

    return run
