"""From text to the tokens of the expression language; other languages' are refused with what to write instead."""

from __future__ import annotations

import keyword
import math
import re
from dataclasses import dataclass
from typing import Literal

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.selection.advice import (
    OPERATORS,
    ROOT_OPERATORS,
    broken_operator,
    for_character,
    for_reserved,
    shorten,
)
from cutflow_cli.selection.observable import PATH, WORD, is_object, is_of_several, read_observable

#: `cutflow` is our own language; `root` what TCut and TTree::Draw understand.
Dialect = Literal["cutflow", "root"]

MAX_LENGTH = 10_000  #: characters of an expression
_SHOWN = 100  #: characters of a long expression that an error shows
_TOKEN = re.compile(
    rf"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>{PATH})
      | (?P<quantifier>\[\ *(?:any|all)\ *\])
      | (?P<operator>&&|\|\||->|\*\*|//|<<|>>|==|!=|<=|>=|=<|=>|<>|:=|::|[-+*/%<>=!&|^~(),])
      | (?P<other>.)""",
    re.VERBOSE | re.ASCII,
)
_JOINED = re.compile(rf",(?P<path>{PATH})", re.ASCII)
#: What differs in ROOT's language: spelled there, meant here.
_ROOT_WORDS = {"&&": "and", "||": "or", "!": "!", "^": "**"}
_ROOT_NAME = re.compile(rf"{WORD}(?:\.{WORD})*", re.ASCII)
#: ROOT's functions by our names; a dollar sign marks those that run over an array.
_ROOT_FUNCTION = re.compile(r"(?P<library>TMath::|std::)?(?P<name>[A-Za-z]\w*)(?P<dollar>\$)?(?=\ *\()", re.ASCII)
_ROOT_FUNCTIONS = {
    "fabs": "abs", "power": "pow", "sum$": "sum$", "min$": "min$", "max$": "max$",
    **{name: name for name in (
        "abs", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh",
        "tanh", "floor", "ceil", "min", "max", "pow",
    )},
}  # fmt: skip
_ROOT_CONSTANT = re.compile(r"TMath::(?P<name>Pi|TwoPi|PiOver2)\ *\(\ *\)")
_ROOT_CONSTANTS = {"Pi": math.pi, "TwoPi": 2 * math.pi, "PiOver2": math.pi / 2}
#: `Jet_pt[0]` and `Jet.PT[0]`, an element of an array.
_ROOT_ELEMENT = re.compile(
    r"(?P<object>[A-Za-z][A-Za-z0-9]*)[_.](?P<attribute>[A-Za-z_]\w*)\[\ *0*(?P<index>\d{1,9})\ *\](?!\[)", re.ASCII
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
        self.end = 0  # of the last token
        self.calls: list[bool] = []  # of the open parentheses, whether they hold the arguments of a function
        self.separate = 0  # until where the commas between arguments are known to join nothing

    def fail(self, reason: str, position: int) -> ExpressionError:
        return ExpressionError(reason, self.text, position, self.where)

    def tokens(self) -> list[Token]:
        position = 0
        while position < len(self.text):
            if self.text[position] == " ":
                position += 1
                continue
            position = (self.dialect == "root" and self.root(position)) or self.own(position)
            self.end = position
        return [*self.found, Token("end", "the end", len(self.text))]

    def own(self, position: int) -> int:
        """Take the next token; return the position after it."""
        match = _TOKEN.match(self.text, position)
        assert match is not None  # `other` matches any character
        kind, text = match.lastgroup, match.group()
        if kind == "number":
            self.number(text, position)
        elif kind == "name":
            return self.name(position, match.end())
        elif kind == "quantifier":
            self.found.append(Token("quantifier", text.strip("[] "), position))
        elif kind == "operator":
            self.operator(text, position)
        else:
            shown = text if text.isprintable() else repr(text)
            name = (
                self.found[-1].text if self.end == position and self.found and self.found[-1].kind == "name" else None
            )
            remedy = for_character(self.text, position, name, self.dialect)
            raise self.fail(f"`{shown}` is not in the language: {remedy}", position)
        return match.end()

    def operator(self, text: str, position: int) -> None:
        words = _ROOT_WORDS if self.dialect == "root" else {}
        remedies = ROOT_OPERATORS if self.dialect == "root" else OPERATORS
        if text in remedies and text not in words:
            self.check_broken(text, position)
            raise self.fail(f"`{text}` is not in the language: {remedies[text]}", position)
        if text == "(":
            self.calls.append(bool(self.found) and self.found[-1].kind == "name" and self.found[-1].text != "veto")
        elif text == ")" and self.calls:
            self.calls.pop()
        self.found.append(Token("operator", words.get(text, text), position))

    def check_broken(self, text: str, position: int) -> None:
        """Refuse the spaced operators that papers are typeset with."""
        before = self.found[-1] if self.found and self.found[-1].kind == "operator" else None
        broken = broken_operator(self.text, position, before.text if before else "") if text in "=!" else None
        if broken is not None:
            wanted, taken = broken
            start = before.position if before is not None and taken else position
            raise self.fail(f"write `{wanted}`", start)

    def name(self, start: int, end: int) -> int:
        """Take a name, of one object or of several, as far as it reaches; return where it ends."""
        if self.dialect == "root":
            match = _ROOT_NAME.match(self.text, start)
            end = end if match is None else match.end()
        else:
            end = self.joined(start, end)
        text = self.text[start:end]
        if text in ("and", "or", "not"):
            if self.dialect == "root":
                remedy = {"and": "&&", "or": "||", "not": "!(…)"}[text]
                raise self.fail(f"`{text}` is not in ROOT's language: write `{remedy}`", start)
            self.found.append(Token("operator", text, start))
            return end
        for part in re.finditer(r"\w+", text):
            if keyword.iskeyword(part.group()):
                raise self.fail(for_reserved(part.group()), start + part.start())
        if "," in text or ":" in text:
            self.check_observable(text, start)
        self.found.append(Token("name", text, start))
        return end

    def joined(self, start: int, end: int) -> int:
        """Return where a name ends if commas join objects to it; between the arguments of a function few do."""
        in_call = bool(self.calls) and self.calls[-1]
        if in_call and end <= self.separate:
            return end
        path, reach = self.text[start:end], end
        while (following := _JOINED.match(self.text, reach)) is not None and not (in_call and not is_object(path)):
            path, reach = following["path"], following.end()
            if in_call and is_of_several(path):
                return reach
        if in_call:
            self.separate = reach
            return end
        return reach

    def check_observable(self, text: str, position: int) -> None:
        """Check that a name with a comma or a colon follows the convention."""
        if read_observable(text) is not None:
            return
        if text.endswith(":") and re.match(r"\w", self.text[position + len(text) :][:1]):
            remedy = "a dot stands before the observable, `jet0.pt`; a colon takes the first objects, `jet:4.pt`"
            raise self.fail(remedy, position + len(text) - 1)
        if "." in text.rpartition(",")[2]:
            reason = f"`{shorten(text)}` is no observable, such as `jet:4.pt` or `muon0,muon1.inv_mass`"
            raise self.fail(reason, position)
        example = shorten(text) + (".inv_mass" if "," in text else ".pt")
        reason = f"`{shorten(text)}` names objects but none of their observables: write for example `{example}`"
        raise self.fail(reason, position)

    def number(self, text: str, position: int) -> None:
        end = position + len(text)
        if end < len(self.text) and re.match(r"[\w.]", self.text[end]):
            raise self.fail(f"`{shorten(text)}{self.text[end]}…` is neither a number nor a name", position)
        if len(self.found) > 1 and self.end == position and self.found[-1].text == "," and not self.calls:
            before = self.found[-2]
            if before.kind == "number":
                reason = f"numbers are written without commas between their digits: `{shorten(before.text + text)}`"
                raise self.fail(reason, before.position)
        if re.fullmatch(r"0\d+", text):
            raise self.fail(f"`{shorten(text)}`: write whole numbers without leading zeros", position)
        value = float(text)
        if not math.isfinite(value):
            raise self.fail(f"`{shorten(text)}` is too large for a double", position)
        if text.isdigit() and int(value) != int(text):
            raise self.fail(f"`{shorten(text)}` has more digits than a double holds exactly", position)
        self.found.append(Token("number", text, position))

    def root(self, position: int) -> int | None:
        """Take what only ROOT's language has: its functions, and elements of arrays; None if there is none here."""
        constant = _ROOT_CONSTANT.match(self.text, position)
        if constant is not None:
            self.found.append(Token("number", repr(_ROOT_CONSTANTS[constant["name"]]), position))
            return constant.end()
        function = _ROOT_FUNCTION.match(self.text, position)
        if function is not None:
            return self.root_function(function)
        element = _ROOT_ELEMENT.match(self.text, position)
        if element is not None:
            if element["object"][-1].isdigit():
                reason = f"`{shorten(element['object'])}` ends in a digit, so that its elements have no name here"
                raise self.fail(f"{reason}; make a column of `{shorten(element.group())}` beforehand", position)
            name = f"{element['object']}{int(element['index'])}.{element['attribute']}"
            self.found.append(Token("name", name, position))
            return element.end()
        return None

    def root_function(self, function: re.Match[str]) -> int | None:
        spelled = function["name"].lower() + (function["dollar"] or "")
        if spelled in _ROOT_FUNCTIONS:
            self.found.append(Token("name", _ROOT_FUNCTIONS[spelled], function.start()))
            return function.end()
        shown = shorten(function.group())
        if function["dollar"]:
            reason = f"`{shown}` has no counterpart here; `count(jet.pt > 30)`, `sum`, `min` and `max` run over objects"
            raise self.fail(f"{reason} in the own language, without --cut-dialect root", function.start())
        if function["library"]:
            raise self.fail(f"no function `{shown}`; {nearest(spelled, _ROOT_FUNCTIONS)}", function.start())
        return None
