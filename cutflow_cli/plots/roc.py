"""What the figure of efficiencies shows of each run, taken from the curves that the evaluation computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.curves import CurveKind, OperatingPoint, RunCurve
from cutflow_cli.events.schema import Split
from cutflow_cli.metrics.classification import none_of
from cutflow_cli.metrics.curves import area
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.plots.style import number

#: Points of a curve that a figure can show.
_POINTS = 500


@dataclass(frozen=True, slots=True)
class Place:
    """One selection in the plane of efficiencies.

    Attributes:
        signal: signal efficiency.
        signal_error: its statistical error.
        height: background efficiency, or its upper limit if no background event is kept.
        background_error: statistical error of the background efficiency.
        empty: whether no background event is kept.
        main: whether the run's numbers are quoted for it.
    """

    signal: float
    signal_error: float
    height: float
    background_error: float
    empty: bool
    main: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A curve in the plane of efficiencies, and the selections on it.

    Attributes:
        signal: signal efficiencies, rising, shape (points,).
        background: background efficiencies, shape (points,).
        effective: effective background events that pass, shape (points,).
        places: the selections.
    """

    signal: NDArray[np.float64]
    background: NDArray[np.float64]
    effective: NDArray[np.float64]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """One run in the plane of efficiencies: its consensus (or its only replica), and its replicas.

    Attributes:
        run: its name.
        kind: whether it has a score, working points, or a single selection.
        area: the area under its curve in words; None for a single selection, or where it is undefined.
        signal: see `Line`.
        background: see `Line`.
        effective: see `Line`.
        places: the selections.
        replicas: the others' lines; empty where there is but one.
    """

    run: str
    kind: CurveKind
    area: str | None
    signal: NDArray[np.float64]
    background: NDArray[np.float64]
    effective: NDArray[np.float64]
    places: tuple[Place, ...]
    replicas: tuple[Line, ...]


def run_places(curves: Sequence[RunCurve], split: Split) -> list[RunPlaces]:
    """Sort curves by run.

    Args:
        curves: of all runs, replicas and splits, in the order of the legend.
        split: the one to show.

    Returns:
        One for each run that has a curve on the split.
    """
    groups: dict[str, list[RunCurve]] = {}
    for curve in curves:
        if curve.split == split and curve.curve is not None:
            groups.setdefault(curve.run, []).append(curve)
    return [_of_run(members) for members in groups.values()]


def _of_run(members: Sequence[RunCurve]) -> RunPlaces:
    main = next((curve for curve in members if curve.flow_kind == "consensus"), members[0])
    line = _line(main)
    others = tuple(_line(curve) for curve in members if curve is not main)
    return RunPlaces(
        main.run, main.kind, _area(main), line.signal, line.background, line.effective, line.places,
        others if len(others) > 1 else (),
    )  # fmt: skip


def _line(curve: RunCurve) -> Line:
    if curve.curve is None:
        return Line(np.empty(0), np.empty(0), np.empty(0), ())
    shown = curve.curve.thinned(_POINTS)
    limit = none_of(float(shown.background.n_eff[-1]))
    places = tuple(place for point in curve.points if (place := _place(point, limit)) is not None)
    return Line(shown.signal.efficiency, shown.background.efficiency, shown.background.n_eff, places)


def _place(point: OperatingPoint, limit: float) -> Place | None:
    """Return where a selection is drawn; None if its efficiencies are undefined, or negative and so not to be drawn."""
    signal, background = point.signal.value, point.background.value
    if signal is None or background is None or background < 0:
        return None
    return Place(
        signal=signal,
        signal_error=point.signal.error or 0.0,
        height=background if background > 0 else limit,
        background_error=point.background.error or 0.0,
        empty=background == 0,
        main=point.recommended,
    )


def _area(curve: RunCurve) -> str | None:
    """Write the area under a curve; for a single selection it would only repeat its two efficiencies.

    A run that has selections for single masses alone is shown by its score for all of them together.
    """
    if curve.curve is None or curve.kind == "selection":
        return None
    found: Estimate = area(curve.curve)
    if found.value is None:
        return None
    return f"AUC {number(found.value, found.error)}" + ("" if curve.points else ", all masses")
