"""The events file, written in row groups and described by its own metadata."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli import __version__
from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import (
    HYPOTHESIS,
    LABEL,
    METADATA_KEY,
    PROCESS,
    RESERVED,
    ROW_GROUP_EVENTS,
    SPLIT,
    SPLITS,
    VARIATION,
    WEIGHT,
    EventsMetadata,
    WeightSums,
)


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
        columns = [
            *(feature.name for feature in metadata.features),
            *metadata.spectators,
            *(variation.column for variation in metadata.variations),
        ]
        for name in columns:
            if columns.count(name) > 1 or name in RESERVED:
                why = "is named twice" if columns.count(name) > 1 else "has a meaning of its own in an events file"
                msg = f"{out}: column {name!r} {why}; give it another name"
                raise InputError(msg)
        self._hypothesis = hypothesis
        alternatives = any(variation.replaced for variation in metadata.variations)
        self._splits = [*SPLITS, VARIATION] if alternatives else list(SPLITS)
        self._sums = np.zeros((len(self._names), len(self._splits), 3))
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
        self._pending.append(table)
        self._pending_rows += len(table)
        while self._pending_rows >= ROW_GROUP_EVENTS:
            self._flush(ROW_GROUP_EVENTS)

    def _table(self, batch: EventBatch) -> pa.Table:
        arrays: dict[str, Any] = {}
        for feature in self.metadata.features:
            arrays[feature.name] = pa.array(batch.columns[feature.name], type=pa.type_for_alias(feature.dtype))
        for name in self.metadata.spectators:
            values = batch.columns[name]  # texts that are all missing have no type of their own
            arrays[name] = pa.array(values, type=pa.string() if values.dtype == object else None)
        arrays[LABEL] = pa.array(batch.label, type=pa.int8())
        arrays[WEIGHT] = pa.array(batch.weight, type=pa.float64())
        arrays[PROCESS] = pa.DictionaryArray.from_arrays(batch.process.astype(np.int32), self._names)
        arrays[SPLIT] = pa.DictionaryArray.from_arrays(batch.split.astype(np.int32), self._splits)
        for variation in self.metadata.variations:
            arrays[variation.column] = pa.array(batch.variations[variation.name], type=pa.float64())
        if self._hypothesis:
            assert batch.hypothesis is not None
            arrays[HYPOTHESIS] = pa.array(batch.hypothesis, mask=np.isnan(batch.hypothesis))
        return pa.table(arrays)

    def _flush(self, rows: int) -> None:
        table = pa.concat_tables(self._pending).combine_chunks()
        head, rest = table.slice(0, rows), table.slice(rows)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd", write_page_checksum=True)
        self._count(head)
        self._writer.write_table(head, row_group_size=max(rows, 1))
        self._pending, self._pending_rows = [rest], len(rest)

    def _count(self, group: pa.Table) -> None:
        """Add up a row group; batches of other sizes would add up to other last digits."""
        weight = group.column(WEIGHT).to_numpy()
        process, split = (
            group.column(name).combine_chunks().indices.to_numpy().astype(np.int64) for name in (PROCESS, SPLIT)
        )
        shape = self._sums.shape[:2]
        key = process * shape[1] + split
        for position, values in enumerate((None, weight, weight**2)):
            counted = np.bincount(key, weights=values, minlength=shape[0] * shape[1])
            self._sums[:, :, position] += counted.reshape(shape)

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
                    for split, row in zip(SPLITS, rows[: len(SPLITS)], strict=True)
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
