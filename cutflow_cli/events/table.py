"""The events file: written in row groups, read in batches, described by its own metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli import __version__
from cutflow_cli.artifacts import file_digest, written_file
from cutflow_cli.errors import InputError, nearest
from cutflow_cli.events import plain
from cutflow_cli.events.batch import EventBatch, EventSample
from cutflow_cli.events.schema import (
    HYPOTHESIS,
    LABEL,
    METADATA_KEY,
    PROCESS,
    RESERVED,
    ROW_GROUP_EVENTS,
    SPLIT,
    SPLITS,
    WEIGHT,
    EventsMetadata,
    Split,
    WeightSums,
)
from cutflow_cli.events.splits import SplitFractions


class EventsWriter:
    """Writes an events file batch by batch; it appears under its name only when complete.

    Use as a context manager. Sums of weights per process and split are accumulated and stored with the metadata.

    Args:
        out: the file to write.
        metadata: the description, without the processes' `splits`, which the writer fills.
        hypothesis: whether batches carry a hypothesis column.

    Raises:
        InputError: if two columns have the same name, or one that is reserved.
    """

    def __init__(self, out: Path, metadata: EventsMetadata, *, hypothesis: bool = False) -> None:
        self._out = out
        self.metadata = metadata
        self._names = [process.name for process in metadata.processes]
        columns = [*(feature.name for feature in metadata.features), *metadata.spectators]
        for name in columns:
            if columns.count(name) > 1 or name in RESERVED:
                why = "is named twice" if columns.count(name) > 1 else "has a meaning of its own in an events file"
                msg = f"{out}: column {name!r} {why}; give it another name"
                raise InputError(msg)
        self._hypothesis = hypothesis
        self._sums = np.zeros((len(self._names), len(SPLITS), 3))
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._manager: AbstractContextManager[Path] | None = None
        self._path: Path | None = None

    def __enter__(self) -> EventsWriter:
        self._manager = written_file(self._out)
        self._path = self._manager.__enter__()
        return self

    def write(self, batch: EventBatch) -> None:
        """Append events.

        Args:
            batch: all features and spectators of the metadata, in any order.

        Raises:
            InputError: if a weight is not finite, for then no yield is.
        """
        bad = int(np.count_nonzero(~np.isfinite(batch.weight)))
        if bad:
            msg = f"{self._out}: {bad} events have a weight that is not finite; remove or mend those events"
            raise InputError(msg)
        table = self._table(batch)
        key = batch.process.astype(np.int64) * len(SPLITS) + batch.split
        cells = len(self._names) * len(SPLITS)
        for position, values in enumerate((None, batch.weight, batch.weight**2)):
            sums = np.bincount(key, weights=values, minlength=cells).reshape(len(self._names), len(SPLITS))
            self._sums[:, :, position] += sums
        self._pending.append(table)
        self._pending_rows += len(table)
        while self._pending_rows >= ROW_GROUP_EVENTS:
            self._flush(ROW_GROUP_EVENTS)

    def _table(self, batch: EventBatch) -> pa.Table:
        arrays: dict[str, Any] = {}
        for feature in self.metadata.features:
            arrays[feature.name] = pa.array(batch.columns[feature.name], type=pa.type_for_alias(feature.dtype))
        for name in self.metadata.spectators:
            arrays[name] = pa.array(batch.columns[name])
        arrays[LABEL] = pa.array(batch.label, type=pa.int8())
        arrays[WEIGHT] = pa.array(batch.weight, type=pa.float64())
        arrays[PROCESS] = pa.DictionaryArray.from_arrays(batch.process.astype(np.int32), self._names)
        arrays[SPLIT] = pa.DictionaryArray.from_arrays(batch.split.astype(np.int32), list(SPLITS))
        if self._hypothesis:
            assert batch.hypothesis is not None
            arrays[HYPOTHESIS] = pa.array(batch.hypothesis, mask=np.isnan(batch.hypothesis))
        return pa.table(arrays)

    def _flush(self, rows: int) -> None:
        table = pa.concat_tables(self._pending).combine_chunks()
        head, rest = table.slice(0, rows), table.slice(rows)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd", write_page_checksum=True)
        self._writer.write_table(head, row_group_size=max(rows, 1))
        self._pending, self._pending_rows = [rest], len(rest)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._manager is not None
        try:
            try:
                if kind is None:
                    self._finish()
            finally:
                self._close()
        except BaseException as failure:  # a full disk may be met as late as in the footer
            self._manager.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._manager.__exit__(kind, error, trace)

    def _finish(self) -> None:
        if self._pending_rows or self._writer is None:
            if not self._pending:
                msg = f"{self._out}: no events to write"
                raise InputError(msg)
            self._flush(self._pending_rows)
        assert self._writer is not None
        processes = tuple(
            replace(
                process,
                splits={
                    split: WeightSums(int(row[0]), float(row[1]), float(row[2]))
                    for split, row in zip(SPLITS, rows, strict=True)
                },
            )
            for process, rows in zip(self.metadata.processes, self._sums, strict=True)
        )
        self.metadata = replace(self.metadata, processes=processes, writer_version=__version__)
        self._writer.add_key_value_metadata({METADATA_KEY: self.metadata.to_json()})
        self._writer.close()
        self._writer = None

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class EventsFile:
    """An events file opened for reading; make it with `open_events`.

    Attributes:
        path: the file.
        metadata: its description, made up for a plain Parquet file.
        features: the features to use, in order.
        dtypes: type of each feature's column.
        notes: what a user should know of how the file was understood, a sentence each.
        digest: digest of the file.
        rows: number of events.
    """

    def __init__(
        self, path: Path, parquet: pq.ParquetFile, layout: plain.Layout, features: tuple[str, ...], notes: Iterable[str]
    ) -> None:
        self.path = path
        self._parquet = parquet
        self._layout = layout
        self.metadata = layout.metadata
        self.features = features
        self.notes = tuple(notes)
        self.digest = file_digest(path)
        self.rows: int = parquet.metadata.num_rows
        types = {field.name: plain.numpy_dtype(field.type) for field in parquet.schema_arrow}
        self.dtypes = {name: types[name] for name in features}

    @property
    def reserved_columns(self) -> frozenset[str]:
        """Which of the columns with a meaning of their own the file has."""
        return self._layout.present

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes, in the order that batches count them in."""
        return tuple(process.name for process in self.metadata.processes)

    def batches(self, columns: Sequence[str] | None = None, rows: int = ROW_GROUP_EVENTS) -> Iterator[EventBatch]:
        """Read the file from beginning to end.

        Args:
            columns: which features and spectators to read; None for the features.
            rows: events per batch at most.

        Yields:
            Batches of events in file order.

        Raises:
            InputError: if a column is absent or not numeric, or the file is damaged.
        """
        wanted = tuple(self.features if columns is None else columns)
        for name in wanted:
            if name not in self._parquet.schema_arrow.names:
                msg = f"{self.path}: no column {name!r}; {nearest(name, self._parquet.schema_arrow.names)}"
                raise InputError(msg)
        first_row = 0
        for batch in self._layout.record_batches(self._parquet, wanted, rows):
            yield self._layout.decode(batch, wanted, first_row)
            first_row += batch.num_rows

    def load(self, split: Split | None = None) -> EventSample:
        """Hold the features of one split (or of the whole file) in memory.

        Args:
            split: which split; None for all events.

        Raises:
            InputError: if the file holds no events at all, or can't be read.
        """
        kept = [_select(batch, split) for batch in self.batches()]
        if not kept:
            msg = f"{self.path}: holds no events"
            raise InputError(msg)
        columns = {name: np.concatenate([batch.columns[name] for batch in kept]) for name in self.features}
        wide = any(dtype != "float32" for dtype in self.dtypes.values())
        hypothesis = None
        if kept[0].hypothesis is not None:
            hypothesis = np.concatenate([batch.hypothesis for batch in kept if batch.hypothesis is not None])
        return EventSample(
            features=self.features,
            x=np.stack([columns[name] for name in self.features], axis=1, dtype=np.float64 if wide else np.float32),
            dtypes=self.dtypes,
            label=np.concatenate([batch.label for batch in kept]),
            weight=np.concatenate([batch.weight for batch in kept]),
            process=np.concatenate([batch.process for batch in kept]),
            processes=self.processes,
            hypothesis=hypothesis,
        )


def _select(batch: EventBatch, split: Split | None) -> EventBatch:
    if split is None:
        return batch
    keep: NDArray[np.bool_] = batch.split == SPLITS.index(split)
    return EventBatch(
        columns={name: values[keep] for name, values in batch.columns.items()},
        label=batch.label[keep],
        weight=batch.weight[keep],
        process=batch.process[keep],
        split=batch.split[keep],
        hypothesis=None if batch.hypothesis is None else batch.hypothesis[keep],
    )


def open_events(
    path: Path | str,
    features: Sequence[str] | None = None,
    fractions: SplitFractions | None = None,
    split_seed: int = 0,
) -> EventsFile:
    """Open an events file, or any Parquet file with a column `label`.

    Args:
        path: the file.
        features: which features to use, in this order; None for those of the metadata, or, for a plain file, every
            numeric column without a meaning of its own.
        fractions: shares of the splits where the file has no column `split`.
        split_seed: seed of that assignment.

    Raises:
        InputError: if the file is missing, damaged, no Parquet file, or lacks label or features.
    """
    path = Path(path)
    parquet = plain.open_parquet(path)
    raw = (parquet.schema_arrow.metadata or {}).get(METADATA_KEY) or (parquet.metadata.metadata or {}).get(METADATA_KEY)
    notes: list[str] = []
    if raw is not None:
        layout = plain.Layout.of_events_file(path, parquet, EventsMetadata.from_json(raw, str(path)))
    else:
        layout = plain.Layout.of_plain_file(path, parquet, fractions or SplitFractions(), split_seed, notes)
    chosen = plain.choose_features(path, parquet, layout.metadata, features)
    return EventsFile(path, parquet, layout, chosen, notes)


def description_of(path: Path) -> EventsMetadata | None:
    """Return what a file says about itself; None if it is absent or no events file."""
    if not path.is_file():
        return None
    try:
        return open_events(path).metadata
    except InputError:
        return None
