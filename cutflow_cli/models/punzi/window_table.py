"""A table of mass windows: CSV with a row for each hypothesis."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cutflow_cli.errors import InputError, naming, nearest

#: Names that a column may have, in the order in which they are looked for; otherwise the first column is the mass.
KNOWN = {
    "mass": ("mass", "gen_mass", "hypothesis"),
    "centre": ("centre", "center", "mean"),
    "width": ("width", "sigma"),
    "generated": ("n_gen", "generated_events"),
}
#: Columns whose cells name the column that holds the value.
POINTERS = {"centre": "window_centre", "width": "window_width"}


class WindowRow(BaseModel):
    """One row: a hypothesis and its window, in the unit of the mass column.

    Attributes:
        mass: the hypothesis.
        width: one standard deviation.
        centre: None for the hypothesis itself, or its square.
        generated: number of generated signal events; None where it is not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mass: float
    width: float = Field(gt=0)
    centre: float | None = None
    generated: float | None = Field(default=None, gt=0)


def read_window_table(path: Path, named: Mapping[str, str]) -> tuple[WindowRow, ...]:
    """Read a table of windows.

    Args:
        path: a CSV file with names in its first line.
        named: which column holds `mass`, `centre`, `width` or `generated`; those not given are found by name (`KNOWN`),
            or by a column `window_centre` or `window_width` that names the column.

    Raises:
        InputError: if the file can't be read, a column is absent, or a number is none.
    """
    try:
        with naming(path), path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
    except (FileNotFoundError, IsADirectoryError, PermissionError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: can't be read ({error}); --windows wants a CSV file with a row for each hypothesis"
        raise InputError(msg) from error
    if not lines:
        msg = f"{path}: no rows; --windows wants a CSV file with a row for each hypothesis"
        raise InputError(msg)
    names = [name for name in lines[0] if name is not None]
    for column in named.values():
        if column not in names:
            msg = f"{path}: no column {column!r}; {nearest(column, names)}"
            raise InputError(msg)
    rows = []
    for number, line in enumerate(lines, start=2):
        where = f"{path}, line {number}"
        columns = {quantity: _column(quantity, line, names, named, where) for quantity in KNOWN}
        cells = {q: _number(line, column, where) for q, column in columns.items() if column is not None}
        if cells["width"] <= 0 or cells.get("generated", 1.0) <= 0:
            msg = f"{where}: width and number of generated events must be positive"
            raise InputError(msg)
        rows.append(WindowRow(**cells))
    masses = [row.mass for row in rows]
    for mass in masses:
        if masses.count(mass) > 1:
            msg = f"{path}: hypothesis {mass:.15g} has more than one row"
            raise InputError(msg)
    return tuple(rows)


def _column(
    quantity: str, line: Mapping[str, str | None], names: Sequence[str], named: Mapping[str, str], where: str
) -> str | None:
    """Find the column of a quantity; None for an optional one that is not there."""
    if quantity in named:
        return named[quantity]
    pointer = POINTERS.get(quantity)
    if pointer is not None and pointer in names:
        column = (line[pointer] or "").strip()
        if column not in names:
            msg = f"{where}: {pointer} names column {column!r}, which the table lacks; {nearest(column, names)}"
            raise InputError(msg)
        return column
    for name in KNOWN[quantity]:
        if name in names:
            return name
    if quantity == "width":
        msg = f"{where}: no column with the width; name it with --window-columns width=NAME; {nearest('width', names)}"
        raise InputError(msg)
    return names[0] if quantity == "mass" else None


def _number(line: Mapping[str, str | None], column: str, where: str) -> float:
    text = line[column]
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        msg = f"{where}: column {column!r} holds {text!r}, a number is needed"
        raise InputError(msg)
    return value
