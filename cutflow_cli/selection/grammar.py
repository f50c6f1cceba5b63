"""The grammar of the expression language, read by precedence climbing.

One function takes all binary operators, strongest first; what the language is, is said in `selection.parse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from cutflow_cli.errors import nearest
from cutflow_cli.selection.advice import for_function, for_words, shorten
from cutflow_cli.selection.root_arrays import OVER_ARRAY, is_over_objects, over_array
from cutflow_cli.selection.tokens import Dialect, ExpressionError, Token, tokenize
from cutflow_cli.selection.tree import (
    FUNCTIONS,
    ROUNDING,
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    ArithmeticOperator,
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
    walk,
)

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


def not_zero(node: Node) -> Node:
    """Make a condition of a number, as C++ does."""
    return Compare((node, Number(0.0)), ("!=",))


def read(text: str, where: str, dialect: Dialect) -> Node:
    """Read one expression.

    Args:
        text: the expression, without tabs and line breaks.
        where: put before an error's message.
        dialect: the language it is written in.

    Raises:
        ExpressionError: if it is not in the language.
    """
    return _Parser(text, where, dialect).parse()


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
        before = self.tokens[self.at - 1]
        if before.kind == "quantifier":
            reason = (
                f"`[{before.text}]` ends a whole cut: put parentheses around `… [{before.text}]` to go on behind it"
            )
            return self.fail(reason, before.position)
        advice = for_words(before.text, token.text, self.dialect)
        if advice is not None:
            return self.fail(advice[0], (before if advice[1] else token).position)
        return self.fail(f"an operator is missing before {token}", token.position)

    def cut(self) -> _Part:
        """Read an expression with what may stand around a whole one: `veto` before it, `[any]` or `[all]` behind."""
        veto = self.take() if self.at_veto() else None
        first = self.token
        if first.kind == "quantifier" or self.at_word("any", "all"):
            word = f"[{first.text}]"
            raise self.fail(f"write `{word}` behind the condition, as in `jet.pt > 30 {word}`", first.position)
        part = self.expression(_ANY)
        quantifier = self.take() if self.token.kind == "quantifier" else None
        if quantifier is not None:
            part = self.quantified(part, quantifier)
        elif veto is not None:
            part = self.condition(part, "`veto`")
            part = self.deeper(AllObjects(part.node), part.start, part)
        return part if veto is None else self.deeper(Not(part.node), veto.position, part)

    def quantified(self, part: _Part, quantifier: Token) -> _Part:
        """Say over which objects a condition is taken."""
        word = quantifier.text
        if not is_condition(part.node) and self.dialect == "cutflow":
            reason = f"`[{word}]` stands behind a condition, as in `jet.pt > 30 [{word}]`, this is a number"
            raise self.fail(reason, quantifier.position)
        part = self.condition(part, f"`[{word}]`")
        return self.deeper((AnyObject if word == "any" else AllObjects)(part.node), part.start, part)

    def at_veto(self) -> bool:
        """Whether `veto` stands here as a word of the language, not as a column of that name."""
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        is_veto = self.dialect == "cutflow" and self.token.text == "veto"
        return self.at_word("veto") or (is_veto and following.text in ("(", "-", "not"))

    def at_word(self, *words: str) -> bool:
        """Whether one of some words stands here right before a number or a name."""
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        return self.dialect == "cutflow" and self.token.text in words and following.kind in ("number", "name")

    def check_veto(self, token: Token, weakest: int) -> None:
        """Refuse `veto` inside a cut; a column of that name may stand in arithmetic, `(veto) - 1` at its beginning."""
        self.at -= 1
        if self.at_veto() and (weakest < _SUM or self.tokens[self.at + 1].text != "-"):
            raise self.fail("`veto` stands in front of a whole cut: put parentheses around `veto …`", token.position)
        self.at += 1

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
        since = self.at
        # A power takes what is on its right first, signs included.
        right = self.expression(_SIGN if operator == "**" else _STRENGTH[operator] + 1)
        if operator == "**" and self.dialect == "root":
            self.check_powers(since)
        left, right = (self.number(side, f"`{operator}`") for side in (left, right))
        return self.deeper(Arithmetic(operator, left.node, right.node), left.start, left, right)

    def check_powers(self, since: int) -> None:
        """Refuse powers side by side, which ROOT's versions read differently."""
        open_parentheses = 0
        for token in self.tokens[since : self.at]:
            open_parentheses += (token.text == "(") - (token.text == ")")
            if token.text == "**" and open_parentheses == 0:
                raise self.fail("powers side by side: write `a^(b^c)` or `(a^b)^c`", token.position)

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
            self.check_veto(token, weakest)
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
        self.check_function(name)
        self.parentheses.append(self.take().position)
        if len(self.parentheses) > MAX_PARENTHESES:
            raise self.fail(f"more than {MAX_PARENTHESES} parentheses inside each other", name.position)
        arguments = [self.cut()]
        while self.token.text == ",":
            self.take()
            arguments.append(self.cut())
        self.close()
        return self.function(name, arguments)

    def check_function(self, name: Token) -> None:
        text = name.text
        known = {*FUNCTIONS, ROUNDING, *({"pow", *OVER_ARRAY} if self.dialect == "root" else ())}
        if text not in known:
            short = text.rpartition(".")[2]
            hint = for_function(short) or (f"write `{short}(…)`" if short in FUNCTIONS else nearest(short, FUNCTIONS))
            raise self.fail(f"no function `{shorten(text)}`; {hint}", name.position)

    def function(self, name: Token, arguments: list[_Part]) -> _Part:
        """Make a call of one of our functions."""
        text = name.text
        wanted = {"pow": 2}.get(text, 1) if text not in FUNCTIONS else FUNCTIONS[text]
        if wanted is not None and len(arguments) != wanted:
            plural = "s" * (wanted > 1)
            raise self.fail(f"{text} takes {wanted} argument{plural}, not {len(arguments)}", name.position)
        if text in OVER_ARRAY:
            return self.over_array(name, arguments[0])
        if text == "sum" and is_condition(arguments[0].node):
            raise self.fail("sum() needs numbers; for how many objects write `count(…)`", arguments[0].start)
        check = self.condition if text in ("where", "count") else self.number
        parts = [check(arguments[0], f"{text}()"), *(self.number(part, f"{text}()") for part in arguments[1:])]
        nodes = tuple(part.node for part in parts)
        match text:
            case "pow":
                node: Node = Arithmetic("**", *nodes)
            case _ if text == ROUNDING:
                node = AsFloat32(nodes[0])
            case _:
                node = Call(text, nodes)
        return self.deeper(node, name.position, *parts)

    def over_array(self, name: Token, argument: _Part) -> _Part:
        """Make a call of `Sum$`, `Min$` or `Max$`, which are 0 over no elements."""
        function = name.text
        if any(isinstance(part, Call) and is_over_objects(part) for part in walk(argument.node)):
            raise self.fail(f"{function} of a sum, count, minimum or maximum, which has no elements", name.position)
        if function != "sum$" and is_condition(argument.node):
            raise self.fail(f"{function} needs numbers, this is a condition", argument.start)
        added = 1 if function == "sum$" else 4
        argument = _Part(argument.node, argument.start, argument.depth + added - 1)
        return self.deeper(over_array(function, argument.node), name.position, argument)

    def deeper(self, node: Node, start: int, *parts: _Part) -> _Part:
        depth = 1 + max(part.depth for part in parts)
        if depth > MAX_DEPTH:
            raise self.too_deep(start)
        return _Part(node, start, depth)

    def number(self, part: _Part, user: str) -> _Part:
        """Check that a part is a number."""
        if is_condition(part.node):
            raise self.fail(f"{user} needs numbers, this is a condition; {self.for_condition(user)}", part.start)
        return part

    def for_condition(self, user: str) -> str:
        if user.endswith("()"):
            return f"close the parenthesis before the comparison, `{user[:-1]}…) > 1`, or write `where(…, 1, 0)`"
        words = "`&&`, `||`, `!`" if self.dialect == "root" else "`and`, `or`, `not`"
        return f"combine conditions with {words}; for 1 and 0 write `where(…, 1, 0)`"

    def condition(self, part: _Part, user: str) -> _Part:
        """Check that a part is a condition."""
        if is_condition(part.node):
            return part
        if self.dialect == "root":
            return self.deeper(not_zero(part.node), part.start, part)
        shown = f"`{shorten(part.node.name)} != 0`" if isinstance(part.node, Name) else "`… != 0`"
        reason = f"{user} needs conditions, this is a number; compare it, for example {shown}"
        raise self.fail(reason, part.start)
