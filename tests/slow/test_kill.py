"""`kill -9` at any moment: never a half output, and the same command goes on to the same result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from slow_cases import Command, commands, contents

#: Over all commands together.
KILLS = int(os.environ.get("CUTFLOW_KILLS", "200"))
SEED = int(os.environ.get("CUTFLOW_KILL_SEED", "1"))
#: Share of its time in which a command mostly loads libraries.
_LOADING = 0.3


def start(command: Command, directory, inputs):
    typed = [sys.executable, "-m", "cutflow_cli", *map(str, command.typed(directory))]
    return subprocess.Popen(
        typed, cwd=inputs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.parametrize("number", range(len(commands())), ids=[command.name for command in commands()])
def test_killed_at_random_moments(number, inputs, expected, tmp_path):
    command = commands()[number]
    random_numbers = random.Random(f"{SEED} {command.name}")
    whole = expected(command)
    began = time.monotonic()
    finish(command, tmp_path / "timed", inputs, whole)
    lasts = time.monotonic() - began
    directory, rounds = tmp_path / "0", 0
    share = KILLS // len(commands()) + (number < KILLS % len(commands()))
    killed = 0
    while killed < share:
        directory.mkdir(exist_ok=True)
        first, began = not any(directory.iterdir()), time.monotonic()
        process = start(command, directory, inputs)
        try:
            process.wait(random_numbers.uniform(_LOADING, 1.05) * lasts)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        _, stderr = process.communicate()
        out = directory / command.out
        if process.returncode == 0:
            assert_whole(command, directory, whole)
            lasts = time.monotonic() - began if first else lasts  # less than it was: the machine was busier then
            rounds += 1
            directory = tmp_path / str(rounds)
            continue
        assert process.returncode == -signal.SIGKILL, stderr
        if out.exists():  # killed after it was put in its place
            assert contents(out) == whole
    directory.mkdir(exist_ok=True)
    finish(command, directory, inputs, whole)


def finish(command: Command, directory, inputs, whole) -> None:
    """Run a command to its end."""
    directory.mkdir(exist_ok=True)
    process = start(command, directory, inputs)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert_whole(command, directory, whole)


def assert_whole(command: Command, directory, whole) -> None:
    """Check that the output is what it should be, and that nothing else is left."""
    assert contents(directory / command.out) == whole
    assert [path.name for path in directory.iterdir()] == [command.out]
