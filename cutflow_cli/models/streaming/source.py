"""What a method that streams is given in place of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from cutflow_cli.errors import Interrupted
from cutflow_cli.events.stream import SplitStream
from cutflow_cli.models.protocol import Fitted, TrainingContext


@dataclass(frozen=True, slots=True)
class Source:
    """Events to train on that are not held in memory.

    Attributes:
        train: the training split, not yet checked.
        validation: the validation split, which may be empty.
        features_named: whether the user named the features.
        say: told what a user should know before the training begins, a sentence at a time.
    """

    train: SplitStream
    validation: SplitStream
    features_named: bool = True
    say: Callable[[str], None] = lambda text: None

    def stoppable(self, stop_reason: Callable[[], str | None]) -> Source:
        """Return the same events; reading them stops when there is a reason to.

        Args:
            stop_reason: says why to stop; None to go on. What it says makes reading raise Interrupted.
        """

        def look() -> None:
            reason = stop_reason()
            if reason:
                msg = f"stopped by {reason} while reading {self.train.path}; the same command continues from what "
                raise Interrupted(msg + "was trained until then, and reads again")

        return replace(self, train=self.train.watched(look), validation=self.validation.watched(look))


@runtime_checkable
class StreamingMethod(Protocol):
    """A method that can train on more events than fit into memory."""

    def fit_stream(self, source: Source, context: TrainingContext) -> Fitted:
        """Learn from the training split; the same numbers come with the result as from `Method.fit`."""

    def memory(self, events: int, features: int) -> float:
        """Estimate the bytes that `Method.fit` needs for so many events of train and validation.

        It decides how the training is done, so it must not depend on the machine or on which replicas are trained.
        """
