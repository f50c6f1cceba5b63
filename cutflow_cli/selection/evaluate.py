"""Apply an expression tree to columns of events.

Everything is computed in double precision whatever the columns are, so that an expression gives the same number in
every dialect that it is exported to. Missing values are NaN: arithmetic carries them on, comparisons with them are
false, `!=` included, and `not` negates after that. `%` has the sign of its right side, as in Python.

A column may hold one value per event, or one for each object of a collection; a value of the event stands beside each
of its objects. What a condition on a collection means for the event is said by `AnyObject` and `AllObjects`; the latter
holds if nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.selection.per_object import PerObject, Value, all_objects, any_object, apply, count, reduce_objects
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import (
    OVER_OBJECTS,
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    AsFloat32,
    Call,
    Compare,
    CompareOperator,
    Name,
    Negative,
    Node,
    Not,
    Number,
    Or,
    is_condition,
    names,
)

#: Arrays of shape (events,), or awkward arrays of type `events * var * number`.
Columns = Mapping[str, Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "%": np.remainder,
}  # fmt: skip
_COMPARE: dict[CompareOperator, Callable[[Floats, Floats], Mask]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Floats]] = {
    "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "log10": np.log10,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "floor": np.floor, "ceil": np.ceil, "atan2": np.arctan2,
    "min": lambda *values: reduce(np.minimum, values), "max": lambda *values: reduce(np.maximum, values),
}  # fmt: skip


def evaluate(node: Node, columns: Columns, events: int) -> NDArray[Any]:
    """Compute an expression for every event.

    Args:
        node: the expression.
        columns: the columns that it names: arrays of shape (events,), or awkward arrays with one value per object.
            Integers above 2⁵³ are rounded to a double.
        events: the number of events, which an expression without columns can't tell.

    Returns:
        float64 for a number, bool for a condition, shape (events,). Division by zero, the logarithm of a negative
        number and the like give infinities or NaN, without a warning.

    Raises:
        InputError: if a column is absent or holds text, if collections of different length are paired, or if the
            expression gives a number for each object, not each event.
        UsageError: if the tree uses a number as a condition or the reverse, which `parse` never makes.
    """
    values = {name: _column(name, columns) for name in names(node)}
    with np.errstate(all="ignore"):
        if is_condition(node):
            result: Value = _all(_condition(node, values))
        else:
            result = _number(node, values)
    if isinstance(result, PerObject):
        text = render(node)
        msg = (
            f"`{text}` is one number for each object, where one for the event is needed; take one object, "
            f"such as jet0 of jet, or reduce it: max({text}), sum({text})"
        )
        raise InputError(msg)
    return np.array(np.broadcast_to(result, (events,)))


def _column(name: str, columns: Columns) -> Value:
    if name not in columns:
        msg = f"no column {name!r}; {nearest(name, columns)}"
        raise InputError(msg)
    column = columns[name]
    if not isinstance(column, np.ndarray):
        return PerObject.of(column)
    if column.dtype.kind not in "fiub":
        msg = f"column {name!r} holds text, numbers were expected"
        raise InputError(msg)
    # Contiguous, because numpy's vector functions may differ in the last bit on strided arrays.
    return np.ascontiguousarray(column, dtype=np.float64)


def _number(node: Node, values: Mapping[str, Value]) -> Value:
    match node:
        case Number(value):
            return np.asarray(value, dtype=np.float64)
        case Name(name):
            return values[name]
        case Negative(operand):
            return _applied(node, np.negative, [_number(operand, values)])
        case Arithmetic(operator, left, right):
            return _applied(node, _ARITHMETIC[operator], [_number(left, values), _number(right, values)])
        case AsFloat32(operand):
            return _applied(node, _through_float32, [_number(operand, values)])
        case Call("where", (condition, yes, no)):
            sides = [_condition(condition, values), _number(yes, values), _number(no, values)]
            return _applied(node, np.where, sides)
        case Call(function, (argument,)) if function in OVER_OBJECTS:
            return _over_objects(node, function, argument, values)
        case Call(function, arguments):
            return _applied(node, _FUNCTIONS[function], [_number(argument, values) for argument in arguments])
    msg = f"{type(node).__name__} is a condition where a number is needed"
    raise UsageError(msg)


def _applied(node: Node, function: Callable[..., NDArray[Any]], values: Sequence[Value]) -> Value:
    return apply(function, values, lambda: f"`{render(node)}`")


def _through_float32(values: Floats) -> Floats:
    return np.asarray(values).astype(np.float32).astype(np.float64)


def _over_objects(node: Node, function: str, argument: Node, values: Mapping[str, Value]) -> Floats:
    value = _condition(argument, values) if function == "count" else _number(argument, values)
    if not isinstance(value, PerObject):
        msg = (
            f"`{render(node)}` runs over the objects of an event, but `{render(argument)}` has one value for the event"
            + ("; for 1 and 0 write where(condition, 1, 0)" if function == "count" else "")
        )
        raise InputError(msg)
    return count(value) if function == "count" else reduce_objects(function, value)


def _condition(node: Node, values: Mapping[str, Value]) -> Value:
    match node:
        case Compare(operands, operators):
            sides = [_number(operand, values) for operand in operands]
            links = zip(operators, sides, sides[1:], strict=False)
            passed = [_applied(node, _comparison(operator), [left, right]) for operator, left, right in links]
            return _joined(node, np.logical_and, passed)
        case And(operands):
            return _joined(node, np.logical_and, [np.asarray(True), *(_condition(part, values) for part in operands)])
        case Or(operands):
            return _joined(node, np.logical_or, [np.asarray(False), *(_condition(part, values) for part in operands)])
        case Not(operand):
            return _applied(node, np.logical_not, [_condition(operand, values)])
        case AnyObject(operand):
            condition = _condition(operand, values)
            return any_object(condition) if isinstance(condition, PerObject) else condition
        case AllObjects(operand):
            return _all(_condition(operand, values))
    msg = f"{type(node).__name__} is a number where a condition is needed"
    raise UsageError(msg)


def _joined(node: Node, function: Callable[..., Mask], conditions: Sequence[Value]) -> Value:
    return reduce(lambda one, other: _applied(node, function, [one, other]), conditions)


def _all(condition: Value) -> NDArray[Any]:
    return all_objects(condition) if isinstance(condition, PerObject) else condition


def _comparison(operator: CompareOperator) -> Callable[[Floats, Floats], Mask]:
    return _differs if operator == "!=" else _COMPARE[operator]


def _differs(left: Floats, right: Floats) -> Mask:
    # IEEE 754 calls NaN unequal to everything; a missing value is not known to be unequal.
    return np.less(left, right) | np.greater(left, right)
