"""Names bound to the columns of a file: what must be read, and how each is computed from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.observables import arrays
from cutflow_cli.observables.catalogue import Catalogue, EventFormat, named_format
from cutflow_cli.observables.file import AnyColumn, FileLike, Refusal, example_of_text, fits_float32
from cutflow_cli.observables.quantities import CATALOGUE, canonical
from cutflow_cli.observables.several import SEVERAL, Plan, size
from cutflow_cli.observables.steps import Node, Read, Step, evaluate, reads
from cutflow_cli.observables.user import NOTHING, UserObservable, UserObservables
from cutflow_cli.observables.user_values import checked
from cutflow_cli.selection.observable import ObservableName, read_observable

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bound(Generic[AnyColumn]):
    """Observables of one file; made by `bind`.

    Attributes:
        columns: what must be read, each column once.
        format: how the file spells its objects: Delphes, NanoAOD, LHE or flat.
    """

    columns: tuple[AnyColumn, ...]
    format: EventFormat
    _where: str = field(repr=False)
    _plans: Mapping[str, Plan] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were bound."""
        return tuple(self._plans)

    def compute(self, chunk: Mapping[str, Any], names: Iterable[str] | None = None) -> Values:
        """Compute observables of a chunk of events.

        Args:
            chunk: the arrays of `columns`, by name, as a reader yields them.
            names: which observables; None for all.

        Returns:
            By name: for one value per event a numpy array of shape (events,), float64 with NaN for what is missing,
            or for a column of the file as it is, its own type; for one value per object an awkward array
            `events * var * float64`.

        Raises:
            InputError: if a user's function fails, or gives something else than its numbers.
        """
        known: dict[Node, Any] = {}
        with np.errstate(all="ignore"):
            return {name: self._compute(name, chunk, known) for name in (self._plans if names is None else names)}

    def _compute(self, name: str, chunk: Mapping[str, Any], known: dict[Node, Any]) -> Any:  # noqa: ANN401
        try:
            return evaluate(self._plans[name][0], chunk, known)
        except InputError as error:  # from a user's function
            msg = f"{self._where}: observable {name!r}: {error}"
            raise InputError(msg) from error

    def columns_of(self, names: Iterable[str]) -> tuple[AnyColumn, ...]:
        """Return the columns that some of the observables are computed from, each once."""
        needed = {read.column for name in names for read in reads(self._plans[name][0])}
        return tuple(column for column in self.columns if column.name in needed)

    def is_column(self, name: str) -> bool:
        """Whether a name is a column of the file as it is, one number per event."""
        return self._plans[name][0] == Read(name)

    def per_object(self, name: str) -> bool:
        """Whether an observable has one value per object, rather than one per event."""
        return self._plans[name][1]

    def fits_float32(self, name: str) -> bool:
        """Whether single precision keeps the values of every column that an observable is computed from.

        Numbers of objects always fit.
        """
        columns = {column.name: column for column in self.columns}
        return all(fits_float32(columns[read.column]) for read in reads(self._plans[name][0]) if not read.structure)


def bind(
    names: Iterable[str],
    columns: FileLike[AnyColumn],
    *,
    where: str,
    user_defined: UserObservables = NOTHING,
    event_format: str | None = None,
    users: Mapping[str, str] | None = None,
) -> Bound[AnyColumn]:
    """Find out how observables are computed from the columns of a file.

    A name is, in this order: a column of the file, in its exact spelling; an observable of the file's objects
    (`jet0.pt`); a user's observable. A name that is both of the file and of the user is refused.

    Args:
        names: the observables, as written, without spaces.
        columns: the file; columns are described only where that is needed.
        where: the file, for messages.
        user_defined: observables of the user.
        event_format: Delphes, NanoAOD, LHE or flat, in any case; None to recognise it.
        users: what needs a name, for messages, such as `feature 'ratio'`.

    Raises:
        InputError: if the file has no such column, object or observable.
        UsageError: if there is no such format.
    """
    catalogue = Catalogue(columns, None if event_format is None else named_format(event_format))
    binder = _Binder(columns, catalogue, user_defined)
    plans: dict[str, Plan] = {}
    for name in dict.fromkeys(names):
        try:
            plans[name] = binder.plan(name)
        except Refusal as refusal:
            user = "" if users is None or name not in users else f" ({users[name]})"
            msg = f"{where}: {refusal.about(f'{name!r}{user}')}"
            raise InputError(msg) from refusal
    needed = dict.fromkeys(read.column for node, _ in plans.values() for read in reads(node))
    return Bound(tuple(columns.column(name) for name in needed), catalogue.format, where, plans)


class _Binder(Generic[AnyColumn]):
    """Makes the plans of observables of one file."""

    def __init__(self, file: FileLike[AnyColumn], catalogue: Catalogue, user_defined: UserObservables) -> None:
        self._file = file
        self._columns = frozenset(file.names())
        self._catalogue = catalogue
        self._user = {name.lower(): item for name, item in user_defined.by_name.items()}
        self._within: list[str] = []

    def plan(self, name: str) -> Plan:
        """Return how an observable is computed.

        Raises:
            Refusal: if it can't be.
        """
        if name in self._columns:
            self._refuse_both(name)
            return self._column(name)
        written = read_observable(name)
        if written is not None:
            return self._observable(written)
        user = self._user.get(name.lower())
        if user is not None:
            return self._user_defined(user, ())
        raise self._unknown(name)

    def _column(self, name: str) -> Plan:
        column = self._file.column(name)
        if column.kind == "number":
            return Read(name), False
        if column.kind == "list":
            if self._catalogue.owner_of(name) is not None:
                return Step(arrays.nth, (Read(name),), (0,)), False
            return Step(arrays.doubles, (Read(name),)), True
        if column.kind == "text":
            example = example_of_text(self._file, column)
            msg = f"holds text{example}, numbers were expected"
        else:
            msg = f"holds {column.shown}; only columns with one number per event or one per object can be read"
        raise Refusal(msg, "column {} {}")

    def _observable(self, written: ObservableName) -> Plan:
        user = self._user.get(written.quantity.lower())
        if user is not None and user.objects == len(written.objects):
            self._refuse_both(written.quantity, written)
            return self._user_defined(user, tuple(map(str, written.objects)))
        chosen = [self._catalogue.choose(part) for part in written.objects]
        if user is not None:
            msg = f"{user.name} of {user.file} takes {user.objects or 'no'} objects; write {user.usage}"
            raise Refusal(msg)
        quantity = canonical(written.quantity)
        if len(chosen) == 1:
            stored = chosen[0].objects.branch(written.quantity)
            if stored is not None:
                return chosen[0].choose(stored), not chosen[0].one
        if quantity in SEVERAL:
            return SEVERAL[quantity](chosen)
        if quantity == "size":
            return size(chosen)
        if len(chosen) > 1:
            raise Refusal(self._not_of_several(written, quantity))
        return chosen[0].value(written.quantity), not chosen[0].one

    def _not_of_several(self, written: ObservableName, quantity: str | None) -> str:
        if quantity is None:
            near = nearest(written.quantity, [*SEVERAL, *(item.name for item in self._user.values() if item.objects)])
            return f"no observable {written.quantity!r} of several objects; {near}"
        apart = ", ".join(f"{part}.{written.quantity}" for part in written.objects)
        return f"{written.quantity} is of one object or collection; write each by itself ({apart})"

    def _user_defined(self, user: UserObservable, objects: tuple[str, ...]) -> Plan:
        if len(objects) != user.objects:
            msg = f"{user.name} of {user.file} takes {user.objects} objects; write {user.usage}"
            raise Refusal(msg)
        if user.name in self._within:
            msg = f"is defined by itself ({' from '.join([*self._within, user.name])})"
            raise Refusal(msg)
        self._within.append(user.name)
        try:
            plans = [self._argument(user, argument) for argument in user.arguments_for(objects)]
        finally:
            self._within.pop()
        jagged = any(per_object for _, per_object in plans)
        per_object = jagged if user.per_object is None else user.per_object
        inputs = tuple(Step(arrays.doubles, (node,)) for node, _ in plans)
        return Step(checked, inputs, (user, per_object)), per_object

    def _argument(self, user: UserObservable, argument: str) -> Plan:
        try:
            return self.plan(argument)
        except Refusal as refusal:
            msg = f"{user.name} of {user.file}: {refusal.about(repr(argument))}"
            raise Refusal(msg) from refusal

    def _refuse_both(self, name: str, written: ObservableName | None = None) -> None:
        user = self._user.get(name.lower())
        if user is None:
            return
        if written is not None:
            try:
                chosen = self._catalogue.choose(written.objects[0])
            except Refusal:
                return  # an argument may still be known under this name; otherwise it says so itself
            if len(written.objects) > 1 or chosen.objects.branch(name) is None:
                return
        msg = f"both the file and {user.file} have {name}; give the one in {user.file} another name"
        raise Refusal(msg)

    def _unknown(self, name: str) -> Refusal:
        if "." in name or "," in name:
            return Refusal(f"is not <object>.<observable>; observables are {', '.join(CATALOGUE)}")
        objects = read_observable(f"{name}.pt")
        if self._catalogue.collections and objects is not None:
            with suppress(Refusal):
                self._catalogue.choose(objects.objects[0])
                return Refusal(f"is an object, not an observable; write {name}.pt or another of its observables")
        if canonical(name) is not None and self._catalogue.collections:
            return Refusal(f"is an observable without object, and no column; write jet0.{name}, or of another object")
        known = [*self._file.names(), *(item.name for item in self._user.values())]
        return Refusal(nearest(name, known), "no column {}; {}")
