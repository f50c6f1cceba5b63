"""TCut: one line for `TTree::Draw`, `TTree::CopyTree` or `TChain`, read by ROOT's TTreeFormula.

TTreeFormula computes in double precision, but not by IEEE 754: a division by zero gives 0, `sqrt` takes the absolute
value, `log` of what is not positive is 0, `exp` is clamped, `2^3^2` groups from the left, `%` is for integers. Hence
functions of TMath (which are C++), and a guard around divisions. It has no rounding to single precision, so a
cut on a computed float32 feature is written at the double where the rounded value passes the boundary.
"""

from __future__ import annotations

from typing import ClassVar

from cutflow_cli.export.cpp import CLikePrinter
from cutflow_cli.export.dialect import Group, ReportUse, Selections, conditions
from cutflow_cli.export.infix import Piece, Words
from cutflow_cli.export.rewrite import MIRRORED, is_step_function, unrounded, unrounded_steps
from cutflow_cli.selection.tree import And, AsFloat32, CompareOperator, Node, Number

_FUNCTIONS = {
    "abs": "TMath::Abs", "sqrt": "TMath::Sqrt", "exp": "TMath::Exp", "log": "TMath::Log", "log10": "TMath::Log10",
    "sin": "TMath::Sin", "cos": "TMath::Cos", "tan": "TMath::Tan",
    "asin": "TMath::ASin", "acos": "TMath::ACos", "atan": "TMath::ATan", "atan2": "TMath::ATan2",
    "sinh": "TMath::SinH", "cosh": "TMath::CosH", "tanh": "TMath::TanH",
    "floor": "TMath::Floor", "ceil": "TMath::Ceil",
}  # fmt: skip


class TCutPrinter(CLikePrinter):
    """Renders for TTreeFormula."""

    language = "a TCut"
    words = Words("&&", "||", "!", true="1", false="0", or_strength=1, and_strength=2, compare_strength=3)
    functions = _FUNCTIONS
    copy_sign = "TMath::Sign"
    remainder_function = "fmod"

    def infinity(self) -> str:
        """Write positive infinity."""
        return "TMath::Infinity()"

    def quotient(self, left: Node, right: Node) -> Piece:
        """Write a division; where the divisor may be zero, with what IEEE 754 gives then."""
        plain = super().quotient(left, right)
        if isinstance(right, Number) and right.value != 0:
            return plain
        numerator = self.inside(left, self.words.atom_strength)
        divisor = self.inside(right, self.words.atom_strength)
        by_zero = f"{numerator} * TMath::Sign(TMath::Infinity(), {divisor})"
        return self.atom(f"({divisor} != 0.0 ? {plain.text} : {by_zero})")

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power as a function; `^` groups otherwise than ours."""
        return self.applied("TMath::Power", left, right)

    def link(self, left: Node, operator: CompareOperator, right: Node) -> Piece:
        """Write a comparison; of a value rounded to float32 with a number, at the equivalent double."""
        if isinstance(right, AsFloat32) and not isinstance(left, AsFloat32):
            return self.link(right, MIRRORED[operator], left)
        if isinstance(left, AsFloat32) and isinstance(right, Number):
            return self.piece(unrounded(left.operand, operator, right.value))
        if isinstance(left, AsFloat32) and is_step_function(right) and operator not in ("==", "!="):
            return self.piece(unrounded_steps(left.operand, operator, right))
        return super().link(left, operator, right)

    def float32(self, operand: Node) -> Piece:
        """Refuse the rounding to single precision, except in a comparison with a number.

        Raises:
            UsageError: always.
        """
        self.refuse_node("the rounding to single precision of", operand)


class Root:
    """The dialect `root`: a TCut."""

    name: ClassVar[str] = "root"
    summary: ClassVar[str] = "a TCut string"
    group: ClassVar[Group] = "ROOT and C++"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write all conditions in one line, `1` if there are none.

        Raises:
            UsageError: for what TTreeFormula has no faithful word for.
        """
        trees = [condition.tree for condition in conditions(selections)]
        return (TCutPrinter().text(And(tuple(trees))) if trees else "1") + "\n"
