"""The frozen expression tree: what a selection is made of, whatever it is written in.

Everything that is parsed, evaluated or exported passes through these nodes. A dialect that has no word for a node
refuses it (`cutflow_cli.export`) rather than printing something subtly different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

CompareOperator = Literal["<", "<=", ">", ">=", "==", "!="]
ArithmeticOperator = Literal["+", "-", "*", "/", "**", "%"]

#: Functions of the expression language and their number of arguments (None: one or more).
FUNCTIONS: dict[str, int | None] = {
    "abs": 1, "sqrt": 1, "exp": 1, "log": 1, "log10": 1,
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1, "atan2": 2,
    "sinh": 1, "cosh": 1, "tanh": 1, "floor": 1, "ceil": 1,
    "min": None, "max": None, "where": 3, "sum": 1, "count": 1,
}  # fmt: skip
#: What rounding to single precision is called; it is no function of `FUNCTIONS` but a node of its own.
ROUNDING = "float32"
#: Functions that, with one argument, turn one value per object into one per event.
OVER_OBJECTS = frozenset({"min", "max", "sum", "count"})


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A column of the table that the expression is applied to, or an observable (`selection.observable`), by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """Unary minus."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right`, computed in double precision whatever the columns are."""

    operator: ArithmeticOperator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `FUNCTIONS`.

    Those of `OVER_OBJECTS`, with one argument, run over the objects of an event: `count` those for which a condition
    holds, `sum` (0 where there are none), `min` and `max` (missing where there are none).
    """

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AsFloat32:
    """The operand rounded to single precision, as a float32 feature column stores it."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison, chained or not: `operands[0] operators[0] operands[1] operators[1] …`.

    Comparisons with a missing value (NaN) are false, `!=` included.
    """

    operands: tuple[Node, ...]
    operators: tuple[CompareOperator, ...]


@dataclass(frozen=True, slots=True)
class And:
    """True where all operands are."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where any operand is."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a condition, taken after missing values made comparisons false."""

    operand: Node


@dataclass(frozen=True, slots=True)
class AnyObject:
    """Whether a condition holds for any object of the event; over no objects false.

    A condition on the event itself is left as it is.
    """

    operand: Node


@dataclass(frozen=True, slots=True)
class AllObjects:
    """Whether a condition holds for all objects of the event; over no objects false, like `AnyObject`.

    A condition on the event itself is left as it is.
    """

    operand: Node


Node = Number | Name | Negative | Arithmetic | Call | AsFloat32 | Compare | And | Or | Not | AnyObject | AllObjects
CONDITIONS = (Compare, And, Or, Not, AnyObject, AllObjects)


def is_condition(node: Node) -> bool:
    """Whether the node is true or false for an event, rather than a number."""
    return isinstance(node, CONDITIONS)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below a node."""
    match node:
        case Number() | Name():
            return ()
        case Negative(operand) | AsFloat32(operand) | Not(operand) | AnyObject(operand) | AllObjects(operand):
            return (operand,)
        case Arithmetic(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case Compare(operands, _) | And(operands) | Or(operands):
            return operands


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all nodes below it, depth first, from left to right."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node) -> tuple[str, ...]:
    """Return the columns that an expression needs, each once, in order of appearance."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a node with each of the nodes directly below it changed."""
    match node:
        case Number() | Name():
            return node
        case Negative(operand):
            return Negative(change(operand))
        case AsFloat32(operand):
            return AsFloat32(change(operand))
        case Not(operand):
            return Not(change(operand))
        case AnyObject(operand):
            return AnyObject(change(operand))
        case AllObjects(operand):
            return AllObjects(change(operand))
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, change(left), change(right))
        case Call(function, arguments):
            return Call(function, tuple(map(change, arguments)))
        case Compare(operands, operators):
            return Compare(tuple(map(change, operands)), operators)
        case And(operands):
            return And(tuple(map(change, operands)))
        case Or(operands):
            return Or(tuple(map(change, operands)))


def substitute(node: Node, replacements: dict[str, Node]) -> Node:
    """Replace columns by expressions, for example a feature by the expression that it was made from."""
    if isinstance(node, Name):
        return replacements.get(node.name, node)
    return rebuilt(node, lambda part: substitute(part, replacements))
