"""A file's events in ranges of row groups, which can be read apart from each other."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq

#: Events of a range, or some more: enough that little is lost between two of them, few enough to keep many workers
#: busy. Sums are added up range by range, so another number moves the last digits of those of larger files.
RANGE_EVENTS = 2**21


@dataclass(frozen=True, slots=True)
class RowRange:
    """Consecutive row groups of a file.

    Attributes:
        groups: the first, and the one behind the last.
        first_row: number of the first row in the file.
        rows: how many there are.
    """

    groups: tuple[int, int]
    first_row: int
    rows: int


def row_ranges(metadata: pq.FileMetaData, at_least: int | None = None) -> tuple[RowRange, ...]:
    """Divide a file; the same file always in the same way.

    Args:
        metadata: of the Parquet file.
        at_least: rows of each range but the last; `RANGE_EVENTS` if None.
    """
    wanted = RANGE_EVENTS if at_least is None else at_least
    found: list[RowRange] = []
    first, first_row, rows = 0, 0, 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        if rows >= wanted or group == metadata.num_row_groups - 1:
            found.append(RowRange((first, group + 1), first_row, rows))
            first, first_row, rows = group + 1, first_row + rows, 0
    return tuple(found)
