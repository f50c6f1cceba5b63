"""Printed tables as tables of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cutflow_cli.evaluation.printed import NOTHING, PrintedTable

#: A cell with a number: perhaps a sign, a bracket, a dash for none, and a mark behind.
_NUMBER = re.compile(r"[+\-−]?\(?[+\-−]?(\d|inf|nan)|undefined\b")
_UNDEFINED = re.compile(rf"({NOTHING})?( \[\d+\])?$")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        heading: its first cell.
        inner: whether it belongs to a row above, as printed tables show by an indentation.
        cells: the others, each with whether it is of a column of numbers.
    """

    heading: str
    inner: bool
    cells: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page.

    Attributes:
        anchor: its place in the page.
        caption: above it.
        header: of each column the lines, and whether it is a column of numbers.
        rows: its rows.
        footnotes: below it.
        characters: of its widest row, from which the size of print follows.
    """

    anchor: str
    caption: str
    header: tuple[tuple[tuple[str, ...], bool], ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    characters: int


def lay_out(table: PrintedTable, anchor: str) -> Table:
    """Lay a printed table out for a page.

    Args:
        table: the table.
        anchor: its place in the page.
    """
    numeric = [_is_numeric(row[column] for row in table.rows) for column in range(len(table.header))]
    rows = tuple(
        Row(row[0].strip(), row[0].startswith(" "), tuple(zip(row[1:], numeric[1:], strict=True))) for row in table.rows
    )
    header = tuple((tuple(title.split("\n")), number) for title, number in zip(table.header, numeric, strict=True))
    widths = [
        max(len(line) for line in (*table.header[column].split("\n"), *(row[column] for row in table.rows)))
        for column in range(len(table.header))
    ]
    return Table(anchor, table.title, header, rows, table.footnotes, sum(widths) + 2 * len(widths))


def _is_numeric(cells: Iterable[str]) -> bool:
    """Whether a column holds numbers, or nothing but dashes."""
    said = [cell for cell in cells if not _UNDEFINED.fullmatch(cell.strip())]
    return all(_NUMBER.match(cell.strip()) for cell in said)
