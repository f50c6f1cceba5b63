"""The same condition in fewer words, for languages that lack some.

Numbers alone are computed, a rounding to single precision becomes another boundary, infinity the largest double. What
is rewritten here holds for exactly the same events, missing and infinite values included.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from cutflow_cli.export.single_precision import largest_rounding_down_to, smallest_rounding_up_to
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.tree import (
    AllObjects,
    And,
    AnyObject,
    AsFloat32,
    Call,
    Compare,
    CompareOperator,
    Node,
    Not,
    Number,
    Or,
    is_condition,
    names,
    rebuilt,
)

TRUE, FALSE = And(()), Or(())
MIRRORED: dict[CompareOperator, CompareOperator] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip
_LARGEST = sys.float_info.max


def folded(node: Node) -> Node:
    """Compute what is made of numbers alone, so that no language has to.

    Returns:
        For a condition that is always true or false `TRUE` or `FALSE`, which are then part of no other condition.
    """
    if not names(node):
        value = evaluate(node, {}, 1)[0]
        return (TRUE if value else FALSE) if is_condition(node) else Number(float(value))
    node = rebuilt(node, folded)
    match node:
        case And(operands):
            kept = tuple(operand for operand in operands if operand != TRUE)
            return FALSE if FALSE in kept else kept[0] if len(kept) == 1 else And(kept)
        case Or(operands):
            kept = tuple(operand for operand in operands if operand != FALSE)
            return TRUE if TRUE in kept else kept[0] if len(kept) == 1 else Or(kept)
        case Not(operand) if operand in (TRUE, FALSE):
            return FALSE if operand == TRUE else TRUE
        case AnyObject(operand) | AllObjects(operand) if operand in (TRUE, FALSE):
            return operand
        case Compare(operands, _) if any(isinstance(side, Number) and math.isnan(side.value) for side in operands):
            return FALSE
        case Call("where", (condition, yes, no)) if condition in (TRUE, FALSE):
            return yes if condition == TRUE else no
        case _:
            return node


def links(node: Compare) -> list[Compare]:
    """Divide a chained comparison."""
    triples = zip(node.operands, node.operators, node.operands[1:], strict=False)
    return [Compare((left, right), (operator,)) for left, operator, right in triples]


def in_double_precision(condition: Node) -> Node:
    """Write comparisons of a value rounded to float32 with a number at the double where the rounded value passes it."""
    return _each_link(condition, _unrounded_link)


def without_infinities(condition: Node) -> Node:
    """Write comparisons with infinity as comparisons with the largest double."""
    return _each_link(condition, _finite_link)


def _each_link(node: Node, change: Callable[[Compare], Node]) -> Node:
    if isinstance(node, Compare):
        found = [change(link) for link in links(node)]
        return found[0] if len(found) == 1 else And(tuple(found))
    return rebuilt(node, lambda part: _each_link(part, change)) if is_condition(node) else node


def _unrounded_link(link: Compare) -> Node:
    (left, right), (operator,) = link.operands, link.operators
    if isinstance(right, AsFloat32) and isinstance(left, Number):
        left, right, operator = right, left, MIRRORED[operator]
    if isinstance(left, AsFloat32) and isinstance(right, Number):
        return unrounded(left.operand, operator, right.value)
    return link


def unrounded(value: Node, operator: CompareOperator, boundary: float) -> Node:
    """Return the comparison of the value itself that equals that of its float32 with a boundary."""
    low, high = Number(smallest_rounding_up_to(boundary)), Number(largest_rounding_down_to(boundary))

    def compare(sign: CompareOperator, limit: Number) -> Compare:
        return Compare((value, limit), (sign,))

    match operator:
        case "<" | ">=":
            return compare(operator, low)
        case ">" | "<=":
            return compare(operator, high)
        case "==":
            return And((compare(">=", low), compare("<=", high)))
        case "!=":
            return Or((compare("<", low), compare(">", high)))


def is_step_function(node: Node) -> bool:
    """Whether a node is a choice among numbers, such as the boundary of a cut in bins."""
    match node:
        case Call("where", (_, yes, no)):
            return all(isinstance(side, Number) or is_step_function(side) for side in (yes, no))
        case _:
            return False


def unrounded_steps(value: Node, operator: CompareOperator, boundary: Node) -> Node:
    """Do what `unrounded` does with a boundary that is chosen among numbers.

    Args:
        value: what is compared after it was rounded.
        operator: neither `==` nor `!=`.
        boundary: a step function.
    """
    to = smallest_rounding_up_to if operator in ("<", ">=") else largest_rounding_down_to

    def each(node: Node) -> Node:
        match node:
            case Number(number):
                return Number(to(number))
            case Call("where", (condition, yes, no)):
                return Call("where", (condition, each(yes), each(no)))
            case _:
                return node

    return Compare((value, each(boundary)), (operator,))


def _finite_link(link: Compare) -> Node:
    (left, right), (operator,) = link.operands, link.operators
    if isinstance(left, Number) and math.isinf(left.value):
        left, right, operator = right, left, MIRRORED[operator]
    if not (isinstance(right, Number) and math.isinf(right.value)):
        return link
    up = right.value > 0
    value, edge = left, Number(_LARGEST if up else -_LARGEST)
    finite, infinite = ("<=", ">") if up else (">=", "<")

    def compare(sign: str) -> Node:
        return Compare((value, edge), (sign,))  # type: ignore[arg-type]  # one of the four above

    before, beyond = ("<", ">") if up else (">", "<")
    if operator in (before, "!="):
        return compare(finite)
    if operator == beyond:
        return FALSE
    if operator == f"{before}=":
        return Or((compare(finite), compare(infinite)))
    return compare(infinite)
