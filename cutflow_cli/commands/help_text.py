"""Help whose paragraphs flow: typer breaks the lines of all but the first where the source does."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand


def flowing(text: str) -> str:
    """Join the lines of each paragraph, but for paragraphs of commands, one to a line."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        paragraph if paragraph.lstrip().startswith("cutflow ") else " ".join(paragraph.split("\n"))
        for paragraph in paragraphs
    )


class Command(TyperCommand):
    """A command whose help flows."""

    def __init__(self, *args: Any, help: str | None = None, **options: Any) -> None:  # noqa: ANN401  (typer's own)
        super().__init__(*args, help=None if help is None else flowing(help), **options)
