"""Query: one line for `DataFrame.query` and `DataFrame.eval` of pandas, with either engine, python or numexpr.

The two have few words in common: no `where`, no `min` and `max`, no infinity, no rounding to single precision, and `%`
has, depending on numexpr's version, the sign of either side. What these say is written with comparisons and logic
instead (`rewrite`). pandas rounds numbers to single precision beside a column of it, hence the remark on columns; it
knows `tan` since version 3.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Sequence
from typing import ClassVar

from cutflow_cli.export.choices import FMOD, without_choices
from cutflow_cli.export.dialect import Group, ReportUse, Selections, conditions
from cutflow_cli.export.infix import InfixPrinter, Piece, Words
from cutflow_cli.export.rewrite import (
    FALSE,
    TRUE,
    folded,
    in_double_precision,
    without_infinities,
)
from cutflow_cli.selection.tree import And, Arithmetic, Call, Node, Number

_FUNCTIONS = {
    "abs": "abs", "sqrt": "sqrt", "exp": "exp", "log": "log", "log10": "log10", "sin": "sin", "cos": "cos",
    "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "floor": "floor", "ceil": "ceil",
}  # fmt: skip
#: What keeps all events, and none, whatever columns there are.
_ALL, _NONE = "index == index", "index != index"


class QueryPrinter(InfixPrinter):
    """Renders for pandas and numexpr, where `&` and `|` bind more tightly than comparisons."""

    language = "a pandas query"
    words = Words("&", "|", "~", true=_ALL, false=_NONE, or_strength=2, and_strength=3, compare_strength=1)

    def name(self, name: str) -> Piece:
        """Write a column, between backticks unless its name is an identifier.

        Raises:
            UsageError: if there is a backtick or a line break in the name.
        """
        if name.isidentifier() and not keyword.iskeyword(name):
            return self.atom(name)
        if "`" in name or "\n" in name:
            self.refuse(f"the column name {name!r}")
        return self.atom(f"`{name}`")

    def infinity(self) -> str:
        """Write positive infinity, for which there is no word, as a product that overflows."""
        return "(1e308 * 10.0)"

    def float32(self, operand: Node) -> Piece:
        """Refuse the rounding to single precision, which is left only where it is not compared with a number.

        Raises:
            UsageError: always.
        """
        self.refuse_node("the rounding to single precision of", operand)

    def call(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write a function that pandas knows.

        Raises:
            UsageError: if it knows none.
        """
        if function == FMOD:
            return self._raw_remainder(*arguments)
        if function not in _FUNCTIONS:
            self.refuse_node("this function", Call(function, tuple(arguments)))
        return self.atom(f"{_FUNCTIONS[function]}({', '.join(self.piece(part).text for part in arguments)})")

    def _raw_remainder(self, left: Node, right: Node) -> Piece:
        """Write a remainder that may have either sign.

        numexpr computes `a - b * floor(a / b)`, which is inexact unless b is a power of two; before, it was C's fmod.
        """
        if not (isinstance(right, Number) and math.frexp(right.value)[0] == 0.5):
            self.refuse_node("a remainder to the last bit, but by a power of two", Arithmetic("%", left, right))
        return self.binary(left, "%", right, self.words.product_strength)

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power, in parentheses where anything might group otherwise."""
        least = self.words.atom_strength
        return Piece(f"{self.inside(left, least)} ** {self.inside(right, least)}", self.words.sign_strength)


class Query:
    """The dialect `query`."""

    name: ClassVar[str] = "query"
    summary: ClassVar[str] = "an expression for pandas' query and eval, both engines"
    group: ClassVar[Group] = "Python"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write all conditions in one line.

        Raises:
            UsageError: for what pandas has no faithful word for.
        """
        trees = tuple(condition.tree for condition in conditions(selections))
        tree = folded(And(trees))
        tree = folded(without_infinities(in_double_precision(folded(without_choices(tree)))))
        text = {TRUE: _ALL, FALSE: _NONE}.get(tree) or QueryPrinter().text(tree)
        return text + "\n"

    def remarks(self, text: str) -> tuple[str, ...]:
        """Say what the frame must be like."""
        del text
        return ("for columns in double precision: events[events.astype('float64').eval(QUERY)]",)
