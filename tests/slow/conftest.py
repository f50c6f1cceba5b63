"""What the slow tests share. They are collected only where their directory is named: `pytest tests/slow`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from slow_cases import INGEST, Command, contents

#: Of each class.
EVENTS = 40_000


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Give every command one thread: many run at once, and several threads each would wait for each other's cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def inputs(tmp_path_factory, run_cutflow) -> Path:
    """Files to ingest, an events file, shards of it, blocks of replicas and runs to evaluate."""
    directory = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(5)
    for name, shift in (("signal", 1.0), ("background", 0.0)):
        columns = {feature: rng.normal(shift, 1.0, EVENTS).astype(np.float32) for feature in "abcd"}
        pq.write_table(pa.table(columns), directory / f"{name}.parquet", row_group_size=10_000)
    steps = [
        (*INGEST, "--out", "events.parquet"),
        (*INGEST, "--shard", "1/2", "--out", "part1.parquet"),
        (*INGEST, "--shard", "2/2", "--out", "part2.parquet"),
        ("train", "lcf-parallel", "events.parquet", "--epochs", "2", "--out", "lcf"),
        ("train", "bdt", "events.parquet", "--trees", "10", "--replicas", "0:2", "--keep-state", "--out", "block0"),
        ("train", "bdt", "events.parquet", "--trees", "10", "--replicas", "2:4", "--keep-state", "--out", "block2"),
    ]
    for step in steps:
        done = run_cutflow(*step, cwd=directory)
        assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="session")
def expected(inputs, tmp_path_factory, run_cutflow) -> Callable[[Command], dict[str, str]]:
    """Give what a command makes where nothing goes wrong."""
    made: dict[str, dict[str, str]] = {}
    directory = tmp_path_factory.mktemp("expected")

    def find(command: Command) -> dict[str, str]:
        if command.name not in made:
            done: subprocess.CompletedProcess[str] = run_cutflow(*command.typed(directory), cwd=inputs)
            assert done.returncode == 0, done.stderr
            made[command.name] = contents(directory / command.out)
        return made[command.name]

    return find
