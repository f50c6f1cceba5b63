"""The naming convention of observables: `<physics object>.<observable>` (HEP ML LAB, arXiv:2405.02888, section 3).

    jet0.pt                       one object: the first jet
    jet.pt  jet:4.pt  jet1:3.eta  a collection: all jets, the first four, those from the second to the third
    fatjet0.constituents:100.pt   objects of an object
    muon0,muon1.inv_mass          several objects

This module knows the grammar only; what a file has by these names is found in `cutflow_cli.observables`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORD = r"[A-Za-z_]\w*"
#: A word with an optional slice, and an optional path of them: `jet`, `jet:4`, `fatjet0.constituents:100`.
PATH = rf"{WORD}(?::(?!:)\d*)?(?:\.{WORD}(?::(?!:)\d*)?)*"
#: Digits of an index, and words of a path, that no file has more of.
_MOST_DIGITS, _MOST_WORDS = 9, 8
_SLICED = re.compile(rf"(?P<word>{WORD})(?P<colon>:)?(?P<stop>\d{{1,{_MOST_DIGITS}}})?", re.ASCII)

#: Observables of several objects together; in the arguments of a function these, and no others, take a comma.
OF_SEVERAL_OBJECTS = frozenset({
    "invariantmass", "invariant_mass", "invmass", "inv_mass", "invm", "inv_m",
    "angulardistance", "angular_distance", "deltar", "delta_r",
    "deltaphi", "delta_phi", "deltaeta", "delta_eta", "mindeltaphi", "min_delta_phi",
    "transversemass", "transverse_mass", "mt", "ht",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class PhysicsObject:
    """One object or a collection of them, as written.

    Attributes:
        word: the name, with an index if it has one: `jet0`, `jet`, `FatJetAK8`.
        sliced: whether a colon follows.
        stop: the number after the colon; None where there is none.
        sub: objects of the object, such as constituents; None for none.
    """

    word: str
    sliced: bool = False
    stop: int | None = None
    sub: PhysicsObject | None = None

    def indexed(self) -> tuple[str, int | None]:
        """Divide the word into name and index; None without digits at its end.

        A collection whose own name ends in digits has to be looked for first, under the whole word.
        """
        name = self.word.rstrip("0123456789")
        digits = self.word[len(name) :]
        return (name, int(digits)) if 0 < len(digits) <= _MOST_DIGITS else (self.word, None)

    def __str__(self) -> str:
        colon = f":{'' if self.stop is None else self.stop}" if self.sliced else ""
        return f"{self.word}{colon}" + ("" if self.sub is None else f".{self.sub}")


@dataclass(frozen=True, slots=True)
class ObservableName:
    """An observable by name.

    Attributes:
        objects: what it is an observable of, one or several.
        quantity: which observable, as written.
    """

    objects: tuple[PhysicsObject, ...]
    quantity: str

    def __str__(self) -> str:
        return f"{','.join(map(str, self.objects))}.{self.quantity}"


def read_observable(text: str) -> ObservableName | None:
    """Read the name of an observable.

    Args:
        text: without spaces, such as `jet:4,missinget0.min_delta_phi`.

    Returns:
        Its parts; None if it is no such name, for example because it has no object.
    """
    *others, last = text.split(",")
    path, _, quantity = last.rpartition(".")
    objects = [_read_object(part) for part in (*others, path)]
    if any(found is None for found in objects) or re.fullmatch(WORD, quantity, re.ASCII) is None:
        return None
    return ObservableName(tuple(found for found in objects if found is not None), quantity)


def is_object(path: str) -> bool:
    """Whether a path, before a comma in the arguments of a function, is an object rather than an observable."""
    _, dot, last = path.rpartition(".")
    return not dot or last.partition(":")[0].lower() == "constituents"


def is_of_several(path: str) -> bool:
    """Whether a path, behind a comma in the arguments of a function, ends in an observable of several objects."""
    objects, _, quantity = path.rpartition(".")
    return bool(objects) and quantity.lower() in OF_SEVERAL_OBJECTS


def _read_object(text: str) -> PhysicsObject | None:
    if text.count(".") >= _MOST_WORDS:
        return None
    first, dot, rest = text.partition(".")
    match = _SLICED.fullmatch(first)
    if match is None or (match["stop"] and not match["colon"]):
        return None
    sub = None
    if dot:
        sub = _read_object(rest)
        if sub is None:
            return None
    stop = int(match["stop"]) if match["stop"] else None
    return PhysicsObject(match["word"], match["colon"] is not None, stop, sub)
