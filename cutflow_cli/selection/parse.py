"""From text to the expression tree, without ever evaluating what the user wrote.

The language is the part of Python's expressions that a selection needs::

    jet0.pt > 30 and abs(eta) < 2.4
    60 < m_jet < 110 or not tau2 / tau1 > 0.4
    where(n > 1, min(pt1, pt2), 0) / m

Names are columns; a dotted name is one column. Numbers are doubles. Arithmetic is `+ - * / % **`, with the functions of
`tree.FUNCTIONS`; comparisons chain as in mathematics; conditions combine with `and`, `or`, `not`. A comparison can't be
used as a number, nor a number as a condition: `flag != 0`, not `flag`.

Text is checked token by token first, which gives errors a place and a remedy; then Python's own parser settles
precedence, and a whitelist turns its tree into ours.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.selection.tree import (
    FUNCTIONS,
    And,
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

#: Longest expression, most parentheses inside each other, and most levels of operators inside each other.
MAX_LENGTH, MAX_PARENTHESES, MAX_DEPTH = 10_000, 40, 100

_SHOWN = 100  #: characters of a long expression that an error shows
_TOKEN = re.compile(
    r"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<operator>&&|\|\||\*\*|//|<<|>>|==|!=|<=|>=|=<|=>|<>|:=|::|[-+*/%<>=!&|^~(),])
      | (?P<space>[ ]+)
      | (?P<other>.)""",
    re.VERBOSE | re.ASCII,
)
#: What people write in other languages, and what it is here.
_REMEDIES = {
    "&&": "write `and`", "||": "write `or`", "!": "write `not`", "&": "write `and`", "|": "write `or`",
    "~": "write `not`", "^": "write `**` for a power; for conditions `and`, `or`, `not`", "=": "write `==` to compare",
    "=<": "write `<=`", "=>": "write `>=`", "<>": "write `!=`", ":=": "write `==` to compare",
    "//": "write `floor(a / b)`", "<<": "write `* 2**n`", ">>": "write `/ 2**n`",
    "::": "leave the namespace away: `sqrt(x)`, `abs(x)`",
}  # fmt: skip
_OTHER_REMEDIES = {
    "[": "there are no subscripts; give an event's own columns", "]": "there are no subscripts",
    "'": "there is no text, only numbers", '"': "there is no text, only numbers",
    "?": "write `where(condition, a, b)`", ":": "write `where(condition, a, b)`", "#": "there are no comments",
    "{": "use parentheses `( )`", "}": "use parentheses `( )`",
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], ArithmeticOperator] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], CompareOperator] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_BINARY = {*get_args(ArithmeticOperator), *get_args(CompareOperator), "and", "or"}


class ExpressionError(UsageError):
    """An expression that can't be understood; the message shows where and says what to write instead.

    Attributes:
        reason: what is wrong and what to write, one line.
        text: the expression.
        position: the character of `text` where it goes wrong, from 0.
    """

    def __init__(self, reason: str, text: str, position: int, where: str = "") -> None:
        self.reason, self.text, self.position = reason, text, position
        start = max(0, min(position - _SHOWN // 2, len(text) - _SHOWN))
        shown = text[start : start + _SHOWN]
        printable = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
        )
        prefix, suffix = "…" * (start > 0), "…" * (start + _SHOWN < len(text))
        caret = " " * (len(prefix) + position - start) + "^"
        super().__init__(f"{where}{reason}\n  {prefix}{printable}{suffix}\n  {caret}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["number", "name", "operator", "end"]
    text: str
    position: int


def parse(text: str, where: str = "") -> Node:
    """Read an expression, a number or a condition.

    Args:
        text: the expression; line breaks and tabs count as spaces.
        where: what the expression belongs to, put before an error's message, such as `feature 'ratio': `.

    Returns:
        Its tree.

    Raises:
        ExpressionError: if it is not in the language.
    """
    return _Parser(text, where).parse()


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


def parse_condition(text: str, where: str = "") -> Node:
    """Read an expression that is true or false for each event.

    Raises:
        ExpressionError: if it is not in the language, or a number.
    """
    node = parse(text, where)
    if not is_condition(node):
        raise ExpressionError("this is a number, a condition is needed here, such as `x > 0`", text, 0, where)
    return node


class _Parser:
    """One expression being read: its tokens, then its tree."""

    def __init__(self, text: str, where: str) -> None:
        self.text = re.sub(r"[\t\r\n]", " ", text)
        self.where = where
        self.indent = len(self.text) - len(self.text.lstrip(" "))

    def fail(self, reason: str, position: int) -> ExpressionError:
        return ExpressionError(reason, self.text, position, self.where)

    def parse(self) -> Node:
        if len(self.text) > MAX_LENGTH:
            raise self.fail(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
        self.check_order(self.tokens())
        try:
            tree = ast.parse(self.text.strip(" "), mode="eval")
        except SyntaxError as error:
            # The order of tokens is sound; what remains is `a < not b`, whose `not` binds too weakly.
            position = self.indent + max(0, (error.offset or 1) - 1)
            raise self.fail("put parentheses around `not …`", position) from None
        except (MemoryError, RecursionError):
            raise self.fail(f"operators inside each other more than {MAX_DEPTH} levels deep", 0) from None
        return self.convert(tree.body, 0)

    def tokens(self) -> list[_Token]:
        """Split the text into tokens of the language.

        Raises:
            ExpressionError: at the first character that is none of ours.
        """
        found: list[_Token] = []
        for match in _TOKEN.finditer(self.text):
            kind, text, position = match.lastgroup, match.group(), match.start()
            if kind == "number":
                self.check_number(text, position)
                found.append(_Token("number", text, position))
            elif kind == "name":
                self.check_name(text, position)
                found.append(_Token("operator" if text in ("and", "or", "not") else "name", text, position))
            elif kind == "operator":
                if text in _REMEDIES:
                    raise self.fail(f"`{text}` is not in the language: {_REMEDIES[text]}", position)
                found.append(_Token("operator", text, position))
            elif kind == "other":
                remedy = _OTHER_REMEDIES.get(text, "names have letters, digits, underscores and dots")
                shown = text if text.isprintable() else repr(text)
                raise self.fail(f"`{shown}` is not in the language: {remedy}", position)
        return [*found, _Token("end", "the end", len(self.text))]

    def check_number(self, text: str, position: int) -> None:
        end = position + len(text)
        if end < len(self.text) and re.match(r"[\w.]", self.text[end]):
            raise self.fail(f"`{text}{self.text[end]}…` is neither a number nor a name", position)
        if re.fullmatch(r"0\d+", text):
            raise self.fail(f"`{text}`: write whole numbers without leading zeros", position)
        value = float(text)
        if not math.isfinite(value):
            raise self.fail(f"`{text[:20]}` is too large for a double", position)
        if text.isdigit() and int(value) != int(text):
            raise self.fail(f"`{text[:20]}` has more digits than a double holds exactly", position)

    def check_name(self, text: str, position: int) -> None:
        part = next((part for part in text.split(".") if keyword.iskeyword(part)), None)
        if part is None or text in ("and", "or", "not"):
            return
        remedy = ": write `where(condition, a, b)`" if part in ("if", "else") else ""
        raise self.fail(f"`{part}` is a reserved word, not a name{remedy}", position)

    def check_order(self, tokens: list[_Token]) -> None:
        """Check that values and operators take turns and that parentheses close.

        Raises:
            ExpressionError: at the first token that can't stand where it does.
        """
        if len(tokens) == 1:
            raise self.fail("the expression is empty", 0)
        opened: list[tuple[_Token, bool]] = []  # and whether it opens a function's arguments
        value_next, previous = True, tokens[0]
        for token in tokens:
            text = token.text if token.kind != "name" else ""
            if value_next and token.kind in ("number", "name"):
                value_next = False
            elif value_next and text == "(":
                opened.append((token, False))
            elif value_next and text in ("-", "+", "not"):
                pass
            elif value_next:
                raise self.fail(f"a value is missing before {_quoted(token)}", token.position)
            elif text == "(" and previous.kind == "name":
                opened.append((token, True))
                value_next = True
            elif text == "," and opened and opened[-1][1]:
                value_next = True
            elif text == ",":
                raise self.fail("a comma can only stand between the arguments of a function", token.position)
            elif text == ")":
                if not opened:
                    raise self.fail("this parenthesis was never opened", token.position)
                opened.pop()
            elif text in _BINARY:
                value_next = True
            elif token.kind != "end":
                raise self.fail(f"an operator is missing before {_quoted(token)}", token.position)
            if len(opened) > MAX_PARENTHESES:
                raise self.fail(f"more than {MAX_PARENTHESES} parentheses inside each other", token.position)
            previous = token
        if opened:
            raise self.fail("this parenthesis is never closed", opened[-1][0].position)

    def convert(self, node: ast.expr, depth: int) -> Node:
        """Turn Python's tree into ours, node by node from a whitelist."""
        position = self.indent + node.col_offset
        if depth > MAX_DEPTH:
            raise self.fail(f"operators inside each other more than {MAX_DEPTH} levels deep", position)
        match node:
            case ast.Constant(value=int() | float() as value):
                return Number(float(value))
            case ast.Name() | ast.Attribute():
                return Name(_dotted(node))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(operand, depth, "`+`")
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value) as operand) if (
                self.adjacent(node, operand)
            ):
                return Number(-float(value))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Negative(self.number(operand, depth, "`-`"))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.condition(operand, depth, "`not`"))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                operator = _ARITHMETIC[type(op)]
                sides = (self.number(side, depth, f"`{operator}`") for side in (left, right))
                return Arithmetic(operator, *sides)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
                operands = tuple(self.number(side, depth, "a comparison") for side in (left, *others))
                return Compare(operands, tuple(_COMPARE[type(op)] for op in ops))
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                parts = tuple(self.condition(value, depth, f"`{word}`") for value in values)
                return And(parts) if word == "and" else Or(parts)
            case ast.Call(func=ast.Name() | ast.Attribute() as function, args=arguments, keywords=[]):
                return self.call(_dotted(function), arguments, position, depth)
        raise self.fail("this is not in the language", position)

    def adjacent(self, node: ast.expr, operand: ast.expr) -> bool:
        """Whether nothing, no parenthesis above all, stands between a sign and its number."""
        between = self.text[self.indent + node.col_offset + 1 : self.indent + operand.col_offset]
        return not between.strip(" ")

    def number(self, node: ast.expr, depth: int, user: str) -> Node:
        """Convert what must be a number."""
        converted = self.convert(node, depth + 1)
        if is_condition(converted):
            reason = f"{user} needs numbers, this is a condition; combine conditions with `and`, `or`, `not`"
            raise self.fail(reason, self.indent + node.col_offset)
        return converted

    def condition(self, node: ast.expr, depth: int, user: str) -> Node:
        """Convert what must be a condition."""
        converted = self.convert(node, depth + 1)
        if not is_condition(converted):
            shown = f"`{converted.name} != 0`" if isinstance(converted, Name) else "`… != 0`"
            reason = f"{user} needs conditions, this is a number; compare it, for example {shown}"
            raise self.fail(reason, self.indent + node.col_offset)
        return converted

    def call(self, name: str, arguments: list[ast.expr], position: int, depth: int) -> Node:
        """Convert a call of one of our functions."""
        if name not in FUNCTIONS:
            short = name.rpartition(".")[2]
            hint = f"write `{short}(…)`" if short in FUNCTIONS else nearest(short, FUNCTIONS)
            raise self.fail(f"no function {name!r}; {hint}", position)
        wanted = FUNCTIONS[name]
        if len(arguments) < 2 if wanted is None else len(arguments) != wanted:
            need = "two or more arguments" if wanted is None else f"{wanted} argument{'s' * (wanted > 1)}"
            raise self.fail(f"{name} takes {need}, not {len(arguments)}", position)
        first = self.condition if name == "where" else self.number
        rest = tuple(self.number(argument, depth, f"{name}()") for argument in arguments[1:])
        return Call(name, (first(arguments[0], depth, f"{name}()"), *rest))


def _quoted(token: _Token) -> str:
    return "the end" if token.kind == "end" else f"`{token.text}`"


def _dotted(node: ast.Name | ast.Attribute) -> str:
    """Return the dotted name; the tokens allow nothing but names around a dot."""
    parts: list[str] = []
    current: ast.expr = node
    while isinstance(current, ast.Attribute):
        parts.append(current.attr)
        current = current.value
    assert isinstance(current, ast.Name)
    return ".".join([current.id, *reversed(parts)])
