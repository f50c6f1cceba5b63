"""A shard: the events of some of the files, computed and counted, waiting for the others.

Generator weights, not expected events, stand in it, and no splits: both depend on what the other shards hold. It is a
Parquet file, whose description travels under a key of its own, so that no command takes it for an events file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli.artifacts import written_file
from cutflow_cli.errors import InputError
from cutflow_cli.events.finish import CountedFile
from cutflow_cli.events.read import Block, FileCounts, Stage
from cutflow_cli.events.recipe import Recipe, source_of
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, FeatureInfo, SkippedFile, SourceFile
from cutflow_cli.events.settings import IngestSettings

SHARD_KEY = b"cutflow-shard"
SHARD_SCHEMA_VERSION = 1
_FILE, _ROW, _WEIGHT, _HYPOTHESIS, _IDENTITY = "#file", "#row", "#weight", "#hypothesis", "#identity"  # never a feature


@dataclass(frozen=True, slots=True)
class ShardDescription:
    """What a shard says about itself.

    Attributes:
        settings: of the ingest, the same for all shards.
        features: the features, their types as in the shard.
        spectators: numpy's name of each spectator's type.
        preselection: the conditions applied, in our own language.
        per_object: see `EventsMetadata.per_object`.
        user_defined: digest of the user's own observables; None for none.
        shard: which part of the files, from 1, and of how many.
        files: those read, with what was found in them.
        sources: the same files, for the metadata.
        skipped: those done without.
        formats: how the files of each process were understood.
        digest: of the shard's inputs and settings.
        command: the command line that wrote it.
    """

    settings: IngestSettings
    features: tuple[FeatureInfo, ...]
    spectators: dict[str, str]
    preselection: tuple[str, ...]
    per_object: tuple[str, ...]
    user_defined: str | None
    shard: tuple[int, int]
    files: tuple[CountedFile, ...]
    sources: tuple[SourceFile, ...]
    skipped: tuple[SkippedFile, ...]
    formats: dict[str, str]
    digest: str
    command: str | None

    @classmethod
    def of(cls, recipe: Recipe, files: tuple[CountedFile, ...], command: str | None) -> ShardDescription:
        """Describe what was read by a recipe."""
        return cls(
            settings=recipe.settings,
            features=recipe.features,
            spectators=recipe.spectator_types,
            preselection=recipe.condition_texts,
            per_object=recipe.observables,
            user_defined=recipe.user_defined.digest,
            shard=recipe.shard,
            files=files,
            sources=tuple(source_of(plan.file) for plan in recipe.files),
            skipped=recipe.skipped,
            formats=recipe.formats,
            digest=recipe.digest,
            command=command,
        )

    def to_json(self) -> bytes:
        """Encode for the Parquet metadata."""
        raw: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        raw["settings"] = self.settings.model_dump(mode="json")
        for name in ("features", "sources", "skipped"):
            raw[name] = [asdict(item) for item in raw[name]]
        raw["files"] = [{**asdict(file), "counts": _counts_to_json(file.counts)} for file in self.files]
        return json.dumps({"schema_version": SHARD_SCHEMA_VERSION, **raw}, allow_nan=False).encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> ShardDescription:
        """Decode from the Parquet metadata.

        Raises:
            InputError: if it is damaged, or of another schema than this program knows.
        """
        try:
            raw = json.loads(text)
            version = raw.pop("schema_version")
            if version != SHARD_SCHEMA_VERSION:
                msg = f"{where}: shard of schema version {version}, this cutflow reads {SHARD_SCHEMA_VERSION}"
                raise InputError(msg)
            raw["settings"] = IngestSettings.model_validate(raw["settings"])
            raw["features"] = tuple(FeatureInfo(**item) for item in raw["features"])
            raw["sources"] = tuple(SourceFile(**item) for item in raw["sources"])
            raw["skipped"] = tuple(SkippedFile(**item) for item in raw["skipped"])
            raw["files"] = tuple(
                CountedFile(
                    item["process"],
                    _counts_from_json(item["counts"]),
                    item["beside"],
                    None if item["header"] is None else tuple(item["header"]),
                )
                for item in raw["files"]
            )
            for name in ("preselection", "per_object", "shard"):
                raw[name] = tuple(raw[name])
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"{where}: the shard's description is damaged ({error}); make it again"
            raise InputError(msg) from error


def _counts_to_json(counts: FileCounts) -> dict[str, Any]:
    return {"stages": [asdict(stage) for stage in counts.stages], "not_finite": counts.not_finite}


def _counts_from_json(raw: dict[str, Any]) -> FileCounts:
    return FileCounts([Stage(**stage) for stage in raw["stages"]], raw["not_finite"])


class ShardWriter:
    """Writes a shard block by block; it appears under its name only when complete. Use as a context manager."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._description: ShardDescription | None = None
        self._writer: pq.ParquetWriter | None = None
        self._manager: AbstractContextManager[Path] | None = None
        self._path: Path | None = None

    def __enter__(self) -> ShardWriter:
        self._manager = written_file(self._out)
        self._path = self._manager.__enter__()
        return self

    def write(self, block: Block) -> None:
        """Append events."""
        arrays: dict[str, Any] = {name: pa.array(values) for name, values in block.columns.items()}
        arrays[_FILE] = pa.array(np.full(len(block), block.file, dtype=np.int32))
        arrays[_ROW] = pa.array(block.rows.astype(np.int64))
        arrays[_WEIGHT] = pa.array(block.weight)
        arrays.update({f"{_WEIGHT}_{name}": pa.array(values) for name, values in block.variations.items()})
        if block.hypothesis is not None:
            arrays[_HYPOTHESIS] = pa.array(block.hypothesis)
        if block.identity is not None:
            arrays[_IDENTITY] = pa.array(block.identity)
        table = pa.table(arrays)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd", write_page_checksum=True)
        self._writer.write_table(table)

    def finish(self, description: ShardDescription) -> None:
        """Say what has been written; without this nothing appears."""
        self._description = description

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._manager is not None
        try:
            if kind is None and self._description is not None:
                if self._writer is None:  # no event passed in this shard; the others may hold some
                    self._writer = pq.ParquetWriter(self._path, pa.schema([(_FILE, pa.int32())]))
                self._writer.add_key_value_metadata({SHARD_KEY: self._description.to_json()})
            if self._writer is not None:
                self._writer.close()
        except BaseException as failure:  # a full disk may be met as late as in the footer
            self._manager.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._manager.__exit__(kind, error, trace)


class ShardFile:
    """A shard opened for reading.

    Raises:
        InputError: if it is missing, damaged, or no shard.
    """

    def __init__(self, path: Path) -> None:
        from cutflow_cli.events.plain import open_parquet

        self.path = path
        self._parquet = open_parquet(path)
        raw = (self._parquet.metadata.metadata or {}).get(SHARD_KEY)
        if raw is None:
            msg = f"{path}: is no shard of an ingest (cutflow ingest --shard makes them)"
            raise InputError(msg)
        self.description = ShardDescription.from_json(raw, str(path))

    def blocks(self, columns: tuple[str, ...] | None = None) -> Iterator[Block]:
        """Read the shard's events.

        Args:
            columns: which features and spectators; None for all.

        Yields:
            Events of one file each, in the order in which they were written; files are counted within the shard.
        """
        names = self._parquet.schema_arrow.names
        own = tuple(name for name in names if not name.startswith("#"))
        wanted = [name for name in names if name.startswith("#")] + list(own if columns is None else columns)
        if _WEIGHT not in names:
            return
        for batch in self._parquet.iter_batches(batch_size=ROW_GROUP_EVENTS, columns=wanted):
            file = batch.column(_FILE).to_numpy()
            for start, stop in _runs(file):
                yield self._block(
                    batch.slice(start, stop - start), int(file[start]), own if columns is None else columns
                )

    def _block(self, batch: pa.RecordBatch, file: int, columns: tuple[str, ...]) -> Block:
        def array(name: str) -> Any:  # noqa: ANN401
            return batch.column(name).to_numpy(zero_copy_only=False)

        names = batch.schema.names
        prefix = f"{_WEIGHT}_"
        return Block(
            file=file,
            rows=array(_ROW),
            columns={name: array(name) for name in columns},
            weight=array(_WEIGHT),
            variations={name.removeprefix(prefix): array(name) for name in names if name.startswith(prefix)},
            hypothesis=array(_HYPOTHESIS) if _HYPOTHESIS in names else None,
            identity=array(_IDENTITY) if _IDENTITY in names else None,
        )

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()


def _runs(values: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """Yield where equal values begin and end."""
    edges = np.flatnonzero(np.diff(values)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)


def is_shard(path: Path) -> bool:
    """Whether a Parquet file is a shard; false for what can't be read."""
    try:
        return SHARD_KEY in (pq.read_metadata(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False
