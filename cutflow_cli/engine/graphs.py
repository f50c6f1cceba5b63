"""Steps of a training on CUDA: recorded once as a graph, then replayed.

A step on a batch is some dozens of small operations, and telling the device of each takes longer than the device needs
for it. A CUDA graph tells of all of them at once. It repeats the same operations on the same memory, so its numbers are
those of the step itself.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

#: Whether steps are recorded on CUDA; switched off to compare, or to measure what it gains.
RECORDING = True


class Step:
    """Does on a CPU what a function does; on CUDA it records the function and replays it.

    The first call with inputs of some shapes is made as it is, which also lets libraries prepare themselves; the second
    is recorded. Batches of two lengths, as the last of an epoch has its own, so have a graph each.

    Args:
        function: of tensors on the device, whose shapes and types decide what it does. It changes in place what it is
            for (parameters, moments, sums), always the same tensors; it neither returns anything nor reads a value back
            from the device.
        device: where it runs.
    """

    def __init__(self, function: Callable[..., None], device: torch.device | str) -> None:
        self._function = function
        self._cuda = torch.device(device).type == "cuda"
        self._warm: set[tuple[torch.Size, ...]] = set()
        self._recorded: dict[tuple[torch.Size, ...], _Recorded] = {}
        # Autograd and libraries remember the stream that they first worked in: that of the recording.
        self._stream = torch.cuda.Stream(device) if self._cuda else None  # type: ignore[no-untyped-call]

    def __call__(self, *inputs: torch.Tensor) -> None:
        """Take the step."""
        if self._stream is None or not RECORDING:
            self._function(*inputs)
            return
        shapes = tuple(one.shape for one in inputs)
        recorded = self._recorded.get(shapes)
        if recorded is None and shapes in self._warm:
            recorded = self._recorded[shapes] = _Recorded(self._function, inputs, self._stream)
        if recorded is not None:
            recorded.replay(inputs)
            return
        self._warm.add(shapes)
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._function(*inputs)
        current.wait_stream(self._stream)


class _Recorded:
    """One graph, and the memory that it reads its inputs from."""

    def __init__(
        self, function: Callable[..., None], inputs: tuple[torch.Tensor, ...], stream: torch.cuda.Stream
    ) -> None:
        self._inputs = [one.clone() for one in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with _no_collection(), torch.cuda.graph(self._graph, stream=stream):
            function(*self._inputs)

    def replay(self, inputs: tuple[torch.Tensor, ...]) -> None:
        for own, one in zip(self._inputs, inputs, strict=True):
            own.copy_(one)
        self._graph.replay()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from collecting garbage: to free the graph of another training would spoil a recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
