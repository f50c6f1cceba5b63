"""Four-momenta and angles, with vector (scikit-hep) for the change of coordinates.

Units are those of the file; nothing here assumes GeV. A missing value (NaN) stays missing.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import vector

from cutflow_cli.observables.arrays import Floats, Jagged, doubles

#: What vector calls our quantities.
_COORDINATES = {"m": "mass", "e": "energy"}
_CARTESIAN = ("px", "py", "pz", "e")
_TWO_PI = 2.0 * np.pi


def momentum(*values_and_names: Any) -> Any:  # noqa: ANN401
    """Make vectors of their coordinates.

    Args:
        values_and_names: arrays of one shape, then as many names of coordinates: `px py` or `pt phi` make vectors in
            the plane across the beam; with `pz` or `eta` in space; with `e` or `m` four-momenta.
    """
    half = len(values_and_names) // 2
    values, names = values_and_names[:half], values_and_names[half:]
    columns = {_COORDINATES.get(name, name): doubles(value) for name, value in zip(names, values, strict=True)}
    return vector.zip(columns)


def component(vectors: Any, name: str) -> Any:  # noqa: ANN401
    """Return a component of vectors: px, py, pz, e, pt, eta, phi or m.

    The mass is √(E² − p²), negative where that is spacelike by rounding or by measurement: −√(p² − E²), as ROOT's
    `TLorentzVector::M` has it. Pseudorapidity is infinite along the beam.
    """
    result = getattr(vectors, _COORDINATES.get(name, name))
    return result if result.ndim > 1 else ak.to_numpy(result)


def mass_of_sum(*components: Floats) -> Floats:
    """Return the invariant mass of added four-momenta.

    Args:
        components: px, py, pz, E of the first, then of the second, and so on, each of shape (events,).
    """
    sums = [np.sum(components[axis :: len(_CARTESIAN)], axis=0) for axis in range(len(_CARTESIAN))]
    return np.asarray(component(momentum(*sums, *_CARTESIAN), "m"))


def delta_phi(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Return φ₁ − φ₂, brought into [−π, π)."""
    difference = first - second
    return difference - _TWO_PI * np.floor((difference + np.pi) / _TWO_PI)


def delta_eta(first: Any, second: Any) -> Any:  # noqa: ANN401
    """Return η₁ − η₂."""
    return first - second


def delta_r(first_eta: Any, first_phi: Any, second_eta: Any, second_phi: Any) -> Any:  # noqa: ANN401
    """Return ΔR = √(Δη² + Δφ²), with Δφ across the end of its circle (hep-ml-lab 0.4.3 forgets that)."""
    return np.hypot(first_eta - second_eta, delta_phi(first_phi, second_phi))


def transverse_mass(first_pt: Any, first_phi: Any, second_pt: Any, second_phi: Any) -> Any:  # noqa: ANN401
    """Return mT = √(2 pT₁ pT₂ (1 − cos Δφ)) of two objects, both taken as massless (PDG review, Kinematics).

    Computed as 2 √(pT₁ pT₂) |sin(Δφ/2)|, which keeps its digits where the objects are nearly parallel.
    """
    return 2.0 * np.sqrt(first_pt * second_pt) * np.abs(np.sin(0.5 * delta_phi(first_phi, second_phi)))


def min_abs_delta_phi(phis: Jagged, phi: Floats) -> Floats:
    """Return the smallest |Δφ| between objects and one more; NaN for no objects, or if an angle is missing."""
    angles = np.abs(delta_phi(phis, phi))
    smallest = ak.to_numpy(ak.fill_none(ak.min(angles, axis=1), np.nan))
    return np.where(ak.to_numpy(ak.any(np.isnan(angles), axis=1)), np.nan, smallest)
