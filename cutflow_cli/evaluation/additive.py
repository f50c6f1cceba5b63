"""Sums over events that can be made part by part and added up."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

#: Sums of one kind after the other, each of a shape of its own.
Arrays = list[NDArray[np.float64]]


class Additive(ABC):
    """What sums events, and takes the sums of another one that has seen later events.

    Added up are whole parts, in their order: the result depends on how events are divided, by rounding, but not on who
    sums the parts.
    """

    @abstractmethod
    def start(self) -> None:
        """Forget all events."""

    @abstractmethod
    def sums(self) -> Arrays:
        """Return the sums themselves, not copies."""

    def empty(self) -> Self:
        """Return another one that has seen no events."""
        other = copy.copy(self)
        other.start()
        return other

    def join(self, later: Arrays) -> None:
        """Take the sums of later events."""
        for own, further in zip(self.sums(), later, strict=True):
            np.add(own, further, out=own)


def join_all(members: Sequence[Any], later: Arrays) -> None:
    """Give each of several its own of the sums of all.

    Args:
        members: `Additive`, or what sums likewise.
        later: their sums, of one after the other.
    """
    rest = list(later)
    for member in members:
        count = len(member.sums())
        member.join(rest[:count])
        rest = rest[count:]
