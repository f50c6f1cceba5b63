"""Peak memory of `cutflow ingest` against the number of events: it must not grow.

    python benchmarks/ingest_memory.py [--format root|parquet|csv] [--events 2000000 10000000 50000000]

Eight features, a generator weight and an event number. Each size is ingested in a process of its own, whose peak
resident set size is printed beside the time. Samples larger than a million events are many files of the same content.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHUNK = 100_000
FILE = 500_000
FEATURES = tuple(f"x{number}" for number in range(8))
COLUMNS = {**dict.fromkeys(FEATURES, "float32"), "w": "float32", "event": "int64"}


def chunks(events: int):
    generator = np.random.default_rng(1)
    for start in range(0, events, CHUNK):
        rows = min(CHUNK, events - start)
        chunk = {name: generator.normal(1.0, 0.3, rows).astype(kind) for name, kind in COLUMNS.items()}
        yield {**chunk, "event": np.arange(start, start + rows)}


def write(path: Path, events: int) -> None:
    if path.suffix == ".root":
        import uproot

        with uproot.recreate(path) as file:
            tree = file.mktree("Events", {name: np.dtype(kind) for name, kind in COLUMNS.items()})
            for chunk in chunks(events):
                tree.extend(chunk)
        return
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.from_numpy_dtype(np.dtype(kind))) for name, kind in COLUMNS.items()])
    writer = pa_csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
    with writer(path, schema) as out:
        for chunk in chunks(events):
            out.write_table(pa.table(chunk, schema=schema))


def measure(directory: Path, suffix: str, events: int) -> tuple[float, float]:
    """Ingest one size; return peak memory in MB and seconds."""
    for role in ("signal", "background"):
        for number in range(max(1, events // 2 // FILE)):
            path = directory / f"{role}{number:04}{suffix}"
            if number:
                path.hardlink_to(directory / f"{role}0000{suffix}")
            else:
                write(path, min(FILE, events // 2))
    options = [option for name in FEATURES[:7] for option in ("--feature", name)]
    options += ["--feature", "r=x6/x7", "--spectator", "event", "--weight-column", "w"]
    options += ["--luminosity", "1", "--signal-cross-section", "1", "--background-cross-section", "10"]
    code = (
        "import sys, resource, json; from cutflow_cli.app import app\n"
        "try: app(prog_name='cutflow')\n"
        "finally: print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "ingest", *options, "--out", str(directory / "out.parquet"), "--force"]
    for role in ("signal", "background"):
        command += [f"--{role}", str(directory / f"{role}*{suffix}")]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return json.loads(done.stderr.splitlines()[-1]) / unit, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=("root", "parquet", "csv"), default="root")
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000, 10_000_000, 50_000_000])
    arguments = parser.parse_args()
    print(f"{'events':>12} {'peak memory':>12} {'time':>8}")
    for events in arguments.events:
        with tempfile.TemporaryDirectory() as directory:
            memory, seconds = measure(Path(directory), f".{arguments.format}", events)
        print(f"{events:>12} {memory:>9.0f} MB {seconds:>6.1f} s", flush=True)


if __name__ == "__main__":
    main()
