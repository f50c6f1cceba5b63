"""A figure of merit of the user as torch operations: the expression tree is walked, nothing is evaluated as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import torch
from torch import Tensor

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.tree import (
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    AsFloat32,
    Call,
    Compare,
    Name,
    Negative,
    Node,
    Not,
    Number,
    Or,
)

_ARITHMETIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div, "**": torch.pow, "%": torch.remainder,
}  # fmt: skip
_COMPARE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "<": torch.lt, "<=": torch.le, ">": torch.gt, ">=": torch.ge, "==": torch.eq,
    "!=": lambda left, right: (left < right) | (left > right),  # a missing value is not known to differ
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs, "sqrt": torch.sqrt, "exp": torch.exp, "log": torch.log, "log10": torch.log10,
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh, "floor": torch.floor, "ceil": torch.ceil,
    "atan2": torch.atan2,
    "min": lambda *values: reduce(torch.minimum, values), "max": lambda *values: reduce(torch.maximum, values),
}  # fmt: skip


def formula_value(node: Node, s: Tensor, b: Tensor, sigma_s: Tensor, sigma_b: Tensor) -> Tensor:
    """Compute a formula (`metrics.formula`) with gradients.

    `floor`, `ceil` and conditions are steps, whose gradient is zero; at corners (`abs`, `min`, `max`) torch's
    subgradient is taken. Where the side of a `where` that is not taken has an infinite derivative, so has torch's
    gradient: NaN.

    Args:
        node: the expression, of `parse_formula`.
        s: expected signal events.
        b: expected background events.
        sigma_s: statistical error of s.
        sigma_b: uncertainty of b.

    Returns:
        Of the broadcast shape; infinite or NaN where the expression is.

    Raises:
        UsageError: if the tree uses a number as a condition or the reverse, or runs over objects.
    """
    columns = {"s": s, "b": b, "sigma_s": sigma_s, "sigma_b": sigma_b}
    shape = (s + b + sigma_s + sigma_b).shape
    return _number(node, columns).expand(shape)


def _number(node: Node, columns: Mapping[str, Tensor]) -> Tensor:
    match node:
        case Number(value):
            return torch.as_tensor(value, dtype=columns["s"].dtype, device=columns["s"].device)
        case Name(name):
            return columns[name]
        case Negative(operand):
            return -_number(operand, columns)
        case Arithmetic("**", left, Number(exponent)):  # whose derivative by the exponent would be NaN at 0
            return torch.pow(_number(left, columns), exponent)
        case Arithmetic(operator, left, right):
            return _ARITHMETIC[operator](_number(left, columns), _number(right, columns))
        case AsFloat32(operand):
            number = _number(operand, columns)
            return number.to(torch.float32).to(number.dtype)
        case Call("where", (condition, yes, no)):
            return torch.where(_condition(condition, columns), _number(yes, columns), _number(no, columns))
        case Call(function, arguments) if function in _FUNCTIONS:
            return _FUNCTIONS[function](*(_number(argument, columns) for argument in arguments))
    msg = f"{type(node).__name__} gives no number for a yield"
    raise UsageError(msg)


def _condition(node: Node, columns: Mapping[str, Tensor]) -> Tensor:
    match node:
        case Compare(operands, operators):
            sides = [_number(operand, columns) for operand in operands]
            links = zip(operators, sides, sides[1:], strict=False)
            return reduce(torch.logical_and, (_COMPARE[operator](left, right) for operator, left, right in links))
        case And(operands):
            return reduce(torch.logical_and, (_condition(part, columns) for part in operands))
        case Or(operands):
            return reduce(torch.logical_or, (_condition(part, columns) for part in operands))
        case Not(operand):
            return torch.logical_not(_condition(operand, columns))
        case AnyObject(operand) | AllObjects(operand):
            return _condition(operand, columns)
    msg = f"{type(node).__name__} is a number where a condition is needed"
    raise UsageError(msg)
