"""Commands to be ended at bad moments, and how what they make is compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pandas.util import hash_pandas_object

#: Of manifests: what differs between two runs of the same command.
PROVENANCE = ("timings", "command", "path")


@dataclass(frozen=True)
class Command:
    """A command line and what it writes.

    Attributes:
        name: for messages.
        arguments: without `--out`.
        out: name of the output.
    """

    name: str
    arguments: tuple[str | Path, ...]
    out: str

    def typed(self, directory: Path) -> tuple[str | Path, ...]:
        """Return the whole command line, with its output in a directory."""
        return (*self.arguments, "--out", directory / self.out)


def contents(path: Path) -> dict[str, str]:
    """Return what an output says, without provenance: of each file a digest of its rows, its JSON or its bytes."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path)): hashlib.sha256(_content(file)).hexdigest()[:16] for file in files}


def _content(path: Path) -> bytes:
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        return repr([(name, value) for name, value in found.items() if name not in PROVENANCE]).encode()
    if path.suffix == ".parquet":
        table = pq.read_table(path).replace_schema_metadata(None)
        return str(table.schema).encode() + hash_pandas_object(table.to_pandas(), index=False).to_numpy().tobytes()
    return path.suffix.encode() if path.suffix in (".html", ".pdf", ".png") else path.read_bytes()


INGEST = (
    *("ingest", "--signal", "signal.parquet", "--background", "background.parquet"),
    *("--feature", "a", "--feature", "b", "--feature", "c", "--feature", "d"),
    *("--luminosity", "10", "--signal-cross-section", "1", "--background-cross-section", "100"),
)


def commands() -> Sequence[Command]:
    """List what is tried, with paths relative to the inputs."""
    events = "events.parquet"
    quick = ("--replicas", "3", "--seed", "2")
    return (
        Command("ingest", INGEST, "new.parquet"),
        Command("ingest with quantiles", (*INGEST, "--keep-quantiles", "0.01,0.99"), "kept.parquet"),
        Command("ingest of a shard", (*INGEST, "--shard", "1/2"), "shard.parquet"),
        Command("merge of shards", ("merge", "part1.parquet", "part2.parquet"), "merged.parquet"),
        Command("merge of blocks", ("merge", "block0", "block2"), "merged"),
        Command("lcf", ("train", "lcf-sequential", events, "--epochs", "6", *quick), "lcf-run"),
        Command(
            "cabin", ("train", "cabin-scan", events, "--epochs", "20", "--targets", "0.5,0.7,0.9", *quick), "cabin"
        ),
        Command("cut and count", ("train", "cut-and-count", events, *quick), "cac"),
        Command("bdt", ("train", "bdt", events, "--trees", "15", "--keep-state", *quick), "bdt"),
        Command("mlp", ("train", "mlp", events, "--epochs", "4", "--batch-size", "2048", *quick), "mlp"),
        Command("folds", ("train", "lcf-parallel", events, "--epochs", "2", "--folds", "2", *quick), "folds"),
        Command("evaluate", ("evaluate", "lcf", "block0", "--data", events), "report"),
    )
