"""One cut: an observable and the region of it that is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.selection.tree import Compare, CompareOperator, Name, Node, Number, Or


class Region(StrEnum):
    """Which part of an observable a cut keeps; the LCF paper's names in brackets."""

    BELOW = "below"  #: x < upper (left)
    ABOVE = "above"  #: x > lower (right)
    INSIDE = "inside"  #: lower < x < upper (middle)
    OUTSIDE = "outside"  #: x < lower or x > upper (edge)
    ALL = "all"  #: everything, missing values included

    @property
    def has_lower(self) -> bool:
        """Whether the region has a lower boundary."""
        return self in (Region.ABOVE, Region.INSIDE, Region.OUTSIDE)

    @property
    def has_upper(self) -> bool:
        """Whether the region has an upper boundary."""
        return self in (Region.BELOW, Region.INSIDE, Region.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Cut:
    """A region of one observable. Comparisons are strict; a missing value (NaN) passes no boundary.

    Attributes:
        observable: the name of the feature.
        region: which part is kept.
        lower: lower boundary in the feature's unit; None where the region has none.
        upper: upper boundary, likewise.

    Raises:
        InputError: if a boundary is missing, superfluous or NaN.
    """

    observable: str
    region: Region
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        for side, wanted, value in (
            ("lower", self.region.has_lower, self.lower),
            ("upper", self.region.has_upper, self.upper),
        ):
            if wanted != (value is not None) or (value is not None and math.isnan(value)):
                need = "needs" if wanted else "has no"
                msg = f"cut on {self.observable}: region {self.region} {need} {side} boundary, got {value}"
                raise InputError(msg)
            if value is not None:
                object.__setattr__(self, side, float(value))  # a numpy number would print its type

    @property
    def names(self) -> tuple[str, ...]:
        """The observables that it says something of."""
        return (self.observable,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `keeps` needs."""
        return (self.observable,)

    @property
    def has_boundaries(self) -> bool:
        """Whether its boundaries are values of the observable, which mean something when they are moved."""
        return True

    def passes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Say for each value whether it is kept.

        A float32 column is compared in float32 with the boundary rounded to float32, which is exact for a boundary
        that `rounded` gave.

        Args:
            values: the observable, shape (events,).

        Returns:
            Mask of shape (events,).
        """
        if self.region is Region.ALL:
            return np.ones(len(values), dtype=np.bool_)
        kind = values.dtype.type if values.dtype.kind == "f" else np.float64
        with np.errstate(over="ignore"):  # beyond the type's range means beyond every value of the column
            lower = None if self.lower is None else kind(self.lower)
            upper = None if self.upper is None else kind(self.upper)
        mask: NDArray[np.bool_]
        match self.region:
            case Region.BELOW:
                mask = values < upper
            case Region.ABOVE:
                mask = values > lower
            case Region.INSIDE:
                mask = (values > lower) & (values < upper)
            case _:
                mask = (values < lower) | (values > upper)
        return mask

    def keeps(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Say for each event whether it is kept.

        Args:
            columns: those of `columns` and perhaps others, each of shape (events,).

        Returns:
            Mask of shape (events,).
        """
        return self.passes(columns[self.observable])

    def rounded_for(self, dtypes: Mapping[str, str]) -> Cut:
        """Round all numbers of the cut to what the columns can hold that they are compared with.

        Args:
            dtypes: the type of each of `columns`.
        """
        return self.rounded(dtypes[self.observable])

    def rounded(self, dtype: str) -> Cut:
        """Round the boundaries to values that a column of this type can hold, so that all dialects agree.

        Args:
            dtype: the feature's type, `float32` or wider.
        """
        if dtype != "float32":
            return self

        def snap(value: float | None) -> float | None:
            if value is None:
                return None
            with np.errstate(over="ignore"):  # beyond float32 means beyond every value of the column
                return float(np.float32(value))

        return replace(self, lower=snap(self.lower), upper=snap(self.upper))

    def expression(self) -> Node | None:
        """Return the cut as an expression tree, or None for a cut that keeps everything."""

        def compare(operator: CompareOperator, value: float | None) -> Compare:
            assert value is not None  # checked when the cut was made
            return Compare((Name(self.observable), Number(value)), (operator,))

        match self.region:
            case Region.ALL:
                return None
            case Region.BELOW:
                return compare("<", self.upper)
            case Region.ABOVE:
                return compare(">", self.lower)
            case Region.INSIDE:
                assert self.lower is not None
                assert self.upper is not None
                return Compare((Number(self.lower), Name(self.observable), Number(self.upper)), ("<", "<"))
            case Region.OUTSIDE:
                return Or((compare("<", self.lower), compare(">", self.upper)))

    def __str__(self) -> str:
        """Return the cut for people, with exact boundaries: what is printed is what is applied."""
        return self.text(repr)

    def text(self, number: Callable[[float], str]) -> str:
        """Return the cut for people.

        Args:
            number: writes a boundary.
        """
        low, high = ("" if edge is None else number(edge) for edge in (self.lower, self.upper))
        match self.region:
            case Region.BELOW:
                return f"{self.observable} < {high}"
            case Region.ABOVE:
                return f"{self.observable} > {low}"
            case Region.INSIDE:
                return f"{low} < {self.observable} < {high}"
            case Region.OUTSIDE:
                return f"{self.observable} < {low} or {self.observable} > {high}"
            case _:
                return f"{self.observable}: all"
