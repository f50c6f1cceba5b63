"""How the columns of a Parquet file become events, with our metadata or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, is_disk_fault, naming, nearest
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.columns import is_numeric, may_cut_on
from cutflow_cli.events.names import codes_of_names
from cutflow_cli.events.ranges import RowRange
from cutflow_cli.events.schema import (
    HYPOTHESIS,
    LABEL,
    PROCESS,
    READ_BUFFER,
    RESERVED,
    ROLES,
    SPLIT,
    SPLITS,
    VARIATION,
    WEIGHT,
    EventsMetadata,
    FeatureInfo,
    ProcessInfo,
    VariationInfo,
    WeightSums,
)
from cutflow_cli.events.splits import SplitFractions, hashed_splits

#: A column that counts the rows of the file; no file has one of the name.
ROW = "#row"
#: What some ntuples write for "background has no mass point".
NO_HYPOTHESIS = -999.0


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        InputError: if it is missing, no Parquet file, truncated, or has one of our columns twice.
    """
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, [name for name in siblings if name.endswith(".parquet")])
        msg = f"{path}: no such file; {hint}"
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path}: is a directory; an events file is one Parquet file"
        raise InputError(msg)
    if not path.is_file():
        msg = f"{path}: is a pipe or a device, a file was expected, which can be read from any place"
        raise InputError(msg)
    try:
        # Nothing that grows with the file or its row groups; with checksums, where the writer made some.
        parquet = pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BUFFER, page_checksum_verification=True)
        names = parquet.schema_arrow.names
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        if is_disk_fault(error, path):
            raise  # the disk's fault, not the file's
        magic = first_bytes(path, 4)
        if not magic:
            msg = f"{path}: is empty, 0 bytes; make it again"
            raise InputError(msg) from error
        why = {b"PAR1": "a truncated or damaged Parquet file, make it again", b"root": "a ROOT file, ingest it first"}
        msg = f"{path}: not readable as Parquet: {why.get(magic, 'another kind of file; `cutflow ingest` reads CSV')}"
        raise InputError(msg) from error
    for name in RESERVED:
        if names.count(name) > 1:
            msg = f"{path}: has {names.count(name)} columns {name!r}, so which one is meant is not known"
            raise InputError(msg)
    return parquet


def first_bytes(path: Path, count: int) -> bytes:
    """Read the beginning of a file; an error of the disk names it."""
    with naming(path), path.open("rb") as stream:
        return stream.read(count)


def numpy_dtype(arrow_type: pa.DataType) -> str:
    """Return the type in which a column's values are compared: float32, or float64 where that would lose something."""
    narrow = (pa.float32(), pa.float16(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16(), pa.bool_())
    return "float32" if arrow_type in narrow else "float64"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a Parquet file's columns are to be read as events.

    Attributes:
        path: the file, for messages.
        metadata: the description.
        present: which of the reserved columns the file has.
        fractions: shares of the splits where there is no split column.
        split_seed: seed of that assignment.
        by_label: whether processes are just the two labels.
        hypothesis_column: which column holds the signal's mass points.
    """

    path: Path
    metadata: EventsMetadata
    present: frozenset[str]
    fractions: SplitFractions
    split_seed: int
    by_label: bool
    hypothesis_column: str = HYPOTHESIS

    @classmethod
    def of_events_file(cls, path: Path, parquet: pq.ParquetFile, metadata: EventsMetadata) -> Layout:
        """Take the file at its word, but not without the columns it must have and the events that it counts."""
        present = frozenset(parquet.schema_arrow.names) & frozenset(RESERVED)
        for column in (LABEL, WEIGHT, PROCESS, SPLIT):
            if column not in present:
                msg = f"{path}: column {column!r} is missing, though its metadata says it is an events file"
                raise InputError(msg)
        counted = sum(process.total.events for process in metadata.processes)
        counted += sum(sums.events for variation in metadata.variations for sums in variation.replaced.values())
        if counted != parquet.metadata.num_rows:
            msg = f"{path}: holds {parquet.metadata.num_rows} events, its metadata counts {counted}; write it anew"
            raise InputError(msg)
        return cls(path, metadata, present, SplitFractions(), 0, by_label=False)

    @classmethod
    def of_plain_file(
        cls,
        path: Path,
        parquet: pq.ParquetFile,
        fractions: SplitFractions,
        seed: int,
        notes: list[str],
        hypothesis_column: str = HYPOTHESIS,
    ) -> Layout:
        """Understand a Parquet file that cutflow did not write, and note how it was understood."""
        schema = parquet.schema_arrow
        if LABEL not in schema.names:
            msg = f"{path}: no column 'label' (1 signal, 0 background); {nearest(LABEL, schema.names)}"
            raise InputError(msg)
        features = tuple(
            FeatureInfo(field.name, numpy_dtype(field.type))
            for field in schema
            if may_cut_on(field) and field.name != hypothesis_column
        )
        present = frozenset(schema.names) & frozenset(RESERVED)
        if hypothesis_column != HYPOTHESIS:
            if hypothesis_column not in schema.names:
                msg = f"{path}: no column {hypothesis_column!r} for the hypotheses; "
                raise InputError(msg + nearest(hypothesis_column, schema.names))
            present |= {HYPOTHESIS}
        if WEIGHT not in present:
            notes.append(f"{path}: no column 'weight', every event counts as one")
        empty = EventsMetadata(features, (), seed=seed)
        layout = cls(
            path, empty, present, fractions, seed, by_label=PROCESS not in present, hypothesis_column=hypothesis_column
        )
        return replace(layout, metadata=replace(empty, processes=layout._count_processes(parquet, notes)))

    def _count_processes(self, parquet: pq.ParquetFile, notes: list[str]) -> tuple[ProcessInfo, ...]:
        """Read the bookkeeping columns once: which processes there are, and what each split holds of them."""
        sums: dict[tuple[str, int], NDArray[np.float64]] = {}
        first_row, flagged = 0, 0
        for batch in self.record_batches(parquet, (), 4 * 131_072):
            names = self._process_names(batch)
            bare = replace(self, by_label=True).decode(batch, (), first_row)
            for name in dict.fromkeys(names.tolist()):
                for label in np.unique(bare.label[names == name]):
                    rows = (names == name) & (bare.label == label)
                    for split in range(len(SPLITS)):
                        w = bare.weight[rows & (bare.split == split)]
                        cell = sums.setdefault((str(name), int(label)), np.zeros((len(SPLITS), 3)))
                        cell[split] += len(w), w.sum(), (w**2).sum()
            if HYPOTHESIS in self.present:
                raw = self._floats(batch, self.hypothesis_column, "float64")
                flagged += int(np.count_nonzero((raw == NO_HYPOTHESIS) & (bare.label == 0)))
            first_row += batch.num_rows
        if flagged:
            notes.append(f"{self.path}: {flagged} background events have the hypothesis -999, read as missing")
        if not sums:
            msg = f"{self.path}: holds no events"
            raise InputError(msg)
        for name, _ in sums:
            if {(name, 0), (name, 1)} <= set(sums):
                msg = f"{self.path}: process {name!r} has events of both labels; a process is signal or background"
                raise InputError(msg)
        return tuple(
            ProcessInfo(
                name,
                ROLES[label],
                splits={
                    split: WeightSums(int(row[0]), float(row[1]), float(row[2]))
                    for split, row in zip(SPLITS, cell, strict=True)
                },
            )
            for (name, label), cell in sums.items()
        )

    def _process_names(self, batch: pa.RecordBatch) -> NDArray[Any]:
        if PROCESS in self.present:
            column = self._texts(batch, PROCESS)
            if column.null_count:
                msg = f"{self.path}: column 'process' holds {column.null_count} missing values; name a process for each"
                raise InputError(msg)
            return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
        labels = self._label(batch)
        return np.array(ROLES, dtype=object)[labels]

    def record_batches(
        self,
        parquet: pq.ParquetFile,
        columns: Sequence[str],
        rows: int,
        variation: VariationInfo | None = None,
        *,
        numbered: bool = False,
        part: RowRange | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read features and bookkeeping columns in file order.

        Events of alternative samples are left out, unless under the variation for which they take the place of others.

        Args:
            parquet: the file.
            columns: features and spectators to read.
            rows: events per batch at most.
            variation: under which weights are wanted; None for those of the column `weight`.
            numbered: whether to add a column `ROW`, which counts what is left out too.
            part: the row groups to read; None for all.

        Raises:
            InputError: if the data can't be decoded.
        """
        reserved = (self.hypothesis_column if name == HYPOTHESIS else name for name in RESERVED if name in self.present)
        varied = () if variation is None else (variation.column,)
        needed = [*dict.fromkeys((*columns, *reserved, *varied))]
        alternatives = any(known.replaced for known in self.metadata.variations)
        try:
            first_row = 0 if part is None else part.first_row
            groups = None if part is None else range(*part.groups)
            for read in parquet.iter_batches(batch_size=rows, columns=needed, row_groups=groups):
                batch = read
                if numbered:
                    batch = batch.append_column(ROW, pa.array(np.arange(first_row, first_row + len(read))))
                first_row += len(read)
                yield batch.filter(_takes_part(batch, variation)) if alternatives else batch
        except (pa.ArrowInvalid, OSError) as error:
            if is_disk_fault(error, self.path):
                raise  # the disk's fault, not the file's
            msg = f"{self.path}: damaged Parquet data ({str(error).splitlines()[0]}); make the file again"
            raise InputError(msg) from error

    def decode(
        self, batch: pa.RecordBatch, columns: Sequence[str], first_row: int, variation: VariationInfo | None = None
    ) -> EventBatch:
        """Turn Arrow columns into arrays.

        Args:
            batch: consecutive rows.
            columns: features and spectators among them.
            first_row: number of the batch's first row in the file.
            variation: under which weights are wanted; None for those of the column `weight`.
        """
        label = self._label(batch)
        rows = batch.num_rows
        weight = np.ones(rows)
        if WEIGHT in self.present:
            weight = self._finite_weights(batch, WEIGHT if variation is None else variation.column)
        names = [process.name for process in self.metadata.processes]
        if self.by_label:
            order = {process.role: position for position, process in enumerate(self.metadata.processes)}
            lookup = np.array([order.get(role, 0) for role in ROLES], dtype=np.int32)
            process = lookup[label]
        else:
            process = codes_of_names(batch.column(PROCESS), names, str(self.path), PROCESS, np.int32)
        if SPLIT in self.present:
            known: list[str] = [*SPLITS] if variation is None else [*SPLITS, VARIATION]
            split = codes_of_names(batch.column(SPLIT), known, str(self.path), SPLIT, np.int8)
        else:
            split = hashed_splits(first_row, rows, self.fractions, self.split_seed)
        hypothesis = None
        if HYPOTHESIS in self.present:
            hypothesis = self._floats(batch, self.hypothesis_column, "float64")
            unset = hypothesis == NO_HYPOTHESIS
            if unset.any():
                hypothesis = np.where(unset & (label == 0), np.nan, hypothesis)
        schema = batch.schema
        values = {name: self._floats(batch, name, numpy_dtype(schema.field(name).type)) for name in columns}
        return EventBatch(values, label, weight, process, split, hypothesis)

    def _label(self, batch: pa.RecordBatch) -> NDArray[np.int8]:
        column = batch.column(LABEL)
        if not is_numeric(column.type):
            msg = f"{self.path}: column 'label' holds {column.type}; it must be 1 (signal) or 0 (background)"
            raise InputError(msg)
        values = np.asarray(column.to_numpy(zero_copy_only=False))
        known = (values == 0) | (values == 1)
        if column.null_count or not known.all():
            bad = "a missing value" if column.null_count else repr(values[~known][0].item())
            msg = f"{self.path}: column 'label' holds {bad}; it must be 1 (signal) or 0 (background)"
            raise InputError(msg)
        return values.astype(np.int8)

    def _finite_weights(self, batch: pa.RecordBatch, name: str = WEIGHT) -> NDArray[np.float64]:
        weight = self._floats(batch, name, "float64")
        bad = int(np.count_nonzero(~np.isfinite(weight)))
        if bad:
            msg = f"{self.path}: column {name!r} holds {bad} missing or infinite values; remove or mend those events"
            raise InputError(msg)
        return weight

    def _floats(self, batch: pa.RecordBatch, name: str, dtype: str) -> NDArray[Any]:
        """Read a numeric column; missing values become NaN."""
        column = batch.column(name)
        if not is_numeric(column.type):
            msg = f"{self.path}: column {name!r} holds {column.type}, numbers were expected"
            raise InputError(msg)
        wide = column.cast(pa.type_for_alias(dtype), safe=False)
        return np.asarray(wide.to_numpy(zero_copy_only=False), dtype=dtype)

    def _texts(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """Read a column of names, whatever it is stored as (text, dictionary, codes)."""
        try:
            return batch.column(name).cast(pa.string())
        except pa.ArrowIndexError as error:
            msg = f"{self.path}: damaged Parquet data (column {name!r}: {error}); make the file again"
            raise InputError(msg) from error
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            msg = f"{self.path}: column {name!r} holds {batch.column(name).type}, names were expected"
            raise InputError(msg) from error


def _takes_part(batch: pa.RecordBatch, variation: VariationInfo | None) -> pa.BooleanArray:
    """Say which events count: under a variation those of an alternative sample instead of the process's own."""
    nominal = pc.not_equal(batch.column(SPLIT).cast(pa.string()), VARIATION)
    if variation is None or not variation.replaced:
        return nominal
    replaced = pc.is_in(batch.column(PROCESS).cast(pa.string()), value_set=pa.array(list(variation.replaced)))
    # An alternative sample of another variation is worth nothing under this one.
    return pc.if_else(nominal, pc.invert(replaced), pc.not_equal(batch.column(variation.column), 0.0))
