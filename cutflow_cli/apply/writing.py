"""The events that pass, written as a Parquet file; of an events file it is an events file again."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli import __version__
from cutflow_cli.apply.counting import StepSums
from cutflow_cli.apply.inputs import Block, to_floats
from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError, UsageError, is_disk_fault
from cutflow_cli.events.names import codes_of_names
from cutflow_cli.events.schema import (
    METADATA_KEY,
    PROCESS,
    ROW_GROUP_EVENTS,
    SPLIT,
    SPLITS,
    VARIATION,
    WEIGHT,
    EventsMetadata,
    FeatureInfo,
    VariationInfo,
    WeightSums,
)
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.parse import parse_arithmetic
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import AsFloat32, Node, substitute

#: Where a file that was written says what was applied, and what passed.
APPLIED_KEY = b"cutflow-applied"


def applied_to(path: Path) -> dict[str, Any] | None:
    """Return what a file that `apply` wrote says about itself; None if it is absent or none of these."""
    if not path.is_file():
        return None
    try:
        raw = (pq.ParquetFile(path).metadata.metadata or {}).get(APPLIED_KEY)
        found = None if raw is None else json.loads(raw)
    except (pa.ArrowException, OSError, ValueError) as error:
        if is_disk_fault(error, path):
            raise
        return None
    return found if isinstance(found, dict) and isinstance(found.get("digest"), str) else None


class PassingWriter:
    """Writes the events that pass, block by block; the file appears under its name only when complete.

    Use as a context manager, and call `finish` when all is written. Without it nothing is left.

    Args:
        out: the file to write.
        mask: name of a column that says which events pass, all of which are then written; None to drop the others.

    Raises:
        UsageError: if there is such a column already, or files to be joined have different columns.
    """

    def __init__(self, out: Path, mask: str | None) -> None:
        self._out, self._mask = out, mask
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._manager: AbstractContextManager[Path] | None = None
        self._path: Path | None = None
        self._schema: pa.Schema | None = None
        self._finished = False

    def __enter__(self) -> Self:
        self._manager = written_file(self._out)
        self._path = self._manager.__enter__()
        return self

    def write(self, columns: pa.RecordBatch, keep: NDArray[np.bool_], where: str) -> None:
        """Append events.

        Args:
            columns: all that is written.
            keep: which pass, shape (events,).
            where: the file they are from, for messages.
        """
        if self._mask is None:
            columns = columns.filter(pa.array(keep))
        elif self._mask in columns.schema.names:
            msg = f"--mask {self._mask}: {where} has a column of this name; choose another"
            raise UsageError(msg)
        else:
            columns = columns.append_column(self._mask, pa.array(keep))
        if self._schema is None:
            kept = {key: value for key, value in (columns.schema.metadata or {}).items() if b"cutflow" not in key}
            self._schema = columns.schema.with_metadata(kept or None)
        elif columns.schema.names != self._schema.names:
            differing = set(columns.schema.names) ^ set(self._schema.names)
            what = f"column {min(differing)!r}" if differing else "the order of columns"
            msg = f"{where}: {what} is not as in the files before; name the columns to write with --column"
            raise UsageError(msg)
        self._pending.append(columns)
        self._pending_rows += columns.num_rows
        while self._pending_rows >= ROW_GROUP_EVENTS:
            self._flush(ROW_GROUP_EVENTS)

    def _flush(self, rows: int) -> None:
        assert self._schema is not None
        try:
            parts = [pa.Table.from_batches([batch]).cast(self._schema) for batch in self._pending]
            table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            msg = f"{self._out}: columns of the files have different types ({str(error).splitlines()[0]})"
            raise UsageError(msg) from error
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd", write_page_checksum=True)
        self._writer.write_table(table.slice(0, rows), row_group_size=max(rows, 1))
        rest = table.slice(rows).to_batches()
        self._pending, self._pending_rows = rest, sum(batch.num_rows for batch in rest)

    def finish(self, applied: dict[str, Any], metadata: EventsMetadata | None) -> None:
        """Complete the file.

        Args:
            applied: what `applied_to` will return; with the key `digest`.
            metadata: of an events file; None for a plain one.
        """
        if self._pending_rows or self._writer is None:
            if self._schema is None:
                msg = f"{self._out}: no events to write"
                raise InputError(msg)
            self._flush(self._pending_rows)
        assert self._writer is not None
        self._writer.add_key_value_metadata({APPLIED_KEY: json.dumps(applied, allow_nan=False)})
        if metadata is not None:
            self._writer.add_key_value_metadata({METADATA_KEY: metadata.to_json()})
        self._writer.close()
        self._writer = None
        self._finished = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._manager is not None
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        finally:
            if error is None and not self._finished:
                error = InterruptedError("not finished")  # for the manager alone, which then removes the file
            self._manager.__exit__(None if error is None else type(error), error, trace)


@dataclass(slots=True)
class EventsTotals:
    """What a new events file holds, for its description.

    Attributes:
        metadata: of the events file that cuts are applied to.
        flow: the cuts, boundaries rounded.
    """

    metadata: EventsMetadata
    flow: CutFlow
    _splits: NDArray[np.float64] = field(init=False)
    _steps: StepSums = field(init=False)
    _replaced: dict[tuple[str, str], WeightSums] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        processes = len(self.metadata.processes)
        self._splits = np.zeros((processes, len(SPLITS), 3))
        self._steps = StepSums(len(self.flow.cuts), processes)

    def add(self, block: Block, depth: NDArray[Any], keep: NDArray[np.bool_], where: str) -> None:
        """Add a block of events."""
        assert block.columns is not None
        assert block.group is not None
        weight = to_floats(block.columns.column(WEIGHT)).astype(np.float64)
        self._steps.add(depth, block.group, weight)
        split = codes_of_names(block.columns.column(SPLIT), [*SPLITS, VARIATION], where, SPLIT)
        nominal = keep & (block.group < len(self.metadata.processes))
        key = block.group[nominal] * len(SPLITS) + split[nominal]
        cells = self._splits[..., 0].size
        for position, values in enumerate((None, weight[nominal], weight[nominal] ** 2)):
            self._splits[..., position] += np.bincount(key, values, cells).reshape(self._splits.shape[:2])
        if (split == len(SPLITS)).any():
            self._add_alternatives(block.columns, keep & (split == len(SPLITS)), where)

    def _add_alternatives(self, columns: pa.RecordBatch, rows: NDArray[np.bool_], where: str) -> None:
        """Count events of alternative samples, which are those of a variation under which they have a weight."""
        known = [process.name for process in self.metadata.processes]
        process = codes_of_names(columns.column(PROCESS), known, where, PROCESS)
        pairs = [(variation, name) for variation in self.metadata.variations for name in variation.replaced]
        for position, (variation, name) in enumerate(pairs):
            weight = to_floats(columns.column(variation.column)).astype(np.float64)
            here = rows & (process == known.index(name))
            others = [other for other, of in pairs[position + 1 :] if of == name]
            if others:  # an event without weight anywhere is of the last
                here &= weight != 0
            rows = rows & ~here
            sums = WeightSums(int(here.sum()), float(weight[here].sum()), float((weight[here] ** 2).sum()))
            self._replaced[variation.name, name] = self._replaced.get((variation.name, name), WeightSums()) + sums

    def _replaced_by(self, variation: VariationInfo) -> dict[str, WeightSums]:
        return {name: self._replaced.get((variation.name, name), WeightSums()) for name in variation.replaced}

    def described(self, command: str | None, digest: str) -> EventsMetadata:
        """Describe the new file: the cuts have become a part of the preselection."""
        passing = self._steps.passing
        old = self.metadata
        processes = []
        for number, process in enumerate(old.processes):
            steps = tuple(WeightSums(int(n), float(w), float(w2)) for n, w, w2 in passing[:, number])
            known = len(process.preselected) == len(old.preselection) + 1
            before = process.preselected if known else steps[:1]
            splits: dict[str, WeightSums] = {
                split: WeightSums(int(row[0]), float(row[1]), float(row[2]))
                for split, row in zip(SPLITS, self._splits[number], strict=True)
            }
            preselected = (*before, *steps[1:]) if known or not old.preselection else ()
            processes.append(replace(process, splits=splits, preselected=preselected))
        return replace(
            old,
            processes=tuple(processes),
            preselection=(*old.preselection, *(_in_source_names(cut, old.features) for cut in self.flow.cuts)),
            variations=tuple(replace(one, replaced=self._replaced_by(one)) for one in old.variations),
            command=command,
            digest=digest,
            writer_version=__version__,
        )


def _in_source_names(cut: Cut, features: tuple[FeatureInfo, ...]) -> str:
    """Write a cut on features as a condition on what they were made from."""
    replacements: dict[str, Node] = {}
    for feature in features:
        if feature.expression is not None:
            tree = parse_arithmetic(feature.expression, f"feature {feature.name!r}: ")
            replacements[feature.name] = AsFloat32(tree) if feature.dtype == "float32" else tree
    condition = cut.expression()
    assert condition is not None  # flow.cuts has none that keep everything
    return render(substitute(condition, replacements))
