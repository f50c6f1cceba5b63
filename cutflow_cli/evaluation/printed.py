"""What all printed tables have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NOTHING = "–"
#: Width that tables keep to where they can.
WIDTH = 120
#: Characters between two columns of a printed table, and to the left and right of all.
_GAP, _MARGIN = 3, 1
#: How working points of scans are called, and what crowded tables say instead.
_SHORTER = (("signal_efficiency=", "ε_s="), ("background_efficiency=", "ε_b="))


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table of text.

    Attributes:
        title: printed above.
        header: names of the columns; a line feed divides long ones. One whose first line is empty goes on from the
            column on its left, and is never printed without it.
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


def column_blocks(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[tuple[int, ...]]:
    """Divide the columns of a table into blocks that fit into a width, each of which begins with the first column.

    A block has one column besides the first at least, whatever room that takes. Columns that only their neighbour
    on the left explains, those whose name has no first line, stay with it.

    Args:
        header: names of the columns.
        rows: cells.
        width: characters that there is room for; without limit if None.

    Returns:
        The positions of the columns in each block.
    """
    widths = _widths(header, rows)
    names, *others = _together(header)
    blocks = [names]
    for group in others:
        longer = (*blocks[-1], *group)
        if blocks[-1] == names or width is None or _taken(widths[one] for one in longer) <= width:
            blocks[-1] = longer
        else:
            blocks.append((*names, *group))
    return blocks


def room_for_names(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """Return the characters that are left to the first column beside the widest of the others; may be below 0."""
    widths = _widths(header, rows)
    names, *others = _together(header)
    beside = [[0, *(widths[one] for one in (*names[1:], *group))] for group in (others or [()])]
    return width - max(_taken(one) for one in beside)


def _together(header: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the positions of columns that must not be parted: each with those on its right that have no name."""
    groups: list[tuple[int, ...]] = []
    for position, name in enumerate(header):
        if groups and not name.partition("\n")[0]:
            groups[-1] = (*groups[-1], position)
        else:
            groups.append((position,))
    return groups


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    columns = zip(header, *rows, strict=True)
    return [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]


def _taken(widths: Iterable[int]) -> int:
    """Return the characters that a printed table of columns of these widths takes."""
    inner = [width + _GAP for width in widths]
    return sum(inner) - _GAP + 2 * _MARGIN


def short_point(text: str) -> str:
    """Abbreviate the name of a working point, wherever it stands."""
    for long, short in _SHORTER:
        text = text.replace(long, short)
    return text


def listed(names: Iterable[str]) -> str:
    """List names as in a sentence: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
