"""Run directories: what `train` writes and every later command reads.

A run holds `run.json` (the manifest), `cuts.parquet` (for methods that cut), `history.parquet` (one row per replica and
epoch, one column per loss term) and whatever weights its method needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli.artifacts import PARTIAL_SUFFIX, RUN_SCHEMA_VERSION, read_json, write_json, written_file
from cutflow_cli.cut_rows import BINNED_SCHEMA_VERSION, flows_of, table_of
from cutflow_cli.errors import InputError, UsageError, is_disk_fault, nearest
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.selection.cutflow import CutFlow

MANIFEST = "run.json"
CUTS = "cuts.parquet"
HISTORY = "history.parquet"
#: In `RunManifest.data`: how events were divided into folds, and which one this training left out (None for all).
FOLDS, FOLD = "folds", "fold"


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What a run was: `run.json`.

    Attributes:
        method: for example `lcf-parallel`.
        settings: every resolved setting, defaults included.
        features: the features in the order given, with unit, type and the expression they came from.
        preselection: cut expressions that the events had passed before, in source column names.
        per_object: names in preselection and expressions that are observables of objects, no columns of the source.
        spectators: further columns that the cuts use, such as the mass that a hypothesis has a window in.
        scores: names of the scores that the cuts use; empty for a method that cuts on columns of the events alone.
        data: path and digest of the events, and how splits were assigned where the file has none.
        digest: digest of inputs and settings.
        seed: seed of everything random.
        replicas: first and one past the last replica.
        device: what the training ran on.
        timings: seconds by stage.
        versions: cutflow, Python and the libraries that the numbers depend on.
        warnings: what the trainer had to say, a sentence each.
        notes: what came out, in sentences that are no warnings.
        recommended: the working point to take where one is needed; None where there is only one.
        command: the command line.
        schema_version: of this file.
    """

    method: str
    settings: dict[str, Any]
    features: tuple[FeatureInfo, ...]
    data: dict[str, Any]
    digest: str
    preselection: tuple[str, ...] = ()
    per_object: tuple[str, ...] = ()
    spectators: tuple[FeatureInfo, ...] = ()
    scores: tuple[str, ...] = ()
    seed: int = 0
    replicas: tuple[int, int] = (0, 1)
    device: str = "cpu"
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recommended: str | None = None
    command: str | None = None
    schema_version: int = RUN_SCHEMA_VERSION

    @property
    def folds(self) -> Folds | None:
        """How events were divided into folds; None for a training without."""
        raw = self.data.get(FOLDS)
        return None if raw is None else Folds.from_json(raw)

    @property
    def fold(self) -> int | None:
        """The fold that this training left out; None for all of them together, and for a training without folds."""
        found = self.data.get(FOLD)
        return None if found is None else int(found)

    @property
    def dtypes(self) -> dict[str, str]:
        """Type of each column and score that is cut on, to which boundaries are rounded."""
        columns = {info.name: info.dtype for info in (*self.features, *self.spectators)}
        return {**columns, **dict.fromkeys(self.scores, "float32")}

    def write(self, directory: Path) -> None:
        """Write `run.json` into a directory."""
        write_json(directory / MANIFEST, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> RunManifest:
        """Read `run.json` from a run directory.

        Raises:
            InputError: if there is none, or it is damaged or of another schema.
        """
        path = directory / MANIFEST
        if not path.is_file():
            raise InputError(_no_run(directory))
        raw = read_json(path)
        version = raw.get("schema_version")
        if version not in (RUN_SCHEMA_VERSION, BINNED_SCHEMA_VERSION):
            msg = f"{path}: schema version {version}, this cutflow reads up to {BINNED_SCHEMA_VERSION}; train again"
            raise InputError(msg)
        try:
            for name in ("spectators", "scores", "per_object", "notes"):
                raw.setdefault(name, ())  # runs of earlier versions cut on features alone, made from plain columns
            for name in ("features", "spectators"):
                raw[name] = tuple(FeatureInfo(**item) for item in raw[name])
            for name in ("preselection", "per_object", "scores", "replicas", "warnings", "notes"):
                raw[name] = tuple(raw[name])
            found = cls(**raw)
            _ = found.folds, found.fold  # read once, that what is damaged is found here
        except (TypeError, KeyError, ValueError, AttributeError, UsageError) as error:
            msg = f"{path}: damaged ({error}); train again"
            raise InputError(msg) from error
        return found


def _no_run(directory: Path) -> str:
    """Say what stands where a run was expected, and where runs are."""
    inside = sorted(str(entry.parent) for entry in directory.glob(f"*/{MANIFEST}"))
    if inside:
        return f"{directory}: is no run directory but holds {len(inside)}; name them: {', '.join(inside[:5])}"
    if directory.is_file():
        return f"{directory}: is a file, a run directory was expected"
    if not directory.exists() and directory.with_name(directory.name + PARTIAL_SUFFIX).is_dir():
        return f"{directory}: its training is not finished; the same `cutflow train` command continues it"
    there = [entry.parent.name for entry in directory.parent.glob(f"*/{MANIFEST}")]
    what = "is no run directory (no run.json)" if directory.is_dir() else "no such run directory"
    return f"{directory}: {what}; {nearest(directory.name, there)}"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, opened for reading.

    Attributes:
        path: its directory.
        manifest: what it was.
        flows: the selections it learned, replicas and consensus. Of a run with folds those that it hands over: the
            consensus of each fold in the place of a replica, and their consensus.
        folds: the training that left out each fold; empty for a run without folds.
    """

    path: Path
    manifest: RunManifest
    flows: tuple[CutFlow, ...]
    folds: tuple[Run, ...] = ()

    @property
    def name(self) -> str:
        """What tables call the run: the name of its directory."""
        return self.path.resolve().name

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the flow."""
        return tuple(feature.name for feature in self.manifest.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the events that the run needs: its features, then its spectators."""
        spectators = (column.name for column in self.manifest.spectators)
        return tuple(dict.fromkeys((*self.features, *spectators)))

    def history(self) -> pa.Table:
        """Return the loss history: columns replica, epoch and one per loss term."""
        return _read_table(self.path / HISTORY)

    def table(self, name: str) -> pa.Table | None:
        """Return a further table that the method wrote, such as `working_points`; None if it wrote none."""
        path = self.path / f"{name}.parquet"
        return _read_table(path) if path.is_file() else None


def open_run(path: Path | str) -> Run:
    """Open a run directory.

    Raises:
        InputError: if it is no run directory, or damaged.
    """
    path = Path(path)
    manifest = RunManifest.read(path)
    cuts = path / CUTS
    folds: tuple[Run, ...] = ()
    if manifest.folds is not None and manifest.fold is None:
        folds = tuple(open_run(fold_directory(path, fold)) for fold in range(manifest.folds.count))
    return Run(path, manifest, read_cut_flows(cuts) if cuts.is_file() else (), folds)


def fold_directory(run: Path, fold: int) -> Path:
    """Return where a run has the training that left a fold out, itself a run."""
    return run / f"fold-{fold}"


def write_cut_flows(path: Path, flows: Iterable[CutFlow]) -> None:
    """Write flows as `cuts.parquet` (`cut_rows`)."""
    with written_file(path) as partial:
        # Checksums, lest a bit that turned on disk moves a boundary unseen.
        pq.write_table(table_of(flows), partial, compression="zstd", write_page_checksum=True)


def read_cut_flows(path: Path) -> tuple[CutFlow, ...]:
    """Read flows from `cuts.parquet`, in the order in which they were written.

    Raises:
        InputError: if the file is missing, damaged, or lacks a column.
    """
    return flows_of(_read_table(path), path)


def write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write a table of a run, such as `history.parquet`, from columns of equal length."""
    with written_file(path) as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")


def _read_table(path: Path) -> pa.Table:
    if not path.is_file():
        msg = f"{path}: no such file; the run is incomplete, train again"
        raise InputError(msg)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        _ = table.column_names  # decoded on first use, and damaged as likely as all else
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        if is_disk_fault(error, path):
            raise  # the disk's fault, not the file's
        msg = f"{path}: damaged ({str(error).splitlines()[0]}); train again"
        raise InputError(msg) from error
    return table
