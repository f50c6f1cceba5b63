"""The objective against the number of cuts, as a run keeps it, and how many cuts are enough.

Light enough for those who only read runs: nothing is compiled here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.runs import Run

Floats = NDArray[np.float64]
#: Name of the table in a run.
BUDGET = "budget"
_COLUMNS = ("cuts", "objective_seen", "objective_held_out", "error")


@dataclass(frozen=True, slots=True)
class Budget:
    """What boxes with 1, 2, … cuts reach.

    Attributes:
        objective: what the box is to make large, for people.
        seen: mean of the objective as searches without a part of the events saw it, shape (numbers of cuts,).
        held_out: the objective on the events that they did not see.
        error: standard error of the difference of the two.
    """

    objective: str
    seen: Floats
    held_out: Floats
    error: Floats

    @property
    def cuts(self) -> NDArray[np.int64]:
        """Numbers of cuts, from one on."""
        return np.arange(1, len(self.seen) + 1)

    @property
    def recommended(self) -> int:
        """The number of cuts that is enough, see `enough_cuts`."""
        return enough_cuts(self.held_out, self.error)


def enough_cuts(held_out: Floats, error: Floats) -> int:
    """Return the least number of cuts that is as good on held-out events as the best, within that one's error.

    Args:
        held_out: the objective with 1, 2, … cuts, at least one number.
        error: standard errors.
    """
    known = np.where(np.isnan(held_out), -np.inf, held_out)
    best = int(np.argmax(known))
    return 1 + int(np.argmax(known >= known[best] - error[best]))


def read_budget(run: Run) -> Budget | None:
    """Read the objective against the number of cuts of a run; None if it has none.

    Raises:
        InputError: if the table is damaged, or lacks a column, or holds what can't be.
    """
    table = run.table(BUDGET)
    if table is None:
        return None
    path = run.path / f"{BUDGET}.parquet"
    cuts, seen, held_out, error = (_numbers(table, name, str(path)) for name in _COLUMNS)
    if not len(cuts):
        return None
    if not np.array_equal(cuts, np.arange(1, len(cuts) + 1)):
        msg = f"{path}: column 'cuts' does not count 1, 2, …; train again"
        raise InputError(msg)
    if not np.isfinite(held_out).any() or not (np.isfinite(error) & (error >= 0)).all():
        msg = f"{path}: columns 'objective_held_out' and 'error' hold no numbers and their errors; train again"
        raise InputError(msg)
    return Budget(_title(run), seen, held_out, error)


def _numbers(table: pa.Table, name: str, path: str) -> Floats:
    kind = table.schema.field(name).type if name in table.column_names else None
    if kind is None or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        msg = f"{path}: column {name!r} is missing or not of numbers; train again"
        raise InputError(msg)
    column = table.column(name)
    if column.null_count:
        msg = f"{path}: column {name!r} has empty cells; train again"
        raise InputError(msg)
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _title(run: Run) -> str:
    settings = run.manifest.settings
    objective, systematic = settings.get("objective"), settings.get("background_systematic", 0.0)
    if not isinstance(objective, str) or not isinstance(systematic, int | float):
        msg = f"{run.path}: run.json names no objective, though there is a {BUDGET}.parquet; train again"
        raise InputError(msg)
    try:
        return parse_objective(objective, systematic).title
    except UsageError as error:
        msg = f"{run.path}: the objective in run.json can't be read ({str(error).splitlines()[0]}); train again"
        raise InputError(msg) from error
