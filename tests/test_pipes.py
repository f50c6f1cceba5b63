"""A reader that goes away, such as `head`, ends neither the work nor changes its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: More than a pipe holds, by both of the ways in which text is printed, and then the work and its exit code.
_PROGRAM = """
import sys
from pathlib import Path
import typer
from cutflow_cli import app
from cutflow_cli.commands import terminal
from cutflow_cli.errors import NegativeAnswer

def command(**_):
    terminal.table("title", ["name", "value"], [["row", str(i)] for i in range(300)])
    terminal.result("x" * 200_000)
    terminal.note("said")
    Path({done!r}).write_text("done")
    if {differs}:
        raise NegativeAnswer("the answer is no")

app.app = command
app.run()
"""


def _without_reader(code, *, also_stderr=False, unbuffered=False):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, *(["-u"] if unbuffered else []), "-c", code],
            stdout=writing,
            stderr=writing if also_stderr else subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize(("differs", "code", "says"), [(False, 0, []), (True, 4, ["cutflow: the answer is no"])])
def test_the_work_is_finished_with_its_own_exit_code_though_nobody_reads(tmp_path, differs, code, says, unbuffered):
    finished = tmp_path / "finished"
    done = _without_reader(_PROGRAM.format(done=str(finished), differs=differs), unbuffered=unbuffered)
    assert (done.returncode, done.stderr.splitlines()) == (code, ["said", *says])
    assert finished.read_text() == "done"


def test_nor_does_it_matter_that_nobody_reads_what_is_said_beside_the_result(tmp_path):
    finished = tmp_path / "finished"
    done = _without_reader(_PROGRAM.format(done=str(finished), differs=True), also_stderr=True)
    assert done.returncode == 4
    assert finished.read_text() == "done"


def test_what_is_read_is_all_there_and_a_full_disk_is_still_said(run_python, tmp_path):
    done = run_python(_PROGRAM.format(done=str(tmp_path / "finished"), differs=False))
    assert (done.returncode, done.stderr) == (0, "said\n")
    assert done.stdout.splitlines()[-1] == "x" * 200_000
    assert len(done.stdout.splitlines()) > 300
    disk = Path("/dev/full")
    if not disk.exists():
        pytest.skip("no /dev/full here")
    with disk.open("w") as full:
        code = _PROGRAM.format(done=str(tmp_path / "finished"), differs=False)
        failed = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert failed.returncode == 75
    assert failed.stderr.startswith("cutflow: no space left to write")
