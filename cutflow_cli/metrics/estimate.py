"""A number with its statistical error, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

#: Confidence level of the one-sided limits that are given where nothing was seen.
LIMIT_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its error.

    Attributes:
        value: the estimate; None where it is undefined.
        error: its statistical error (one standard deviation); None where it is undefined.
        reason: why something is undefined, or what a reader must know of the error, in words; else None.
    """

    value: float | None
    error: float | None = None
    reason: str | None = None

    @classmethod
    def undefined(cls, reason: str) -> Estimate:
        """Make an estimate without a value.

        Args:
            reason: why, in words.
        """
        return cls(None, None, reason)
