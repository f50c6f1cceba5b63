"""Physics objects: where their observables come from, and which of them a name chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cutflow_cli.observables import arrays
from cutflow_cli.observables.file import Refusal
from cutflow_cli.observables.momenta import component, momentum
from cutflow_cli.observables.steps import Node, Step

#: What the coordinates of a four-momentum may be, as names of observables.
Coordinates = tuple[str, str, str, str]
CARTESIAN: Coordinates = ("px", "py", "pz", "e")


class Objects(Protocol):
    """All objects of one sort in each event.

    Attributes:
        name: as the file spells it.
        single: whether there is always one per event, as missing energy; its values are event-level then.
        transverse_only: whether its momentum along the beam is not known, as that of missing energy.
    """

    name: str

    @property
    def single(self) -> bool: ...  # noqa: D102
    @property
    def transverse_only(self) -> bool: ...  # noqa: D102

    def branch(self, name: str) -> Node | None:
        """Return what the file stores under this name; None for nothing.

        Raises:
            Refusal: if the file has it, but not as numbers of objects.
        """

    def value(self, name: str) -> Node:
        """Return an observable that every object has for itself; a branch of that name comes first.

        Raises:
            Refusal: if there is none, with what there is.
        """

    def coordinates(self) -> Coordinates:
        """Return which observables its four-momentum is best made from.

        Raises:
            Refusal: if it has none.
        """

    def count(self) -> Node:
        """Return the number of objects of each event."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The objects that a name chooses.

    Attributes:
        objects: all of the sort.
        text: as written, for messages.
        index: the place of the one object, counted from 0; None for a collection.
        start: the first place of a collection.
        stop: the place after its last one; None for all.
    """

    objects: Objects
    text: str
    index: int | None = None
    start: int = 0
    stop: int | None = None

    @property
    def one(self) -> bool:
        """Whether there is one per event, so that its values are event-level."""
        return self.index is not None or self.objects.single

    def choose(self, values: Node) -> Node:
        """Return the values of the chosen ones, given those of all."""
        if self.objects.single:
            return Step(arrays.doubles, (values,))
        if self.index is not None:
            return Step(arrays.nth, (values,), (self.index,))
        if (self.start, self.stop) == (0, None):
            return Step(arrays.doubles, (values,))
        return Step(arrays.sliced, (values,), (self.start, self.stop))

    def value(self, name: str) -> Node:
        """Return an observable: one per event for one object, otherwise one per object."""
        return self.choose(self.objects.value(name))

    def listed(self, name: str) -> Node:
        """Return an observable as one list per event, which is empty where the one object is missing."""
        if self.objects.single:
            return Step(arrays.at_most_one, (self.value(name),))
        if self.index is None:
            return self.value(name)
        return Step(arrays.sliced, (self.objects.value(name),), (self.index, self.index + 1))

    def pseudorapidity(self) -> Node:
        """Return η, if it is known.

        Raises:
            Refusal: if the momentum along the beam is not.
        """
        if self.objects.transverse_only:
            msg = f"{self.text} has no eta, its momentum along the beam is not measured; write delta_phi"
            raise Refusal(msg)
        return self.value("eta")

    def momentum(self) -> tuple[Node, ...]:
        """Return px, py, pz and E."""
        names = self.objects.coordinates()
        if names == CARTESIAN:
            return tuple(Step(arrays.doubles, (self.value(name),)) for name in names)
        vectors = Step(momentum, tuple(self.value(name) for name in names), names)
        return tuple(Step(component, (vectors,), (name,)) for name in CARTESIAN)

    def count(self) -> Node:
        """Return how many objects of a collection there are."""
        return Step(arrays.number_between, (self.objects.count(),), (self.start, self.stop))


def find_name(name: str, known: Mapping[str, str], whose: str) -> str | None:
    """Look a name up: exact case wins, otherwise case does not matter.

    Raises:
        Refusal: if several differ from it by case alone.
    """
    if name in known:
        return known[name]
    alike = [other for other in known if other.lower() == name.lower()]
    if len(alike) > 1:
        msg = f"{whose} {' and '.join(alike)}; write the one that is meant, with its capitals"
        raise Refusal(msg)
    return known[alike[0]] if alike else None


def some(names: Mapping[str, object]) -> str:
    """Show the first names of many."""
    shown = list(names)
    return ", ".join(shown[:12]) + (f", … ({len(shown)} in all)" if len(shown) > 12 else "")
