"""Delphes: branches `Jet.PT` with a counter `Jet_size` (Delphes' classes, `DelphesClasses.h`)."""

from __future__ import annotations

from typing import Any

from cutflow_cli.observables.file import FileLike
from cutflow_cli.observables.stored import Stored

#: Branches that Delphes' cards always write, by which a file without counters is known.
_USUAL = frozenset({"Event", "Particle", "Jet", "GenJet", "MissingET", "ScalarHT", "Electron", "Muon", "Photon"})
#: Collections that the constituents of a jet may be found in.
CANDIDATES = ("Tower", "EFlowTrack", "EFlowPhoton", "EFlowNeutralHadron", "Track", "Particle")


def is_delphes(names: tuple[str, ...]) -> bool:
    """Whether columns are spelled as Delphes does."""
    known = set(names)
    objects = {name.partition(".")[0] for name in names if "." in name}
    return any(name in _USUAL or f"{name}_size" in known for name in objects)


def delphes_collections(file: FileLike[Any]) -> dict[str, Stored]:
    """Find the collections of a Delphes file."""
    known = set(file.names())
    attributes: dict[str, dict[str, str]] = {}
    for name in file.names():
        collection, dot, attribute = name.partition(".")
        if dot and collection and attribute:
            attributes.setdefault(collection, {}).setdefault(attribute.partition("[")[0], name)
    return {
        name: Stored(
            name,
            columns,
            file,
            counter=f"{name}_size" if f"{name}_size" in known else None,
            single=_is_single(name, columns),
            flags=True,
        )
        for name, columns in attributes.items()
    }


def _is_single(name: str, attributes: dict[str, str]) -> bool:
    """Whether a branch is an array that always has one entry: missing energy, scalar HT, the event itself."""
    own = {attribute for attribute in attributes if attribute not in ("fUniqueID", "fBits")}
    return name == "Event" or own == {"HT"} or "MET" in own
