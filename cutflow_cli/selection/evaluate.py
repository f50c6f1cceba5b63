"""Apply an expression tree to columns of events.

Everything is computed in double precision whatever the columns are, so that an expression gives the same number in
every dialect that it is exported to. Missing values are NaN: arithmetic carries them on, comparisons with them are
false, `!=` included, and `not` negates after that. `%` has the sign of its right side, as in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.selection.tree import (
    And,
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

Columns = Mapping[str, NDArray[Any]]
#: An array of shape (events,), or of shape () for what is the same for all events.
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "%": np.remainder,
}  # fmt: skip
_COMPARE: dict[CompareOperator, Callable[[Floats, Floats], Mask]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
}  # fmt: skip
_ONE_ARGUMENT: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "log10": np.log10,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip


def evaluate(node: Node, columns: Columns, events: int) -> NDArray[Any]:
    """Compute an expression for every event.

    Args:
        node: the expression.
        columns: the columns that it names, each of shape (events,). Integers above 2⁵³ are rounded to a double.
        events: the number of events, which an expression without columns can't tell.

    Returns:
        float64 for a number, bool for a condition, shape (events,). Division by zero, the logarithm of a negative
        number and the like give infinities or NaN, without a warning.

    Raises:
        InputError: if a column is absent or holds text.
        UsageError: if the tree uses a number as a condition or the reverse, which `parse` never makes.
    """
    values: dict[str, Floats] = {}
    for name in names(node):
        if name not in columns:
            msg = f"no column {name!r}; {nearest(name, columns)}"
            raise InputError(msg)
        if columns[name].dtype.kind not in "fiub":
            msg = f"column {name!r} holds text, numbers were expected"
            raise InputError(msg)
        # Contiguous, because numpy's vector functions may differ in the last bit on strided arrays.
        values[name] = np.ascontiguousarray(columns[name], dtype=np.float64)
    with np.errstate(all="ignore"):
        result = _condition(node, values) if is_condition(node) else _number(node, values)
    return np.array(np.broadcast_to(result, (events,)))


def _number(node: Node, values: Mapping[str, Floats]) -> Floats:
    match node:
        case Number(value):
            return np.asarray(value, dtype=np.float64)
        case Name(name):
            return values[name]
        case Negative(operand):
            return np.negative(_number(operand, values))
        case Arithmetic(operator, left, right):
            return _ARITHMETIC[operator](_number(left, values), _number(right, values))
        case AsFloat32(operand):
            return np.asarray(_number(operand, values)).astype(np.float32).astype(np.float64)
        case Call("where", (condition, yes, no)):
            return np.where(_condition(condition, values), _number(yes, values), _number(no, values))
        case Call(function, arguments):
            return _call(function, [_number(argument, values) for argument in arguments])
    msg = f"{type(node).__name__} is a condition where a number is needed"
    raise UsageError(msg)


def _call(function: str, arguments: list[Floats]) -> Floats:
    """Apply a function; min and max of a missing value are missing."""
    match function:
        case "min":
            return reduce(np.minimum, arguments)
        case "max":
            return reduce(np.maximum, arguments)
        case "atan2":
            return np.arctan2(*arguments)
        case _:
            return _ONE_ARGUMENT[function](*arguments)


def _condition(node: Node, values: Mapping[str, Floats]) -> Mask:
    match node:
        case Compare(operands, operators):
            sides = [_number(operand, values) for operand in operands]
            links = zip(operators, sides, sides[1:], strict=False)
            return reduce(np.logical_and, (_compare(operator, left, right) for operator, left, right in links))
        case And(operands):
            return reduce(np.logical_and, (_condition(operand, values) for operand in operands), np.asarray(True))
        case Or(operands):
            return reduce(np.logical_or, (_condition(operand, values) for operand in operands), np.asarray(False))
        case Not(operand):
            return np.logical_not(_condition(operand, values))
    msg = f"{type(node).__name__} is a number where a condition is needed"
    raise UsageError(msg)


def _compare(operator: CompareOperator, left: Floats, right: Floats) -> Mask:
    if operator == "!=":  # IEEE 754 calls NaN unequal to everything; a missing value is not known to be unequal
        return np.less(left, right) | np.greater(left, right)
    return _COMPARE[operator](left, right)
