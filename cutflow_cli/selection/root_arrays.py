"""What ROOT's `Sum$`, `Min$` and `Max$` are in our language."""

from __future__ import annotations

from cutflow_cli.selection.tree import OVER_OBJECTS, Call, Compare, Node, Number, is_condition

OVER_ARRAY = frozenset({"sum$", "min$", "max$"})


def is_over_objects(call: Call) -> bool:
    """Whether a call turns one value per object into one for the event."""
    return call.function in OVER_OBJECTS and len(call.arguments) == 1


def over_array(function: str, argument: Node) -> Node:
    """Translate a function of `OVER_ARRAY`.

    All are 0 over no elements, as in `TTreeFormula`; our own `min` and `max` would be missing there. The sum of a
    condition is for how many elements it holds.

    Args:
        function: in small letters, with its dollar sign.
        argument: a number; for the sum a condition too.
    """
    if function == "sum$":
        return Call("count" if is_condition(argument) else "sum", (argument,))
    elements = Call("count", (Compare((argument, argument), ("==",)),))
    value = Call(function.removesuffix("$"), (argument,))
    return Call("where", (Compare((elements, Number(0.0)), (">",)), value, Number(0.0)))
