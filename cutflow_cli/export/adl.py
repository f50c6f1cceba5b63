"""ADL: an analysis description (adl4hep.org) with one `region`, its `select` lines in the order of the cuts.

Features are names that `define` gives to expressions. The language has neither infinities, exponents of ten, nor
functions beyond those below (CutLang, arXiv:2101.09031); choices are written with `and` and `or` (`rewrite`). What its
interpreters make of missing values is theirs; `!=` and chained comparisons are written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from cutflow_cli.export.choices import FMOD, is_choice, without_choices
from cutflow_cli.export.dialect import (
    Group,
    ReportUse,
    Selections,
    conditions,
    cut_conditions,
    feature_tree,
    preselection_conditions,
    provenance,
)
from cutflow_cli.export.infix import InfixPrinter, Piece, Words
from cutflow_cli.export.rewrite import (
    FALSE,
    TRUE,
    folded,
    in_double_precision,
    without_infinities,
)
from cutflow_cli.selection.tree import Arithmetic, AsFloat32, Call, Name, Node, substitute, walk

_FUNCTIONS = frozenset(("abs", "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"))
_IDENTIFIER = re.compile(r"[A-Za-z]\w*", re.ASCII)
_KEYWORDS = frozenset(
    """abs algo algorithm alias all and any bin bins cos cosh cut define def exp histo info log max min none not obj
    object or region reject save select sin sinh size sort sqrt sum table take tan tanh trigger union using
    weight""".split()  # noqa: SIM905
)


class AdlPrinter(InfixPrinter):
    """Renders for ADL."""

    language = "ADL"
    words = Words("and", "or", "NOT ", true="ALL", false="NONE", or_strength=1, and_strength=2, compare_strength=3)

    def name(self, name: str) -> Piece:
        """Write a column by its name.

        Raises:
            UsageError: if ADL reads something else in it.
        """
        if not _IDENTIFIER.fullmatch(name) or name.lower() in _KEYWORDS:
            self.refuse(f"the column name {name!r}")
        return self.atom(name)

    def number(self, value: float) -> Piece:
        """Write a number without exponent, which the language lacks."""
        piece = super().number(value)
        if "e" not in piece.text:
            return piece
        digits = np.format_float_positional(value, unique=True, trim="0")
        return Piece(digits, piece.strength)

    def infinity(self) -> str:
        """Refuse infinity, where it is not compared with.

        Raises:
            UsageError: always.
        """
        self.refuse("infinity")

    def float32(self, operand: Node) -> Piece:
        """Refuse the rounding to single precision, where it is not compared with a number.

        Raises:
            UsageError: always.
        """
        self.refuse_node("the rounding to single precision of", operand)

    def call(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write a function that the language knows.

        Raises:
            UsageError: if it knows none.
        """
        if function == FMOD:
            self.refuse_node("a remainder", Arithmetic("%", arguments[0], arguments[1]))
        if function not in _FUNCTIONS:
            self.refuse_node("this function", Call(function, tuple(arguments)))
        return self.atom(f"{function}({', '.join(self.piece(part).text for part in arguments)})")

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power, in parentheses where anything might group otherwise."""
        least = self.words.atom_strength
        return Piece(f"{self.inside(left, least)} ^ {self.inside(right, least)}", self.words.sign_strength)


class Adl:
    """The dialect `adl`."""

    name: ClassVar[str] = "adl"
    summary: ClassVar[str] = "an ADL region with a select line a cut"
    group: ClassVar[Group] = "publication"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write definitions of features, and the region.

        Raises:
            UsageError: for what ADL has no word for.
        """
        defined = _definitions(selections)
        if selections.columns == "features":
            rendered = conditions(selections)
        else:
            rendered = (*preselection_conditions(selections), *cut_conditions(selections))
        single = {name: AsFloat32(Name(name)) for name, tree in defined.items() if isinstance(tree, AsFloat32)}
        inlined = {name: tree for name, tree in _computed(selections).items() if name not in defined}
        printer = AdlPrinter()
        lines = [f"# {line}" for line in provenance(selections)]
        for name, tree in defined.items():
            value = tree.operand if isinstance(tree, AsFloat32) else tree
            lines += ["", f"define {printer.name(name).text} = {printer.text(folded(value))}"]
        before = len(selections.preselection) if selections.columns == "source" else 0
        lines += ["", "region selection"]
        for number, condition in enumerate(rendered):
            # Features have been defined after the preselection, in which a name is the source's.
            meaning: Mapping[str, Node] = {} if number < before else single | inlined
            tree = _rewritten(folded(without_choices(folded(substitute(condition.tree, dict(meaning))))))
            text = {TRUE: "ALL", FALSE: "NONE"}.get(tree) or printer.text(tree)
            rewritten = number >= before and tree != _rewritten(condition.tree)
            lines.append(f"  select {text}" + (f"  # {condition.title}" if rewritten else ""))
        if not rendered:
            lines.append("  select ALL")
        return "\n".join(lines) + "\n"


def _rewritten(condition: Node) -> Node:
    return folded(without_infinities(in_double_precision(condition)))


def _computed(selections: Selections) -> dict[str, Node]:
    """Return the features that cuts take and that are computed, in the order of the cuts."""
    if selections.columns == "features":
        return {}
    used = selections.flow.columns
    trees = {name: feature_tree(selections.feature(name)) for name in used}
    return {name: tree for name, tree in trees.items() if tree is not None}


def _definitions(selections: Selections) -> dict[str, Node]:
    """Return the features to define: computed without choices, which have to be written out where they are compared.

    A feature by the name of one of the source's columns that anything takes is none of them.
    """
    computed = _computed(selections)
    trees = [*computed.values(), *(condition.tree for condition in preselection_conditions(selections))]
    taken = {node.name for tree in trees for node in walk(tree) if isinstance(node, Name)}

    def plain(tree: Node) -> bool:
        return not any(is_choice(node) for node in walk(tree))

    return {name: tree for name, tree in computed.items() if name not in taken and plain(tree)}
