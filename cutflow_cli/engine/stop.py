"""Stopping at a good moment: signals and the time limit ask, the training obeys after saving a checkpoint."""

from __future__ import annotations

import re
import signal
import threading
from dataclasses import dataclass
from time import monotonic
from types import FrameType, TracebackType

from cutflow_cli.errors import UsageError

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long a command may take.

    Attributes:
        seconds: from its start.
        ends: when that is over, by `time.monotonic`.
        text: the limit as it was given.
    """

    seconds: float
    ends: float
    text: str

    @classmethod
    def parse(cls, text: str) -> TimeLimit:
        """Read `3600`, `1h30m`, `45m` or `1d`, from now on.

        Raises:
            UsageError: if it is none of these, or zero.
        """
        plain = text.replace(" ", "")
        match = _DURATION.fullmatch(plain if plain[-1:].isalpha() else plain + "s" if _NUMBER.fullmatch(plain) else "")
        parts = [float(part or 0) for part in match.groups()] if match else [0.0]
        seconds = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=False))
        if seconds <= 0:
            msg = f"--time-limit {text}: give seconds such as 3600, or a time such as 1h30m"
            raise UsageError(msg)
        return cls(seconds, monotonic() + seconds, text)


class StopRequest:
    """While active, turns Ctrl-C, TERM, USR1, USR2 and the end of the time into a request that the training looks at.

    Since training looks only now and then, it is also asked to stop where the longest time between two looks does not
    fit into the time that is left. A second Ctrl-C raises KeyboardInterrupt at once. Off the main thread, where Python
    delivers no signals, only the time counts.

    Args:
        limit: how long the command may take; None for as long as it needs.

    Attributes:
        reason: name of the signal that asked to stop, or what was said of the time; None if nothing did.
        out_of_time: whether it was the time.
    """

    def __init__(self, limit: TimeLimit | None = None) -> None:
        self.reason: str | None = None
        self.out_of_time = False
        self._limit = limit
        self._asked: float | None = None
        self._longest = 0.0
        self._previous: dict[int, signal.Handlers] = {}

    def why(self) -> str | None:
        """Say why to stop; None to go on."""
        now = monotonic()
        if self._asked is not None:
            self._longest = max(self._longest, now - self._asked)
        first, self._asked = self._asked is None, now
        if self.reason is None and self._limit is not None and now + self._longest > self._limit.ends:
            self.out_of_time = True
            self.reason = f"--time-limit {self._limit.text}"
            if first:
                self.reason += " (the first step took longer)"
        return self.reason

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._ask)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
