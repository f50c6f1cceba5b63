"""What commands print: results to stdout, all else to stderr, progress on a terminal only."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

from cutflow_cli.evaluation.printed import PrintedTable, column_blocks, room_for_names

if TYPE_CHECKING:
    from rich.table import Table

#: What rich is told of the screen, both or it takes a dumb terminal for 80 wide: it would cut cells off.
_NO_LIMIT = 10_000
#: Characters that are left to the first column of a table at least, where a narrow terminal has it folded.
_LEAST_NAME = 20
#: Characters of JSON that somebody may read. To indent takes five times as long.
_READABLE = 100_000
#: Seconds between plain progress lines off a terminal, unless this variable of the environment says otherwise.
LOG_INTERVAL, LOG_INTERVAL_VARIABLE = 60.0, "CUTFLOW_LOG_INTERVAL"


def result(text: str) -> None:
    """Print a line of the result."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line that is not part of the result."""
    typer.echo(text, err=True)


def warning(text: str) -> None:
    """Print a warning."""
    note(f"cutflow: warning: {text}")


def result_json(value: Any) -> None:  # noqa: ANN401  (anything JSON can hold)
    """Print a result for machines, indented if it is short enough to be read by people."""
    text = json.dumps(value, allow_nan=False, default=str)
    typer.echo(json.dumps(value, indent=2, default=str) if len(text) < _READABLE else text)


def width() -> int | None:
    """Return the columns of the terminal that results go to; None for a pipe, a file or a terminal that has no width.

    As everywhere, the variable COLUMNS of the environment comes before what the terminal says.
    """
    return (shutil.get_terminal_size(fallback=(0, 0)).columns or None) if sys.stdout.isatty() else None


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, footnotes: Sequence[str] = ()) -> None:
    """Print a table; the first column is text, the others are aligned to the right.

    On a terminal that is narrower than the table its columns are printed in blocks, one below the other, each of which
    begins with the first column; lines of text are folded between words. No cell is ever cut. In a pipe or a file
    a table is as wide as it is.

    Args:
        title: printed above it.
        header: names of the columns.
        rows: cells, already formatted.
        footnotes: lines printed below it, and an empty one after these.
    """
    from rich.console import Console

    room = width()
    console = Console(file=sys.stdout, width=_NO_LIMIT, height=_NO_LIMIT, highlight=False, markup=False)
    console.print(_folded(title, room), style="italic")  # on its own: rich would fold it to the width of the table
    if room is not None:
        rows = _with_room(header, rows, room)
    for block in column_blocks(header, rows, room):
        console.print(_drawn([header[column] for column in block], [[row[column] for column in block] for row in rows]))
    for line in footnotes:
        result(_folded(line, room))
    if footnotes:
        result("")


def tables(laid_out: Iterable[PrintedTable]) -> None:
    """Print tables that the library has laid out, with their footnotes."""
    for one in laid_out:
        table(one.title, one.header, one.rows, footnotes=one.footnotes)


def _drawn(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(name, justify="left" if position == 0 else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    return drawn


def _with_room(header: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[list[str]]:
    """Fold the first column where the terminal has no room for it beside the widest of the others."""
    left = max(room_for_names(header, rows, room), _LEAST_NAME)
    return [[_folded(row[0], left), *row[1:]] for row in rows]


def _folded(text: str, room: int | None) -> str:
    """Fold a line between words; a path or a number stays whole."""
    if room is None or len(text) <= room:
        return text
    return textwrap.fill(text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


class Progress(Protocol):
    """What a long task reports to."""

    def __call__(self, done: float, text: str) -> None:
        """Report the share done (0 to 1) and what to say beside it."""


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show a progress bar on a terminal, and a plain line now and then elsewhere; both on stderr.

    Args:
        title: what is being done.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Bar(*columns, TextColumn("{task.fields[text]}"), console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(title, total=1.0, text="")

            def show(done: float, text: str) -> None:
                bar.update(task, completed=done, text=text)

            yield show
        return
    last = started = time.monotonic()
    interval = _log_interval()

    def log(done: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= interval and done > 0:
            last = now
            left = (now - started) * (1 - done) / done
            note(f"{title}: {100 * done:.0f} %, {text}, about {left:.0f} s left")

    yield log


def _log_interval() -> float:
    """Return the seconds between progress lines; what is no number counts as nothing."""
    try:
        return float(os.environ[LOG_INTERVAL_VARIABLE])
    except (KeyError, ValueError):
        return LOG_INTERVAL
