"""Leptons: the electrons and muons of an event as one collection, ordered by falling pT."""

from __future__ import annotations

from collections.abc import Sequence

from cutflow_cli.observables import arrays
from cutflow_cli.observables.file import Refusal
from cutflow_cli.observables.objects import CARTESIAN, Coordinates, Objects
from cutflow_cli.observables.steps import Node, Step


def common_coordinates(parts: Sequence[Objects]) -> Coordinates:
    """Return coordinates that all parts are best made from; Cartesian ones where they differ."""
    found = {part.coordinates() for part in parts}
    return found.pop() if len(found) == 1 else CARTESIAN


class Joined:
    """Several collections as one, with the observables that all of them have; see `Objects`.

    Ordered by falling pT. Of equal pT, those of the first collection come first, in their order.
    """

    single = False
    transverse_only = False

    def __init__(self, name: str, parts: Sequence[Objects]) -> None:
        self.name = name
        self._parts = tuple(parts)

    def branch(self, name: str) -> Node | None:
        """Return what the file stores under this name for all parts; None if one lacks it."""
        stored = [part.branch(name) for part in self._parts]
        found = [node for node in stored if node is not None]
        return self._ordered(found) if len(found) == len(stored) else None

    def value(self, name: str) -> Node:
        """Return an observable that every object of all parts has."""
        return self._ordered([part.value(name) for part in self._parts])

    def coordinates(self) -> Coordinates:
        """Return which observables the four-momenta are best made from."""
        return common_coordinates(self._parts)

    def count(self) -> Node:
        """Return the number of objects of each event."""
        return Step(arrays.counts, (self.value("pt"),))

    def _ordered(self, values: Sequence[Node]) -> Node:
        order = Step(arrays.falling_order, (Step(arrays.join, tuple(part.value("pt") for part in self._parts)),))
        return Step(arrays.take, (Step(arrays.join, tuple(values)), order))


def leptons(electrons: Objects | None, muons: Objects | None) -> Joined:
    """Join electrons and muons.

    Raises:
        Refusal: if the file lacks one of them.
    """
    if electrons is None or muons is None:
        there = electrons or muons
        only = "neither" if there is None else f"only {there.name}"
        instead = "" if there is None else f"; write {there.name.lower()}"
        msg = f"lepton is electrons and muons together, and there is {only} here{instead}"
        raise Refusal(msg)
    return Joined("lepton", (electrons, muons))
