"""From text to the tokens of the expression language; other languages' are refused with what to write instead."""

from __future__ import annotations

import keyword
import math
import re
from dataclasses import dataclass
from typing import Literal

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.observable import OF_SEVERAL_OBJECTS, PATH, read_observable

#: `cutflow` is our own language; `root` what TCut and TTree::Draw understand.
Dialect = Literal["cutflow", "root"]

MAX_LENGTH = 10_000  #: characters of an expression
_SHOWN = 100  #: characters of a long expression that an error shows
_TOKEN = re.compile(
    rf"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>{PATH}(?:,{PATH})*)
      | (?P<quantifier>\[\ *(?:any|all)\ *\])
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
    "[": "there are no subscripts; the first jet is `jet0`, and `[any]` or `[all]` stand behind a condition",
    "]": "there are no subscripts; the first jet is `jet0`",
    "'": "there is no text, only numbers", '"': "there is no text, only numbers",
    "?": "write `where(condition, a, b)`", ":": "write `where(condition, a, b)`", "#": "there are no comments",
    "{": "use parentheses `( )`", "}": "use parentheses `( )`",
}  # fmt: skip
#: What differs in ROOT's language: spelled there, meant here.
_ROOT_WORDS = {"&&": "and", "||": "or", "!": "!", "^": "**"}
_ROOT_REMEDIES = {
    "&": "bits can't be tested; for conditions write `&&`", "|": "bits can't be tested; for conditions write `||`",
    "%": "it works on whole numbers there; use the own language, without --cut-dialect root",
}  # fmt: skip
#: ROOT's functions by our names; a dollar sign marks those that run over an array.
_ROOT_FUNCTION = re.compile(r"(?:TMath::)?(?P<name>[A-Za-z]\w*)(?P<dollar>\$)?(?=\ *\()", re.ASCII)
_ROOT_FUNCTIONS = {
    "fabs": "abs", "power": "pow", "sum$": "sum", "min$": "min", "max$": "max",
    **{name: name for name in (
        "abs", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh",
        "tanh", "floor", "ceil", "min", "max", "pow",
    )},
}  # fmt: skip
#: `Jet_pt[0]` and `Jet.PT[0]`, an element of an array.
_ROOT_ELEMENT = re.compile(
    r"(?P<object>[A-Za-z][A-Za-z0-9]*)[_.](?P<attribute>[A-Za-z_]\w*)\[\ *(?P<index>\d+)\ *\]", re.ASCII
)


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
class Token:
    """A word of an expression.

    Attributes:
        kind: what it is; `and`, `or` and `not` are operators.
        text: in our own spelling.
        position: of its first character in the expression.
    """

    kind: Literal["number", "name", "operator", "quantifier", "end"]
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.text}`"


def tokenize(text: str, where: str = "", dialect: Dialect = "cutflow") -> list[Token]:
    """Split an expression into tokens.

    Args:
        text: without tabs and line breaks.
        where: put before an error's message.
        dialect: the language it is written in.

    Returns:
        The tokens, with `end` as the last.

    Raises:
        ExpressionError: at the first character that belongs to none.
    """
    if len(text) > MAX_LENGTH:
        reason = f"longer than {MAX_LENGTH} characters"
        raise ExpressionError(reason, text, MAX_LENGTH, where)
    return _Lexer(text, where, dialect).tokens()


class _Lexer:
    def __init__(self, text: str, where: str, dialect: Dialect) -> None:
        self.text, self.where, self.dialect = text, where, dialect
        self.found: list[Token] = []
        self.calls: list[bool] = []  # of the open parentheses, whether they hold the arguments of a function

    def fail(self, reason: str, position: int) -> ExpressionError:
        return ExpressionError(reason, self.text, position, self.where)

    def tokens(self) -> list[Token]:
        position = 0
        while position < len(self.text):
            position = (self.dialect == "root" and self.root(position)) or self.own(position)
        return [*self.found, Token("end", "the end", len(self.text))]

    def own(self, position: int) -> int:
        """Take the next token; return the position after it."""
        match = _TOKEN.match(self.text, position)
        assert match is not None  # `other` matches any character
        kind, text = match.lastgroup, match.group()
        if kind == "number":
            self.check_number(text, position)
            self.found.append(Token("number", text, position))
        elif kind == "name":
            text = self.name(text, position)
        elif kind == "quantifier":
            self.found.append(Token("quantifier", text.strip("[] "), position))
        elif kind == "operator":
            self.operator(text, position)
        elif kind == "other":
            remedy = _OTHER_REMEDIES.get(text, "names have letters, digits, underscores and dots")
            shown = text if text.isprintable() else repr(text)
            raise self.fail(f"`{shown}` is not in the language: {remedy}", position)
        return position + len(text)

    def operator(self, text: str, position: int) -> None:
        words = _ROOT_WORDS if self.dialect == "root" else {}
        remedies = {**_REMEDIES, **_ROOT_REMEDIES} if self.dialect == "root" else _REMEDIES
        if text in remedies and text not in words:
            raise self.fail(f"`{text}` is not in the language: {remedies[text]}", position)
        if text == "(":
            self.calls.append(bool(self.found) and self.found[-1].kind == "name" and self.found[-1].text != "veto")
        elif text == ")" and self.calls:
            self.calls.pop()
        self.found.append(Token("operator", words.get(text, text), position))

    def name(self, text: str, position: int) -> str:
        """Take a name, of one object or of several, as far as it reaches; return what was taken."""
        paths = text.split(",")
        in_call = bool(self.calls) and self.calls[-1]
        count = next((n for n in range(2, len(paths) + 1) if _joins(paths[:n])), 1) if in_call else len(paths)
        text = ",".join(paths[:count])
        if text in ("and", "or", "not"):
            self.found.append(Token("operator", text, position))
            return text
        for part in text.replace(",", ".").replace(":", ".").split("."):
            if keyword.iskeyword(part):
                remedy = ": write `where(condition, a, b)`" if part in ("if", "else") else ""
                raise self.fail(f"`{part}` is a reserved word, not a name{remedy}", position + text.index(part))
        if ("," in text or ":" in text) and read_observable(text) is None:
            reason = f"`{text}` names objects but none of their observables: write for example `{text}.pt`"
            raise self.fail(reason, position)
        self.found.append(Token("name", text, position))
        return text

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

    def root(self, position: int) -> int | None:
        """Take what only ROOT's language has: its functions, and elements of arrays; None if there is none here."""
        function = _ROOT_FUNCTION.match(self.text, position)
        if function is not None:
            spelled = function["name"].lower() + (function["dollar"] or "")
            if spelled not in _ROOT_FUNCTIONS:
                return None if function["dollar"] is None else self.refuse_function(function.group(), position)
            self.found.append(Token("name", _ROOT_FUNCTIONS[spelled], position))
            return function.end()
        element = _ROOT_ELEMENT.match(self.text, position)
        if element is not None:
            name = f"{element['object']}{element['index']}.{element['attribute']}"
            self.found.append(Token("name", name, position))
            return element.end()
        return None

    def refuse_function(self, text: str, position: int) -> int:
        reason = f"`{text}` has no counterpart here; `count(jet.pt > 30)`, `sum`, `min` and `max` run over objects"
        raise self.fail(f"{reason} in the own language, without --cut-dialect root", position)


def _joins(paths: list[str]) -> bool:
    """Whether paths between commas, in the arguments of a function, are the objects of one observable."""
    *before, last = paths
    path, _, quantity = last.rpartition(".")
    of_objects = all("." not in each or each.rpartition(".")[2].partition(":")[0] == "constituents" for each in before)
    return bool(path) and quantity.lower() in OF_SEVERAL_OBJECTS and of_objects
