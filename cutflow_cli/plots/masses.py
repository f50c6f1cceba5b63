"""Figures of merit of a selection against the mass of the signal, taken from the metrics of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.hypotheses import held_out_masses
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import Split
from cutflow_cli.plots.learned import DEFAULT_WORKING_POINT, main_flow, mass_label
from cutflow_cli.runs import Run

#: What is shown, from above, and how it is written.
SHOWN = {"asimov": "Asimov Z", "s_over_sqrt_b": "S/√B", "signal_efficiency": "Signal efficiency"}


@dataclass(frozen=True, slots=True)
class MassCurve:
    """One figure of merit against mass.

    Attributes:
        metric: a key of `SHOWN`.
        values: shape (masses,), NaN where undefined.
        errors: statistical, shape (masses,), zero where there is none.
        spread: standard deviation over replicas, likewise.
    """

    metric: str
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    spread: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MassCurves:
    """The mass points of one run.

    Attributes:
        title: the run.
        split: the events counted.
        masses: rising, shape (masses,).
        held_out: which were not trained on, shape (masses,).
        curves: one for each figure of merit that is defined somewhere.
        undefined: at how many masses one is not defined, and why, in words; None where all are.
        replicas: how many replicas spreads come from.
        axis: what the axis of masses says.
    """

    title: str
    split: Split
    masses: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    curves: tuple[MassCurve, ...]
    undefined: str | None
    replicas: int
    axis: str


def mass_curves(run: Run, name: str, metrics: Iterable[MetricRow], split: Split) -> MassCurves | None:
    """Collect figures of merit of the quoted selection against mass; None for a run with fewer than two mass points.

    A selection for all masses is counted on the signal of each, one for each mass on its own.

    Args:
        run: the run, which recommends the working point that it is quoted at.
        name: what the metrics call it.
        metrics: rows of all runs.
        split: the events counted.
    """
    main = main_flow(run)
    if main is None:
        return None
    found: dict[str, dict[float, MetricRow]] = {metric: {} for metric in SHOWN}
    for row in metrics:
        mine = (row.run, row.split, row.kind, row.working_point) == (name, split, "consensus", main.working_point)
        if mine and row.metric in SHOWN and row.hypothesis is not None:
            found[row.metric][row.hypothesis] = row
    masses = sorted({mass for rows in found.values() for mass in rows})
    curves = tuple(
        _curve(metric, [rows.get(mass) for mass in masses])
        for metric, rows in found.items()
        if any(row.value is not None for row in rows.values())
    )
    if len(masses) < 2 or not curves:
        return None
    point = "" if main.working_point == DEFAULT_WORKING_POINT else f", {main.working_point}"
    held_out = held_out_masses(run)
    first, last = run.manifest.replicas
    return MassCurves(
        f"{run.name} ({run.manifest.method}){point}", split, np.array(masses),
        np.array([mass in held_out for mass in masses]), curves, _undefined(found, len(masses)), last - first,
        mass_label(run),
    )  # fmt: skip


def _curve(metric: str, rows: Sequence[MetricRow | None]) -> MassCurve:
    return MassCurve(
        metric,
        column(rows, "value", math.nan),
        column(rows, "stat_error", 0.0),
        column(rows, "replica_spread", 0.0),
    )


def column(
    rows: Sequence[MetricRow | None], name: Literal["value", "stat_error", "replica_spread"], missing: float
) -> NDArray[np.float64]:
    """Return a number of each row, shape (rows,), and another where there is no row or none in it."""
    found = (getattr(row, name, None) for row in rows)
    return np.array([missing if value is None else value for value in found], dtype=np.float64)


def _undefined(found: dict[str, dict[float, MetricRow]], masses: int) -> str | None:
    """Say at how many masses a significance is not defined, and why at the first of them."""
    missing = {
        mass: row.reason or "" for rows in found.values() for mass, row in sorted(rows.items()) if row.value is None
    }
    if not missing:
        return None
    first = min(missing)
    where = f"{len(missing)} of {masses} masses" if len(missing) > 1 else f"mass {first:g}"
    return f"not defined at {where}: {missing[first]}" + (f" (at {first:g})" if len(missing) > 1 else "")
