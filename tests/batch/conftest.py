"""A plan directory made by hand, whose tasks are not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cutflow_cli.artifacts import file_digest
from cutflow_cli.batch.manifest import MANIFEST, RESULTS, SUBMIT, TASKS, Group, InputFile, Plan, Task, write_plan


@pytest.fixture
def make_plan(tmp_path: Path) -> Callable[..., Plan]:
    """Make a plan of a number of tasks, all parts of one result, that read `input.txt`."""

    def make(tasks: int = 3, name: str = "scan") -> Plan:
        path = tmp_path / name
        source = tmp_path / "input.txt"
        source.write_text("events")
        inputs = (InputFile(str(source), file_digest(source)),)
        made = tuple(
            Task(n, "lcf", f"lcf part {n}", ("apply", str(source), f"--cut-flow={RESULTS}/lcf/{n}"),
                 f"{RESULTS}/lcf/{n}", inputs) for n in range(tasks)
        )  # fmt: skip
        plan = Plan(path, made, (Group("lcf", "apply", "merged/lcf.parquet", ("apply",)),), "digest")
        for directory in (RESULTS, SUBMIT, *(f"{TASKS}/{n:05d}" for n in range(tasks))):
            (path / directory).mkdir(parents=True)
        write_plan(plan, path)
        assert (path / MANIFEST).is_file()
        return plan

    return make
