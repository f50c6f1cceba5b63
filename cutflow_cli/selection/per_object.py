"""Values of which an event has several, one for each object of a collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.selection.tree import (
    OVER_OBJECTS,
    AllObjects,
    And,
    AnyObject,
    Call,
    Name,
    Node,
    Not,
    Or,
    children,
)


@dataclass(frozen=True, slots=True)
class PerObject:
    """One value for each object of a collection, events one after another.

    Attributes:
        values: of all objects of all events, shape (objects,).
        counts: number of objects of each event, shape (events,).
    """

    values: NDArray[Any]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, jagged: Any) -> PerObject:  # noqa: ANN401  (awkward ships no types)
        """Take an awkward array of type `events * var * number` apart, in double precision."""
        import awkward as ak

        counts = ak.to_numpy(ak.num(jagged, axis=1)).astype(np.int64)
        values = ak.to_numpy(ak.flatten(jagged, axis=1))
        return cls(np.ascontiguousarray(values, dtype=np.float64), counts)


Value = NDArray[Any] | PerObject


def apply(function: Callable[..., NDArray[Any]], values: Sequence[Value], what: Callable[[], str]) -> Value:
    """Apply a function element by element; a value of the event stands beside each of its objects.

    Args:
        function: of arrays of equal length.
        values: shape (events,) or () for values of events, or `PerObject`.
        what: describes the operation for messages.

    Raises:
        InputError: if two collections do not have as many objects as each other in every event.
    """
    collections = [value for value in values if isinstance(value, PerObject)]
    if not collections:
        return function(*values)
    counts = collections[0].counts
    for other in collections[1:]:
        if other.counts is not counts and not np.array_equal(other.counts, counts):
            event = int(np.flatnonzero(other.counts != counts)[0])
            msg = (
                f"{what()}: pairs collections of different length ({counts[event]} and {other.counts[event]} objects "
                "in one event); take one object of each, such as jet0 and muon0, or reduce them with [any], count, max"
            )
            raise InputError(msg)
    flat = [
        value.values if isinstance(value, PerObject) else np.repeat(value, counts) if value.ndim else value
        for value in values
    ]
    return PerObject(function(*flat), counts)


def any_object(condition: PerObject) -> NDArray[np.bool_]:
    """Say for each event whether a condition holds for any object, false over none."""
    return np.asarray(count(condition) > 0)


def all_objects(condition: PerObject) -> NDArray[np.bool_]:
    """Say for each event whether a condition holds for all objects, false over none."""
    return np.asarray((count(condition) == condition.counts) & (condition.counts > 0))


def count(condition: PerObject) -> NDArray[np.float64]:
    """Count for each event the objects for which a condition holds."""
    return _sums(condition.values.astype(np.float64), condition.counts)


def reduce_objects(function: str, value: PerObject) -> NDArray[np.float64]:
    """Take the sum, or the least or greatest value, over the objects of each event.

    Args:
        function: `sum`, `min` or `max`.
        value: numbers; a missing one makes the result missing.

    Returns:
        Shape (events,); over no objects the sum is 0, the others are missing (NaN).
    """
    if function == "sum":
        return _sums(value.values, value.counts)
    result = np.full(len(value.counts), np.nan)
    there = value.counts > 0
    if there.any():
        starts = (np.cumsum(value.counts) - value.counts)[there]
        result[there] = (np.minimum if function == "min" else np.maximum).reduceat(value.values, starts)
    return result


def _sums(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    event = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(event, weights=values, minlength=len(counts)).astype(np.float64)


def one_per_object(node: Node, per_object: Set[str]) -> bool:
    """Whether an expression has one value for each object, rather than one for the event.

    Args:
        node: the expression.
        per_object: the names in it that have one value for each object.
    """
    match node:
        case Name(name):
            return name in per_object
        case AnyObject() | AllObjects():
            return False
        case Call(function, (_,)) if function in OVER_OBJECTS:
            return False
        case _:
            return any(one_per_object(child, per_object) for child in children(node))


def without_quantifiers(node: Node, per_object: Set[str]) -> Node:
    """Leave `[any]` and `[all]` out where there is nothing that they run over, also below other conditions."""
    match node:
        case AnyObject(operand) | AllObjects(operand) if not one_per_object(operand, per_object):
            return without_quantifiers(operand, per_object)
        case Not(operand):
            return Not(without_quantifiers(operand, per_object))
        case And(operands):
            return And(tuple(without_quantifiers(operand, per_object) for operand in operands))
        case Or(operands):
            return Or(tuple(without_quantifiers(operand, per_object) for operand in operands))
        case _:
            return node
