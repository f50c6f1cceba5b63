"""Two runs on the same events: the difference of their background at equal signal efficiency, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError

Floats = NDArray[np.float64]
#: Given the weights of the events, signal and background efficiencies of ever looser selections.
_Curve = Callable[[Floats, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Background efficiencies of two curves at equal signal efficiency.

    Attributes:
        signal_efficiency: where they are compared, shape (efficiencies,).
        first: ε_b of the first curve, likewise.
        second: ε_b of the second.
        difference: first − second.
        error: standard deviation of the difference over the resamples; what both curves share cancels in it.
    """

    signal_efficiency: Floats
    first: Floats
    second: Floats
    difference: Floats
    error: Floats

    @property
    def pull(self) -> Floats:
        """The difference in standard deviations; 0 where both vanish, infinite where the error alone does."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.difference / self.error
        return np.asarray(np.where(self.difference == 0, 0.0, ratio))


def paired_difference(
    first: NDArray[Any],
    second: NDArray[Any],
    label: NDArray[Any],
    weight: Floats,
    signal_efficiency: Sequence[float],
    *,
    resamples: int = 200,
    seed: int = 0,
) -> PairedDifference:
    """Compare two curves on the same events.

    Each resample gives every event a Poisson(1) weight, the same for both curves (B. Efron, Ann. Statist. 7 (1979) 1,
    in the Poisson form), and both curves are interpolated linearly at the same signal efficiencies, as
    `metrics.curves.background_at` does. The error covers the statistics of these events, not those of the training, and
    is too small where fewer than about ten background events are kept.

    Args:
        first: a score of each event, shape (events,), or for a scan what each of its selections keeps, boolean, shape
            (selections, events), whose curve is the broken line through (0, 0), them and (1, 1).
        second: the same of the other.
        label: 1 signal, 0 background, shape (events,).
        weight: expected events that each stands for, shape (events,).
        signal_efficiency: where to compare.
        resamples: how many.
        seed: of the resamples.

    Raises:
        UsageError: for shapes that do not fit, a class without events, or fewer than two resamples.
    """
    if resamples < 2:
        msg = f"a spread needs at least two resamples, not {resamples}"
        raise UsageError(msg)
    signal = np.asarray(label) == 1
    if signal.all() or not signal.any():
        msg = "a comparison needs events of both classes"
        raise UsageError(msg)
    at = np.asarray(signal_efficiency, dtype=np.float64)
    curves = [_curve(np.asarray(one), signal) for one in (first, second)]
    weights = np.asarray(weight, dtype=np.float64)
    own = [_background(curve, weights[signal], weights[~signal], at) for curve in curves]
    random = np.random.Generator(np.random.Philox(key=seed))
    differences = np.empty((resamples, len(at)))
    for row in differences:
        drawn = weights * random.poisson(1.0, len(weights))
        one, other = (_background(curve, drawn[signal], drawn[~signal], at) for curve in curves)
        row[:] = one - other
    return PairedDifference(at, own[0], own[1], own[0] - own[1], differences.std(axis=0))


def _curve(what: NDArray[Any], signal: NDArray[np.bool_]) -> _Curve:
    """Prepare a score, or selections, so that other weights cost little."""
    if what.shape[-1:] != signal.shape or what.ndim > 2:
        msg = f"shape {what.shape} does not fit {len(signal)} events: give one score, or selections by rows"
        raise UsageError(msg)
    if what.ndim == 2:
        of_signal, of_background = what[:, signal].astype(np.float64), what[:, ~signal].astype(np.float64)

        def broken_line(s: Floats, b: Floats) -> tuple[Floats, Floats]:
            kept = of_signal @ s
            order = np.argsort(kept, kind="stable")
            return kept[order], (of_background @ b)[order]

        return broken_line
    # An event without a score passes no threshold: it is the last.
    score = np.where(np.isnan(what), -np.inf, what)
    edges = np.unique(score)[::-1]
    places = [len(edges) - 1 - np.searchsorted(edges[::-1], score[rows]) for rows in (signal, ~signal)]

    def staircase(s: Floats, b: Floats) -> tuple[Floats, Floats]:
        sums = (
            np.bincount(place, weights=weight, minlength=len(edges))
            for place, weight in zip(places, (s, b), strict=True)
        )
        of_signal, of_background = (np.cumsum(one, dtype=np.float64) for one in sums)
        return of_signal, of_background

    return staircase


def _background(curve: _Curve, s: Floats, b: Floats, at: Floats) -> Floats:
    """Interpolate the background efficiency, shape of `at`."""
    passed_s, passed_b = curve(s, b)
    x = np.concatenate([[0.0], passed_s / s.sum(), [1.0]])
    y = np.concatenate([[0.0], passed_b / b.sum(), [1.0]])
    rising = np.maximum.accumulate(x)
    high = np.clip(np.searchsorted(rising, at * (1 - 1e-12), side="left"), 1, len(x) - 1)
    step = rising[high] - rising[high - 1]
    share = np.divide(at - rising[high - 1], step, out=np.zeros_like(at), where=step > 0)
    return np.asarray(y[high - 1] + share * (y[high] - y[high - 1]))
