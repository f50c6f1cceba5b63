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

It is read by precedence climbing: one function for all binary operators, strongest first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args

from cutflow_cli.errors import nearest
from cutflow_cli.selection.tokens import Dialect, ExpressionError, Token, tokenize
from cutflow_cli.selection.tree import (
    FUNCTIONS,
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    ArithmeticOperator,
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
)

__all__ = ["Dialect", "ExpressionError", "parse", "parse_arithmetic", "parse_condition"]

#: Most parentheses inside each other, and most levels of operators inside each other.
MAX_PARENTHESES, MAX_DEPTH = 40, 100

_ANY, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER = range(9)
_STRENGTH = {
    "or": _OR, "and": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT, "**": _POWER,
    **dict.fromkeys(get_args(CompareOperator), _COMPARE),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that has been read: its tree, where it starts, and how deep the tree is."""

    node: Node
    start: int
    depth: int = 0


def parse(text: str, where: str = "", dialect: Dialect = "cutflow") -> Node:
    """Read an expression, a number or a condition.

    Args:
        text: the expression; line breaks and tabs count as spaces.
        where: what the expression belongs to, put before an error's message, such as `feature 'ratio': `.
        dialect: the language it is written in; `root` for a TCut, whose condition on an array holds for an event
            if it holds for any element, as `TTree::CopyTree` has it.

    Returns:
        Its tree.

    Raises:
        ExpressionError: if it is not in the language.
    """
    node = _Parser(re.sub(r"[\t\r\n]", " ", text), where, dialect).parse()
    return (
        AnyObject(node)
        if dialect == "root" and is_condition(node) and not isinstance(node, AnyObject | AllObjects)
        else node
    )


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
    if not is_condition(node):
        raise ExpressionError("this is a number, a condition is needed here, such as `x > 0`", text, 0, where)
    return node


class _Parser:
    """One expression being read, token by token."""

    def __init__(self, text: str, where: str, dialect: Dialect) -> None:
        self.text, self.where, self.dialect = text, where, dialect
        self.tokens = tokenize(text, where, dialect)
        self.at = 0
        self.parentheses: list[int] = []
        self.level = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self, reason: str, position: int) -> ExpressionError:
        return ExpressionError(reason, self.text, position, self.where)

    def too_deep(self, position: int) -> ExpressionError:
        return self.fail(f"operators inside each other more than {MAX_DEPTH} levels deep", position)

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def parse(self) -> Node:
        if len(self.tokens) == 1:
            raise self.fail("the expression is empty", 0)
        part = self.cut()
        if self.at < len(self.tokens) - 1:
            raise self.misplaced()
        return part.node

    def misplaced(self) -> ExpressionError:
        """Say why an expression can't go on with the token that stands there."""
        token = self.token
        if token.text == ")":
            return self.fail("this parenthesis was never opened", token.position)
        if token.text == ",":
            reason = "a comma can only stand between the arguments of a function, or join objects without spaces"
            return self.fail(f"{reason}, as in `muon0,muon1.inv_mass`", token.position)
        if token.kind == "quantifier":
            reason = f"`[{token.text}]` can stand once, behind a condition, at its end or before `)`"
            return self.fail(reason, token.position)
        if token.kind == "end" and self.parentheses:
            return self.fail("this parenthesis is never closed", self.parentheses[-1])
        return self.fail(f"an operator is missing before {token}", token.position)

    def cut(self) -> _Part:
        """Read an expression with what may stand around a whole one: `veto` before it, `[any]` or `[all]` behind."""
        veto = self.take() if self.at_veto() else None
        part = self.expression(_ANY)
        quantifier = self.take() if self.token.kind == "quantifier" else None
        if quantifier is not None or veto is not None:
            name = "`veto`" if quantifier is None else f"`[{quantifier.text}]`"
            part = self.condition(part, name)
            node = (
                AnyObject(part.node) if quantifier is not None and quantifier.text == "any" else AllObjects(part.node)
            )
            part = self.deeper(node, part.start, part)
        return part if veto is None else self.deeper(Not(part.node), veto.position, part)

    def at_veto(self) -> bool:
        """Whether `veto` stands here as a word of the language, not as a column of that name."""
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        starts_value = following.kind in ("number", "name") or following.text in ("(", "-", "not")
        return self.dialect == "cutflow" and self.token.text == "veto" and starts_value

    def expression(self, weakest: int) -> _Part:
        """Read operands joined by operators that bind at least as tightly as `weakest`."""
        self.level += 1
        if self.level > MAX_DEPTH + 2 * MAX_PARENTHESES:
            raise self.too_deep(self.token.position)
        left = self.operand(weakest)
        while self.token.kind == "operator" and _STRENGTH.get(self.token.text, -1) >= weakest:
            strength = _STRENGTH[self.token.text]
            if strength == _COMPARE:
                left = self.comparison(left)
            elif strength in (_AND, _OR):
                left = self.joined(left, self.token.text)
            else:
                left = self.arithmetic(left)
        self.level -= 1
        return left

    def arithmetic(self, left: _Part) -> _Part:
        operator = cast(ArithmeticOperator, self.take().text)
        # A power takes what is on its right first, signs included.
        right = self.expression(_SIGN if operator == "**" else _STRENGTH[operator] + 1)
        left, right = (self.number(side, f"`{operator}`") for side in (left, right))
        return self.deeper(Arithmetic(operator, left.node, right.node), left.start, left, right)

    def comparison(self, first: _Part) -> _Part:
        operands: list[_Part] = [first]
        operators: list[CompareOperator] = []
        while self.token.kind == "operator" and _STRENGTH.get(self.token.text) == _COMPARE:
            if operators and self.dialect == "root":
                reason = "ROOT compares the result of `a < x` with b; write `a < x && x < b`"
                raise self.fail(reason, self.token.position)
            operators.append(cast(CompareOperator, self.take().text))
            operands.append(self.expression(_SUM))
        operands = [self.number(operand, "a comparison") for operand in operands]
        node = Compare(tuple(operand.node for operand in operands), tuple(operators))
        return self.deeper(node, first.start, *operands)

    def joined(self, first: _Part, word: str) -> _Part:
        operands = [first]
        while self.token.kind == "operator" and self.token.text == word:
            self.take()
            operands.append(self.expression(_STRENGTH[word] + 1))
        nodes = tuple(self.condition(operand, f"`{word}`").node for operand in operands)
        return self.deeper(And(nodes) if word == "and" else Or(nodes), first.start, *operands)

    def operand(self, weakest: int) -> _Part:
        token = self.take()
        if token.kind == "number":
            return _Part(Number(float(token.text)), token.position)
        if token.kind == "name":
            return self.call(token) if self.token.text == "(" else _Part(Name(token.text), token.position)
        match token.text:
            case "(":
                return self.in_parentheses(token)
            case "-" | "+":
                return self.signed(token)
            case "not" | "!":
                return self.negated(token, weakest)
        raise self.fail(f"a value is missing before {token}", token.position)

    def signed(self, sign: Token) -> _Part:
        literal = self.token.kind == "number"
        part = self.number(self.expression(_SIGN), f"`{sign.text}`")
        if sign.text == "+":
            return _Part(part.node, sign.position, part.depth)
        if literal and isinstance(part.node, Number):
            return _Part(Number(-part.node.value), sign.position)
        return self.deeper(Negative(part.node), sign.position, part)

    def negated(self, word: Token, weakest: int) -> _Part:
        if word.text == "not" and weakest > _NOT:
            raise self.fail("put parentheses around `not …`", word.position)
        part = self.condition(self.expression(_NOT if word.text == "not" else _SIGN), f"`{word.text}`")
        return self.deeper(Not(part.node), word.position, part)

    def in_parentheses(self, opening: Token) -> _Part:
        self.parentheses.append(opening.position)
        if len(self.parentheses) > MAX_PARENTHESES:
            raise self.fail(f"more than {MAX_PARENTHESES} parentheses inside each other", opening.position)
        part = self.cut()
        self.close()
        return part

    def close(self) -> None:
        if self.token.text != ")":
            raise self.misplaced()
        self.take()
        self.parentheses.pop()

    def call(self, name: Token) -> _Part:
        self.parentheses.append(self.take().position)
        if len(self.parentheses) > MAX_PARENTHESES:
            raise self.fail(f"more than {MAX_PARENTHESES} parentheses inside each other", name.position)
        arguments = [self.cut()]
        while self.token.text == ",":
            self.take()
            arguments.append(self.cut())
        self.close()
        return self.function(name, arguments)

    def function(self, name: Token, arguments: list[_Part]) -> _Part:
        """Make a call of one of our functions."""
        text = name.text
        if self.dialect == "root" and text == "pow" and len(arguments) == 2:
            sides = [self.number(argument, "pow()") for argument in arguments]
            return self.deeper(Arithmetic("**", sides[0].node, sides[1].node), name.position, *sides)
        if text not in FUNCTIONS:
            short = text.rpartition(".")[2]
            hint = f"write `{short}(…)`" if short in FUNCTIONS else nearest(short, FUNCTIONS)
            raise self.fail(f"no function {text!r}; {hint}", name.position)
        wanted = FUNCTIONS[text]
        if wanted is not None and len(arguments) != wanted:
            plural = "s" * (wanted > 1)
            raise self.fail(f"{text} takes {wanted} argument{plural}, not {len(arguments)}", name.position)
        check = self.condition if text in ("where", "count") else self.number
        parts = [check(arguments[0], f"{text}()"), *(self.number(part, f"{text}()") for part in arguments[1:])]
        return self.deeper(Call(text, tuple(part.node for part in parts)), name.position, *parts)

    def deeper(self, node: Node, start: int, *parts: _Part) -> _Part:
        depth = 1 + max(part.depth for part in parts)
        if depth > MAX_DEPTH:
            raise self.too_deep(start)
        return _Part(node, start, depth)

    def number(self, part: _Part, user: str) -> _Part:
        """Check that a part is a number."""
        if is_condition(part.node):
            reason = f"{user} needs numbers, this is a condition; combine conditions with `and`, `or`, `not`"
            raise self.fail(reason, part.start)
        return part

    def condition(self, part: _Part, user: str) -> _Part:
        """Check that a part is a condition."""
        if not is_condition(part.node):
            shown = f"`{part.node.name} != 0`" if isinstance(part.node, Name) else "`… != 0`"
            reason = f"{user} needs conditions, this is a number; compare it, for example {shown}"
            raise self.fail(reason, part.start)
        return part
