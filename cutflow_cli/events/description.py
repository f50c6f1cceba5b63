"""What was read by one job or for one shard: what a shard says about itself, and an events file is described from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from cutflow_cli.errors import InputError
from cutflow_cli.events.finish import CountedFile
from cutflow_cli.events.read import FileCounts
from cutflow_cli.events.readers.base import first_line
from cutflow_cli.events.recipe import Recipe, source_of
from cutflow_cli.events.schema import FeatureInfo, SkippedFile, SourceFile
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.events.stages import Stage

SHARD_SCHEMA_VERSION = 1
_SHOWN_TEXTS = 100  #: texts of columns that pick rows, which messages may need


@dataclass(frozen=True, slots=True)
class ShardDescription:
    """What a shard says about itself.

    Attributes:
        settings: of the ingest, the same for all shards but for `on_bad_file`.
        features: the features, their types as in the shard.
        spectators: numpy's name of each spectator's type; empty where there is no file.
        preselection: the conditions applied, in our own language.
        per_object: see `EventsMetadata.per_object`.
        jagged: names that have one value for each object.
        user_defined: digest of the user's own observables; None for none.
        shard: which part of the files, from 1, and of how many.
        found: digest of the names of all files, those of the other shards included.
        files: those read, with what was found in them.
        sources: the same files, for the metadata.
        formats: how each of them was understood.
        skipped: those done without.
        digest: of the shard's inputs and settings.
        command: the command line that wrote it.
    """

    settings: IngestSettings
    features: tuple[FeatureInfo, ...]
    spectators: dict[str, str]
    preselection: tuple[str, ...]
    per_object: tuple[str, ...]
    jagged: tuple[str, ...]
    user_defined: str | None
    shard: tuple[int, int]
    found: str
    files: tuple[CountedFile, ...]
    sources: tuple[SourceFile, ...]
    formats: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
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
            jagged=tuple(sorted(recipe.per_object)),
            user_defined=recipe.user_defined.digest,
            shard=recipe.shard,
            found=recipe.found,
            files=files,
            sources=tuple(source_of(plan.file) for plan in recipe.files),
            formats=tuple(plan.file.format for plan in recipe.files),
            skipped=recipe.skipped,
            digest=recipe.digest,
            command=command,
        )

    @property
    def formats_of_processes(self) -> dict[str, str]:
        """How the files of each process were understood, for people."""
        found: dict[str, dict[str, None]] = {}
        for file, text in zip(self.files, self.formats, strict=True):
            found.setdefault(file.process, {})[text] = None
        return {name: " and ".join(formats) for name, formats in found.items()}

    @property
    def events(self) -> int:
        """How many events passed the preselection."""
        return sum(file.counts.stages[-1].events for file in self.files)

    def to_json(self) -> bytes:
        """Encode for the Parquet metadata."""
        raw: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        raw["settings"] = self.settings.model_dump(mode="json", exclude_unset=True)  # some mean more than their default
        for name in ("features", "sources", "skipped"):
            raw[name] = [asdict(item) for item in raw[name]]
        raw["files"] = [
            {
                "process": file.process,
                "stages": [[stage.events, stage.sumw, stage.sumw2] for stage in file.counts.stages],
                "not_finite": file.counts.not_finite,
                "texts": sorted(file.counts.texts)[:_SHOWN_TEXTS],
                "beside": file.beside,
                "header": file.header,
            }
            for file in self.files
        ]
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
            raw["files"] = tuple(_counted_file(item) for item in raw["files"])
            for name in ("preselection", "per_object", "jagged", "shard", "formats"):
                raw[name] = tuple(raw[name])
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            what = first_line(error)
            msg = f"{where}: the shard's description is damaged ({what}); make it again"
            raise InputError(msg) from error


def _counted_file(raw: dict[str, Any]) -> CountedFile:
    counts = FileCounts([Stage(*stage) for stage in raw["stages"]], raw["not_finite"], frozenset(raw["texts"]))
    return CountedFile(raw["process"], counts, raw["beside"], None if raw["header"] is None else tuple(raw["header"]))
