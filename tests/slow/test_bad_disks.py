"""Disks that fill, and reads that fail half-way: one clear line, no half output, and a retry works."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from slow_cases import commands, contents

COMMANDS = {command.name: command for command in commands()}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of which the size can be chosen."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True, capture_output=True)

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a file system that is small")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system can be made here: {made.stderr.decode().strip()}")
    yield place, resize
    subprocess.run(["umount", "--lazy", place], check=True)


def said(done) -> list[str]:
    """Return the lines in which a command says that it failed."""
    return [line for line in done.stderr.splitlines() if line.startswith("cutflow: ") and "warning:" not in line]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_fills(name, small_disk, inputs, expected, run_cutflow):
    command, (disk, resize) = COMMANDS[name], small_disk
    whole = expected(command)
    failures = 0
    for size in ("8k", "16k", "64k", "256k", "1m", "4m"):
        resize(size)
        done = run_cutflow(*command.typed(disk), cwd=inputs)
        if done.returncode == 0:
            break
        failures += 1
        assert done.returncode == 75, done.stderr
        (line,) = said(done)
        assert line.endswith("no space left to write; free some and run the same command again"), line
        assert str(disk) in line
        assert not (disk / command.out).exists()
        assert "Traceback" not in done.stderr
    assert failures, "it fitted into 8 kB"
    resize("64m")
    done = run_cutflow(*command.typed(disk), cwd=inputs)
    assert done.returncode == 0, done.stderr
    assert contents(disk / command.out) == whole
    assert [path.name for path in disk.iterdir()] == [command.out]


#: What each command reads first of what may be damaged.
READS = {
    "ingest": "signal.parquet",
    "merge of shards": "part2.parquet",
    "merge of blocks": "block2/state.npz",
    "lcf": "events.parquet",
    "mlp": "events.parquet",
    "evaluate": "events.parquet",
}


@pytest.fixture
def copies(inputs, tmp_path):
    """Links to all inputs, of which one can be replaced."""
    directory = tmp_path / "inputs"
    shutil.copytree(inputs, directory, copy_function=os.link)
    return directory


def replaced(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("name", READS)
def test_a_file_that_is_still_being_copied(name, copies, expected, tmp_path, run_cutflow):
    command, path = COMMANDS[name], copies / READS[name]
    whole, content = expected(command), path.read_bytes()
    replaced(path, content[: len(content) // 2])
    done = run_cutflow(*command.typed(tmp_path), cwd=copies)
    assert done.returncode == 3, done.stderr
    (line,) = said(done)
    assert Path(READS[name]).name in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["inputs"]
    replaced(path, content)
    assert run_cutflow(*command.typed(tmp_path), cwd=copies).returncode == 0
    assert contents(tmp_path / command.out) == whole


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can be opened and not be read")
@pytest.mark.parametrize("name", READS)
def test_a_read_that_fails(name, copies, expected, tmp_path, run_cutflow):
    command, path = COMMANDS[name], copies / READS[name]
    whole, content = expected(command), path.read_bytes()
    path.unlink()
    path.symlink_to("/proc/self/mem")  # its first page is mapped nowhere, and reading it is an input/output error
    done = run_cutflow(*command.typed(tmp_path), cwd=copies)
    assert done.returncode == 75, done.stderr
    (line,) = said(done)
    assert f"{Path(READS[name]).name}: input/output error; the same command may succeed later" in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["inputs"]
    path.unlink()
    path.write_bytes(content)
    assert run_cutflow(*command.typed(tmp_path), cwd=copies).returncode == 0
    assert contents(tmp_path / command.out) == whole


@pytest.mark.parametrize("name", ["ingest", "lcf", "evaluate"])
def test_a_pipe_is_no_file_and_nothing_waits_for_it(name, copies, tmp_path, run_cutflow):
    path = copies / READS[name]
    path.unlink()
    os.mkfifo(path)
    done = run_cutflow(*COMMANDS[name].typed(tmp_path), cwd=copies)
    assert done.returncode == 3, done.stderr
    (line,) = said(done)
    assert f"{path.name}: is a pipe or a device, a file was expected" in line
