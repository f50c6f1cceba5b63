"""Computations as small trees, made once per file and computed once per chunk.

Two trees that are equal are the same computation, so what several observables share (a four-momentum, the order of
the leptons) is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Read:
    """A column, as the file has it.

    Attributes:
        column: its name.
        structure: whether only the number or the order of objects is taken from it, not its values.
    """

    column: str
    structure: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A function of other trees.

    Attributes:
        function: called with the values of `inputs`, then `parameters`.
        inputs: other trees.
        parameters: constants.
    """

    function: Callable[..., Any]
    inputs: tuple[Node, ...]
    parameters: tuple[Any, ...] = ()


Node = Read | Step


def evaluate(node: Node, chunk: Mapping[str, Any], known: dict[Node, Any]) -> Any:  # noqa: ANN401
    """Compute a tree.

    Args:
        node: the tree.
        chunk: the columns.
        known: what was computed already for this chunk; added to.
    """
    if isinstance(node, Read):
        return chunk[node.column]
    if node not in known:
        inputs = [evaluate(source, chunk, known) for source in node.inputs]
        known[node] = node.function(*inputs, *node.parameters)
    return known[node]


def reads(node: Node) -> Iterator[Read]:
    """Yield the columns that a tree needs, as often as it names them."""
    if isinstance(node, Read):
        yield node
    else:
        for source in node.inputs:
            yield from reads(source)
