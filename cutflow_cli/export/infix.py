"""Write an expression tree with infix operators: what Python with numpy, C++ and TCut have in common.

The languages differ in words, in how tightly these bind, and in what they make of functions, division and columns. A
subclass says so. All agree on the meaning: a chained comparison is the conjunction of its links, and `!=` with a
missing value (NaN) is false, hence `a < b or a > b`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from cutflow_cli.errors import UsageError
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import (
    OVER_OBJECTS,
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
)

_MAX_LENGTH = 20_000  #: characters of one expression; where operands are repeated, text can grow without bound


@dataclass(frozen=True, slots=True)
class Words:
    """A language's words for logic, and how tightly each construct binds (a larger number binds more tightly)."""

    conjunction: str
    disjunction: str
    negation: str
    true: str
    false: str
    or_strength: int
    and_strength: int
    compare_strength: int
    sum_strength: int = 10
    product_strength: int = 11
    sign_strength: int = 12
    atom_strength: int = 13


@dataclass(frozen=True, slots=True)
class Piece:
    """A rendered part of an expression and how tightly it binds."""

    text: str
    strength: int


class InfixPrinter:
    """Renders expression trees; subclasses know one language each.

    Attributes:
        words: the language's words.
        language: its name, for messages.
    """

    words: Words
    language: str

    def text(self, node: Node) -> str:
        """Render an expression.

        Raises:
            UsageError: if the language can't say it.
        """
        text = self.piece(node).text
        if len(text) > _MAX_LENGTH:
            self.refuse(f"an expression of {len(text)} characters")
        return text

    def piece(self, node: Node) -> Piece:
        """Render a node with all that is below it."""
        words = self.words
        match node:
            case Number(value):
                return self.number(value)
            case Name(name):
                return self.name(name)
            case Negative(operand):
                return Piece(f"-{self.inside(operand, words.atom_strength)}", words.sign_strength)
            case Arithmetic(operator, left, right):
                return self.arithmetic(operator, left, right)
            case AsFloat32(operand):
                return self.float32(operand)
            case Call("where", (condition, yes, no)):
                return self.where(condition, yes, no)
            case Call(("min" | "max") as function, (_, _, *_) as arguments):
                return self.extremum(function, arguments)
            case Call(function, (_,)) if function in OVER_OBJECTS:
                self.refuse_node("what is taken over the objects of an event", node)
            case Call(function, arguments):
                return self.call(function, arguments)
            case Compare():
                return self.compare(node)
            case And(operands):
                return self.joined(words.conjunction, operands, words.and_strength, words.true)
            case Or(operands):
                return self.joined(words.disjunction, operands, words.or_strength, words.false)
            case Not(operand):
                return Piece(f"{words.negation}{self.inside(operand, words.atom_strength)}", words.sign_strength)
            case AnyObject(operand) | AllObjects(operand):
                return self.piece(operand)  # all columns have one value for the event: `per_object.require_columns`

    def inside(self, node: Node, at_least: int) -> str:
        """Render a part, in parentheses if it binds less tightly than its place demands."""
        return self.parenthesised(self.piece(node), at_least)

    def parenthesised(self, piece: Piece, at_least: int) -> str:
        """Put a part in parentheses if it binds less tightly than its place demands."""
        return piece.text if piece.strength >= at_least else f"({piece.text})"

    def joined(self, word: str, operands: Sequence[Node], strength: int, empty: str) -> Piece:
        """Join conditions by a word."""
        if len(operands) < 2:
            return self.piece(operands[0]) if operands else self.atom(empty)
        return self.links([self.piece(operand) for operand in operands], word, strength)

    def links(self, pieces: Sequence[Piece], word: str, strength: int) -> Piece:
        """Join rendered conditions by a word; parts joined by the other word get parentheses, needed or not."""
        least = max(self.words.and_strength, self.words.or_strength) + 1
        texts = [piece.text if piece.strength == strength else self.parenthesised(piece, least) for piece in pieces]
        return Piece(f" {word} ".join(texts), strength)

    def compare(self, node: Compare) -> Piece:
        """Render a comparison as the conjunction of its links."""
        triples = zip(node.operands, node.operators, node.operands[1:], strict=False)
        pieces = [self.link(left, operator, right) for left, operator, right in triples]
        return pieces[0] if len(pieces) == 1 else self.links(pieces, self.words.conjunction, self.words.and_strength)

    def link(self, left: Node, operator: CompareOperator, right: Node) -> Piece:
        """Render one comparison of two numbers."""
        words = self.words
        if operator == "!=":
            pieces = [self.link(left, "<", right), self.link(left, ">", right)]
            return self.links(pieces, words.disjunction, words.or_strength)
        sides = f"{self.side(left, right)} {operator} {self.side(right, left)}"
        return Piece(sides, words.compare_strength)

    def side(self, node: Node, other: Node) -> str:
        """Render one side of a comparison, given the other."""
        del other  # a language with types wants to know it
        return self.inside(node, self.words.sum_strength)

    def arithmetic(self, operator: ArithmeticOperator, left: Node, right: Node) -> Piece:
        """Render arithmetic of two numbers."""
        words = self.words
        match operator:
            case "**":
                return self.power(left, right)
            case "%":
                return self.remainder(left, right)
            case "/":
                return self.quotient(left, right)
            case "+" | "-":
                strength = words.sum_strength
            case _:
                strength = words.product_strength
        return self.binary(left, operator, right, strength)

    def binary(self, left: Node, operator: str, right: Node, strength: int) -> Piece:
        """Render an operator that groups from the left; a part that begins with a sign gets parentheses."""
        sides = [self.piece(left), self.piece(right)]
        first, second = (
            f"({side.text})" if side.text.startswith("-") else self.parenthesised(side, strength + position)
            for position, side in enumerate(sides)
        )
        return Piece(f"{first} {operator} {second}", strength)

    def quotient(self, left: Node, right: Node) -> Piece:
        """Render a division by IEEE 754, where a division by zero is infinite or NaN."""
        return self.binary(left, "/", right, self.words.product_strength)

    def atom(self, text: str) -> Piece:
        """Return a part that needs no parentheses anywhere."""
        return Piece(text, self.words.atom_strength)

    def number(self, value: float) -> Piece:
        """Render a number by the shortest digits that give the same double."""
        if math.isnan(value):
            self.refuse("a number that is missing (NaN)")
        text = repr(value) if math.isfinite(value) else self.infinity()
        if math.copysign(1.0, value) > 0:
            return self.atom(text)
        return Piece(text if math.isfinite(value) else f"-{text}", self.words.sign_strength)

    def refuse(self, what: str) -> NoReturn:
        """Say that the language has no word for something."""
        msg = f"{self.language} can't say {what}; export the selection as python or json instead"
        raise UsageError(msg)

    def refuse_node(self, what: str, node: Node) -> NoReturn:
        """Say that the language has no word for a part of an expression, and which part."""
        self.refuse(f"{what}: {render(node)}")

    def infinity(self) -> str:
        """Write positive infinity."""
        raise NotImplementedError

    def name(self, name: str) -> Piece:
        """Write a column, in double precision."""
        raise NotImplementedError

    def float32(self, operand: Node) -> Piece:
        """Write the rounding to single precision."""
        raise NotImplementedError

    def where(self, condition: Node, yes: Node, no: Node) -> Piece:
        """Write the choice between two numbers."""
        raise NotImplementedError

    def extremum(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write `min` or `max`, which are NaN if an argument is."""
        raise NotImplementedError

    def call(self, function: str, arguments: Sequence[Node]) -> Piece:
        """Write a function call."""
        raise NotImplementedError

    def power(self, left: Node, right: Node) -> Piece:
        """Write a power."""
        raise NotImplementedError

    def remainder(self, left: Node, right: Node) -> Piece:
        """Write a remainder with the sign of the divisor, as in Python."""
        raise NotImplementedError
