"""Python: a module that needs numpy alone, to be imported or pasted into a notebook.

It takes a dict of arrays, a pandas DataFrame or a structured array. Columns are read in double precision, missing
values as NaN; a computed float32 feature is rounded to single precision as in the events file. Source columns
and features become local variables, each cut one line.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import ClassVar

from cutflow_cli.export.dialect import (
    Condition,
    Group,
    ReportUse,
    Selections,
    cut_conditions,
    feature_tree,
    preselection_conditions,
    provenance,
)
from cutflow_cli.export.infix import InfixPrinter, Piece, Words
from cutflow_cli.selection.tree import Arithmetic, ArithmeticOperator, AsFloat32, Compare, CompareOperator, Node, names

_FUNCTIONS = {
    "abs": "np.abs", "sqrt": "np.sqrt", "exp": "np.exp", "log": "np.log", "log10": "np.log10",
    "sin": "np.sin", "cos": "np.cos", "tan": "np.tan",
    "asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan", "atan2": "np.arctan2",
    "sinh": "np.sinh", "cosh": "np.cosh", "tanh": "np.tanh", "floor": "np.floor", "ceil": "np.ceil",
    "min": "np.minimum", "max": "np.maximum",
}  # fmt: skip
#: Names that the function `cuts` of the module uses itself.
_TAKEN = ("np", "events", "_column")
_LINE = 110  #: characters from which on a cut's title and condition go to lines of their own


class NumpyPrinter(InfixPrinter):
    """Renders for numpy arrays, where `&` and `|` bind more tightly than comparisons.

    Args:
        variables: the local variable that holds each column.
    """

    language = "Python"
    words = Words("&", "|", "~", true="np.True_", false="np.False_", or_strength=2, and_strength=3, compare_strength=1)

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def name(self, name: str) -> Piece:
        """Write the variable that holds a column."""
        return self.atom(self._variables[name])

    def infinity(self) -> str:
        """Write positive infinity."""
        return "np.inf"

    def float32(self, operand: Node) -> Piece:
        """Write the rounding to single precision; beside a number numpy would go on in single precision."""
        return self.atom(f"np.float64({self.single(operand)})")

    def single(self, operand: Node) -> str:
        """Write a value of single precision, to be compared with numbers of single precision alone."""
        return f"np.float32({self.piece(operand).text})"

    def where(self, condition: Node, yes: Node, no: Node) -> Piece:
        """Write the choice between two numbers."""
        return self.atom(f"np.where({', '.join(self.piece(part).text for part in (condition, yes, no))})")

    def extremum(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write `min` or `max`, which are NaN if an argument is."""
        texts = [self.piece(argument).text for argument in arguments]
        return self.atom(reduce(lambda left, right: f"{_FUNCTIONS[function]}({left}, {right})", texts))

    def call(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write a function of numpy."""
        return self.atom(f"{_FUNCTIONS[function]}({', '.join(self.piece(part).text for part in arguments)})")

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power as a function, which unlike `**` never becomes complex."""
        return self.atom(f"np.power({self.piece(left).text}, {self.piece(right).text})")

    def remainder(self, left: Node, right: Node) -> Piece:
        """Write a remainder with the sign of the divisor."""
        return self.binary(left, "%", right, self.words.product_strength)

    def arithmetic(self, operator: ArithmeticOperator, left: Node, right: Node) -> Piece:
        """Write arithmetic; of numbers alone as numpy's, since Python's own stops at a division by zero."""
        piece = super().arithmetic(operator, left, right)
        if operator == "**" or names(Arithmetic(operator, left, right)):
            return piece
        first = f"np.float64({self.piece(left).text})"
        second = self.inside(right, self.words.sign_strength)
        return Piece(f"{first} {operator} {second}", piece.strength)

    def link(self, left: Node, operator: CompareOperator, right: Node) -> Piece:
        """Write a comparison; of numbers alone as numpy's, which `~` negates as a truth value."""
        piece = super().link(left, operator, right)
        return piece if names(Compare((left, right), (operator,))) else self.atom(f"np.bool_({piece.text})")


class Python:
    """The dialect `python`."""

    name: ClassVar[str] = "python"
    summary: ClassVar[str] = "a module with select(events), needing numpy alone"
    group: ClassVar[Group] = "Python"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write a module with the functions `cuts(events)` and `select(events)`.

        Raises:
            UsageError: if an expression of the run is not in the language.
        """
        before, after = preselection_conditions(selections), cut_conditions(selections)
        used = selections.flow.columns
        source = selections.columns == "source"
        computed = {name: feature_tree(selections.feature(name)) if source else None for name in used}
        columns = used_columns(before, computed)
        variables = local_variables(columns)
        features = variables | local_variables((name for name, tree in computed.items() if tree is not None), variables)
        sources = NumpyPrinter(variables)
        body = [f"{variables[name]} = _column(events, {quoted(name)})" for name in columns]
        inner = [
            f"{features[name]} = {sources.single(tree.operand) if isinstance(tree, AsFloat32) else sources.text(tree)}"
            for name, tree in computed.items()
            if tree is not None
        ]
        inner += ["return {", *condition_lines(before, sources), *condition_lines(after, NumpyPrinter(features)), "}"]
        return _MODULE.format(
            docstring="\n".join(map(quotable, provenance(selections))),
            columns=", ".join(map(quotable, columns)) or "none at all",
            body="".join(f"    {line}\n" for line in body),
            inner="".join(f"        {line}\n" for line in inner),
        )


def used_columns(before: Iterable[Condition], computed: Mapping[str, Node | None]) -> tuple[str, ...]:
    """Return the columns that the module reads, in the order of first use."""
    found = [name for condition in before for name in names(condition.tree)]
    for name, tree in computed.items():
        found += [name] if tree is None else names(tree)
    return tuple(dict.fromkeys(found))


def condition_lines(conditions: Iterable[Condition], printer: NumpyPrinter) -> list[str]:
    """Write conditions as items of a dict, by their titles."""
    lines: list[str] = []
    for condition in conditions:
        title, text = quoted(condition.title), printer.text(condition.tree)
        if len(title) + len(text) < _LINE:
            lines.append(f"    {title}: {text},")
        else:
            lines += [f"    {title}: (", f"        {text}", "    ),"]
    return lines


def quoted(text: str) -> str:
    """Write a text as Python does, but in double quotes unless it holds one."""
    return repr(text) if '"' in text else '"' + repr("'" + text)[2:]  # a single quote makes Python choose double ones


def local_variables(columns: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give each column a local variable, named alike where Python allows."""
    used = {*_TAKEN, *(taken or {}).values()}
    found: dict[str, str] = {}
    for column in columns:
        stem = re.sub(r"\W", "_", column, flags=re.ASCII)
        if not stem.isidentifier() or keyword.iskeyword(stem):
            stem = f"column_{stem}"
        name, count = stem, 1
        while name in used:
            count += 1
            name = f"{stem}_{count}"
        used.add(name)
        found[column] = name
    return found


def quotable(text: str) -> str:
    r"""Make a text safe inside a docstring."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


_MODULE = '''\
"""{docstring}

    from selection import select

    kept = events[select(events)]      # a DataFrame
"""

import numpy as np


def cuts(events):
    """Say which events pass each cut, whatever the other cuts do.

    Args:
        events: a dict of arrays, a pandas DataFrame or a structured array with the columns
            {columns}.

    Returns:
        The cuts in order: a dict from the cut in words to its boolean mask. A missing value passes no comparison.
    """
{body}    with np.errstate(all="ignore"):
{inner}

def select(events):
    """Say which events pass all cuts: a boolean mask of shape (events,)."""
    mask = np.ones(_rows(events), dtype=bool)
    for passed in cuts(events).values():
        mask &= passed
    return mask


def _column(events, name):
    """Read a column in double precision; what is missing becomes NaN."""
    values = events[name]
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(np.float64).filled(np.nan)
    return np.ascontiguousarray(values, dtype=np.float64)


def _rows(events):
    """Count the events."""
    return max(map(len, events.values()), default=0) if isinstance(events, dict) else len(events)
'''
