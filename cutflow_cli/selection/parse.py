"""From text to the expression tree, without ever evaluating what the user wrote.

The language has Python's words and precedence, the observables of HEP ML LAB, and its cuts::

    jet0.pt > 30 and abs(eta) < 2.4
    60 < m_jet < 110 or not tau2 / tau1 > 0.4
    where(n > 1, min(pt1, pt2), 0) / m
    muon0.charge != muon1.charge and muon0,muon1.inv_mass > 200
    veto jet.b_tag == 1 [any]
    count(jet.pt > 30) >= 2

A name is a column or an observable (`selection.observable`). Numbers are doubles. Arithmetic is `+ - * / % **`, with
the functions of `tree.FUNCTIONS`; comparisons chain as in mathematics; conditions combine with `and`, `or`, `not`. A
comparison can't be used as a number, nor a number as a condition: `flag != 0`, not `flag`. A condition on a collection
holds for an event if it holds for all objects, `[all]`, or for any, with `[any]` behind it; `veto` before it turns the
decision on the event around. A whole expression, or a part of it in parentheses, has one such ending and one `veto`.
"""

from __future__ import annotations

import re

from cutflow_cli.selection.grammar import not_zero, read
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tokens import MAX_LENGTH, Dialect, ExpressionError
from cutflow_cli.selection.tree import AllObjects, AnyObject, Node, is_condition

__all__ = ["Dialect", "ExpressionError", "parse", "parse_arithmetic", "parse_condition"]


def parse(text: str, where: str = "", dialect: Dialect = "cutflow") -> Node:
    """Read an expression, a number or a condition.

    Args:
        text: the expression; line breaks and tabs count as spaces.
        where: what the expression belongs to, put before an error's message, such as `feature 'ratio': `.
        dialect: the language it is written in; `root` for a TCut, whose condition on an array holds for an event
            if it holds for any element, as `TTree::CopyTree` has it. There a number is a condition too, true unless
            it is 0. An element that an event does not have, and a division by zero, are missing values as
            everywhere here, where ROOT leaves the event out and takes 0.

    Returns:
        Its tree.

    Raises:
        ExpressionError: if it is not in the language.
    """
    node = read(re.sub(r"\s", " ", text), where, dialect)
    if dialect == "root" and is_condition(node) and not isinstance(node, AnyObject | AllObjects):
        node = AnyObject(node)
    if len(text) > MAX_LENGTH // 20 and len(render(node)) > MAX_LENGTH:
        reason = f"longer than {MAX_LENGTH} characters when it is written with spaces"
        raise ExpressionError(reason, text, 0, where)
    return node


def parse_arithmetic(text: str, where: str = "") -> Node:
    """Read an expression that gives a number for each event.

    Raises:
        ExpressionError: if it is not in the language, or a condition.
    """
    node = parse(text, where)
    if is_condition(node):
        reason = "this is a condition, a number is needed here; for 1 and 0 write `where(condition, 1, 0)`"
        raise ExpressionError(reason, text, 0, where)
    return node


def parse_condition(text: str, where: str = "", dialect: Dialect = "cutflow") -> Node:
    """Read an expression that is true or false for each event.

    Raises:
        ExpressionError: if it is not in the language, or a number.
    """
    node = parse(text, where, dialect)
    if dialect == "root" and not is_condition(node):
        return AnyObject(not_zero(node))
    if not is_condition(node):
        raise ExpressionError("this is a number, a condition is needed here, such as `x > 0`", text, 0, where)
    return node
