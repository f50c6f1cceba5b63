"""Files of events that cuts are applied to, read in blocks: events files here, users' files in `source`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cutflow_cli.apply.conditions import columns_of
from cutflow_cli.apply.cuts_file import CutsFile
from cutflow_cli.errors import InputError, is_disk_fault, nearest
from cutflow_cli.events.columns import is_numeric
from cutflow_cli.events.names import codes_of_names
from cutflow_cli.events.plain import numpy_dtype, open_parquet
from cutflow_cli.events.schema import PROCESS, SPLIT, VARIATION, WEIGHT, EventsMetadata, Role
from cutflow_cli.events.table import open_events
from cutflow_cli.observables import NOTHING, UserObservables
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import Node, names


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How users' files are read.

    Attributes:
        tree: TTree or RNTuple of ROOT files; None for the only one.
        event_format: how files spell objects; None to recognise it.
        user_defined: observables from a user's file.
        columns: columns and observables to write beside the features; None for all columns of flat files.
        whole: whether anything is written.
    """

    tree: str | None = None
    event_format: str | None = None
    user_defined: UserObservables = NOTHING
    columns: tuple[str, ...] | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Events that are counted together.

    Attributes:
        file: where they are.
        process: their process; None where the file knows of none.
        role: of the process, signal or background.
    """

    file: str
    process: str | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive events of a file.

    Attributes:
        events: their number.
        values: by name what cuts and conditions need: shape (events,), or awkward arrays of one value per object.
        before: masks of the preselection, one for each condition that is still to be applied.
        group: positions in the file's groups; None if all events are of the only one; the number behind the last for
            events that do not count.
        weight: of each event; None for 1.
        columns: what is written for those that pass; None if nothing is to be written.
    """

    events: int
    values: Mapping[str, Any]
    before: tuple[NDArray[np.bool_], ...] = ()
    group: NDArray[np.intp] | None = None
    weight: NDArray[np.float64] | None = None
    columns: pa.RecordBatch | None = None

    def parts(self, events: int) -> Iterator[Block]:
        """Cut the block into parts of so many events at most, without copying them."""
        for start in range(0, self.events, events):
            some = slice(start, start + events)
            yield Block(
                min(events, self.events - start),
                {name: values[some] for name, values in self.values.items()},
                tuple(mask[some] for mask in self.before),
                None if self.group is None else self.group[some],
                None if self.weight is None else self.weight[some],
                None if self.columns is None else self.columns[some],
            )


class Input(Protocol):
    """A file that cuts are applied to."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """What its events are counted by."""

    @property
    def dtypes(self) -> Mapping[str, str]:
        """Type of each name that has one value per event."""

    @property
    def preselection(self) -> tuple[str, ...]:
        """Conditions that are still to be applied, as text."""

    @property
    def whole_preselection(self) -> tuple[str, ...]:
        """Conditions that have been or are still to be applied before the cuts, as text."""

    @property
    def luminosity(self) -> float | None:
        """In fb⁻¹, that weights were normalised to; None if to none."""

    @property
    def weighted(self) -> bool:
        """Whether events have weights."""

    @property
    def digest(self) -> str:
        """Digest of the content."""

    @property
    def rows(self) -> int | None:
        """Number of events; None where only reading would tell."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, a sentence each."""

    def blocks(self, flows: Sequence[CutFlow], rows: int, *, whole: bool) -> Iterator[Block]:
        """Read the file from beginning to end.

        Args:
            flows: what is going to be applied.
            rows: events per block at most.
            whole: whether to give the columns that are written, too.

        Raises:
            InputError: if the file is damaged, or a weight is not finite.
        """


class EventsInput:
    """An events file: names are its features, and the preselection has been applied.

    Args:
        path: the file.
        cuts: the cuts.
        weight: instead of its column `weight`; None for that.

    Raises:
        InputError: if it is damaged, or lacks a column.
    """

    def __init__(self, path: Path, cuts: CutsFile, weight: Node | None) -> None:
        events = open_events(path)
        self.path = path
        self.metadata: EventsMetadata = events.metadata
        self.digest = events.digest
        self.rows: int = open_parquet(path).metadata.num_rows
        self.preselection: tuple[str, ...] = ()
        self.whole_preselection = self.metadata.preselection
        self.luminosity = self.metadata.luminosity
        self.weighted = True
        self.groups = tuple(Group(str(path), process.name, process.role) for process in self.metadata.processes)
        self._weight = weight
        self._schema = open_parquet(path).schema_arrow
        self.dtypes = {field.name: numpy_dtype(field.type) for field in self._schema if is_numeric(field.type)}
        self._check(cuts)
        self.notes = tuple(self._compare(cuts))

    def _check(self, cuts: CutsFile) -> None:
        """Refuse cuts on what is no column, or on text."""
        users = dict.fromkeys(columns_of(cuts.flows), f"which {cuts.path} cuts on")
        users |= dict.fromkeys(names(self._weight) if self._weight else (), "which --weight-column names")
        for name, user in users.items():
            if name not in self._schema.names:
                raise InputError(missing_column(str(self.path), name, user, self._schema.names, cuts))
            if name not in self.dtypes:
                msg = f"{self.path}: column {name!r}, {user}, holds {self._schema.field(name).type}, no numbers"
                raise InputError(msg)

    def _compare(self, cuts: CutsFile) -> Iterator[str]:
        """Say where the cuts were made for events that were made in another way."""
        made = {feature.name: feature.expression for feature in self.metadata.features}
        for name in columns_of(cuts.flows):
            wanted = cuts.features.get(name)
            if wanted is not None and name in made and wanted.expression != made[name]:
                yield (
                    f"{self.path}: feature {name!r} is {made[name] or 'a column of its own'} here, "
                    f"{wanted.expression or 'a column of its own'} in {cuts.path}"
                )
        missing = [text for text in cuts.preselection if text not in self.metadata.preselection]
        if missing:
            yield (
                f"{self.path}: its preselection is {' and '.join(self.metadata.preselection) or 'none'}; "
                f"that of {cuts.path} asks for more: {' and '.join(missing)}"
            )

    def blocks(self, flows: Sequence[CutFlow], rows: int, *, whole: bool) -> Iterator[Block]:
        """Read the file; see `Input`."""
        wanted = columns_of(flows)
        numbers = dict.fromkeys((*wanted, *(names(self._weight) if self._weight else (WEIGHT,))))
        needed = [*dict.fromkeys((*numbers, PROCESS, *((SPLIT,) if self._alternatives else ())))]
        try:
            for batch in open_parquet(self.path).iter_batches(batch_size=rows, columns=None if whole else needed):
                values = {name: to_floats(batch.column(name)) for name in numbers}
                yield Block(
                    batch.num_rows,
                    values,
                    group=self._group(batch),
                    weight=self._weights(values, batch.num_rows),
                    columns=batch if whole else None,
                )
        except (pa.ArrowInvalid, OSError) as error:
            if is_disk_fault(error, self.path):
                raise  # the disk's fault, not the file's
            msg = f"{self.path}: damaged Parquet data ({str(error).splitlines()[0]}); make the file again"
            raise InputError(msg) from error

    @property
    def _alternatives(self) -> bool:
        return any(variation.replaced for variation in self.metadata.variations)

    def _group(self, batch: pa.RecordBatch) -> NDArray[np.intp]:
        """Number the processes; alternative samples, which stand for others under a variation, do not count."""
        known = [process.name for process in self.metadata.processes]
        group = codes_of_names(batch.column(PROCESS), known, str(self.path), PROCESS)
        if self._alternatives:
            nominal = pc.not_equal(batch.column(SPLIT).cast(pa.string()), VARIATION).to_numpy(zero_copy_only=False)
            group = np.where(nominal, group, len(known))
        return group

    def _weights(self, values: Mapping[str, NDArray[Any]], events: int) -> NDArray[np.float64]:
        weight = values[WEIGHT] if self._weight is None else evaluate(self._weight, values, events)
        return finite_weights(weight, str(self.path), WEIGHT if self._weight is None else render(self._weight))


def to_floats(column: pa.Array) -> NDArray[Any]:
    """Return numbers in the type that they are compared in; missing ones become NaN."""
    wanted = numpy_dtype(column.type)
    return np.asarray(column.cast(pa.type_for_alias(wanted), safe=False).to_numpy(zero_copy_only=False))


def finite_weights(weight: NDArray[Any], where: str, name: str) -> NDArray[np.float64]:
    """Return weights in double precision.

    Raises:
        InputError: if one is missing or infinite.
    """
    bad = int(np.count_nonzero(~np.isfinite(weight)))
    if bad:
        msg = f"{where}: weight {name!r} has {bad} missing or infinite values; remove or mend those events"
        raise InputError(msg)
    return np.asarray(weight, dtype=np.float64)


def missing_column(where: str, name: str, user: str, there: Sequence[str], cuts: CutsFile) -> str:
    """Say that an events file lacks a column, and how it would come to have it."""
    expression = cuts.feature(name).expression
    remedy = nearest(name, there)
    if expression is not None:
        remedy = f"ingest it: --feature '{name} = {expression}'"
    elif "." in name and "did you mean" not in remedy:
        remedy = f"an events file has features, not objects: ingest it with --feature 'NAME = {name}' and cut on that"
    return f"{where}: no column {name!r}, {user}; {remedy}"
