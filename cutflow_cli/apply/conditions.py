"""Conditions that people write, as steps of a cut flow beside learned cuts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut
from cutflow_cli.selection.parse import ExpressionError, parse_condition
from cutflow_cli.selection.tree import Compare, Name, Node, Number, Or, names


@dataclass(frozen=True, slots=True)
class Condition(Cut):
    """A condition of the expression language, as a cut on a column of its own.

    The column is called what the condition says, and holds 1 where it holds for the event and 0 where it does not; the
    cut keeps what is above 0.5. `make_condition` makes one.
    """

    @property
    def tree(self) -> Node:
        """The condition."""
        return _parsed(self.observable)

    def expression(self) -> Node:
        """Return the condition itself."""
        return self.tree

    @property
    def has_boundaries(self) -> bool:
        """No: 0.5 is a number of the column alone."""
        return False

    def text(self, number: Callable[[float], str]) -> str:
        """Return the condition as it was written."""
        return self.observable


def make_condition(text: str, where: str = "") -> Condition:
    """Read a condition.

    Args:
        text: in the expression language, such as `60 < m_jet < 110` or `abs(eta) <= 2.4`.
        where: what it belongs to, put before an error's message.

    Raises:
        ExpressionError: if it is not in the language, a number, or the same for all events.
    """
    tree = parse_condition(text, where)
    if not names(tree):
        reason = "this names no column, so it is the same for all events"
        raise ExpressionError(reason, text, 0, where)
    return Condition(" ".join(text.split()), Region.ABOVE, 0.5, None)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Node:
    return parse_condition(text)


def columns_of(flows: Iterable[CutFlow]) -> tuple[str, ...]:
    """Return the columns that flows need, each once, in order of appearance."""
    found = (
        name
        for flow in flows
        for cut in flow.cuts
        for name in (names(cut.tree) if isinstance(cut, Condition) else cut.columns)
    )
    return tuple(dict.fromkeys(found))


def conditions_of(flows: Iterable[CutFlow]) -> tuple[Condition, ...]:
    """Return the conditions among the cuts of flows, each once."""
    return tuple(dict.fromkeys(cut for flow in flows for cut in flow.cuts if isinstance(cut, Condition)))


def resolved(flow: CutFlow, dtypes: Mapping[str, str]) -> CutFlow:
    """Turn conditions into plain cuts where they say the same, and round the boundaries of cuts.

    Args:
        flow: with cuts and conditions.
        dtypes: type of each column with one value per event.

    Returns:
        A flow that keeps the same events. A condition is computed in double precision; its boundary on a float32
        column becomes the next float32 value that separates the same values of the column.

    Raises:
        InputError: if a cut is on a column without type.
    """

    def settled(step: LearnedCut) -> LearnedCut:
        if isinstance(step.cut, Condition):
            return replace(step, cut=plain_cut(step.cut.tree, dtypes) or step.cut)
        return step

    types = {**dtypes, **{condition.observable: "float32" for condition in conditions_of([flow])}}
    return replace(flow, steps=tuple(map(settled, flow.steps))).rounded(types)


def plain_cut(tree: Node, dtypes: Mapping[str, str]) -> Cut | None:
    """Return a cut that keeps the same events as a condition; None for a condition that is no strict cut on a column.

    Args:
        tree: the condition.
        dtypes: type of each column with one value per event.
    """
    match tree:
        case Compare((first, second), (operator,)):
            return _one_sided(first, operator, second, dtypes)
        case Compare((Number(low), Name(name), Number(high)), ("<", "<")) if name in dtypes:
            return _between(name, low, high, dtypes[name])
        case Compare((Number(high), Name(name), Number(low)), (">", ">")) if name in dtypes:
            return _between(name, low, high, dtypes[name])
        case Or((Compare(one, (first,)), Compare(other, (second,)))) if len(one) == len(other) == 2:
            sides = [_one_sided(one[0], first, one[1], dtypes), _one_sided(other[0], second, other[1], dtypes)]
            below = next((cut for cut in sides if cut is not None and cut.region is Region.BELOW), None)
            above = next((cut for cut in sides if cut is not None and cut.region is Region.ABOVE), None)
            if below is None or above is None or below.observable != above.observable:
                return None
            return Cut(below.observable, Region.OUTSIDE, below.upper, above.lower)
    return None


def _between(name: str, low: float, high: float, dtype: str) -> Cut:
    return Cut(name, Region.INSIDE, _at_most(low, dtype), _at_least(high, dtype))


def _one_sided(first: Node, operator: str, second: Node, dtypes: Mapping[str, str]) -> Cut | None:
    match (first, operator, second):
        case (Name(name), "<", Number(value)) | (Number(value), ">", Name(name)) if name in dtypes:
            return Cut(name, Region.BELOW, None, _at_least(value, dtypes[name]))
        case (Name(name), ">", Number(value)) | (Number(value), "<", Name(name)) if name in dtypes:
            return Cut(name, Region.ABOVE, _at_most(value, dtypes[name]), None)
    return None


def _at_least(value: float, dtype: str) -> float:
    """Return the smallest value of a type that is not below: as an upper boundary it keeps the same of its values."""
    return -_at_most(-value, dtype)


def _at_most(value: float, dtype: str) -> float:
    if dtype != "float32":
        return value
    with np.errstate(over="ignore"):
        near = np.float32(value)
    if float(near) > value:
        near = np.nextafter(near, np.float32(-math.inf))
    return float(near)
