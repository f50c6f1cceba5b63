"""Objects whose observables are columns of the file, or follow from columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from cutflow_cli.errors import nearest
from cutflow_cli.observables import arrays
from cutflow_cli.observables.file import FileLike, Refusal
from cutflow_cli.observables.momenta import component, momentum
from cutflow_cli.observables.objects import CARTESIAN, Coordinates, find_name, some
from cutflow_cli.observables.quantities import (
    BRANCHES,
    OF_MOMENTUM,
    OF_SEVERAL,
    canonical,
    lacks_tau_order,
    tau_orders,
)
from cutflow_cli.observables.steps import Node, Read, Step


class Stored:
    """Objects whose observables are columns of the file, such as `Jet_pt` or `Jet.PT`; see `Objects`.

    Args:
        name: of the collection.
        attributes: the column of each attribute, by its name.
        file: describes the columns.
        counter: the column that counts the objects; None to count them in a list.
        single: whether there is one per event; None to see from the columns whether they are lists.
        flags: whether `b_tag` is the branch BTag, as in Delphes.
    """

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, str],
        file: FileLike[Any],
        *,
        counter: str | None = None,
        single: bool | None = None,
        flags: bool = False,
    ) -> None:
        self.name = name
        self.attributes = attributes
        self._file = file
        self._counter = counter
        self._single = single
        self._flags = flags

    @cached_property
    def single(self) -> bool:
        """Whether there is one per event."""
        if self._single is not None:
            return self._single
        return not any(self._file.column(column).kind in ("list", "nested") for column in self.attributes.values())

    @property
    def is_missing_energy(self) -> bool:
        """Whether this is missing energy, of whichever sort."""
        return self.single and self.name.lower().endswith(("met", "missinget"))

    @property
    def transverse_only(self) -> bool:
        """Whether its momentum along the beam is not known."""
        return self.is_missing_energy

    def attribute(self, name: str) -> str | None:
        """Return the column of an attribute; exact case wins, otherwise case does not matter."""
        return find_name(name, self.attributes, f"{self.name} has")

    def branch(self, name: str) -> Node | None:
        """Return what the file stores under this name; see `Objects`."""
        column_name = self.attribute(name)
        if column_name is None:
            return None
        column = self._file.column(column_name)
        if column.kind == "list":
            read = Read(column_name)
            return Step(arrays.nth, (read,), (0,)) if self.single else read
        if column.kind == "number" and self.single:
            return Read(column_name)
        if column.kind == "number":
            msg = f"{column_name} is one number per event, not one per {self.name}; write {column_name}"
        else:
            msg = f"{column_name} holds {column.shown}, which is not one number per object"
        if column.kind == "nested" and name.lower() == "tau":
            msg += f"; write {self.name.lower()}0.tau1 and so on, or a ratio such as {self.name.lower()}0.tau21"
        raise Refusal(msg)

    def value(self, name: str) -> Node:
        """Return an observable that every object has for itself; see `Objects`."""
        own = self.branch(name)
        if own is not None:
            return own
        quantity = canonical(name)
        if quantity is None and name.lower() == "met" and self.is_missing_energy:
            quantity = "pt"
        if quantity is None:
            raise Refusal(self._unknown(name))
        stored = self._stored(quantity)
        if stored is not None:
            return stored
        if quantity in OF_MOMENTUM:
            return self._from_momentum(quantity)
        if tau_orders(quantity) is not None:
            return self._tau(quantity)
        raise Refusal(self._without(quantity))

    def coordinates(self) -> Coordinates:
        """Return which observables its four-momentum is best made from; see `Objects`.

        Cartesian ones where they are stored in double precision, otherwise pT, η and φ, which keep the mass of a fast
        object in single precision.
        """
        if self.transverse_only:
            raise Refusal(self._without_longitudinal())
        planar, cartesian = self._has("pt", "eta", "phi"), self._has("px", "py", "pz")
        if cartesian and (not planar or self._in_double("px", "py", "pz")):
            return CARTESIAN if self._has("e") or not self._has("m") else ("px", "py", "pz", "m")
        if not planar:
            missing = "eta" if self._has("pt", "phi") or self._has("px", "py") else "pt, eta and phi"
            msg = f"{self.name} has no {missing}, so it has no four-momentum"
            raise Refusal(msg + ("; write mt for a transverse mass" if missing == "eta" else ""))
        return ("pt", "eta", "phi", "e") if self._has("e") and not self._massless else ("pt", "eta", "phi", "m")

    def count(self) -> Node:
        """Return the number of objects of each event."""
        if self._counter is not None:
            return Read(self._counter, structure=True)
        columns = (column for column in self.attributes.values() if self._file.column(column).kind == "list")
        first = next(columns, None)
        if first is None:
            msg = f"{self.name} has no lists of numbers to count"
            raise Refusal(msg)
        return Step(arrays.counts, (Read(first, structure=True),))

    def _stored(self, quantity: str) -> Node | None:
        """Return the first branch there is of those that hold a quantity."""
        spelled = BRANCHES.get(quantity, (quantity,))
        if quantity == "b_tag":
            spelled = ("btag", "b_tag") if self._flags else ("b_tag",)
        return next((node for name in spelled if (node := self.branch(name)) is not None), None)

    def _has(self, *quantities: str) -> bool:
        return all(self._stored(quantity) is not None for quantity in quantities)

    def _in_double(self, *quantities: str) -> bool:
        columns = (self.attribute(quantity) for quantity in quantities)
        return all(column is not None and self._file.column(column).dtype == "float64" for column in columns)

    @property
    def _massless(self) -> bool:
        """Whether the mass is zero: where none is stored, and with a transverse energy, as Delphes has its towers."""
        if self._has("m"):
            return False
        return not self._has("e") or (self.attribute("pt") is None and self.attribute("et") is not None)

    def _from_momentum(self, quantity: str) -> Node:
        """Compute a component of the momentum from whichever others are stored."""
        if quantity in ("px", "py", "pt", "phi"):
            names: tuple[str, ...] = ("px", "py") if quantity in ("pt", "phi") else ("pt", "phi")
            if not self._has(*names):
                msg = f"{self.name} has no {quantity}, nor {' and '.join(names)} to compute it from"
                raise Refusal(msg)
        elif self.transverse_only:
            raise Refusal(self._without_longitudinal())
        elif quantity in ("pz", "eta"):
            names = ("px", "py", "pz") if quantity == "eta" else ("pt", "eta", "phi")
            if not self._has(*names):
                missing = "eta" if quantity == "pz" else "eta, nor px, py and pz to compute it from"
                msg = f"{self.name} has no {missing}"
                raise Refusal(msg)
        elif quantity == "m" and self._massless:
            return Step(arrays.zeros, (self.value("pt"),))
        else:
            spatial = self.coordinates()[:3]
            names = (*spatial, "e" if quantity == "m" else "m")
        vectors = Step(momentum, tuple(self.value(name) for name in names), names)
        return Step(component, (vectors,), (quantity,))

    def _tau(self, quantity: str) -> Node:
        orders = tau_orders(quantity) or ()
        if len(orders) == 2:
            numerator, denominator = (Step(arrays.doubles, (self.value(f"tau{order}"),)) for order in orders)
            return Step(arrays.divide, (numerator, denominator))
        column = self.attribute("tau")
        if column is None or self._file.column(column).kind != "nested":
            taus = [name for name in self.attributes if tau_orders(name) is not None]
            msg = f"{self.name} has no {quantity}" + (f"; it has {', '.join(taus)}" if taus else "")
            raise Refusal(msg)
        length = column.partition("[")[2].rstrip("]")
        if length.isdigit() and orders[0] > int(length):
            msg = f"{self.name} has no {quantity}; {column} holds tau1 to tau{length}"
            raise Refusal(msg)
        return Step(arrays.inner, (Read(column),), (orders[0] - 1,))

    def _without(self, quantity: str) -> str:
        tags = [name for name in self.attributes if name.lower().startswith(quantity.replace("_", ""))]
        if quantity == "b_tag" and tags:
            return (
                f"{self.name} has no b_tag, which is a flag, but discriminators: {', '.join(tags)}; "
                f"cut on one of them, as in {self.name.lower()}0.{tags[0]} > …"
            )
        return f"{self.name} has no {quantity}; it has {some(self.attributes)}"

    def _without_longitudinal(self) -> str:
        return (
            f"the momentum of {self.name} along the beam is not measured, so it has no pz, four-momentum or mass; "
            f"for a mass with missing energy write muon0,{self.name.lower()}.mt"
        )

    def _unknown(self, name: str) -> str:
        if lacks_tau_order(name):
            return f"{name} does not say which; write tau1, tau2, … or a ratio such as tau21"
        known = dict.fromkeys([*self.attributes, *OF_MOMENTUM, *OF_SEVERAL])
        return f"{self.name} has no {name!r}; {nearest(name, known)}"
