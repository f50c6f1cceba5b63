"""An external shuffle: events in a scratch file, in windows of which each is a random part of the whole.

Who trains on the events of a file as they come sees one class, or one process, at a time: files are put together from
samples. A buffer that shuffles some row groups mixes only what these hold, and the last window would decide the result.
Here every event is dealt to one of W windows by chance (P. Sanders, "Random permutations on distributed, external and
hierarchical memory", Inf. Process. Lett. 67 (1998) 305); a window is written together, read as a whole, and shuffled in
memory. It so holds of every class, process and corner of the sample the same share as the whole, up to counting
statistics, however the file is ordered. Windows come in another order each time, but what is in one stays together.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: Bytes in a window; two or three are in memory at a time. Results depend on it, so it is no option.
WINDOW_BYTES = 1 << 26


def window_count(events: int, columns: int) -> int:
    """Return how many windows a sample is divided into.

    Args:
        events: size of the sample.
        columns: float32 numbers that are kept of each event.
    """
    return max(1, -(-events * columns * 4 // WINDOW_BYTES))


class Windows:
    """A scratch file of windows, each filled bit by bit and read as a whole.

    It is where Python puts temporary files ($TMPDIR), and has no name there, so that nothing is left of it whatever
    happens. Its space is taken at once: a disk that is too small is found before the work, not after.

    Args:
        sizes: events of each window.
        columns: float32 numbers of each event.

    Raises:
        OSError: if there is no space for it.
    """

    def __init__(self, sizes: Iterable[int], columns: int) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self._columns = columns
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self._filled = np.zeros(len(self.sizes), dtype=np.int64)
        self._file = tempfile.TemporaryFile(prefix="cutflow-windows-")  # noqa: SIM115  (closed by `close`)
        try:
            self._reserve()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self.sizes)

    def _reserve(self) -> None:
        size = int(self._starts[-1]) * self._columns * 4
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._file.fileno(), 0, size)
            except OSError as error:
                error.filename = f"{tempfile.gettempdir()} ({size / 1e9:.1f} GB of scratch, elsewhere with TMPDIR)"
                raise

    def add(self, window: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Append events to their windows.

        Args:
            window: of each event, shape (events,).
            values: shape (events, columns).
        """
        if not len(window):
            return
        order = np.argsort(window, kind="stable")
        which, first = np.unique(window[order], return_index=True)
        for number, rows in zip(which.tolist(), np.split(order, first[1:]), strict=True):
            filled = int(self._filled[number])
            if filled + len(rows) > self.sizes[number]:
                msg = f"window {number} holds {self.sizes[number]} events, {filled + len(rows)} were added"
                raise ValueError(msg)
            content = np.ascontiguousarray(values[rows], dtype=np.float32).data.cast("B")
            at = (int(self._starts[number]) + filled) * self._columns * 4
            while content:
                written = os.pwrite(self._file.fileno(), content, at)
                content, at = content[written:], at + written
            self._filled[number] += len(rows)

    def read(self, window: int) -> NDArray[np.float32]:
        """Read one window, shape (events, columns), in the order in which its events were added.

        Raises:
            ValueError: if it was not filled.
        """
        size = self.sizes[window]
        if self._filled[window] != size:
            msg = f"window {window} holds {size} events, only {self._filled[window]} were added"
            raise ValueError(msg)
        values = np.empty((size, self._columns), dtype=np.float32)
        content = values.data.cast("B") if size else memoryview(b"")
        at = int(self._starts[window]) * self._columns * 4
        while content:
            read = os.preadv(self._file.fileno(), [content], at)
            if not read:
                msg = "the scratch file of shuffled events ended early"
                raise OSError(msg)
            content, at = content[read:], at + read
        return values

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
