"""What C++ and TCut have in common: words, the conditional operator, functions by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce

from cutflow_cli.export.infix import InfixPrinter, Piece, Words
from cutflow_cli.selection.tree import Call, Node, Number

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
#: Words of C++20 that are no names.
KEYWORDS = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
    compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq""".split()  # noqa: SIM905  (a column of quotes and commas is no easier to read)
)


class CLikePrinter(InfixPrinter):
    """Renders for languages with the operators of C.

    Attributes:
        functions: the language's name of each of our functions, where the call alone says it.
        copy_sign: name of the function that gives its first argument the sign of the second.
        remainder_function: name of the function that gives a remainder with the sign of the dividend.
    """

    words = Words(
        "&&", "||", "!", true="true", false="false", or_strength=1, and_strength=2, compare_strength=3
    )  # comparisons bind more tightly than logic
    functions: Mapping[str, str]
    copy_sign: str
    remainder_function: str

    def name(self, name: str) -> Piece:
        """Write a column by its name.

        Raises:
            UsageError: if the name is no identifier of C++.
        """
        if not _IDENTIFIER.fullmatch(name) or KEYWORDS.intersection(name.split(".")):
            self.refuse(f"the column name {name!r}")
        return self.atom(name)

    def where(self, condition: Node, yes: Node, no: Node) -> Piece:
        """Write the conditional operator, always in parentheses."""
        least = self.words.sum_strength
        chosen = f"{self.inside(yes, least)} : {self.inside(no, least)}"
        return self.atom(f"({self.inside(condition, self.words.or_strength)} ? {chosen})")

    def extremum(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write `min` or `max` as a choice: the libraries' functions drop NaN, a sum keeps it."""
        first, second = ("<", ">=") if function == "min" else (">", "<=")

        def choose(left: Piece, right: Piece) -> Piece:
            a, b = (self.parenthesised(side, self.words.sign_strength) for side in (left, right))
            return self.atom(f"({a} {first} {b} ? {a} : ({a} {second} {b} ? {b} : {a} + {b}))")

        return reduce(choose, (self.piece(argument) for argument in arguments))

    def call(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write a function by the language's name for it.

        Raises:
            UsageError: if it has none.
        """
        if function not in self.functions:
            self.refuse_node("this function", Call(function, tuple(arguments)))
        return self.applied(self.functions[function], *arguments)

    def applied(self, function: str, *arguments: Node) -> Piece:
        """Write a call by its name in the language."""
        return self.atom(f"{function}({', '.join(self.piece(argument).text for argument in arguments)})")

    def remainder(self, left: Node, right: Node) -> Piece:
        """Write numpy's remainder: C's, moved to the divisor's sign, a zero included."""
        raw = self.applied(self.remainder_function, left, right).text
        divisor = self.inside(right, self.words.sign_strength)
        zero = f"{self.copy_sign}(0.0, {divisor})"
        moved = f"(({raw} < 0.0) == ({divisor} < 0.0) ? {raw} : {raw} + {divisor})"
        if isinstance(right, Number) and right.value > 0:
            moved = f"({raw} < 0.0 ? {raw} + {divisor} : {raw})"
        return self.atom(f"({raw} == 0.0 ? {zero} : {moved})")
