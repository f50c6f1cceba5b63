"""Who does the parts of a large task: this process, or workers elsewhere (`cutflow_cli.cluster`).

A task that can be divided is written once, for an executor: parts that are the same whoever does them, and results that
are put together here, in the order of the parts. What comes out then does not depend on the executor, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Part = TypeVar("Part")
Result = TypeVar("Result")

#: Told how much more is done, in the unit of `sizes`.
Told = Callable[[int], None]


class Executor(Protocol):
    """Does parts of a task."""

    @property
    def is_here(self) -> bool:
        """Whether the parts are done one after the other by this process, which dividing a task would not speed up."""

    def map(
        self,
        work: Callable[[Shared, Part, Told], Result],
        shared: Shared,
        parts: Sequence[Part],
        sizes: Sequence[int],
        told: Told,
    ) -> Iterator[Result]:
        """Do all parts.

        Args:
            work: does one part; a function of a module. It is given `shared`, the part, and what to tell of progress.
            shared: what all parts need; no part changes it.
            parts: in their order.
            sizes: how much each part is.
            told: called with what more is done, by and by or when a part is finished.

        Yields:
            The results, in the order of the parts.
        """


class Here:
    """This process does the parts, one after the other."""

    is_here = True

    def map(
        self,
        work: Callable[[Shared, Part, Told], Result],
        shared: Shared,
        parts: Sequence[Part],
        sizes: Sequence[int],
        told: Told,
    ) -> Iterator[Result]:
        """Do all parts; see `Executor.map`."""
        del sizes  # the work itself tells
        for part in parts:
            yield work(shared, part, told)


HERE = Here()
