"""Weighted histograms of scores, fine enough for ROC curves and of a size that does not grow with the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.metrics.curves import Cumulative, RocCurve

#: Bins, uniform in the logit of the score.
BINS = 2**14
#: Range of the logit. A float32 score below 1 never lies above the upper end, and scores below the lower end (1e-13)
#: are of signal efficiencies that differ from 1 by nothing.
LOGIT_RANGE = (-30.0, 17.5)
#: Before the bins: no score (NaN), below the range; after them: above it.
_EXTRA = 3


class ScoreHistograms:
    """Histograms of one score, one for each class of events.

    A score lies between 0 and 1; what is outside counts as 0 or 1. An event without a score (NaN) passes no threshold.

    Args:
        cells: how many classes of events there are.
    """

    def __init__(self, cells: int) -> None:
        self._sums = np.zeros((cells, BINS + _EXTRA, 2))

    @property
    def sums(self) -> NDArray[np.float64]:
        """Σw and Σw² by class and bin, to which those of other events can be added; shape (cells, bins, 2)."""
        return self._sums

    def add(self, score: NDArray[Any], cell: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        """Add events.

        Args:
            score: shape (events,).
            cell: the class of each.
            weight: signed weights, scaled to the luminosity.
        """
        place = cell * (BINS + _EXTRA) + _bin(score)
        for column, values in enumerate((weight, weight**2)):
            into = self._sums[..., column]
            into += np.bincount(place, weights=values, minlength=into.size).reshape(into.shape)

    def curve(self, signal: int, background: Sequence[int], systematic: Sequence[float] = ()) -> RocCurve:
        """Make the ROC curve of some of the classes.

        Args:
            signal: cell of the signal.
            background: cells of the background; their sum is taken.
            systematic: relative systematic uncertainty of each of those, independent of each other.
        """
        of_background = self._sums[list(background), ::-1]
        falling = np.stack([self._sums[signal, ::-1], of_background.sum(axis=0)])
        filled: NDArray[np.bool_] = np.any(falling[..., 1], axis=0)
        filled[-1] = True  # the last point is that of all events
        sums = np.cumsum(falling, axis=1)[:, filled]
        low, high = LOGIT_RANGE
        # Lower edges of the bins from above: 1 at the overflow, 0 at the underflow, nothing below "no score".
        edges = np.concatenate([[-np.inf, -np.inf], 1 / (1 + np.exp(-np.linspace(low, high, BINS + 1)))])[::-1]
        thresholds = np.append(np.inf, edges[filled])
        signal_sums, background_sums = (
            Cumulative(*(np.append(0.0, one[:, column]) for column in (0, 1))) for one in sums
        )
        if any(systematic):
            moved = np.cumsum(of_background[..., 0], axis=1)[:, filled] * np.asarray(systematic)[:, None]
            total = np.append(0.0, np.sqrt((moved**2).sum(axis=0)))
            background_sums = replace(background_sums, systematic=total)
        return RocCurve(thresholds, signal_sums, background_sums)


def _bin(score: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bin of each score, in the order of scores."""
    values = score.astype(np.float64)
    missing = np.isnan(values)
    values = np.clip(np.where(missing, 0.0, values), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        logit = np.log(values) - np.log1p(-values)
    low, high = LOGIT_RANGE
    place = np.floor(np.clip((logit - low) * (BINS / (high - low)), -1.0, BINS)).astype(np.int64) + 2
    place[missing] = 0
    return place
