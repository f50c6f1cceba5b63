"""What to write instead of what other languages, the typesetting of papers and habit suggest."""

from __future__ import annotations

import re

_CHARACTERS = 40  #: of a name or number that a message repeats

#: Operators of other languages, and what they are here.
OPERATORS = {
    "&&": "write `and`", "||": "write `or`", "!": "write `not`", "&": "write `and`",
    "|": "write `or` between conditions, `abs(x)` for an absolute value",
    "~": "write `not`", "^": "write `**` for a power; for conditions `and`, `or`, `not`", "=": "write `==` to compare",
    "=<": "write `<=`", "=>": "write `>=`", "<>": "write `!=`", ":=": "write `==` to compare",
    "//": "write `floor(a / b)`", "<<": "write `* 2**n`", ">>": "write `/ 2**n`",
    "::": "leave the namespace away: `sqrt(x)`, `abs(x)`", "->": "write a dot: `jet0.pt`",
}  # fmt: skip
#: The same for a TCut, where some of them are at home.
ROOT_OPERATORS = OPERATORS | {
    "&": "bits can't be tested; for conditions write `&&`", "|": "bits can't be tested; for conditions write `||`",
    "~": "bits can't be turned; for conditions write `!`", "<<": "bits can't be shifted; write `* 2^n`",
    ">>": "bits can't be shifted; write `floor(x / 2^n)`", "<>": "write `!=`",
    "%": "it works on whole numbers there; use the own language, without --cut-dialect root",
}  # fmt: skip
_OTHERS = {
    "[": "there are no subscripts; the first jet is `jet0`, and `[any]` or `[all]` stand behind a condition",
    "]": "there are no subscripts; the first jet is `jet0`",
    "'": "there is no text, only numbers", '"': "there is no text, only numbers",
    "?": "write `where(condition, a, b)`", ":": "write `where(condition, a, b)`", "#": "there are no comments",
    "{": "use parentheses `( )`", "}": "use parentheses `( )`",
    ".": "a dot stands between an object and its observable, without spaces: `jet0.pt`",
    ";": "write `and` between conditions", "@": "the number of jets is `jet.size`",
    "≥": "write `>=`", "≤": "write `<=`", "≠": "write `!=`", "−": "write `-`", "–": "write `-`",
    "×": "write `*`", "·": "write `*`", "∧": "write `and`", "∨": "write `or`", "¬": "write `not`",
}  # fmt: skip
_ROOT_OTHERS = _OTHERS | {
    "$": "`Length$`, `Iteration$`, `Entry$` have no counterpart; `Sum$`, `Min$` and `Max$` take one argument",
    "[": "an element of an array is `Jet_pt[0]` or `Jet.PT[0]`, with a whole number",
}
_SUBSCRIPT = re.compile(r"\[\ *(?P<start>\d{0,6})\ *(?P<colon>:)?\ *(?P<stop>\d{0,6})\ *\](?:\.(?P<behind>\w{1,40}))?")
_RESERVED = {
    "if": "write `where(condition, a, b)`", "else": "write `where(condition, a, b)`",
    "True": "write `x != 0` for a flag", "False": "write `x == 0` for a flag", "is": "write `==`",
    "in": "write `a < x < b` for a range", "None": "a missing value passes no comparison, so none is needed",
}  # fmt: skip
_WORDS = frozenset({"and", "or", "not", "veto"})
_UNITS = frozenset({"eV", "keV", "MeV", "GeV", "TeV", "gev", "tev", "mev", "fb", "pb", "nb", "mm", "cm", "rad"})
_FOR_FUNCTION = {
    "any": "write `condition [any]`, as in `jet.pt > 30 [any]`",
    "all": "write `condition [all]`, as in `jet.pt > 30 [all]`",
    "size": "write `jet.size`", "len": "write `jet.size`", "mod": "write `a % b`", "fmod": "write `a % b`",
    "pow": "write `a ** b`", "fabs": "write `abs(…)`", "ln": "write `log(…)`",
}  # fmt: skip


def shorten(text: str) -> str:
    """Return a text, or the beginning of a long one."""
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


def for_character(text: str, position: int, name: str | None, dialect: str) -> str:
    """Say what to write instead of a character that the language does not have.

    Args:
        text: the expression.
        position: of the character.
        name: the name that ends right before it, if one does.
        dialect: the language of the expression.
    """
    character = text[position]
    if character == "[":
        quantifier = re.match(r"\[\ *(any|all)\ *\]", text[position : position + 20], re.IGNORECASE)
        if quantifier is not None:
            return f"write `[{quantifier[1].lower()}]`, in small letters"
        subscript = _SUBSCRIPT.match(text[position : position + 2 * _CHARACTERS])
        if dialect == "cutflow" and name and subscript is not None and (subscript["start"] or subscript["colon"]):
            return f"there are no subscripts: write `{_without_subscript(name, subscript)}`"
    remedies = _ROOT_OTHERS if dialect == "root" else _OTHERS
    return remedies.get(character, "names have letters, digits, underscores and dots")


def _without_subscript(name: str, subscript: re.Match[str]) -> str:
    path, dot, quantity = name.rpartition(".") if "." in name else name.partition("_")
    if subscript["behind"] or not dot:
        path, quantity = name, subscript["behind"] or "pt"
    index = subscript["start"] + (f":{subscript['stop']}" if subscript["colon"] else "")
    return shorten(f"{path}{index}.{quantity}")


def broken_operator(text: str, position: int, before: str) -> tuple[str, int] | None:
    """Recognise an operator that is spaced or doubled, such as `> =` or `===`.

    Args:
        text: the expression.
        position: of a `=` or `!` that is no operator.
        before: the operator before it, with nothing but spaces between; empty for none.

    Returns:
        The operator meant, and how many of its characters are in `before`; None if it is something else.
    """
    behind = text[position + 1 :].lstrip(" ")[:1]
    if text[position] == "=" and before in ("<", ">", "!", "<=", ">=", "==", "!="):
        return f"{before[0]}=", len(before)
    if behind == "=":
        return f"{text[position]}=", 0
    if text[position] == "=" and text[position + 1 : position + 2] == "!":
        return "!=", 0
    return None


def for_reserved(word: str) -> str:
    """Say what to write instead of a word of Python that is no name."""
    remedy = _RESERVED.get(word)
    return f"`{word}` is a reserved word, not a name" + (f": {remedy}" if remedy else "")


def for_words(before: str, word: str, dialect: str) -> tuple[str, bool] | None:
    """Recognise two words that stand side by side without an operator.

    Returns:
        What to write, and whether the first of them is to blame; None if there is nothing better to say than that
        an operator is missing.
    """
    if dialect == "root":
        return ("`veto` belongs to the own language: write `!(…)`", True) if before == "veto" else None
    for each, is_first in ((before, True), (word, False)):
        if each.lower() in _WORDS and not each.islower():
            return f"write `{each.lower()}`, in small letters", is_first
        if each in ("any", "all"):
            return f"write `[{each}]` behind the condition, as in `jet.pt > 30 [{each}]`", is_first
    if word in _UNITS:
        return f"leave `{word}` away: numbers have no units here, they mean those of the file", False
    return None


def for_function(name: str) -> str | None:
    """Say what to write instead of a function of other languages; None for others."""
    if name.lower() in _WORDS and not name.islower():
        return f"write `{name.lower()}`, in small letters"
    return _FOR_FUNCTION.get(name)
