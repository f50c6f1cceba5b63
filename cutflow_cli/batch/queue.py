"""What all batch systems have: jobs in a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

JobState = Literal["queued", "running", "held", "gone"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job in a queue.

    Attributes:
        name: as the batch system calls it.
        state: `gone` where it is only still remembered.
        reason: why it is held, waits, or is gone, in the batch system's words.
        starts: how often it was started.
    """

    name: str
    state: JobState
    reason: str | None = None
    starts: int = 0
