"""Awkward: a module for events with objects, NanoAOD above all, as arrays of awkward or coffea's NanoEvents.

It is the module of the dialect `python` with words for objects: `fatjet0.mass` is the mass of the first one, missing
(NaN) where there is none; `[any]` and `[all]` are false over no objects; `count` and `sum` are 0 there, `min` and `max`
missing. Only what NanoAOD stores of an object is known, and its number and ratios of N-subjettiness; masses of pairs,
angles between objects and constituents are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar, NoReturn

from cutflow_cli.errors import UsageError
from cutflow_cli.export.awkward_module import HELPERS, MODULE, called_helpers
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
from cutflow_cli.export.infix import Piece
from cutflow_cli.export.python import (
    NumpyPrinter,
    condition_lines,
    local_variables,
    quotable,
    quoted,
    used_columns,
)
from cutflow_cli.observables.quantities import BRANCHES, OF_SEVERAL, canonical, tau_orders
from cutflow_cli.selection.observable import PhysicsObject, read_observable
from cutflow_cli.selection.per_object import one_per_object
from cutflow_cli.selection.tree import OVER_OBJECTS, AllObjects, AnyObject, AsFloat32, Call, Name, Node

#: Other names of collections; the first one that the events have is taken.
_ALIASES = {"missinget": ("missinget", "met"), "met": ("met", "missinget"), "mu": ("mu", "muon")}
_REDUCERS = {"count": "_count", "sum": "_sum", "min": "_least", "max": "_greatest"}


class AwkwardPrinter(NumpyPrinter):
    """Renders for arrays with one value an event, or one an object.

    Args:
        variables: the local variable that holds each column or observable.
        per_object: those with one value for each object.
    """

    language = "awkward code"

    def __init__(self, variables: Mapping[str, str], per_object: AbstractSet[str]) -> None:
        super().__init__(variables)
        self._per_object = per_object

    def piece(self, node: Node) -> Piece:
        """Render a node, also those that run over the objects of an event."""
        match node:
            case AnyObject(operand) | AllObjects(operand) if self.jagged(operand):
                return self.atom(f"{'_any' if isinstance(node, AnyObject) else '_all'}({self.piece(operand).text})")
            case Call(function, (operand,)) if function in OVER_OBJECTS and self.jagged(operand):
                return self.atom(f"{_REDUCERS[function]}({self.piece(operand).text})")
            case _:
                return super().piece(node)

    def jagged(self, node: Node) -> bool:
        """Whether an expression has one value for each object."""
        return one_per_object(node, self._per_object)

    def condition(self, node: Node) -> Node:
        """Return a condition on the event; what holds of objects has to hold of all."""
        return AllObjects(node) if self.jagged(node) else node

    def float32(self, operand: Node) -> Piece:
        """Write the rounding to single precision."""
        if not self.jagged(operand):
            return super().float32(operand)
        return self.atom(f"_doubles(ak.values_astype({self.piece(operand).text}, np.float32))")

    def where(self, condition: Node, yes: Node, no: Node) -> Piece:
        """Write the choice between two numbers."""
        if not any(map(self.jagged, (condition, yes, no))):
            return super().where(condition, yes, no)
        return self.atom(f"ak.where({', '.join(self.piece(part).text for part in (condition, yes, no))})")


class Awkward:
    """The dialect `awkward`."""

    name: ClassVar[str] = "awkward"
    summary: ClassVar[str] = "a module for awkward arrays, with coffea's PackedSelection"
    group: ClassVar[Group] = "Python"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write a module with the functions `cuts`, `select` and `packed` of events.

        Raises:
            UsageError: for observables of objects that NanoAOD does not store.
        """
        before, after = preselection_conditions(selections), cut_conditions(selections)
        used = selections.flow.columns
        source = selections.columns == "source"
        computed = {name: _feature(name, selections) if source else None for name in used}
        columns = used_columns(before, computed)
        reads = {name: _read(name, selections) for name in columns}
        jagged = frozenset(name for name in columns if source and _has_several(name, selections))
        taken = {name: name for name in ("ak", *HELPERS)}
        variables = local_variables(columns, taken)
        derived = (name for name, tree in computed.items() if tree is not None)
        features = variables | local_variables(derived, taken | variables)
        sources = AwkwardPrinter(variables, jagged)
        body = [f"{variables[name]} = {reads[name]}" for name in columns]
        inner = [f"{features[name]} = {_value(sources, tree)}" for name, tree in computed.items() if tree is not None]
        stated = tuple(Condition(one.title, sources.condition(one.tree)) for one in before)
        cuts = AwkwardPrinter(features, frozenset())
        inner += ["return {", *condition_lines(stated, sources), *condition_lines(after, cuts), "}"]
        text = MODULE.format(
            docstring="\n".join(map(quotable, provenance(selections))),
            columns=", ".join(map(quotable, columns)) or "nothing at all",
            body="".join(f"        {line}\n" for line in (*body, *inner)),
        )
        return text + called_helpers(text)


def _feature(name: str, selections: Selections) -> Node | None:
    """Return what a feature is computed from; an observable of objects may be rounded in its column, as they are."""
    feature = selections.feature(name)
    if feature.expression is None and name in selections.per_object and feature.dtype == "float32":
        return AsFloat32(Name(name))
    return feature_tree(feature)


def _value(printer: AwkwardPrinter, tree: Node) -> str:
    return printer.single(tree.operand) if isinstance(tree, AsFloat32) else printer.text(tree)


def _is_observable(name: str, selections: Selections) -> bool:
    return selections.columns == "source" and name in selections.per_object and "." in name


def _has_several(name: str, selections: Selections) -> bool:
    """Whether a name has one value for each object: a collection of objects, or a column of lists."""
    if not _is_observable(name, selections):
        return name in selections.per_object
    written = read_observable(name)
    if written is None or canonical(written.quantity) == "size":
        return False
    words = written.objects[0].indexed()
    return (words[1] is None or written.objects[0].sliced) and words[0].lower() not in ("met", "missinget")


def _read(name: str, selections: Selections) -> str:
    """Write how a column or an observable is read.

    Raises:
        UsageError: if it can't be said.
    """
    if not _is_observable(name, selections):
        return f"_column(events, {quoted(name)})"
    written = read_observable(name)
    if written is None or len(written.objects) > 1 or written.objects[0].sub is not None:
        _refuse(name, "of several objects, or of their constituents")
    chosen, quantity = written.objects[0], canonical(written.quantity)
    word, index = chosen.indexed()
    if word.lower() == "lepton" or quantity in OF_SEVERAL:
        _refuse(name, "of several objects")
    names = _tuple(_ALIASES.get(word.lower(), (word.lower(),)))
    if quantity == "size":
        return f"_size(events, {names}, {index or 0}, {chosen.stop})"
    orders = tau_orders(written.quantity) or ()
    if len(orders) == 2:
        parts = [_chosen(f'_objects(events, {names}, ("tau{order}",))', chosen, index) for order in orders]
        return " / ".join(parts)
    others = () if quantity is None else (*BRANCHES.get(quantity, ()), quantity)
    spelled = dict.fromkeys((written.quantity.lower(), *others))
    return _chosen(f"_objects(events, {names}, {_tuple(spelled)})", chosen, index)


def _tuple(words: Iterable[str]) -> str:
    texts = [quoted(word) for word in words]
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"


def _chosen(values: str, chosen: PhysicsObject, index: int | None) -> str:
    """Write which of the objects are meant."""
    if chosen.sliced:
        return f"_sliced({values}, {index or 0}, {chosen.stop})"
    return values if index is None else f"_nth({values}, {index})"


def _refuse(name: str, what: str) -> NoReturn:
    msg = (
        f"`{name}` is {what}, for which awkward code has no word; add --columns features for code that is applied to "
        "the events file, or take --format text or json, which give the whole selection as it is"
    )
    raise UsageError(msg)
