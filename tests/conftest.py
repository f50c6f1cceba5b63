"""What several test files share: how the installed program is run, and small samples of events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("cutflow", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("cutflow")

ROOT = Path(__file__).resolve().parent.parent

RunCutflow = Callable[..., "subprocess.CompletedProcess[str]"]


#: What starts real batch systems (`make test-batch`), and what takes many minutes (`make test-slow`).
ONLY_WHEN_NAMED = ("batch_systems", "slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests that are run only where their directory is named."""
    name = collection_path.name
    named = any(name in Path(argument.partition("::")[0]).parts for argument in config.args)
    return True if name in ONLY_WHEN_NAMED and not named else None


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def run_python() -> RunCutflow:
    """Run Python code in a process of its own, as on a machine without a terminal."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=120,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture(scope="session")
def run_cutflow() -> RunCutflow:
    """Run the command line in a process of its own: `run_cutflow("train", "--help", VARIABLE="value")`."""

    def run(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cutflow_cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=300,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **environment},
        )

    return run
