"""From the expression tree back to our own language: `parse(render(node)) == node`."""

from __future__ import annotations

import math

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.observable import is_object, is_of_several
from cutflow_cli.selection.tree import (
    ROUNDING,
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    ArithmeticOperator,
    AsFloat32,
    Call,
    Compare,
    Name,
    Negative,
    Node,
    Not,
    Number,
    Or,
    names,
    substitute,
)

#: How tightly each construct binds; as in Python.
_CUT, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(10)
_STRENGTH: dict[ArithmeticOperator, int] = {
    "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT, "**": _POWER,
}  # fmt: skip


def render(node: Node) -> str:
    """Write an expression in our own language, with no more parentheses than it needs.

    Numbers are written with the shortest digits that give the same double.

    Args:
        node: the expression.

    Returns:
        One line of text, which `parse` turns back into the same tree.

    Raises:
        UsageError: for what the language can't say: infinite or missing numbers, and
            `and` or `or` of fewer than two conditions.
    """
    match node:
        case Number(value):
            if not math.isfinite(value):
                msg = f"the expression language has no way to write the number {value}"
                raise UsageError(msg)
            return repr(value)
        case Name(name):
            return name
        case Negative(Number() as operand):
            return f"-({render(operand)})"  # without parentheses it would be a negative number
        case Negative(operand):
            return f"-{_inside(operand, _SIGN)}"
        case Arithmetic("**", left, right):
            return f"{_inside(left, _ATOM)} ** {_inside(right, _SIGN)}"
        case Arithmetic("-", Name("veto"), right):
            return f"(veto) - {_inside(right, _PRODUCT)}"  # without parentheses it would veto what follows
        case Arithmetic(operator, left, right):
            strength = _STRENGTH[operator]
            return f"{_inside(left, strength)} {operator} {_inside(right, strength + 1)}"
        case Call(function, arguments):
            return f"{function}({', '.join(_argument(argument) for argument in arguments)})"
        case Compare(operands, operators):
            first, *rest = (_inside(operand, _SUM) for operand in operands)
            return " ".join([first, *(f"{word} {side}" for word, side in zip(operators, rest, strict=True))])
        case And(operands):
            return _joined("and", operands, _NOT)
        case Or(operands):
            return _joined("or", operands, _AND)
        case Not(AnyObject() | AllObjects() as operand):
            return f"veto {render(operand)}"
        case Not(operand):
            return f"not {_inside(operand, _NOT)}"
        case AnyObject(operand):
            return f"{_inside(operand, _OR)} [any]"
        case AllObjects(operand):
            return f"{_inside(operand, _OR)} [all]"
        case AsFloat32(operand):
            return f"{ROUNDING}({render(operand)})"


def _argument(node: Node) -> str:
    """Render an argument; in it the comma of an observable that users defined would separate arguments."""
    split = [name for name in names(node) if "," in name and not name.startswith("(") and not _is_one_argument(name)]
    return render(substitute(node, {name: Name(f"({name})") for name in split}) if split else node)


def _is_one_argument(name: str) -> bool:
    *objects, last = name.split(",")
    return is_of_several(last) and all(is_object(path) for path in objects)


def _joined(word: str, operands: tuple[Node, ...], at_least: int) -> str:
    if len(operands) < 2:
        msg = f"`{word}` of {len(operands)} conditions has no form in the expression language"
        raise UsageError(msg)
    return f" {word} ".join(_inside(operand, at_least) for operand in operands)


def _inside(node: Node, at_least: int) -> str:
    """Render a part, in parentheses if it binds less tightly than its place demands."""
    text = render(node)
    return text if _strength(node) >= at_least else f"({text})"


def _strength(node: Node) -> int:
    match node:
        case Number(value):
            return _SIGN if math.copysign(1, value) < 0 else _ATOM
        case Negative():
            return _SIGN
        case Arithmetic(operator, _, _):
            return _STRENGTH[operator]
        case Compare():
            return _COMPARE
        case AnyObject() | AllObjects() | Not(AnyObject() | AllObjects()):
            return _CUT
        case Not():
            return _NOT
        case And():
            return _AND
        case Or():
            return _OR
        case _:
            return _ATOM
