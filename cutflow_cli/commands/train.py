"""cutflow train: learn a selection."""

from __future__ import annotations

import typer

app = typer.Typer(help="Learn a selection from an events file.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Learn a selection from an events file."""
