"""What an events file says about itself: features, processes, normalisation, origin.

The description travels as JSON in the Parquet key-value metadata under `cutflow`, so that pandas, DuckDB and
RDataFrame open the file as any other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cutflow_cli.errors import InputError

SCHEMA_VERSION = 1
METADATA_KEY = b"cutflow"
#: Where a part of an ingest says what it is (`events.shards`).
SHARD_KEY = b"cutflow-shard"
ROW_GROUP_EVENTS = 131_072
#: Bytes of a column that are read at a time, from a disk and from a server. Files of others may be one row group, of
#: which pyarrow otherwise holds all columns; the larger one keeps a server from being asked for each megabyte.
READ_BUFFER, REMOTE_READ_BUFFER = 1 << 20, 1 << 25

Role = Literal["signal", "background"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
#: What stands in the column `split` of events of alternative samples, which belong to no split.
VARIATION = "variation"
ROLES: tuple[Role, ...] = ("background", "signal")  #: position = value of the column `label`

#: Columns with a meaning of their own; none is ever a feature unless named.
LABEL, WEIGHT, PROCESS, SPLIT, HYPOTHESIS = "label", "weight", "process", "split", "hypothesis"
RESERVED = (LABEL, WEIGHT, PROCESS, SPLIT, HYPOTHESIS)


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """One feature column.

    Attributes:
        name: column name.
        dtype: `float32`, or `float64` where the source needs more.
        unit: for example `GeV`; None where there is none.
        label: TeX label for figures; None to use the name.
        expression: what it was computed from, in the source's column names; None if it is the source's own column.
    """

    name: str
    dtype: str = "float32"
    unit: str | None = None
    label: str | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class WeightSums:
    """Sums over the events of a process (or of one split of it) that are in the file.

    Attributes:
        events: number of rows.
        sumw: sum of the column `weight` (expected events).
        sumw2: sum of its squares.
    """

    events: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0

    def __add__(self, other: WeightSums) -> WeightSums:
        return WeightSums(self.events + other.events, self.sumw + other.sumw, self.sumw2 + other.sumw2)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process and how its events were normalised.

    Attributes:
        name: the value in the column `process`.
        role: `signal` or `background`.
        cross_section: in pb; None where weights came as yields.
        generated_events: events generated (or read) before any selection; None if unknown.
        generated_sumw: sum of generator weights over them: the denominator of the normalisation; None if unknown.
        generated_sumw2: sum of their squares; None if unknown.
        splits: what each split of the file holds.
        preselected: what there was before any preselection and after each condition of it, weighted as in the file;
            empty where there was none.
    """

    name: str
    role: Role
    cross_section: float | None = None
    generated_events: int | None = None
    generated_sumw: float | None = None
    generated_sumw2: float | None = None
    splits: dict[str, WeightSums] = field(default_factory=dict)
    preselected: tuple[WeightSums, ...] = ()

    @property
    def total(self) -> WeightSums:
        """All splits together."""
        return sum(self.splits.values(), WeightSums())


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that events came from: path, size in bytes, and a digest that needs no read of the whole file."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that could not be used and was done without: its process, its path, and why."""

    process: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class VariationInfo:
    """A systematic variation: the column `weight_<name>` holds the expected events of each event under it.

    Attributes:
        name: of the variation.
        weight: the generator weight under it, an expression; None if it changes no weights.
        processes: those whose weights it changes.
        replaced: processes whose place an alternative sample takes: what the sample holds. Its events have weight 0
            and `variation` in the column `split`.
    """

    name: str
    weight: str | None = None
    processes: tuple[str, ...] = ()
    replaced: dict[str, WeightSums] = field(default_factory=dict)

    @property
    def column(self) -> str:
        """The column of the events file."""
        return f"{WEIGHT}_{self.name}"


@dataclass(frozen=True, slots=True)
class EventsMetadata:
    """Everything an events file says about itself.

    Attributes:
        features: the features in the order of the flow.
        processes: in order of first appearance.
        luminosity: in fb⁻¹; None where weights came as yields.
        preselection: cut expressions applied before, in source column names.
        per_object: names in preselection and expressions that are no columns of the source with one value for each
            event, but were found as observables of its objects.
        spectators: columns carried along, never trained on.
        variations: systematic variations of weights, and by alternative samples.
        sources: the files read.
        skipped: files that could not be used and were done without.
        command: the command line that wrote the file.
        digest: digest of inputs and settings, by which a repeated command knows that it is done.
        writer_version: version of cutflow that wrote the file.
        seed: seed of the split assignment and, for mocks, of the events.
        schema_version: of this description.
    """

    features: tuple[FeatureInfo, ...]
    processes: tuple[ProcessInfo, ...]
    luminosity: float | None = None
    preselection: tuple[str, ...] = ()
    per_object: tuple[str, ...] = ()
    spectators: tuple[str, ...] = ()
    variations: tuple[VariationInfo, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    command: str | None = None
    digest: str | None = None
    writer_version: str | None = None
    seed: int | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> bytes:
        """Encode for the Parquet metadata."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> EventsMetadata:
        """Decode from the Parquet metadata.

        Args:
            text: the value stored under `cutflow`.
            where: the file, for messages.

        Raises:
            InputError: if it is damaged, or of a later schema than this program knows.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            version = raw.get("schema_version")
            if version != SCHEMA_VERSION:
                msg = f"{where}: events schema version {version}, this cutflow reads {SCHEMA_VERSION}; write it anew"
                raise InputError(msg)
            raw["features"] = tuple(FeatureInfo(**item) for item in raw["features"])
            unknown = [feature.dtype for feature in raw["features"] if feature.dtype not in ("float32", "float64")]
            unknown += [item["role"] for item in raw["processes"] if item["role"] not in ROLES]
            if unknown:
                msg = f"{unknown[0]!r} is not known"
                raise ValueError(msg)
            raw["processes"] = tuple(
                ProcessInfo(
                    **{
                        **item,
                        "splits": {split: WeightSums(**sums) for split, sums in item["splits"].items()},
                        "preselected": tuple(WeightSums(**sums) for sums in item.get("preselected", ())),
                    }
                )
                for item in raw["processes"]
            )
            raw["sources"] = tuple(SourceFile(**item) for item in raw["sources"])
            raw["skipped"] = tuple(SkippedFile(**item) for item in raw.get("skipped", ()))
            raw["variations"] = tuple(_variation(item) for item in raw.get("variations", ()))
            raw["preselection"] = tuple(raw["preselection"])
            raw["per_object"] = tuple(raw.get("per_object", ()))
            raw["spectators"] = tuple(raw["spectators"])
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"{where}: the cutflow metadata is damaged ({error}); write the file anew"
            raise InputError(msg) from error


def _variation(raw: dict[str, Any]) -> VariationInfo:
    replaced = {process: WeightSums(**sums) for process, sums in raw["replaced"].items()}
    return VariationInfo(**{**raw, "processes": tuple(raw["processes"]), "replaced": replaced})
