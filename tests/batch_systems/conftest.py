"""Real one-node batch systems, started for the tests and stopped after them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_systems import System, free_ports, started, system_of


@pytest.fixture(scope="session")
def slurm_environment() -> Iterator[dict[str, str]]:
    yield from started("slurm", SLURM_TEST_PORT=str(free_ports(4)))


@pytest.fixture(scope="session")
def htcondor_environment() -> Iterator[dict[str, str]]:
    yield from started("htcondor", HTCONDOR_TEST_PORT=str(free_ports(1)))


@pytest.fixture(params=["slurm", "htcondor"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> System:
    return system_of(request.param, request.getfixturevalue(f"{request.param}_environment"), monkeypatch)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tiny sample in it."""
    directory = tmp_path_factory.mktemp("batch")
    command = ["generate-mock", "mock1", "--events", "2000", "--seed", "1", "--out", directory / "mock1.parquet"]
    subprocess.run([sys.executable, "-m", "cutflow_cli", *map(str, command)], check=True, capture_output=True)
    return directory
