"""Observables of several objects together, and of whole collections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cutflow_cli.observables import arrays, momenta
from cutflow_cli.observables.file import Refusal
from cutflow_cli.observables.objects import Chosen
from cutflow_cli.observables.steps import Node, Step

#: A computation, and whether it gives one value per object rather than per event.
Plan = tuple[Node, bool]


def invariant_mass(chosen: Sequence[Chosen]) -> Plan:
    """Return the mass of the sum of all objects' four-momenta.

    Missing if a single object that is named is missing, or if there are no objects at all.
    """
    if len(chosen) == 1 and chosen[0].one:
        return chosen[0].value("m"), False
    components: list[Node] = []
    for part in chosen:
        momentum = part.momentum()
        components += momentum if part.one else [Step(arrays.total, (axis,)) for axis in momentum]
    mass = Step(momenta.mass_of_sum, tuple(components))
    if any(part.one for part in chosen):
        return mass, False
    counts = tuple(Step(arrays.counts, (part.momentum()[0],)) for part in chosen)
    return Step(arrays.missing_without_objects, (mass, *counts)), False


def delta_r(chosen: Sequence[Chosen]) -> Plan:
    """Return ΔR of two objects, of an object and each of a collection, or of all pairs of two collections."""
    first, second = _two("delta_r", chosen)
    values = tuple((part.pseudorapidity(), part.value("phi")) for part in (first, second))
    return _pairwise(momenta.delta_r, (first, second), values)


def delta_phi(chosen: Sequence[Chosen]) -> Plan:
    """Return φ₁ − φ₂ in [−π, π); see `delta_r` for which pairs."""
    first, second = _two("delta_phi", chosen)
    return _pairwise(momenta.delta_phi, (first, second), ((first.value("phi"),), (second.value("phi"),)))


def delta_eta(chosen: Sequence[Chosen]) -> Plan:
    """Return η₁ − η₂; see `delta_r` for which pairs."""
    first, second = _two("delta_eta", chosen)
    values = ((first.pseudorapidity(),), (second.pseudorapidity(),))
    return _pairwise(momenta.delta_eta, (first, second), values)


def transverse_mass(chosen: Sequence[Chosen]) -> Plan:
    """Return the transverse mass of two objects, or of an object (missing energy) with each of a collection."""
    first, second = _two("mt", chosen)
    values = tuple((part.value("pt"), part.value("phi")) for part in (first, second))
    return _pairwise(momenta.transverse_mass, (first, second), values)


def min_delta_phi(chosen: Sequence[Chosen]) -> Plan:
    """Return the smallest |Δφ| between the last object and those before it that are there; missing for none."""
    if len(chosen) < 2:
        msg = f"min_delta_phi is between objects and one more; write {chosen[0].text},missinget0.min_delta_phi"
        raise Refusal(msg)
    *others, last = chosen
    if not last.one:
        msg = f"min_delta_phi is to the last object, and {last.text} is a collection; write {last.text}0 or another one"
        raise Refusal(msg)
    return Step(momenta.min_abs_delta_phi, (_joined(others, "phi"), last.value("phi"))), False


def scalar_sum(chosen: Sequence[Chosen]) -> Plan:
    """Return HT, the sum of the pT of all objects that are there; 0 for none."""
    return Step(arrays.total, (_joined(chosen, "pt"),)), False


SEVERAL: dict[str, Callable[[Sequence[Chosen]], Plan]] = {
    "inv_mass": invariant_mass,
    "delta_r": delta_r,
    "delta_phi": delta_phi,
    "delta_eta": delta_eta,
    "mt": transverse_mass,
    "min_delta_phi": min_delta_phi,
    "ht": scalar_sum,
}


def size(chosen: Sequence[Chosen]) -> Plan:
    """Return how many objects of a collection there are."""
    if len(chosen) > 1:
        msg = f"size is of one collection; write {' + '.join(f'{part.text}.size' for part in chosen)}"
        raise Refusal(msg)
    only = chosen[0]
    if only.one:
        whole = only.objects.name.lower()
        instead = "there is always one" if only.objects.single else f"write {whole}.size, as in {whole}.size > 0"
        msg = f"size is of a collection, and {only.text} is one object; {instead}"
        raise Refusal(msg)
    return only.count(), False


def _joined(chosen: Sequence[Chosen], name: str) -> Node:
    lists = [part.listed(name) for part in chosen]
    return lists[0] if len(lists) == 1 else Step(arrays.join, tuple(lists))


def _two(quantity: str, chosen: Sequence[Chosen]) -> tuple[Chosen, Chosen]:
    if len(chosen) == 2:
        return chosen[0], chosen[1]
    example = f"muon0,missinget0.{quantity}" if quantity == "mt" else f"jet0,jet1.{quantity}"
    given = "one is named" if len(chosen) == 1 else f"{len(chosen)} are named"
    msg = f"{quantity} is between two objects, and {given}; write two, as in {example}"
    raise Refusal(msg)


def _pairwise(
    function: Callable[..., object], chosen: tuple[Chosen, Chosen], values: Sequence[tuple[Node, ...]]
) -> Plan:
    """Apply a function to two objects, or to all pairs of collections."""
    first, second = values
    if any(part.one for part in chosen):
        return Step(function, (*first, *second)), not all(part.one for part in chosen)
    crossed = [Step(arrays.cross, pair) for pair in zip(first, second, strict=True)]
    left = tuple(Step(arrays.item, (pair,), (0,)) for pair in crossed)
    right = tuple(Step(arrays.item, (pair,), (1,)) for pair in crossed)
    return Step(function, (*left, *right)), True
