"""A shard: the events of some of the files, computed and counted, waiting for the others.

Generator weights, not expected events, stand in it, and no splits: both depend on what the other shards hold. It is a
Parquet file, whose description travels under a key of its own, so that no command takes it for an events file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError, is_disk_fault
from cutflow_cli.events.description import ShardDescription
from cutflow_cli.events.plain import open_parquet
from cutflow_cli.events.read import Block
from cutflow_cli.events.readers.base import first_line
from cutflow_cli.events.recipe import Recipe
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SHARD_KEY

_FILE, _ROW, _WEIGHT, _HYPOTHESIS, _IDENTITY = "#file", "#row", "#weight", "#hypothesis", "#identity"  # never a feature
_VARIED = f"{_WEIGHT}_"


def _schema(recipe: Recipe) -> pa.Schema:
    """Return the columns of a shard, which do not depend on what its files hold."""
    fields: list[tuple[str, Any]] = [(feature.name, pa.type_for_alias(feature.dtype)) for feature in recipe.features]
    fields += [
        (name, pa.string() if dtype in ("object", "") else pa.from_numpy_dtype(np.dtype(dtype)))
        for name, dtype in recipe.spectator_types.items()
    ]
    fields += [(_FILE, pa.int32()), (_ROW, pa.int64()), (_WEIGHT, pa.float64())]
    fields += [(f"{_VARIED}{name}", pa.float64()) for name in recipe.settings.variations]
    if any(process.hypothesis is not None for process in recipe.processes):
        fields.append((_HYPOTHESIS, pa.float64()))
    if recipe.settings.split_by:
        fields.append((_IDENTITY, pa.uint64()))
    return pa.schema(fields)


class ShardWriter:
    """Writes a shard block by block; it appears under its name only when complete. Use as a context manager.

    Args:
        out: the shard.
        recipe: what it is made by.
    """

    def __init__(self, out: Path, recipe: Recipe) -> None:
        self._out = out
        self._schema = _schema(recipe)
        self._description: ShardDescription | None = None
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._manager: AbstractContextManager[Path] | None = None

    def __enter__(self) -> ShardWriter:
        self._manager = written_file(self._out)
        path = self._manager.__enter__()
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_page_checksum=True)
        return self

    def write(self, block: Block) -> None:
        """Append events."""
        arrays: dict[str, Any] = {
            **block.columns,
            _FILE: np.full(len(block), block.file, dtype=np.int32),
            _ROW: block.rows,
            _WEIGHT: block.weight,
            **{f"{_VARIED}{name}": values for name, values in block.variations.items()},
            _HYPOTHESIS: block.hypothesis,
            _IDENTITY: block.identity,
        }
        columns = [
            pa.nulls(len(block), field.type)  # a variation that leaves the process alone
            if arrays.get(field.name) is None
            else pa.array(arrays[field.name], type=field.type)
            for field in self._schema
        ]
        self._pending.append(pa.table(columns, schema=self._schema))
        self._pending_rows += len(block)
        if self._pending_rows >= ROW_GROUP_EVENTS:  # of few events that pass, many row groups would be made
            self._flush()

    def _flush(self) -> None:
        assert self._writer is not None
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending))
        self._pending, self._pending_rows = [], 0

    def finish(self, description: ShardDescription) -> None:
        """Say what has been written; without this nothing appears."""
        self._description = description

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._manager is not None
        assert self._writer is not None
        try:
            try:
                if kind is None:
                    assert self._description is not None
                    self._flush()
                    self._writer.add_key_value_metadata({SHARD_KEY: self._description.to_json()})
            finally:
                self._writer.close()
        except BaseException as failure:  # a full disk may be met as late as in the footer
            self._manager.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._manager.__exit__(kind, error, trace)


class ShardFile:
    """A shard for reading; it is open only while its events are read, since there may be thousands.

    Raises:
        InputError: if it is missing, damaged, or no shard.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(open_parquet(path)) as parquet:
            raw = (parquet.metadata.metadata or {}).get(SHARD_KEY)
            if raw is None:
                msg = f"{path}: is no shard of an ingest (cutflow ingest --shard makes them)"
                raise InputError(msg)
            self.description = ShardDescription.from_json(raw, str(path))
            counted, rows = self.description.events, parquet.metadata.num_rows
            if counted != rows:
                msg = f"{path}: holds {rows} events, but its description counts {counted}; make it again"
                raise InputError(msg)

    def blocks(self, columns: tuple[str, ...] | None = None) -> Iterator[Block]:
        """Read the shard's events.

        Args:
            columns: which features and spectators; None for all.

        Yields:
            Events of one file each, in the order in which they were written; files are counted within the shard.

        Raises:
            InputError: if the data are damaged.
        """
        with closing(open_parquet(self.path)) as parquet:
            names = parquet.schema_arrow.names
            own = tuple(name for name in names if not name.startswith("#")) if columns is None else columns
            wanted = [*(name for name in names if name.startswith("#")), *own]
            try:
                for batch in parquet.iter_batches(batch_size=ROW_GROUP_EVENTS, columns=wanted):
                    file = batch.column(_FILE).to_numpy()
                    for start, stop in _runs(file):
                        yield _block(batch.slice(start, stop - start), int(file[start]), own)
            except (pa.ArrowException, OSError) as error:
                if is_disk_fault(error, self.path):
                    raise  # the disk's fault, not the file's
                msg = f"{self.path}: damaged shard ({first_line(error)}); make it again"
                raise InputError(msg) from error


def _block(batch: pa.RecordBatch, file: int, columns: tuple[str, ...]) -> Block:
    """Turn rows of one file into a block."""

    def array(name: str) -> Any:  # noqa: ANN401
        return batch.column(name).to_numpy(zero_copy_only=False)

    names = batch.schema.names
    varied = [name for name in names if name.startswith(_VARIED) and not batch.column(name).null_count]
    return Block(
        file=file,
        rows=array(_ROW),
        columns={name: array(name) for name in columns},
        weight=array(_WEIGHT),
        variations={name.removeprefix(_VARIED): array(name) for name in varied},
        hypothesis=array(_HYPOTHESIS) if _HYPOTHESIS in names else None,
        identity=array(_IDENTITY) if _IDENTITY in names else None,
    )


def _runs(values: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """Yield where equal values begin and end."""
    edges = np.flatnonzero(np.diff(values)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)


def digest_of_shard(path: Path) -> str | None:
    """Return the digest of a shard's inputs and settings; None for what is none or can't be read."""
    if not path.is_file():
        return None
    try:
        return ShardFile(path).description.digest
    except InputError:
        return None
