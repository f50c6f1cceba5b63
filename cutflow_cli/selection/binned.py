"""A cut whose boundaries depend on the bin of another observable: one cut in each bin, one step of a flow.

An event outside all bins (below the first edge, at or above the last, or with the value missing) fails. A bin holds its
lower edge and not its upper one, so that bins of whole numbers hold what they seem to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.tree import And, Call, Compare, CompareOperator, Name, Node, Number, Or

#: What stands for a boundary in a bin that does not cut.
NO_BOUNDARY = "–"


@dataclass(frozen=True, slots=True)
class BinnedCut(Cut):
    """One cut in each bin of another observable.

    `of` makes one. Its region is that of all bins which cut; `inside` where bins differ, or where none cuts, as for the
    cut on the bins' own observable, which keeps what is inside the bins. It has no boundary of its own.

    Attributes:
        binned_in: the observable that decides which cut an event has to pass.
        edges: of the bins, rising.
        members: the cut of each bin, all on one observable; region `all` where a bin does not cut.

    Raises:
        InputError: if edges do not rise, or are not one more than the cuts.
    """

    binned_in: str = ""
    edges: tuple[float, ...] = ()
    members: tuple[Cut, ...] = ()

    def __post_init__(self) -> None:
        what = f"cut on {self.observable} in bins of {self.binned_in}"
        edges = tuple(map(float, self.edges))
        object.__setattr__(self, "edges", edges)
        if len(edges) != len(self.members) + 1 or not self.members:
            msg = f"{what}: {len(self.members)} cuts need {len(self.members) + 1} edges, not {len(edges)}"
            raise InputError(msg)
        if not all(map(math.isfinite, edges)) or any(low >= high for low, high in pairwise(edges)):
            msg = f"{what}: edges of bins must be finite and rise, not {', '.join(map(repr, edges))}"
            raise InputError(msg)
        others = {member.observable for member in self.members} - {self.observable}
        if others:
            msg = f"{what}: a bin cuts on {others.pop()} instead"
            raise InputError(msg)

    @classmethod
    def of(cls, binned_in: str, edges: Sequence[float], members: Sequence[Cut]) -> BinnedCut:
        """Put the cuts of all bins together.

        Args:
            binned_in: the observable of the bins.
            edges: of the bins, rising.
            members: one cut for each bin, on one observable.
        """
        regions = {member.region for member in members} - {Region.ALL}
        region = regions.pop() if len(regions) == 1 else Region.INSIDE
        observable = members[0].observable if members else ""
        return cls(observable, region, None, None, binned_in, tuple(edges), tuple(members))

    @classmethod
    def range_of(cls, binned_in: str, edges: Sequence[float]) -> BinnedCut:
        """Return the cut that keeps all events inside the bins."""
        return cls.of(binned_in, edges, [Cut(binned_in, Region.ALL)] * (len(edges) - 1))

    @property
    def is_range(self) -> bool:
        """Whether it keeps all that is inside the bins, and says nothing of another observable."""
        return self.observable == self.binned_in and all(member.region is Region.ALL for member in self.members)

    @property
    def names(self) -> tuple[str, ...]:
        """The observables that it says something of."""
        return tuple(dict.fromkeys((self.observable, self.binned_in)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The observable and that of the bins."""
        return self.names

    @property
    def has_boundaries(self) -> bool:
        """No: its bins have them."""
        return False

    def passes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Refuse: one observable does not decide.

        Raises:
            InputError: always, unless it is the cut on the bins' own observable.
        """
        if self.observable == self.binned_in:
            return self.keeps({self.observable: values})
        msg = f"cut on {self.observable}: needs {self.binned_in} too"
        raise InputError(msg)

    def bin_of(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the bin of each event, −1 for those in none.

        Args:
            values: of the bins' observable, shape (events,). A float32 column is compared in float32 with edges rounded
                to it, as boundaries are.
        """
        kind = values.dtype.type if values.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):
            edges = np.array(self.edges).astype(kind)
        found = np.searchsorted(edges, values, side="right") - 1
        return np.asarray(np.where((values >= edges[0]) & (values < edges[-1]), found, -1), dtype=np.int64)

    def keeps(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Say for each event whether it is in a bin and passes the cut of that."""
        where = self.bin_of(columns[self.binned_in])
        mask = np.zeros(len(where), dtype=np.bool_)
        for number, member in enumerate(self.members):
            rows = np.flatnonzero(where == number)
            mask[rows] = member.passes(columns[self.observable][rows])
        return mask

    def rounded(self, dtype: str) -> BinnedCut:
        """Round the boundaries of all bins; edges stay, for `rounded_for`."""
        return replace(self, members=tuple(member.rounded(dtype) for member in self.members))

    def rounded_for(self, dtypes: Mapping[str, str]) -> BinnedCut:
        """Round boundaries to the type of the observable, and edges to that of the bins' observable."""
        found = self.rounded(dtypes[self.observable])
        if dtypes[self.binned_in] != "float32":
            return found
        return replace(found, edges=tuple(float(np.float32(edge)) for edge in self.edges))

    def sides(self, side: str) -> tuple[float | None, ...]:
        """Return the boundary of each bin on one side, `lower` or `upper`; None where a bin has none there."""
        return tuple(member.lower if side == "lower" else member.upper for member in self.members)

    def span(self, side: str) -> tuple[float, float] | None:
        """Return the least and the greatest boundary of one side; None where no bin has one there."""
        known = [value for value in self.sides(side) if value is not None]
        return (min(known), max(known)) if known else None

    def expression(self) -> Node:
        """Return the cut as an expression tree: boundaries as nested `where`, or bin by bin where regions differ."""
        inside = (self._at(">=", self.edges[0]), self._at("<", self.edges[-1]))
        if all(member.region is Region.ALL for member in self.members):
            return And(inside)
        node = self.expression_inside()
        if self._differs:
            return node  # each of its parts says which bin it is of
        return And((*inside, *(node.operands if isinstance(node, And) else (node,))))

    @property
    def _differs(self) -> bool:
        return len({member.region for member in self.members}) > 1

    def expression_inside(self) -> Node:
        """Return the cut as an expression tree for events that are known to be inside the bins."""
        if self._differs or all(member.region is Region.ALL for member in self.members):
            return _either([self._of_bin(number) for number in range(len(self.members))])
        value, lower, upper = Name(self.observable), self._steps("lower"), self._steps("upper")
        match self.region:
            case Region.BELOW:
                return Compare((value, upper), ("<",))
            case Region.ABOVE:
                return Compare((value, lower), (">",))
            case Region.INSIDE:
                return And((Compare((value, lower), (">",)), Compare((value, upper), ("<",))))
            case _:
                return Or((Compare((value, lower), ("<",)), Compare((value, upper), (">",))))

    def _at(self, operator: CompareOperator, edge: float) -> Compare:
        return Compare((Name(self.binned_in), Number(edge)), (operator,))

    def _of_bin(self, number: int) -> Node:
        """Return what an event in a bin has to pass, being there included."""
        inside = (self._at(">=", self.edges[number]), self._at("<", self.edges[number + 1]))
        passes = self.members[number].expression()
        return And(inside if passes is None else (*inside, passes))

    def _steps(self, side: str) -> Node:
        """Return a side's boundary as a step function, inside the bins."""
        *before, last = self.sides(side)
        node: Node = Number(0.0 if last is None else last)  # not used where the region has no such side
        for edge, value in zip(reversed(self.edges[1:-1]), reversed(before), strict=True):
            node = Call("where", (self._at("<", edge), Number(0.0 if value is None else value), node))
        return node

    def text(self, number: Callable[[float], str]) -> str:
        """Return the cut for people, the boundaries of the bins in their order.

        Args:
            number: writes a boundary; edges are written with all their digits.
        """
        if self.is_range:
            return f"{_short(self.edges[0])} <= {self.binned_in} < {_short(self.edges[-1])}"
        bins = f"for {self.binned_in} in ({', '.join(map(_short, self.edges))})"
        if len({member.region for member in self.members} - {Region.ALL}) > 1:
            parts = [NO_BOUNDARY if one.region is Region.ALL else one.text(number) for one in self.members]
            return f"({'; '.join(parts)}) {bins}"
        low, high = (
            "(" + ", ".join(NO_BOUNDARY if value is None else number(value) for value in self.sides(side)) + ")"
            for side in ("lower", "upper")
        )
        whole = Cut(self.observable, Region.ALL).text(number)
        match self.region:
            case Region.BELOW:
                whole = f"{self.observable} < {high}"
            case Region.ABOVE:
                whole = f"{self.observable} > {low}"
            case Region.INSIDE if any(value is not None for value in self.sides("lower")):
                whole = f"{low} < {self.observable} < {high}"
            case Region.OUTSIDE:
                whole = f"{self.observable} < {low} or {self.observable} > {high}"
            case _:
                pass
        return f"{whole} {bins}"

    def brief(self, number: Callable[[float], str]) -> str:
        """Return the cut for crowded tables, with the range of each boundary over the bins.

        Args:
            number: writes a boundary.
        """
        cuts = [member for member in self.members if member.region is not Region.ALL]
        if not cuts:
            return self.text(number)
        if len({cut.region for cut in cuts}) > 1:
            return f"{self.observable}, another region by {self.binned_in}"
        some = "" if len(cuts) == len(self.members) else f" in {len(cuts)} of {len(self.members)} bins"
        sides = (self.span("lower"), self.span("upper"))

        def written(place: float) -> str:
            low, high = sides[int(place)] or (math.nan, math.nan)
            return number(low) if low == high else f"{number(low)}…{number(high)}"

        # The places of the two sides stand for their boundaries, until these are written.
        whole = Cut(self.observable, self.region, 0 if sides[0] else None, 1 if sides[1] else None)
        return f"{whole.text(written)}, by {self.binned_in}{some}"


def members_of(cut: Cut) -> tuple[Cut, ...]:
    """Return the cuts of all bins; none of a cut without bins."""
    return cut.members if isinstance(cut, BinnedCut) else ()


def expressions(cuts: Sequence[Cut]) -> list[Node | None]:
    """Return the expression of each cut of a flow, for one to be applied after the other.

    What an earlier cut on the bins' own observable has checked is not said again.
    """
    found: list[Node | None] = []
    inside: set[tuple[str, float, float]] = set()
    for cut in cuts:
        if not isinstance(cut, BinnedCut):
            found.append(cut.expression())
            continue
        where = (cut.binned_in, cut.edges[0], cut.edges[-1])
        found.append(cut.expression_inside() if where in inside and not cut.is_range else cut.expression())
        inside.add(where)
    return found


def _either(parts: Sequence[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _short(edge: float) -> str:
    """Write an edge with all its digits, whole numbers without a point."""
    return f"{edge:.0f}" if edge == round(edge) and abs(edge) < 1e15 else repr(edge)


def bin_title(edges: Sequence[float], number: int) -> str:
    """Name a bin by its edges, such as `300–325`; those that a float32 holds by the digits that name it there."""
    low, high = (
        _short(edge) if float(np.float32(edge)) != edge or edge == round(edge) else str(np.float32(edge))
        for edge in (edges[number], edges[number + 1])
    )
    return f"{low} to {high}" if low.startswith("-") or high.startswith("-") else f"{low}–{high}"
