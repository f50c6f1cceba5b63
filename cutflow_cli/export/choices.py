"""Conditions without `where`, `min`, `max` and `%`: for each case of them a condition of its own.

They hold for exactly the same events, missing and infinite values included, but for the sign of a remainder that is
zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from cutflow_cli.errors import UsageError
from cutflow_cli.export.rewrite import links
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import (
    And,
    Arithmetic,
    AsFloat32,
    Call,
    Compare,
    CompareOperator,
    Negative,
    Node,
    Not,
    Number,
    Or,
    is_condition,
    rebuilt,
    walk,
)

#: The remainder of C, with the sign of the dividend; no function of our own language.
FMOD = "fmod"
_MOST_LINKS = 400  #: comparisons of one condition; each choice in it doubles them


def without_choices(condition: Node) -> Node:
    """Write a condition without `where`, `min`, `max` and `%`: for each case of them a condition of its own.

    `where(c, y, n) < b` is `c and y < b or not c and n < b`; the smaller of two numbers is either of them, or missing.

    Raises:
        UsageError: if the cases are too many to be read by anyone.
    """
    result = _cases(condition)
    if sum(isinstance(node, Compare) for node in walk(result)) > _MOST_LINKS:
        raise UsageError(_too_many(condition))
    return result


def _cases(node: Node) -> Node:
    if not isinstance(node, Compare):
        return rebuilt(node, _cases) if is_condition(node) else node
    found = [_cases_of_link(link, 0) for link in links(node)]
    return found[0] if len(found) == 1 else And(tuple(found))


def _cases_of_link(link: Compare, depth: int) -> Node:
    choice = _first_choice(link)
    if choice is None:
        return link
    if depth > math.log2(_MOST_LINKS):
        raise UsageError(_too_many(link))

    def case(value: Node) -> Node:
        return _cases_of_link(_replaced(link, choice, value), depth + 1)

    match choice:
        case Call("where", (condition, yes, no)):
            return _either(_cases(condition), case(yes), case(no))
        case Call(function, (first, second)):
            return _extremum_cases(link, function, (first, second), case)
        case Call(function, (first, second, *others)):
            pairs: Node = reduce(
                lambda one, other: Call(function, (one, other)), others, Call(function, (first, second))
            )
            return case(pairs)
        case Arithmetic("%", left, right):
            raw = Call(FMOD, (left, right))
            return _either(_cases(_opposite(raw, right)), case(Arithmetic("+", raw, right)), case(raw))
    msg = f"no choice: {choice}"
    raise AssertionError(msg)


def _extremum_cases(link: Compare, function: str, pair: tuple[Node, Node], case: Callable[[Node], Node]) -> Node:
    """Divide a comparison by which of two numbers is taken; numpy's choice of either is missing if one of them is."""
    first, second = pair
    takes_first: CompareOperator = "<" if function == "min" else ">"
    takes_second: CompareOperator = ">=" if function == "min" else "<="
    one, other = _cases(Compare(pair, (takes_first,))), _cases(Compare(pair, (takes_second,)))
    parts = [And((one, case(first))), And((other, case(second)))]
    if any(isinstance(node, Arithmetic) and node.operator == "**" for node in walk(link)):
        # What is missing makes every comparison false, but for 1 ** x and x ** 0, which are 1.
        parts.append(And((Not(one), Not(other), case(Arithmetic("+", first, second)))))
    return Or(tuple(parts))


def _either(condition: Node, yes: Node, no: Node) -> Node:
    return Or((And((condition, yes)), And((Not(condition), no))))


def _opposite(remainder: Node, divisor: Node) -> Node:
    """Say where C's remainder has the sign that the divisor has not."""

    def sign(node: Node, operator: CompareOperator) -> Node:
        return Compare((node, Number(0.0)), (operator,))

    if isinstance(divisor, Number) and divisor.value > 0:
        return sign(remainder, "<")
    return Or((And((sign(remainder, "<"), sign(divisor, ">"))), And((sign(remainder, ">"), sign(divisor, "<")))))


def is_choice(node: Node) -> bool:
    """Whether a node is what `without_choices` writes out."""
    match node:
        case Call("where" | "min" | "max", (_, _, *_)) | Arithmetic("%", _, _):
            return True
        case _:
            return False


def _first_choice(node: Node) -> Call | Arithmetic | None:
    """Find a choice outside the conditions of other choices, the outermost first."""
    if isinstance(node, Call | Arithmetic) and is_choice(node):
        return node
    match node:
        case Negative(operand) | AsFloat32(operand):
            parts: tuple[Node, ...] = (operand,)
        case Arithmetic(_, left, right):
            parts = (left, right)
        case Call(_, parts) | Compare(parts, _):
            pass
        case _:
            parts = ()
    return next((found for part in parts if (found := _first_choice(part)) is not None), None)


def _replaced(node: Compare, choice: Node, value: Node) -> Compare:
    def swap(part: Node) -> Node:
        return value if part == choice else rebuilt(part, swap)

    return Compare((swap(node.operands[0]), swap(node.operands[1])), node.operators)


def _too_many(condition: Node) -> str:
    text = render(condition)
    shown = text if len(text) < 80 else f"{text[:77]}…"
    return f"`{shown}` has too many cases to be written without min, max and where; export as python or json instead"
