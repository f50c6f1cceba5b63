"""Mass hypotheses, and the window of the reconstructed mass in which each is searched for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.window_table import WindowRow
from cutflow_cli.selection.cut import Cut, Region

#: Where a Gaussian core is looked at, in its own standard deviations.
_CORE = 2.0
#: Standard deviation of a unit Gaussian within ±2: the square root of 1 - 2·2φ(2)/(2Φ(2) - 1).
_TRUNCATED = math.sqrt(
    1 - 2 * _CORE * math.exp(-(_CORE**2) / 2) / math.sqrt(2 * math.pi) / math.erf(_CORE / math.sqrt(2))
)
_MOST_ITERATIONS = 200
#: Fewer signal events than this don't make a window.
_LEAST_EVENTS = 20


@dataclass(frozen=True, slots=True)
class Windows:
    """The hypotheses of a training and their windows.

    Attributes:
        hypotheses: mass points, rising; (None,) where the signal has no mass point.
        held_out: which of them are not trained on.
        cuts: window of each; None where there is no mass column, so that all background counts.
        notes: what a user should know of how they were found, a sentence each.
    """

    hypotheses: tuple[float | None, ...]
    held_out: tuple[bool, ...]
    cuts: tuple[Cut | None, ...]
    notes: tuple[str, ...] = ()

    @property
    def trained(self) -> NDArray[np.int64]:
        """Positions of the hypotheses that are trained on."""
        return np.flatnonzero(~np.array(self.held_out))

    def inside(self, position: int, sample: EventSample) -> NDArray[np.bool_]:
        """Say which events lie in a window, shape (events,)."""
        cut = self.cuts[position]
        if cut is None:
            return np.ones(len(sample), dtype=np.bool_)
        return cut.passes(mass_values(sample, cut.observable))

    def signal_of(self, position: int, sample: EventSample) -> NDArray[np.bool_]:
        """Say which events are signal of a hypothesis, shape (events,)."""
        mass = self.hypotheses[position]
        signal: NDArray[np.bool_] = sample.label == 1
        return signal if mass is None or sample.hypothesis is None else signal & (sample.hypothesis == mass)


def mass_values(sample: EventSample, column: str) -> NDArray[np.floating]:
    """Return the reconstructed mass in the type of its column: a feature, or a spectator."""
    if column in sample.spectators:
        return sample.spectators[column]
    values: NDArray[np.floating] = sample.columns[column]
    return values.astype(np.float32) if sample.dtypes.get(column) == "float32" else values


def find_windows(sample: EventSample, settings: PunziSettings) -> Windows:
    """Settle hypotheses and windows on the training split.

    Args:
        sample: the training split.
        settings: with the table of windows, or without it; then each window is that of the Gaussian core of its signal.

    Raises:
        InputError: if the table lacks a mass, or a mass has too few events to fit its window.
        UsageError: if a mass to hold out does not exist, or none is left to train on.
    """
    points = np.empty(0) if sample.hypothesis is None else sample.hypothesis[sample.label == 1]
    masses = np.unique(points[~np.isnan(points)]).tolist()
    hypotheses: tuple[float | None, ...] = tuple(masses) if masses else (None,)
    held_out = _held_out(masses, settings.holdout_hypotheses)
    if settings.mass_column is None:
        return Windows(hypotheses, held_out, (None,) * len(hypotheses))
    values = mass_values(sample, settings.mass_column)
    notes: list[str] = []
    if settings.windows is not None:
        rows, notes = _rows_of(hypotheses, settings)
        bounds = [_around(*_centre_and_width(row, settings), settings.n_sigma) for row in rows]
    else:
        bounds = []
        for position, mass in enumerate(hypotheses):
            chosen = Windows(hypotheses, held_out, ()).signal_of(position, sample)
            centre, width = gaussian_core(values[chosen], sample.expected[chosen], f"hypothesis {shown(mass)}")
            bounds.append(_around(centre, width, settings.n_sigma))
        notes.append(
            f"windows of {settings.mass_column} fitted to the core of each hypothesis' signal, ±{settings.n_sigma:g} σ"
        )
    dtype = "float32" if values.dtype == np.float32 else "float64"
    cuts = tuple(Cut(settings.mass_column, Region.INSIDE, low, high).rounded(dtype) for low, high in bounds)
    return Windows(hypotheses, held_out, cuts, tuple(notes))


def shown(mass: float | None) -> str:
    """Name a hypothesis in a message."""
    return "signal" if mass is None else f"{mass:.15g}"


def _held_out(masses: Sequence[float], wanted: str | tuple[float, ...] | None) -> tuple[bool, ...]:
    if wanted is None:
        return (False,) * max(1, len(masses))
    if not masses:
        msg = "--holdout-hypotheses: the signal has no mass points, so none can be held out"
        raise UsageError(msg)
    if isinstance(wanted, str):
        held = tuple(position % 2 == 1 for position in range(len(masses)))
    else:
        for mass in wanted:
            if mass not in masses:
                known = ", ".join(map(shown, masses))
                msg = f"--holdout-hypotheses {shown(mass)}: no signal event has this mass; there are {known}"
                raise UsageError(msg)
        held = tuple(mass in wanted for mass in masses)
    if all(held):
        msg = "--holdout-hypotheses: all masses are held out, none is left to train on"
        raise UsageError(msg)
    return held


def _rows_of(hypotheses: Sequence[float | None], settings: PunziSettings) -> tuple[list[WindowRow], list[str]]:
    """Find the row of each hypothesis in the table."""
    assert settings.windows is not None
    if hypotheses == (None,):
        if len(settings.windows) != 1:
            msg = f"--windows: {len(settings.windows)} rows, but the signal has no mass points; give one row"
            raise InputError(msg)
        return list(settings.windows), []
    by_mass = {row.mass: row for row in settings.windows}
    missing = [mass for mass in hypotheses if mass not in by_mass]
    if missing:
        listed = ", ".join(shown(mass) for mass in missing[:5]) + (", …" if len(missing) > 5 else "")
        msg = f"--windows: no row for hypothesis {listed}, of which there are signal events; add it to the table"
        raise InputError(msg)
    unused = [shown(mass) for mass in by_mass if mass not in hypotheses]
    notes = [f"--windows: no signal event has mass {', '.join(unused)}; left out"] if unused else []
    return [by_mass[mass] for mass in hypotheses if mass is not None], notes


def _centre_and_width(row: WindowRow, settings: PunziSettings) -> tuple[float, float]:
    nominal = row.mass**2 if settings.mass_scale == "squared" else row.mass
    return nominal if row.centre is None else row.centre, row.width


def _around(centre: float, width: float, n_sigma: float) -> tuple[float, float]:
    return centre - n_sigma * width, centre + n_sigma * width


def gaussian_core(values: NDArray[np.floating], weight: NDArray[np.float64], what: str) -> tuple[float, float]:
    """Fit a Gaussian to the core of a distribution that may have tails.

    Mean and standard deviation of the events within ±2 σ of the mean, corrected for that truncation, are iterated from
    the median and half the central 68 % until they agree with themselves. With a tail on one side the result is a
    little shifted to it. Not valid for a core that is not about Gaussian.

    Args:
        values: of the signal of one hypothesis.
        weight: of the events; negative ones count as zero.
        what: what they are, for messages.

    Returns:
        Mean and standard deviation.

    Raises:
        InputError: if there are too few events, or they have no width.
    """
    usable = np.isfinite(values) & (weight > 0)
    x, w = values[usable].astype(np.float64), weight[usable]
    if len(x) < _LEAST_EVENTS:
        msg = f"{what}: {len(x)} signal events in the training split are too few to fit a window; give --windows"
        raise InputError(msg)
    low, mean, high = (float(value) for value in np.quantile(x, [0.16, 0.5, 0.84]))
    sigma = (high - low) / 2
    for _ in range(_MOST_ITERATIONS):
        core = np.abs(x - mean) < _CORE * sigma
        if not core.any():
            break
        centre = float(np.average(x[core], weights=w[core]))
        spread = math.sqrt(float(np.average((x[core] - centre) ** 2, weights=w[core]))) / _TRUNCATED
        settled = abs(centre - mean) + abs(spread - sigma) < 1e-6 * sigma
        mean, sigma = centre, spread
        if settled:
            break
    if not sigma > 0:
        msg = f"{what}: the mass column has no width; give --windows"
        raise InputError(msg)
    return mean, sigma
