"""Sums over windows that may overlap, at the cost of one pass over the events, however many windows there are.

The bounds of all windows divide the mass axis into cells, and every background event belongs to one. A signal event
belongs to the hypothesis that it was generated for, if it lies in its window. So each event adds to one slot: a cell or
a hypothesis. Windows are runs of neighbouring cells, so their sums are differences of a cumulative sum over cells, in
double precision. Neither a matrix of masses × events nor a loop over hypotheses is needed, and the gradient by an
event's output is that by its slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.punzi.windows import Windows, mass_values

#: The slot of an event that adds to nothing.
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """Which slots there are.

    Bounds are compared strictly, so a value equal to a bound has a cell of its own: with K distinct bounds, cell 2i
    lies between bounds i-1 and i, and cell 2i+1 is bound i itself. Slots from 2K+1 on are the hypotheses' signals.

    Attributes:
        edges: distinct bounds of the windows, rising, in the type of the mass column; empty without one.
        first: first cell of each window, shape (hypotheses,).
        stop: one past its last.
    """

    edges: NDArray[np.floating]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    _on_device: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, windows: Windows, sample: EventSample) -> Layout:
        """Lay out the slots for the trained hypotheses of these windows.

        Args:
            windows: all hypotheses.
            sample: whose mass column has the type that bounds are compared in.
        """
        cuts = [windows.cuts[position] for position in windows.trained]
        known = [cut for cut in cuts if cut is not None]
        if not known:
            everything = np.zeros(len(cuts), dtype=np.int64)
            return cls(np.empty(0), everything, everything + 1)
        kind = mass_values(sample, known[0].observable).dtype
        lower, upper = (np.array([getattr(cut, side) for cut in known], dtype=kind) for side in ("lower", "upper"))
        edges = np.unique(np.concatenate([lower, upper]))
        first = 2 * np.searchsorted(edges, lower) + 2
        return cls(edges, first, np.maximum(2 * np.searchsorted(edges, upper) + 1, first))

    @property
    def cells(self) -> int:
        """Number of cells."""
        return 2 * len(self.edges) + 1

    @property
    def slots(self) -> int:
        """Number of cells and hypotheses."""
        return self.cells + len(self.first)

    def assign(self, sample: EventSample, windows: Windows) -> NDArray[np.int32]:
        """Return the slot of each event, shape (events,); `NOWHERE` outside every window.

        A mass that is NaN lies in no window.
        """
        slot = np.full(len(sample), NOWHERE, dtype=np.int32)
        column = next((cut.observable for cut in windows.cuts if cut is not None), None)
        background = sample.label == 0
        if column is None:
            slot[background] = 0
        else:
            values = mass_values(sample, column)[background]
            cell = np.searchsorted(self.edges, values, "left") + np.searchsorted(self.edges, values, "right")
            covered = np.zeros(self.cells + 1, dtype=np.int64)
            np.add.at(covered, self.first, 1)
            np.add.at(covered, self.stop, -1)
            slot[background] = np.where(np.cumsum(covered)[cell] > 0, cell, NOWHERE)
        for row, position in enumerate(windows.trained):
            slot[windows.signal_of(position, sample) & windows.inside(position, sample)] = self.cells + row
        return slot

    def totals(self, sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add up slots to what each hypothesis keeps.

        Args:
            sums: of each slot, float64, shape (…, slots).

        Returns:
            Background in its window and its own signal, each of shape (…, hypotheses).
        """
        cumulative = torch.nn.functional.pad(torch.cumsum(sums[..., : self.cells], dim=-1), (1, 0))
        first, stop = self._bounds(sums.device)
        return cumulative[..., stop] - cumulative[..., first], sums[..., self.cells :]

    def _bounds(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `first` and `stop` on a device, copied there once."""
        if device not in self._on_device:
            first, stop = (torch.as_tensor(index, device=device) for index in (self.first, self.stop))
            self._on_device[device] = first, stop
        return self._on_device[device]


def slot_sums(values: torch.Tensor, slot: torch.Tensor, slots: int) -> torch.Tensor:
    """Add up values by slot in double precision, differentiably.

    Args:
        values: shape (…, events).
        slot: of each event, same shape, from 0.
        slots: how many there are.

    Returns:
        Shape (…, slots).
    """
    zeros = torch.zeros(*values.shape[:-1], slots, dtype=torch.float64, device=values.device)
    return zeros.scatter_add(-1, slot, values.double())


class FixedPoint:
    """Sums by slot on a GPU, where events are added in no order, that are the same each time.

    Sums of floating-point numbers depend on the order. These are of integers, in units of 2⁻⁶¹ of the largest sum that
    the slot can have, rounded up to a power of two: more digits than double precision has.

    Args:
        weights: of each event, float64 of shape (…, events); outputs that they are multiplied by lie in [0, 1].
        slot: of each event, from 0, shape (events,); like the weights on the host, which adds in one order.
        slots: how many there are.
        device: where to sum.
    """

    def __init__(self, weights: torch.Tensor, slot: torch.Tensor, slots: int, device: torch.device) -> None:
        everywhere = slot.expand(weights.shape)
        exponent = torch.frexp(slot_sums(weights.abs(), everywhere, slots)).exponent
        unit = torch.ldexp(torch.ones(exponent.shape, dtype=torch.float64), exponent - 61)
        self.weights = (weights / unit.gather(-1, everywhere)).to(device)
        self._unit = unit.to(device)

    def sums(self, values: torch.Tensor, slot: torch.Tensor) -> torch.Tensor:
        """Add up by slot, shape (…, slots).

        Args:
            values: outputs times `weights` of some events, each at most once, shape (…, some).
            slot: of each, same shape.
        """
        zeros = torch.zeros(*values.shape[:-1], self._unit.shape[-1], dtype=torch.int64, device=values.device)
        return zeros.scatter_add(-1, slot, values.round().long()).double() * self._unit
