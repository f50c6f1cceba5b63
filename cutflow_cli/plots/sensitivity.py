"""The sensitivity of selections for single mass points against mass, taken from the metrics of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.hypotheses import BEST, FIXED, SIGMA_MIN, held_out_masses
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import Split
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.plots.learned import mass_label
from cutflow_cli.plots.masses import column
from cutflow_cli.runs import Run

_EFFECTIVE = "background_n_eff"
#: More working points than this can't be told apart.
_MOST_SERIES = 8


@dataclass(frozen=True, slots=True)
class Series:
    """σ_min of the consensus at one working point against mass.

    Attributes:
        name: the working point.
        sigma: in fb, shape (masses,), NaN where undefined.
        error: statistical error, shape (masses,), zero where there is none.
        spread: standard deviation over replicas, shape (masses,), zero where there is none.
        few: where so few effective background events are kept that neither value nor error can be relied on.
    """

    name: str
    sigma: NDArray[np.float64]
    error: NDArray[np.float64]
    spread: NDArray[np.float64]
    few: NDArray[np.bool_]

    @property
    def network(self) -> str:
        """What comes before `fixed` or `best`: `pretrained`, or nothing for the final network."""
        return self.name.removesuffix(FIXED).removesuffix(BEST).strip("_")

    @property
    def is_best(self) -> bool:
        """Whether each mass has its own cut."""
        return self.name.endswith(BEST)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The mass points of one run.

    Attributes:
        title: the run.
        split: the events counted.
        masses: rising, shape (masses,).
        held_out: which were not trained on, shape (masses,).
        series: one for each working point.
        replicas: how many replicas the spreads come from.
        axis: what the axis of masses says.
    """

    title: str
    split: Split
    masses: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    series: tuple[Series, ...]
    replicas: int
    axis: str

    def pairs(self) -> list[tuple[Series, Series]]:
        """Return the fixed and the best cut of each network that has both."""
        by_name = {series.name: series for series in self.series}
        return [
            (series, by_name[best])
            for series in self.series
            if series.name.endswith(FIXED) and (best := series.name.removesuffix(FIXED) + BEST) in by_name
        ]


def sensitivity_of(run: Run, name: str, metrics: Iterable[MetricRow], split: Split) -> Sensitivity | None:
    """Collect σ_min against mass; None for a run without selections for at least two mass points.

    Args:
        run: the run.
        name: what the metrics call it.
        metrics: rows of all runs.
        split: the events counted.
    """
    wanted = {(flow.working_point, flow.hypothesis) for flow in run.flows if flow.hypothesis is not None}
    found: dict[str, dict[tuple[str | None, float | None], MetricRow]] = {SIGMA_MIN: {}, _EFFECTIVE: {}}
    for row in metrics:
        key = (row.working_point, row.hypothesis)
        if (row.run, row.split, row.kind) == (name, split, "consensus") and row.metric in found and key in wanted:
            found[row.metric][key] = row
    rows, effective = found[SIGMA_MIN], found[_EFFECTIVE]
    masses = sorted({mass for _, mass in rows if mass is not None})
    points = list(dict.fromkeys(point for point, _ in rows if point is not None))[:_MOST_SERIES]
    if len(masses) < 2 or not any(row.value is not None for row in rows.values()):
        return None
    held_out = held_out_masses(run)
    first, last = run.manifest.replicas
    return Sensitivity(
        title=f"{run.name} ({run.manifest.method})",
        split=split,
        masses=np.array(masses),
        held_out=np.array([mass in held_out for mass in masses]),
        series=tuple(
            _series(point, *([part.get((point, mass)) for mass in masses] for part in (rows, effective)))
            for point in points
        ),
        replicas=last - first,
        axis=mass_label(run),
    )


def _series(name: str, rows: Sequence[MetricRow | None], effective: Sequence[MetricRow | None]) -> Series:
    return Series(
        name,
        column(rows, "value", math.nan),
        column(rows, "stat_error", 0.0),
        column(rows, "replica_spread", 0.0),
        column(effective, "value", math.inf) < MIN_EFFECTIVE_EVENTS,
    )
