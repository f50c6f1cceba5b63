"""Two saved cut flows beside each other: do they agree?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.evaluation.comparison import label
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.evaluation.saved_cut_flow_files import SavedCutFlow, read_cut_flow, require_same_cuts
from cutflow_cli.events.schema import SPLITS

#: Yields of the same events may differ by this share of themselves: sums in another order.
ROUNDING = 1e-9

#: Working point and mass point of a selection.
Which = tuple[str, float | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One process after one cut, in both cut flows.

    Attributes:
        working_point: of the flow.
        hypothesis: mass point of the signal counted; None for all signal.
        position: number of cuts applied; below 0 in the preselection.
        cut: the last cut applied.
        process: its name, or that of a class.
        n_first: simulated events in the first.
        n_second: in the second.
        first: expected events in the first; None where undefined.
        first_error: statistical error of it.
        second: expected events in the second.
        second_error: statistical error of it.
        pull: (second − first)/√(σ² + σ²); None where undefined, and where they have to be equal.
        efficiency_pull: the same of the efficiencies since position 0 (before it, since all events).
        differs: whether they disagree.
    """

    working_point: str
    hypothesis: float | None
    position: int
    cut: str
    process: str
    n_first: int
    n_second: int
    first: float | None
    first_error: float | None
    second: float | None
    second_error: float | None
    pull: float | None
    efficiency_pull: float | None
    differs: bool


@dataclass(frozen=True, slots=True)
class CutFlowComparison:
    """What comparing two cut flows found.

    Attributes:
        runs: the runs compared, one of the first and one of the second for each pair.
        split: the events compared.
        sigma: standard deviations beyond which numbers differ.
        exact: whether they had to be equal instead.
        same_events: whether both count the same events.
        differences: for each pair of runs all numbers.
    """

    runs: tuple[tuple[str, str], ...]
    split: str
    sigma: float
    exact: bool
    same_events: bool
    differences: tuple[tuple[Difference, ...], ...]

    @property
    def differing(self) -> tuple[tuple[tuple[str, str], Difference], ...]:
        """The numbers that disagree, with their runs."""
        return tuple(
            (pair, one) for pair, found in zip(self.runs, self.differences, strict=True) for one in found if one.differs
        )

    @property
    def total(self) -> int:
        """How many numbers were compared."""
        return sum(map(len, self.differences))


def compare_cut_flows(
    first: Path,
    second: Path,
    *,
    sigma: float = 3.0,
    exact: bool | None = None,
    split: str | None = None,
    runs: tuple[str | None, str | None] = (None, None),
) -> CutFlowComparison:
    """Compare yields and efficiencies of two saved cut flows, for every process after every cut.

    Cut flows of different events are independent: they differ where a yield, or the efficiency so far, does by more
    than `sigma` standard deviations of both statistical errors in quadrature. The error of a yield covers the number
    of events simulated, which normalisation takes out of samples of a known cross section; that of the efficiency
    does not, and is what tells loose cuts apart. Yields after later cuts are of a part of the same events, so
    that numbers of one flow fluctuate together. Cut flows of the same events have to be equal: a single event more
    is no fluctuation.

    Args:
        first: a report directory, or a `cutflow.parquet`.
        second: another.
        sigma: standard deviations beyond which numbers differ.
        exact: ask for the same numbers of events and yields; None to do so where both reports count the same events.
        split: the events to compare; None for the split that the reports quote. A table of `apply`, or a sum of such
            tables, counts `all` events.
        runs: which run of the first and of the second; None for all of the same name, or the only ones.

    Raises:
        UsageError: for an impossible option, or runs that can't be matched.
        InputError: for files that are missing or damaged, or cut flows of different cuts or processes.
    """
    if not (math.isfinite(sigma) and sigma > 0):
        msg = f"--sigma {sigma:g}: give a number of standard deviations above 0"
        raise UsageError(msg)
    saved = read_cut_flow(first), read_cut_flow(second)
    chosen = split or _common_split(*saved)
    if chosen not in (*SPLITS, ALL_SPLITS):
        msg = f"--split {chosen}: no such split; {nearest(chosen, (*SPLITS, ALL_SPLITS))}"
        raise UsageError(msg)
    same = bool(saved[0].data) and saved[0].data == saved[1].data
    equal = same if exact is None else exact
    pairs = _pairs(*saved, runs)
    found = tuple(_compare_runs(saved, pair, chosen, None if equal else sigma) for pair in pairs)
    return CutFlowComparison(pairs, chosen, sigma, equal, same, found)


def _common_split(first: SavedCutFlow, second: SavedCutFlow) -> str:
    quoted = {one.split for one in (first, second)} - {None}
    if len(quoted) > 1:
        msg = f"{first.path} quotes split {first.split!r}, {second.path} {second.split!r}; choose with --split"
        raise UsageError(msg)
    return next(iter(quoted), None) or "test"


def _pairs(
    first: SavedCutFlow, second: SavedCutFlow, wanted: tuple[str | None, str | None]
) -> tuple[tuple[str, str], ...]:
    """Match the runs of two files."""
    for one, name, option in zip((first, second), wanted, ("--first-run", "--second-run"), strict=True):
        if name is not None and name not in one.rows:
            msg = f"{option} {name}: {one.path} has no such run; {nearest(name, one.rows)}"
            raise UsageError(msg)
    names = [[name] if name is not None else list(one.rows) for one, name in zip((first, second), wanted, strict=True)]
    if len(names[0]) == len(names[1]) == 1:
        return ((names[0][0], names[1][0]),)
    common = [name for name in names[0] if name in names[1]]
    if not common or any(wanted):
        listed = " and ".join(f"{one.path} has {', '.join(one.rows)}" for one in (first, second))
        msg = f"which runs are to be compared? {listed}; say it with --first-run and --second-run"
        raise UsageError(msg)
    return tuple((name, name) for name in common)


def _compare_runs(
    saved: tuple[SavedCutFlow, SavedCutFlow], pair: tuple[str, str], split: str, sigma: float | None
) -> tuple[Difference, ...]:
    tables = tuple(_table(one, run, split) for one, run in zip(saved, pair, strict=True))
    _require_same_selections(saved, pair, tables)
    found: list[Difference] = []
    for which, rows in tables[0].items():
        others = tables[1][which]
        _require_same_cuts(saved, pair, which, (rows, others))
        for key, row in rows.items():
            found.append(_difference(row, others[key], sigma))
    return tuple(found)


#: Rows of a flow by position and process.
_Rows = dict[tuple[int, str], CutFlowRow]


def _table(saved: SavedCutFlow, run: str, split: str) -> dict[Which, _Rows]:
    found: dict[Which, _Rows] = {}
    for row in saved.rows[run]:
        if row.split in (split, ALL_SPLITS):
            found.setdefault((row.working_point, row.hypothesis), {})[row.position, row.process] = row
    if not any(row.split == split and row.position >= 0 for rows in found.values() for row in rows.values()):
        msg = f"{saved.path}: run {run!r} has no cut flow on split {split!r}; choose another --split"
        raise InputError(msg)
    return found


def _require_same_selections(
    saved: tuple[SavedCutFlow, SavedCutFlow], pair: tuple[str, str], tables: tuple[dict[Which, _Rows], ...]
) -> None:
    names = [{label(run, *which): which for which in table} for run, table in zip(pair, tables, strict=True)]
    for here, there in ((0, 1), (1, 0)):
        for name, which in names[here].items():
            if which not in tables[there]:
                hint = nearest(name, names[there])
                msg = f"{saved[there].path}: has no selection {name!r}, which {saved[here].path} has; {hint}"
                raise InputError(msg)


def _require_same_cuts(
    saved: tuple[SavedCutFlow, SavedCutFlow], pair: tuple[str, str], which: Which, rows: tuple[_Rows, _Rows]
) -> None:
    """Refuse flows of different cuts, in which numbers have no meaning beside each other."""
    lists = [{position: row.cut for (position, _), row in one.items()} for one in rows]
    require_same_cuts((saved[0].path, saved[1].path), label(pair[1], *which), (lists[0], lists[1]))
    for here, there in ((0, 1), (1, 0)):
        processes = [dict.fromkeys(process for _, process in one) for one in rows]
        for position, process in rows[here]:
            if (position, process) not in rows[there]:
                msg = f"{saved[there].path}: has no process {process!r}, which {saved[here].path} has"
                if process in processes[there]:
                    msg = f"{saved[there].path}: process {process!r} begins at another place than in {saved[here].path}"
                raise InputError(f"{msg}; {nearest(process, processes[there])}")


def _difference(first: CutFlowRow, second: CutFlowRow, sigma: float | None) -> Difference:
    pull: float | None = None
    efficiency_pull: float | None = None
    values = first.yield_, second.yield_
    if values[0] is None or values[1] is None:
        differs = values[0] is not values[1]
    elif sigma is None:
        close = math.isclose(values[0], values[1], rel_tol=ROUNDING, abs_tol=ROUNDING)
        differs = first.n_raw != second.n_raw or not close
    else:
        pull, differs = _pull(values[0], first.yield_error, values[1], second.yield_error, sigma)
        share = (
            (row.efficiency_cumulative, row.efficiency_cumulative_error)
            if row.position >= 0
            else (row.efficiency_total, row.efficiency_total_error)
            for row in (first, second)
        )
        (e, e_error), (other, other_error) = share
        if e is not None and other is not None:
            efficiency_pull, apart = _pull(e, e_error, other, other_error, sigma)
            differs |= apart
    return Difference(
        first.working_point, first.hypothesis, first.position, first.cut, first.process, first.n_raw, second.n_raw,
        first.yield_, first.yield_error, second.yield_, second.yield_error,
        pull, efficiency_pull, differs,
    )  # fmt: skip


def _pull(
    first: float, first_error: float | None, second: float, second_error: float | None, sigma: float
) -> tuple[float | None, bool]:
    """Return the difference in standard deviations, and whether it is too large."""
    error, difference = math.hypot(first_error or 0.0, second_error or 0.0), second - first
    if error == 0:
        differs = not math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)
        return (None, True) if differs else (0.0, False)
    return difference / error, abs(difference) > sigma * error
