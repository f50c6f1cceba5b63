"""What all printed tables have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NOTHING = "–"
#: Width that tables keep to where they can.
WIDTH = 120
#: How working points of scans are called, and what crowded tables say instead.
_SHORTER = (("signal_efficiency=", "ε_s="), ("background_efficiency=", "ε_b="))


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of text.

    Attributes:
        title: printed above.
        header: names of the columns; a line feed divides long ones.
        rows: cells.
        footnotes: lines to print below.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[str, ...] = ()


class Notes:
    """Numbers what must be said of cells, the same text once.

    Attributes:
        lines: the footnotes.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str | None) -> str:
        """Return the mark of a note, to be put behind a number; nothing for no text."""
        return f" [{self._numbers.setdefault(text, len(self._numbers) + 1)}]" if text else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The footnotes."""
        return tuple(f"[{number}] {text}" for text, number in self._numbers.items())


def short_point(text: str) -> str:
    """Abbreviate the name of a working point, wherever it stands."""
    for long, short in _SHORTER:
        text = text.replace(long, short)
    return text


def listed(names: Iterable[str]) -> str:
    """List names as in a sentence: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
