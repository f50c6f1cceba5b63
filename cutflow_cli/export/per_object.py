"""What code can't say of a selection: observables of objects, which a file gives under no name of its own.

`jet0.pt` may be a column of a flat table, or the first entry of `Jet.PT` or `Jet_pt`; what it was when the events were
ingested is recorded with the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from cutflow_cli.errors import UsageError
from cutflow_cli.export.dialect import Selections, feature_tree, preselection_conditions
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import OVER_OBJECTS, AsFloat32, Call, Name, Node, walk


def require_columns(selections: Selections, dialect: str, where: str) -> None:
    """Check that a selection is made of columns with one value for each event, all that code is written for.

    Args:
        selections: with the only flow that the code is for.
        dialect: what the code is, for the message.
        where: the run, for the message.

    Raises:
        UsageError: if it takes something from the objects of an event, naming it and where it stands.
        ExpressionError: if an expression of the run is not in the language.
    """
    for what, tree in _parts(selections):
        for node in walk(tree):
            observable = isinstance(node, Name) and node.name in selections.per_object
            reduced = isinstance(node, Call) and node.function in OVER_OBJECTS and len(node.arguments) == 1
            if observable or reduced:
                how = "an observable of objects" if observable else "taken over the objects of an event"
                msg = (
                    f"{where}: {what}: `{render(node)}` is {how}, no column of the source, and {dialect} code has no "
                    "word for it; add --columns features for code that is applied to the events file, or take "
                    "--format text or json, which give the whole selection as it is, or awkward for NanoAOD"
                )
                raise UsageError(msg)


def _parts(selections: Selections) -> Iterator[tuple[str, Node]]:
    """Yield all that stands in terms of the source's columns, and what to call it."""
    for text, condition in zip(selections.preselection, preselection_conditions(selections), strict=True):
        yield f"preselection `{text}`", condition.tree
    if selections.columns != "source":
        return
    for name in selections.flow.columns:
        feature = selections.feature(name)
        tree = feature_tree(feature) or Name(name)
        yield f"feature {name!r}", tree.operand if isinstance(tree, AsFloat32) else tree
