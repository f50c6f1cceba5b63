"""The catalogue: which observables there are, by which names, and which branches hold them.

Names and aliases are those of HEP ML LAB (arXiv:2405.02888, table 2) and of its program hep-ml-lab 0.4.3; case does
not matter. delta_phi, delta_eta, mt, min_delta_phi and ht are ours.

    px py pz e pt eta phi m     a branch of that name, otherwise from the other components; pt may be the branch ET or
                                MET; the mass is 0 where neither it nor an energy is stored
    charge b_tag tau_tag        branches; b_tag is the flag BTag of Delphes, NanoAOD has discriminators instead
    tau1 tau2 … tau21 …         N-subjettiness (branches tau1, … or the array Tau) and ratios tau2/tau1; 0/0 is missing
    size                        number of objects of a collection
    inv_mass                    mass of the sum of all named objects; missing if a single one is, or if there are none
    delta_r delta_phi delta_eta of two objects, of one and each of a collection, or of all pairs of two collections
    mt                          transverse mass of two massless objects, one of them missing energy as a rule
    min_delta_phi               least |Δφ| between the last object and the others that are there; missing for none
    ht                          sum of pT of the named objects that are there; 0 for none
"""

from __future__ import annotations

import re
from typing import Literal

Family = Literal["momentum", "branch", "size", "several"]

_ALIASES: dict[str, tuple[str, ...]] = {
    "px": ("momentumx", "momentum_x"),
    "py": ("momentumy", "momentum_y"),
    "pz": ("momentumz", "momentum_z"),
    "e": ("energy",),
    "pt": ("transversemomentum", "transverse_momentum"),
    "eta": ("pseudorapidity", "pseudo_rapidity"),
    "phi": ("azimuthalangle", "azimuthal_angle"),
    "m": ("mass",),
    "charge": (),
    "b_tag": ("btag",),
    "tau_tag": ("tautag",),
    "size": (),
    "inv_mass": ("invariantmass", "invariant_mass", "invmass", "invm", "inv_m"),
    "delta_r": ("angulardistance", "angular_distance", "deltar"),
    "delta_phi": ("deltaphi",),
    "delta_eta": ("deltaeta",),
    "mt": ("transversemass", "transverse_mass"),
    "min_delta_phi": ("mindeltaphi",),
    "ht": (),
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}

#: The observables by their shortest names, for messages.
CATALOGUE = (*_ALIASES, "tau1", "tau21")
#: The observables that a four-momentum has.
OF_MOMENTUM = ("px", "py", "pz", "e", "pt", "eta", "phi", "m")
#: The observables of several objects together.
OF_SEVERAL = ("inv_mass", "delta_r", "delta_phi", "delta_eta", "mt", "min_delta_phi", "ht")
#: Names of branches that hold an observable, lower case, the first one there is taken.
BRANCHES: dict[str, tuple[str, ...]] = {
    "px": ("px",), "py": ("py",), "pz": ("pz",), "e": ("e", "energy"),
    "pt": ("pt", "et", "met"), "eta": ("eta",), "phi": ("phi",), "m": ("m", "mass"),
    "charge": ("charge",), "tau_tag": ("tautag", "tau_tag"),
}  # fmt: skip

_TAU = re.compile(r"(?:tau_?|n_?subjettiness_?)([1-9])", re.ASCII)
_TAU_RATIO = re.compile(r"(?:tau_?|n_?subjettiness_?(?:ratio_?)?)([1-9])([1-9])", re.ASCII)
_TAU_UNSAID = frozenset({
    "tau", "taun", "tau_n", "nsubjettiness", "n_subjettiness",
    "taumn", "tau_mn", "nsubjettinessratio", "n_subjettiness_ratio",
})  # fmt: skip


def canonical(name: str) -> str | None:
    """Return the shortest name of an observable, `tau1` and `tau21` included; None for none of ours."""
    lowered = name.lower()
    if lowered in _CANONICAL:
        return _CANONICAL[lowered]
    orders = tau_orders(lowered)
    return None if orders is None else "tau" + "".join(map(str, orders))


def tau_orders(name: str) -> tuple[int, ...] | None:
    """Return N of an N-subjettiness (`tau1`), M and N of a ratio τ_M/τ_N (`tau21`); None for something else."""
    match = _TAU.fullmatch(name.lower()) or _TAU_RATIO.fullmatch(name.lower())
    return None if match is None else tuple(map(int, match.groups()))


def lacks_tau_order(name: str) -> bool:
    """Whether a name is that of N-subjettiness without saying N."""
    return name.lower() in _TAU_UNSAID


def is_taken(name: str) -> bool:
    """Whether a name is one of the catalogue's, so that a user's observable can't have it."""
    return canonical(name) is not None or lacks_tau_order(name)
