"""Stopping at a good moment: signals ask, the training loop obeys after saving a checkpoint."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))


class StopRequest:
    """While active, turns Ctrl-C, TERM, USR1 and USR2 into a request that the training loop looks at.

    A second Ctrl-C raises KeyboardInterrupt at once. Off the main thread, where Python delivers no signals, it does
    nothing.

    Attributes:
        reason: name of the signal that asked to stop; None if none did.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._previous: dict[int, signal.Handlers] = {}

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
