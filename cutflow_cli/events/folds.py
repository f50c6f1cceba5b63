"""Folds: trainings that each leave out another part of the events, so that all events are judged unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.splits import SplitFractions, uniform

#: More folds than this are a mistake: each is a training.
MAX_FOLDS = 100
#: Set apart the choice of validation events from that of folds.
_VALIDATION_STREAM = 0x5EED


@dataclass(frozen=True, slots=True)
class Folds:
    """How events are divided among trainings (cross-fitting: V. Chernozhukov et al., Econometrics J. 21 (2018) C1).

    An event's fold follows from its row in the file and the seed, so it is the same for every run on the file.

    Attributes:
        count: how many folds.
        seed: seed of the assignment.
        validation: share of the events that a training sees on which it chooses thresholds and when to stop.

    Raises:
        UsageError: if there are fewer than two folds or more than 100, or the share is not at least 0 and below 1.
    """

    count: int
    seed: int = 0
    validation: float = 0.25

    def __post_init__(self) -> None:
        if not 2 <= self.count <= MAX_FOLDS:
            msg = f"--folds {self.count}: give 2 to {MAX_FOLDS}; each is a training that leaves its events out"
            raise UsageError(msg)
        if not 0 <= self.validation < 1:
            msg = f"share {self.validation:g} of validation events: give at least 0 and less than 1"
            raise UsageError(msg)

    @classmethod
    def of(cls, count: int, seed: int, fractions: SplitFractions | None) -> Folds:
        """Take the share of validation from the shares of splits: that of train and validation together."""
        shares = fractions or SplitFractions()
        return cls(count, seed, shares.validation / (shares.train + shares.validation))

    def of_rows(self, rows: NDArray[Any]) -> NDArray[np.int16]:
        """Return the fold of each event, 0 to count − 1.

        Args:
            rows: rows in the file, shape (events,).
        """
        return np.asarray(np.floor(uniform(rows, self.seed) * self.count), dtype=np.int16)

    def splits(self, rows: NDArray[Any], fold: int | None) -> NDArray[np.int8]:
        """Return what events are for the training that leaves a fold out: its fold is the test split.

        Args:
            rows: rows in the file, shape (events,).
            fold: the fold left out; None if every event is judged by the training that left it out, so all are test.

        Returns:
            Positions in `SPLITS`, shape (events,).
        """
        train, validation, test = range(len(SPLITS))
        if fold is None:
            return np.full(len(rows), test, dtype=np.int8)
        # An event of validation is one for every training that sees it.
        seen = np.where(uniform(rows, self.seed + _VALIDATION_STREAM) < self.validation, validation, train)
        return np.where(self.of_rows(rows) == fold, test, seen).astype(np.int8)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Folds:
        """Read what `as_json` gave.

        Raises:
            KeyError: if something is missing.
            UsageError: if it is out of range.
        """
        return cls(int(raw["count"]), int(raw["seed"]), float(raw["validation"]))
