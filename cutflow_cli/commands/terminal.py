"""What commands print: results to stdout, all else to stderr, progress on a terminal only."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import typer

#: Width up to which tables grow: nothing is cut off, in a log or on a narrow terminal.
_NO_LIMIT = 10_000
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


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, stderr: bool = False) -> None:
    """Print a table; the first column is text, the others are aligned to the right.

    Args:
        title: printed above it.
        header: names of the columns.
        rows: cells, already formatted.
        stderr: print to stderr, for a table that is not the result.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    stream = sys.stderr if stderr else sys.stdout
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(name, justify="left" if position == 0 else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    console = Console(file=stream, width=_NO_LIMIT, highlight=False, markup=False)
    console.print(title, style="italic")  # on its own: as the table's it would be folded to the width of the table
    console.print(drawn)  # as wide as its cells: a narrow terminal wraps lines, but no digit is lost


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
