"""What happens after each tree: its losses, whether it was the last, progress, a request to stop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import Interrupted
from cutflow_cli.models.bdt.prepare import Prepared


class Watch:
    """Follows one replica.

    Args:
        train: what its trees are grown on.
        validation: what early stopping looks at; None for none.
        patience: trees without a smaller validation loss after which to stop; 0 for never.
        stop_reason: says why to stop, or None to go on.
        progress: told how many trees there are, and the loss.

    Attributes:
        loss: weighted mean of the log loss on train after each tree.
        validation_loss: the same on validation; empty without.
    """

    def __init__(
        self,
        train: Prepared,
        validation: Prepared | None,
        patience: int,
        stop_reason: Callable[[], str | None],
        progress: Callable[[int, float], None],
    ) -> None:
        self._train, self._validation, self._patience = train, validation, patience
        self._stop_reason, self._progress = stop_reason, progress
        self.loss: list[float] = []
        self.validation_loss: list[float] = []

    @property
    def best(self) -> int:
        """How many trees to keep: up to the smallest validation loss, or all without early stopping."""
        return int(np.argmin(self.validation_loss)) + 1 if self._patience else len(self.loss)

    def enough(self, train: NDArray[np.floating], validation: NDArray[np.floating] | None = None) -> bool:
        """Take note of one more tree.

        Args:
            train: log odds of the training events after it, shape (events,).
            validation: of the validation events; None without.

        Returns:
            Whether it was the last.

        Raises:
            Interrupted: if asked to stop.
        """
        self.loss.append(log_loss(train, self._train))
        if validation is not None and self._validation is not None:
            self.validation_loss.append(log_loss(validation, self._validation))
        self._progress(len(self.loss), self.loss[-1])
        reason = self._stop_reason()
        if reason:
            msg = f"stopped by {reason} after tree {len(self.loss)}"
            raise Interrupted(msg)
        return bool(self._patience) and len(self.loss) - self.best >= self._patience


def log_loss(margin: NDArray[np.floating], events: Prepared) -> float:
    """Return the weighted mean of −log p of each event's own class, with p the logistic function of the log odds."""
    each = np.log1p(np.exp(-np.abs(margin))) + np.maximum(margin, 0) - events.label * margin
    return float(np.dot(events.weight, each) / events.weight.sum())
