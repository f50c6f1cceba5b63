"""Cut flows as the rows of `cuts.parquet`: one row per flow and step, or per flow, step and bin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cutflow_cli.artifacts import RUN_SCHEMA_VERSION
from cutflow_cli.errors import InputError
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Of a step whose cut depends on the bin of another observable there is a row for each bin, and no other.
_BIN_FIELDS = (
    ("binned_in", pa.string()),
    ("bin", pa.int32()),
    ("bin_low", pa.float64()),
    ("bin_high", pa.float64()),
)
#: Version of run.json where cuts are binned, which earlier versions of cutflow would take for several cuts.
BINNED_SCHEMA_VERSION = 2
CUT_COLUMNS = pa.schema(
    [
        ("working_point", pa.string()),
        ("target", pa.float64()),
        ("hypothesis", pa.float64()),
        ("kind", pa.string()),
        ("replica", pa.int32()),
        ("position", pa.int32()),
        ("observable", pa.string()),
        ("region", pa.string()),
        ("lower", pa.float64()),
        ("upper", pa.float64()),
        ("lower_error", pa.float64()),
        ("upper_error", pa.float64()),
        ("agreement", pa.float64()),
        ("importance", pa.float64()),
        ("n_minus_1_loss", pa.float64()),
        ("active", pa.bool_()),
        ("note", pa.string()),
        *_BIN_FIELDS,
    ]
)


def version_for(flows: Iterable[CutFlow]) -> int:
    """Return the version of run.json that flows need."""
    return BINNED_SCHEMA_VERSION if any(flow.binnings for flow in flows) else RUN_SCHEMA_VERSION


def table_of(flows: Iterable[CutFlow]) -> pa.Table:
    """Return the table of flows, in their order."""
    rows = [
        {
            "working_point": flow.working_point,
            "target": flow.target,
            "hypothesis": flow.hypothesis,
            "kind": flow.kind,
            "replica": flow.replica,
            "position": position,
            **row,
        }
        for flow in flows
        for position, step in enumerate(flow.steps)
        for row in _rows(step)
    ]
    return pa.Table.from_pylist(rows, schema=CUT_COLUMNS)


def _rows(step: LearnedCut) -> list[dict[str, Any]]:
    """Return the rows of one step; what is said of all its bins together stands in each of them."""
    if not isinstance(step.cut, BinnedCut):
        return [_row(step)]
    edges = step.cut.edges
    return [
        {
            **_row(one),
            "importance": step.importance,
            "n_minus_1_loss": step.n_minus_1_loss,
            "binned_in": step.cut.binned_in,
            "bin": number,
            "bin_low": edges[number],
            "bin_high": edges[number + 1],
        }
        for number, one in enumerate(step.bins or tuple(map(LearnedCut, step.cut.members)))
    ]


def _row(step: LearnedCut) -> dict[str, Any]:
    return {
        "observable": step.cut.observable,
        "region": step.cut.region.value,
        "lower": step.cut.lower,
        "upper": step.cut.upper,
        "lower_error": step.lower_error,
        "upper_error": step.upper_error,
        "agreement": step.agreement,
        "importance": step.importance,
        "n_minus_1_loss": step.n_minus_1_loss,
        "active": step.active,
        "note": step.note,
    }


def flows_of(table: pa.Table, path: Path) -> tuple[CutFlow, ...]:
    """Read flows from a table, in the order in which they were written.

    Args:
        table: the table.
        path: where it is from, for messages.

    Raises:
        InputError: if it is damaged, or lacks a column.
    """
    for name, kind in _BIN_FIELDS:  # runs of earlier versions have none
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), kind))
    missing = [name for name in CUT_COLUMNS.names if name not in table.column_names]
    if missing:
        msg = f"{path}: no column {missing[0]!r}; written by another version of cutflow, train again"
        raise InputError(msg)
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    try:
        rows = table.select(CUT_COLUMNS.names).cast(CUT_COLUMNS).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        msg = f"{path}: damaged ({str(error).splitlines()[0]}); train again"
        raise InputError(msg) from error
    for row in rows:
        key = tuple(row[name] for name in ("working_point", "target", "hypothesis", "kind", "replica"))
        grouped.setdefault(key, []).append(row)
    return tuple(
        CutFlow(_steps(path, rows), working_point, target, hypothesis, kind, replica)
        for (working_point, target, hypothesis, kind, replica), rows in grouped.items()
    )


def _steps(path: Path, rows: Sequence[dict[str, Any]]) -> tuple[LearnedCut, ...]:
    by_position: dict[int, list[dict[str, Any]]] = {}
    try:
        for row in rows:
            by_position.setdefault(int(row["position"]), []).append(row)
        return tuple(_step(by_position[position]) for position in sorted(by_position))
    except (ValueError, TypeError, InputError) as error:
        msg = f"{path}: damaged ({error}); train again"
        raise InputError(msg) from error


def _step(rows: Sequence[dict[str, Any]]) -> LearnedCut:
    """Make a step of its only row, or of one row for each bin.

    Raises:
        InputError, ValueError, TypeError: if they make none.
    """
    learned = ("active", "lower_error", "upper_error", "agreement", "importance", "n_minus_1_loss", "note")
    rows = sorted(rows, key=lambda row: row["bin"] or 0)
    bins = tuple(
        LearnedCut(
            Cut(row["observable"], Region(row["region"]), row["lower"], row["upper"]),
            **{name: row[name] for name in learned},
        )
        for row in rows
    )
    binned_in = {row["binned_in"] for row in rows}
    if binned_in == {None} and len(rows) == 1:
        return bins[0]
    found = binned_in.pop()
    if binned_in or found is None or [row["bin"] for row in rows] != list(range(len(rows))):
        msg = "its rows of bins do not make one cut"
        raise ValueError(msg)
    edges = (*(float(row["bin_low"]) for row in rows), float(rows[-1]["bin_high"]))
    if edges[1:] != tuple(float(row["bin_high"]) for row in rows):
        msg = "its bins do not follow each other"
        raise ValueError(msg)
    own = tuple(replace(one, importance=None, n_minus_1_loss=None) for one in bins)
    step = LearnedCut.from_bins(found, edges, own)
    return replace(step, importance=bins[0].importance, n_minus_1_loss=bins[0].n_minus_1_loss)
