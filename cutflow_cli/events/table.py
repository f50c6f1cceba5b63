"""The events file, read in batches: ours, or any Parquet file with a column `label`."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli.artifacts import file_digest
from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.events import plain
from cutflow_cli.events.batch import EventBatch, EventSample
from cutflow_cli.events.columns import choose_features, left_out
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.load import load_samples
from cutflow_cli.events.ranges import RowRange, row_ranges
from cutflow_cli.events.schema import (
    HYPOTHESIS,
    METADATA_KEY,
    RESERVED,
    ROW_GROUP_EVENTS,
    SHARD_KEY,
    SPLIT,
    SPLITS,
    EventsMetadata,
    Split,
    VariationInfo,
)
from cutflow_cli.events.splits import SplitFractions

#: Not in the file, but can be asked for as an input of derived columns: the row of each event in the file.
ROW = plain.ROW


@dataclass(frozen=True, slots=True)
class DerivedColumns:
    """Columns that are not in the file, but follow from those that are; always float32.

    Attributes:
        names: what they are called.
        inputs: columns that they are computed from.
        compute: given the inputs by name, each of shape (events,), returns the columns by name.
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    compute: Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[np.float32]]]


class EventsFile:
    """An events file opened for reading; make it with `open_events`.

    Attributes:
        path: the file.
        metadata: its description, made up for a plain Parquet file.
        features: the features to use, in order.
        dtypes: type of each feature's column.
        digest: digest of the file.
        rows: number of events, without those of alternative samples.
        derived: columns that are computed when they are read (`with_derived`).
        folds: that take the place of the file's splits; None where its splits are used (`with_folds`).
        fold: the one that is left out, and tests; None where all events test.
    """

    def __init__(
        self, path: Path, parquet: pq.ParquetFile, layout: plain.Layout, features: tuple[str, ...], notes: Iterable[str]
    ) -> None:
        self.path = path
        self._place = path.absolute()
        self._parquet = parquet
        self._layout = layout
        self.metadata = layout.metadata
        self.features = features
        self._notes = tuple(notes)
        self.digest = file_digest(path)
        replaced = (sums for variation in self.metadata.variations for sums in variation.replaced.values())
        self.rows: int = parquet.metadata.num_rows - sum(sums.events for sums in replaced)
        types = {field.name: plain.numpy_dtype(field.type) for field in parquet.schema_arrow}
        self.dtypes = {name: types[name] for name in features}
        self.derived: tuple[DerivedColumns, ...] = ()
        self.folds: Folds | None = None
        self.fold: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the file was understood, a sentence each."""
        layout, path = self._layout, self.path
        if self.folds is not None:
            instead = "; its column 'split' is not used" if SPLIT in layout.present else ""
            divided = (
                f"{path}: divided into {self.folds.count} folds by row number with seed {self.folds.seed}{instead}"
            )
            return (*self._notes, divided)
        if SPLIT in layout.present:
            return self._notes
        shares = "/".join(f"{share:g}" for share in layout.fractions.as_tuple())
        assigned = f"{path}: no column 'split', assigned {shares} by row number with split seed {layout.split_seed}"
        return (*self._notes, assigned)

    @property
    def reserved_columns(self) -> frozenset[str]:
        """Which of the columns with a meaning of their own the file has."""
        return self._layout.present

    def column_type(self, name: str) -> str:
        """Return the type in which values of a column are compared.

        Raises:
            InputError: if there is no such column.
        """
        if name in self.dtypes:
            return self.dtypes[name]
        schema = self._parquet.schema_arrow
        if name not in schema.names:
            msg = f"{self.path}: no column {name!r}; {nearest(name, schema.names)}"
            raise InputError(msg)
        return plain.numpy_dtype(schema.field(name).type)

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes, in the order that batches count them in."""
        return tuple(process.name for process in self.metadata.processes)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        rows: int = ROW_GROUP_EVENTS,
        *,
        variation: str | None = None,
        part: RowRange | None = None,
    ) -> Iterator[EventBatch]:
        """Read the file from beginning to end.

        Under a variation, `weight` holds the expected events under it. Where an alternative sample takes the place of
        a process, its events stand for the process (those of weight 0 are left out, as is the process itself). They
        belong to no split, were never trained on, and are all of their sample: to compare with one split, scale
        that to the whole file, as `EventSample.expected` is.

        Args:
            columns: which features and spectators to read; None for the features.
            rows: events per batch at most.
            variation: name of a systematic variation; None for the expected events as they are.
            part: one of `ranges`, which may be read at the same time as others; None for the whole file.

        Yields:
            Batches of events in file order.

        Raises:
            InputError: if a column or variation is absent, a column is not numeric, or the file is damaged or, read
                in parts, not the one any more that was opened.
        """
        parquet = self._parquet if part is None else self._opened_again()
        under = None if variation is None else self._variation(variation)
        wanted = tuple(self.features if columns is None else columns)
        computed = [some for some in self.derived if not set(some.names).isdisjoint(wanted)]
        own = {name for some in computed for name in some.names}
        stored = tuple(
            dict.fromkeys(
                (*(name for name in wanted if name not in own), *(name for some in computed for name in some.inputs))
            )
        )
        numbered = ROW in stored or self.folds is not None
        stored = tuple(name for name in stored if name != ROW)
        for name in stored:
            if name not in parquet.schema_arrow.names:
                msg = f"{self.path}: no column {name!r}; {nearest(name, parquet.schema_arrow.names)}"
                raise InputError(msg)
        first_row = 0 if part is None else part.first_row
        for read in self._layout.record_batches(parquet, stored, rows, under, numbered=numbered, part=part):
            batch = self._layout.decode(read, stored, first_row, under)
            if numbered:
                batch = self._numbered(batch, read.column(ROW).to_numpy())
            for some in computed:
                inputs = {name: batch.columns[name] for name in some.inputs}
                batch.columns.update(some.compute(inputs))
            yield replace(batch, columns={name: batch.columns[name] for name in wanted})
            first_row += read.num_rows

    def ranges(self) -> tuple[RowRange, ...]:
        """Return the parts in which the file can be read."""
        return row_ranges(self._parquet.metadata)

    def _opened_again(self) -> pq.ParquetFile:
        """Open the file for a reader of its own.

        Raises:
            InputError: if there is another file now.
        """
        parquet = plain.open_parquet(self._place)
        if file_digest(self._place) != self.digest:
            msg = f"{self._place}: is not the file that was opened first; leave it in peace and start again"
            raise InputError(msg)
        return parquet

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind, on the way to another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_parquet"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._parquet = self._opened_again()

    def _numbered(self, batch: EventBatch, rows: NDArray[np.int64]) -> EventBatch:
        """Put rows among the columns, and folds in the place of splits."""
        batch.columns[ROW] = rows
        if self.folds is None:
            return batch
        in_split = batch.split < len(SPLITS)  # events of alternative samples are in none
        return replace(batch, split=np.where(in_split, self.folds.splits(rows, self.fold), batch.split))

    def _variation(self, name: str) -> VariationInfo:
        """Look up a variation.

        Raises:
            InputError: if there is none of the name, or the file lacks its column.
        """
        known = {variation.name: variation for variation in self.metadata.variations}
        if name not in known:
            hint = nearest(name, known) if known else "it has none"
            msg = f"{self.path}: no variation {name!r}; {hint}"
            raise InputError(msg)
        if known[name].column not in self._parquet.schema_arrow.names:
            msg = f"{self.path}: column {known[name].column!r} is missing, though its metadata names it; write it anew"
            raise InputError(msg)
        return known[name]

    def load(self, split: Split | None = None) -> EventSample:
        """Hold the features of one split (or of the whole file) in memory.

        Args:
            split: which split; None for all events.

        Raises:
            InputError: if the file holds no events at all, or can't be read.
        """
        return self.load_splits((split,))[0]

    def load_splits(self, splits: Sequence[Split | None], spectators: Sequence[str] = ()) -> tuple[EventSample, ...]:
        """Hold several splits in memory, with one pass over the file.

        Args:
            splits: which; None for all events.
            spectators: columns to keep beside the features.

        Raises:
            InputError: if the file holds no events at all, lacks a column, or can't be read.
        """
        return load_samples(
            self.batches(tuple(dict.fromkeys((*self.features, *spectators)))),
            splits,
            path=str(self.path),
            features=self.features,
            spectators=spectators,
            dtypes={name: self.dtypes[name] for name in self.features},
            processes=self.processes,
        )

    def with_derived(self, derived: Sequence[DerivedColumns]) -> EventsFile:
        """Return the same events with further columns, computed batch by batch when they are read.

        Args:
            derived: the columns; their names must be none of the file's own.
        """
        other = copy.copy(self)
        other.derived = (*self.derived, *derived)
        names = [name for columns in derived for name in columns.names]
        other.dtypes = {**self.dtypes, **dict.fromkeys(names, "float32")}
        return other

    def with_folds(self, folds: Folds, fold: int | None) -> EventsFile:
        """Return the same events divided by folds instead of splits.

        Args:
            folds: how events are divided.
            fold: the fold that tests, the others being for train and validation; None if all events test.
        """
        other = copy.copy(self)
        other.folds, other.fold = folds, fold
        return other


def open_events(
    path: Path | str,
    features: Sequence[str] | None = None,
    fractions: SplitFractions | None = None,
    split_seed: int = 0,
    hypothesis_column: str = HYPOTHESIS,
) -> EventsFile:
    """Open an events file, or any Parquet file with a column `label`.

    Args:
        path: the file.
        features: which features to use, in this order; None for those of the metadata, or, for a plain file, every
            numeric column without a meaning of its own.
        fractions: shares of the splits where the file has no column `split`.
        split_seed: seed of that assignment.
        hypothesis_column: which column of a plain file holds the signal's mass points.

    Raises:
        InputError: if the file is missing, damaged, no Parquet file, or lacks label or features.
    """
    path = Path(path)
    parquet = plain.open_parquet(path)
    raw = (parquet.schema_arrow.metadata or {}).get(METADATA_KEY) or (parquet.metadata.metadata or {}).get(METADATA_KEY)
    notes: list[str] = []
    _refuse_shard(path, (parquet.metadata.metadata or {}).get(SHARD_KEY))
    if raw is not None:
        if hypothesis_column != HYPOTHESIS:
            msg = f"{path}: is an events file, whose mass points are in its column {HYPOTHESIS!r}"
            raise UsageError(f"{msg}; leave the hypothesis column {hypothesis_column!r} out")
        layout = plain.Layout.of_events_file(path, parquet, EventsMetadata.from_json(raw, str(path)))
    else:
        layout = plain.Layout.of_plain_file(
            path, parquet, fractions or SplitFractions(), split_seed, notes, hypothesis_column
        )
    known = tuple(feature.name for feature in layout.metadata.features)
    chosen = choose_features(path, parquet.schema_arrow, known, features)
    if raw is None:
        others = left_out(parquet.schema_arrow, {*RESERVED, hypothesis_column}) if features is None else ""
        notes.insert(0, f"{path}: plain Parquet; features: {', '.join(chosen)}{f'; {others}' if others else ''}")
    return EventsFile(path, parquet, layout, chosen, notes)


def _refuse_shard(path: Path, description: bytes | None) -> None:
    """Refuse a part of an ingest, whose weights mean nothing before the other parts are known."""
    if description is not None:
        match = re.search(rb'"shard": \[(\d+), (\d+)\]', description)
        which = f"shard {int(match[1])} of {int(match[2])}" if match else "a shard"
        msg = f"{path}: is {which} of an ingest; put all of them together with cutflow merge"
        raise InputError(msg)


def description_of(path: Path) -> EventsMetadata | None:
    """Return what a file says about itself; None if it is absent or no events file."""
    if not path.is_file():
        return None
    try:
        return open_events(path).metadata
    except InputError:
        return None
