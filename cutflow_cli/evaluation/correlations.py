"""The rows of `correlations.parquet`: linear correlations of the features, signal and background apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.additive import Additive, Arrays
from cutflow_cli.evaluation.detail_rows import CLASSES, CorrelationRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.split_events import ClassEvents
from cutflow_cli.events.schema import Split

#: Sums of a pair: number, Σw, Σw², Σw x, Σw y, Σw x², Σw y², Σw x y over events that have both.
_SUMS = 8
#: Events summed at once, which stay in the processor's cache; and too few for a BLAS to share among threads, which
#: decode the next events.
_PIECE = 4096
#: A variance below this share of the mean square is rounding.
_NOTHING = 1e-12


class CorrelationCounter(Additive):
    """Sums up what correlations need, from a stream of events.

    Events that lack one of two features (missing or infinite) do not count for that pair.

    Args:
        features: the columns, of numbers.
        totals: all events, normalised; their scales weigh processes against each other.
        split: the events to count.
    """

    def __init__(self, features: Sequence[str], totals: Normalised, split: Split) -> None:
        self.columns = tuple(features)
        self._totals, self._split = totals, split
        self.start()

    def start(self) -> None:
        """Forget all events."""
        count = len(self.columns)
        self._sums = np.zeros((len(CLASSES), _SUMS, count, count))
        self._centre: NDArray[np.float64] | None = None

    def sums(self) -> Arrays:
        """Return them, and what was subtracted from the features before they were made; NaN without events."""
        return [self._sums, np.full(len(self.columns), np.nan) if self._centre is None else self._centre]

    def join(self, later: Arrays) -> None:
        """Take the sums of later events, moved to where these have their centre."""
        sums, centre = later
        if np.isnan(centre).any():  # of no events
            return
        if self._centre is None:
            self._sums, self._centre = sums.copy(), centre.copy()
        else:
            self._sums += np.stack([_moved(one, centre - self._centre) for one in sums])

    def add(self, events: ClassEvents) -> None:
        """Take events of a class."""
        if len(self.columns) < 2:
            return
        for start in range(0, len(events), _PIECE):
            piece = slice(start, start + _PIECE)
            values = [events.columns[name][piece] for name in self.columns]
            self._add(np.array(values, dtype=np.float64), events.weight[piece], events.number)

    def _add(self, x: NDArray[np.float64], weight: NDArray[np.float64], number: int) -> None:
        known = np.isfinite(x)
        if self._centre is None:  # subtracted, so that the variance of far-away values loses no digits
            self._centre = np.array([one[has].mean() if has.any() else 0.0 for one, has in zip(x, known, strict=True)])
        x -= self._centre[:, None]
        if not known.all():
            x = np.where(known, x, 0.0)
        self._sums[number] += _sums(x, known, weight)

    def rows(self) -> tuple[CorrelationRow, ...]:
        """Return a row for each class and pair of features."""
        names = self.columns
        return tuple(
            self._row(number, names.index(first), names.index(second))
            for number in range(len(CLASSES))
            for place, first in enumerate(names)
            for second in names[place + 1 :]
        )

    def _row(self, number: int, i: int, j: int) -> CorrelationRow:
        n, w, w2, wx, wy, wxx, wyy, wxy = (float(one) for one in self._sums[number, :, i, j])
        role, reason, value, error = CLASSES[number], None, None, None
        n_eff = w**2 / w2 if w2 > 0 else 0.0
        if w <= 0 or not math.isfinite(w):
            reason = "no event has both, or negative weights outweigh the others"
        else:
            squares = (wxx / w, wyy / w)
            variances = (squares[0] - (wx / w) ** 2, squares[1] - (wy / w) ** 2)
            if any(one <= _NOTHING * square for one, square in zip(variances, squares, strict=True)):
                reason = "one of them is constant, or negative weights outweigh the others"
            else:
                value = (wxy / w - wx * wy / w**2) / math.sqrt(variances[0] * variances[1])
                value = min(max(value, -1.0), 1.0)
                error = (1 - value**2) / math.sqrt(n_eff - 1) if n_eff > 1 else None
        return CorrelationRow(
            role, self._split, self.columns[i], self.columns[j], value, error, round(n),
            n_eff if math.isfinite(n_eff) else None, reason,
        )  # fmt: skip


def _moved(sums: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums over events whose features are all larger, from Σw(x + a)(y + b) = Σwxy + aΣwy + bΣwx + abΣw.

    Args:
        sums: shape (_SUMS, features, features).
        by: by how much, shape (features,).
    """
    n, w, w2, wx, wy, wxx, wyy, wxy = sums
    a, b = by[:, None], by[None, :]
    return np.stack(
        [n, w, w2, wx + a * w, wy + b * w, wxx + 2 * a * wx + a**2 * w, wyy + 2 * b * wy + b**2 * w,
         wxy + a * wy + b * wx + a * b * w]
    )  # fmt: skip


def _sums(x: NDArray[np.float64], known: NDArray[np.bool_], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum what the pairs of some events need, shape (_SUMS, features, features).

    Args:
        x: the features, 0 where they are missing; shape (features, events).
        known: where they are not, likewise.
        w: the weights, shape (events,).
    """
    weighted = x * w
    if known.all():  # as nearly always: then most sums are the same for all pairs
        square = (len(x), len(x))
        single, squared = weighted.sum(axis=1), np.einsum("ij,ij->i", weighted, x)
        constant = (float(len(w)), float(w.sum()), float(w @ w))
        of_pairs = (single[:, None], single[None, :], squared[:, None], squared[None, :])
        return np.stack(
            [*(np.full(square, one) for one in constant), *(np.broadcast_to(one, square) for one in of_pairs),
             weighted @ x.T]
        )  # fmt: skip
    has = known.astype(np.float64)
    products = (
        (has, has), (has * w, has), (has * w**2, has), (weighted, has), (has, weighted),
        (weighted * x, has), (has, weighted * x), (weighted, x),
    )  # fmt: skip
    return np.stack([left @ right.T for left, right in products])
