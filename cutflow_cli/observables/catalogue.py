"""The physics objects of a file: its format, its collections, and which of them a name means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.observables.constituents import Constituents, indexed, referenced
from cutflow_cli.observables.delphes import CANDIDATES, delphes_collections, is_delphes
from cutflow_cli.observables.file import FileLike, Refusal
from cutflow_cli.observables.joined import leptons
from cutflow_cli.observables.nanoaod import is_nanoaod, nanoaod_collections
from cutflow_cli.observables.objects import Chosen, Objects, find_name
from cutflow_cli.observables.stored import Stored
from cutflow_cli.selection.observable import PhysicsObject

EventFormat = Literal["Delphes", "NanoAOD", "LHE", "flat"]
FORMATS: tuple[EventFormat, ...] = ("Delphes", "NanoAOD", "LHE", "flat")

#: Other names of collections, tried in order where a file has none by the name itself.
_ALIASES = {"missinget": ("MissingET", "MET"), "met": ("MET", "MissingET"), "mu": ("Muon",)}
#: Files whose counters are the lengths of their lists by construction.
_COUNTED = ("ROOT", "RNTuple")


def recognise(file: FileLike[Any]) -> EventFormat:
    """Return how a file spells its objects."""
    if getattr(file, "format", None) == "LHE":
        return "LHE"
    if is_delphes(file.names()):
        return "Delphes"
    return "NanoAOD" if is_nanoaod(file) else "flat"


def named_format(name: str) -> EventFormat:
    """Return the format that a user names; case does not matter.

    Raises:
        UsageError: if there is none by this name.
    """
    for known in FORMATS:
        if known.lower() == name.lower():
            return known
    msg = f"no event format {name!r}; {nearest(name, FORMATS)}"
    raise UsageError(msg)


class Catalogue:
    """The physics objects of a file.

    Args:
        file: describes the columns.
        event_format: how it spells its objects; None to recognise it.
    """

    def __init__(self, file: FileLike[Any], event_format: EventFormat | None = None) -> None:
        self._file = file
        self.format = recognise(file) if event_format is None else event_format

    @cached_property
    def collections(self) -> Mapping[str, Stored]:
        """The collections of the file by name."""
        if self.format == "flat":
            return {}
        if self.format == "Delphes":
            return delphes_collections(self._file)
        counted = getattr(self._file, "format", None) in _COUNTED
        return nanoaod_collections(self._file, counters_hold=counted)

    def collection(self, name: str) -> Stored | None:
        """Return a collection by its name, in any case, or by an alias.

        Raises:
            Refusal: if several differ from the name by case alone.
        """
        known = {key: key for key in self.collections}
        found = find_name(name, known, "the file has")
        for other in _ALIASES.get(name.lower(), ()):
            found = found or find_name(other, known, "the file has")
        return None if found is None else self.collections[found]

    def owner_of(self, column: str) -> Stored | None:
        """Return the collection that a column belongs to, if it is one of those with a single object per event."""
        name = column.partition(".")[0]
        stored = self.collections.get(name) if self.format == "Delphes" else None
        return stored if stored is not None and stored.single else None

    def choose(self, written: PhysicsObject) -> Chosen:
        """Return the objects that a name means.

        Raises:
            Refusal: if the file has no such objects, or a slice keeps none.
        """
        if written.sub is not None:
            return self._choose_sub(written, written.sub)
        objects, index = self._divide(written.word)
        return _chosen(objects, written, index)

    def _divide(self, word: str) -> tuple[Objects, int | None]:
        """Find the collection that a word names, and the index after it; a name that ends in digits comes first."""
        digits = len(word) - len(word.rstrip("0123456789"))
        for count in range(digits + 1):
            name, index = word[: len(word) - count], word[len(word) - count :]
            objects = self._objects(name)
            if objects is not None:
                return objects, int(index) if index else None
        raise Refusal(self._unknown(word.rstrip("0123456789")))

    def _objects(self, name: str) -> Objects | None:
        found = self.collection(name)
        if found is None and name.lower() == "lepton" and self.collections:
            return leptons(self.collection("electron"), self.collection("muon"))
        return found

    def _unknown(self, name: str) -> str:
        if not self.collections:
            what = "a flat table has" if self.format == "flat" else f"read as {self.format}, this file has"
            return f"{what} no objects, its columns go by their own names; {nearest(name, self._file.names())}"
        names = [*self.collections]
        if self.collection("electron") is not None and self.collection("muon") is not None:
            names.append("lepton")
        near = nearest(name, names)
        all_of_few = near.startswith("did") and len(names) <= 12
        return f"no objects {name!r}; {near}" + (f" (there are: {', '.join(names)})" if all_of_few else "")

    def _choose_sub(self, written: PhysicsObject, sub: PhysicsObject) -> Chosen:
        main = self.choose(PhysicsObject(written.word, written.sliced, written.stop))
        if sub.sub is not None:
            msg = f"{written} goes down two levels; objects of objects, such as jet0.constituents, are the deepest"
            raise Refusal(msg)
        find = self._sub_finder(main, sub.indexed()[0], written)
        index = sub.indexed()[1]
        if index is not None and not sub.sliced and main.index is None:
            return Chosen(find(index), str(written))
        if index is not None and not sub.sliced:
            return Chosen(find(slice(0, None)), str(written), index=index)
        start = index or 0
        _refuse_empty(str(written), start, sub.stop)
        return Chosen(find(slice(start, sub.stop)), str(written))

    def _sub_finder(self, main: Chosen, name: str, written: PhysicsObject) -> Callable[[slice | int], Constituents]:
        """Return what makes objects of objects, given which of them."""
        owner = main.objects
        if not isinstance(owner, Stored) or owner.single:
            msg = f"{main.text} has no objects of its own; {written.word} would have to be jets of one collection"
            raise Refusal(msg)
        column = owner.attribute(name) or owner.attribute(f"{name}s")
        if self.format == "Delphes" and column is not None and self._file.column(column).kind == "nested":
            stored = [self.collections[name] for name in CANDIDATES if name in self.collections]
            return lambda which: referenced(main, column, which, stored)
        links = self.collections.get(f"{owner.name}PFCands")
        candidates = self.collections.get("PFCands")
        if name.lower() in ("constituents", "constituent") and links is not None and candidates is not None:
            jet, place = links.attribute("jetIdx"), links.attribute("pFCandsIdx") or links.attribute("candIdx")
            if jet is not None and place is not None:
                return lambda which: indexed(main, links, (jet, place), which, candidates)
        msg = (
            f"{owner.name} has no objects {name!r} in this file; Delphes has them as {owner.name}.Constituents, "
            f"PFNano as {owner.name}PFCands_jetIdx and {owner.name}PFCands_pFCandsIdx with PFCands"
        )
        raise Refusal(msg)


def _chosen(objects: Objects, written: PhysicsObject, index: int | None) -> Chosen:
    if objects.single:
        if written.sliced or index not in (None, 0):
            msg = f"there is always one {objects.name} per event; write {objects.name.lower()} without index"
            raise Refusal(msg)
        return Chosen(objects, str(written))
    if written.sliced:
        _refuse_empty(str(written), index or 0, written.stop)
        return Chosen(objects, str(written), start=index or 0, stop=written.stop)
    return Chosen(objects, str(written), index=index)


def _refuse_empty(text: str, start: int, stop: int | None) -> None:
    if stop is not None and stop <= start:
        msg = f"{text} keeps no objects; counting starts at 0, and the end {stop} is not included"
        raise Refusal(msg)
