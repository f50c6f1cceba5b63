"""Tables on terminals of any width, and in pipes: nothing is cut off, and nothing is folded where nobody looks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

_PROGRAM = """
from cutflow_cli.commands import terminal
from cutflow_cli.evaluation.printed import PrintedTable

names = [f"column{i}" for i in range(9)]
rows = [[name, *(f"{i}.25±0.125" for i in range(9))] for name in ("one", "a cut on many observables at the same time")]
note = "a footnote of many words, which a terminal of eighty columns has no room for on a single line of its own"
terminal.tables([PrintedTable("title", ("run", *names), rows, (note,))])
terminal.table("two names", ("", "", "alpha", "beta", ""), [["first", "signal", "1", "2", "differs"]])
"""


def on_terminal(code, columns, **environment):
    """Run Python code on a pseudo-terminal of so many columns; return what it shows, without codes of colours."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=follower, stdout=follower, env={**known, "TERM": "xterm", **environment}
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                more = os.read(leader, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not more:
                break
            shown += more
    os.close(leader)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode().replace("\r\n", "\n")).splitlines()


def cells(lines):
    """Every number of the wide table, whatever its place."""
    return sorted(found for line in lines for found in re.findall(r"\d\.25±0\.125", line))


@pytest.fixture(scope="module")
def piped(run_python):
    return run_python(_PROGRAM, COLUMNS="40").stdout.splitlines()


def test_a_pipe_has_every_row_on_one_line_whatever_the_environment_says(piped):
    assert len(piped[2]) == max(map(len, piped)) > 150
    (header,) = (line for line in piped if line.split()[:1] == ["run"])
    assert header.split() == ["run", *(f"column{i}" for i in range(9))]
    (row,) = (line for line in piped if line.startswith(" one "))
    assert cells([row]) == [f"{i}.25±0.125" for i in range(9)]
    assert any(line.endswith("on a single line of its own") for line in piped)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_gets_blocks_of_columns(piped, columns):
    lines = on_terminal(_PROGRAM, columns)
    assert max(map(len, lines)) <= columns
    headers = [line.split() for line in lines if line.split()[:1] == ["run"]]
    assert len(headers) > 1
    assert [name for header in headers for name in header[1:]] == [f"column{i}" for i in range(9)]
    assert sum(line.startswith(" one ") for line in lines) == len(headers)
    assert cells(lines) == cells(piped)
    assert not any("…" in line for line in lines)
    assert " ".join(" ".join(lines).split()).count("on a single line of its own") == 1


def test_unnamed_columns_stay_where_they_belong():
    lines = on_terminal(_PROGRAM, 30)
    assert [line.split() for line in lines if line.startswith(" first")] == [
        ["first", "signal", "1"],
        ["first", "signal", "2", "differs"],
    ]


def test_a_wide_terminal_gets_what_a_pipe_gets(piped):
    assert on_terminal(_PROGRAM, 200) == piped
    assert on_terminal(_PROGRAM, 0) == piped, "a terminal that does not say how wide it is"


def test_columns_of_the_environment_and_dumb_terminals_cut_nothing_off(piped):
    assert on_terminal(_PROGRAM, 80, COLUMNS="200", TERM="dumb") == piped
    assert max(map(len, on_terminal(_PROGRAM, 200, COLUMNS="80", TERM="dumb"))) <= 80
