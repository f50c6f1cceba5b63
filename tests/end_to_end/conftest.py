"""The command line run in the process of the tests, which spares each the start of Python and of the libraries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cutflow_cli import app


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as `run_cutflow` does, but here: for tests of which only one needs a process of its own."""
    monkeypatch.setattr("cutflow_cli.app._stop_on_signals", lambda: None)  # they are pytest's here
    monkeypatch.setattr("cutflow_cli.app.settle_environment", lambda: None)  # and so is the environment
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in {"COLUMNS": "120", **environment}.items():
                patch.setenv(name, value)
            if cwd is not None:
                patch.chdir(cwd)
            patch.setattr(sys, "argv", ["cutflow", *map(str, arguments)])
            with pytest.raises(SystemExit) as stopped:
                app.run()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(stopped.value.code or 0), printed.out, printed.err)

    return run
