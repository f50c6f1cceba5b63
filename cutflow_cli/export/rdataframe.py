"""RDataFrame: a C++ function that adds one named `Filter` a condition, so that `Report()` prints the cut flow.

The strings are compiled by ROOT at run time. Columns keep their own type in a comparison with a number, which C++ does
in double precision; in arithmetic they are made double first, so that integers divide as numbers do.
"""

from __future__ import annotations

import json
from typing import ClassVar

from cutflow_cli.export.cpp import CLikePrinter
from cutflow_cli.export.dialect import Condition, Group, ReportUse, Selections, conditions, provenance
from cutflow_cli.export.infix import Piece
from cutflow_cli.selection.tree import AsFloat32, Name, Node, Number

_SAME = ("abs", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
         "sinh", "cosh", "tanh", "floor", "ceil")  # fmt: skip


class CppPrinter(CLikePrinter):
    """Renders for C++, columns of any arithmetic type."""

    language = "C++"
    functions = {name: f"std::{name}" for name in _SAME}  # noqa: RUF012  (never changed)
    copy_sign = "std::copysign"
    remainder_function = "std::fmod"

    def name(self, name: str) -> Piece:
        """Write a column as a double."""
        return self.atom(f"double({super().name(name).text})")

    def infinity(self) -> str:
        """Write positive infinity."""
        return "std::numeric_limits<double>::infinity()"

    def side(self, node: Node, other: Node) -> str:
        """Write a column or a rounding beside a number as it is: the number makes the comparison one of doubles."""
        if isinstance(node, AsFloat32) and isinstance(other, Number):
            return f"static_cast<float>({self.piece(node.operand).text})"
        if isinstance(node, Name) and isinstance(other, Number):
            return super().name(node.name).text
        return super().side(node, other)

    def float32(self, operand: Node) -> Piece:
        """Write the rounding to single precision, in double precision again, in which arithmetic goes on."""
        return self.atom(f"double(static_cast<float>({self.piece(operand).text}))")

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power."""
        return self.applied("std::pow", left, right)


class RDataFrame:
    """The dialect `rdataframe`."""

    name: ClassVar[str] = "rdataframe"
    summary: ClassVar[str] = "a C++ function for RDataFrame, one named Filter a cut"
    group: ClassVar[Group] = "ROOT and C++"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write a header with the function `cutflow_selection`.

        Raises:
            UsageError: for what C++ has no faithful word for.
        """
        comment = "\n".join(f"// {line}" for line in provenance(selections))
        filters = "".join(f"\n      {_filter(condition)}" for condition in conditions(selections))
        return _HEADER.format(comment=comment, filters=filters)


def _filter(condition: Condition) -> str:
    expression = CppPrinter().text(condition.tree)
    return f".Filter({_literal(expression)}, {_literal(condition.title)})"


def _literal(text: str) -> str:
    """Write a C++ string; JSON's quotes and escapes are C++'s too, and its characters may stay as they are."""
    return json.dumps(text, ensure_ascii=False)


_HEADER = """\
{comment}
//
// C++:     #include "selection.h", then  cutflow_selection(df).Report()->Print();
// Python:  ROOT.gInterpreter.Declare('#include "selection.h"')
//          selected = ROOT.cutflow_selection(ROOT.RDF.AsRNode(df))
#pragma once
#include <ROOT/RDataFrame.hxx>

inline ROOT::RDF::RNode cutflow_selection(ROOT::RDF::RNode df)
{{
   return df{filters};
}}
"""
