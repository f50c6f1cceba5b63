"""Peak memory and time of every step against the number of events: memory must not grow with the sample.

    python benchmarks/stream_memory.py [--events 1000000 …] [--directory DIR] [--figure PNG] [--json FILE]

Eight float32 features, drawn by `generate-mock gaussians`. Each step is a command in a process of its own, whose peak
resident set size and processor time are taken. `ingest` reads bare Parquet files of the same content, one a class, so
that the classes are one after the other. Training makes five epochs with two replicas; it streams (`--memory 0`)
whatever the size, so that sizes can be compared. The floor is what pyarrow needs to read the columns of the training,
and no more. Files are deleted. 10⁸ events take about 15 GB of disk and 25 minutes of processor time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SIZES = (1_000_000, 10_000_000, 100_000_000)
FEATURES = tuple(f"x{number}" for number in range(1, 9))
TRAIN = ("--memory", "0", "--epochs", "5", "--replicas", "2", "--device", "cpu")
METHODS = ("lcf-parallel", "lcf-sequential", "cabin-scan")
_LIMIT = 2000.0  # MB

_MEASURED = """
import resource, sys
from cutflow_cli.__main__ import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""
_SCAN = """
import resource, sys
import pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1], pre_buffer=False)
rows = sum(batch.num_rows for batch in file.iter_batches(131072, columns=sys.argv[2].split(",")))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""
_BARE = """
import resource, sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
source, names = pq.ParquetFile(sys.argv[1], pre_buffer=False), sys.argv[3].split(",")
for label, out in ((1, sys.argv[2] + "_s.parquet"), (0, sys.argv[2] + "_b.parquet")):
    schema = pa.schema([source.schema_arrow.field(name) for name in names])
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in source.iter_batches(131072, columns=[*names, "label"]):
            chosen = batch.filter(pc.equal(batch.column("label"), label)).select(names)
            writer.write_batch(chosen.cast(schema) if chosen.schema != schema else chosen)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One step at one size: wall and processor seconds, and peak resident memory in MB."""

    step: str
    events: int
    seconds: float
    cpu: float
    memory: float


def measure(step: str, events: int, code: str, arguments: Sequence[str]) -> Measured:
    """Run a step in a process of its own."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step}: {done.stderr}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    memory, cpu = map(float, done.stderr.splitlines()[-1].split())
    result = Measured(step, events, time.perf_counter() - started, cpu, memory / unit)
    print(f"{events:>11} {step:24} {result.seconds:8.1f} s {cpu:8.1f} CPU s {memory / unit:7.0f} MB", flush=True)
    return result


def steps(directory: Path, events: int, methods: Sequence[str]) -> list[Measured]:
    """Measure every step at one size."""
    mock, bare, ingested = directory / "mock.parquet", directory / "bare", directory / "events.parquet"

    def cutflow(step: str, *arguments: str) -> Measured:
        return measure(step, events, _MEASURED, arguments)

    drawn = ("--features-count", "8", "--events", str(events), "--seed", "1", "--force")
    found = [cutflow("generate-mock", "generate-mock", "gaussians", "--out", str(mock), *drawn)]
    found.append(measure("scan with pyarrow", events, _SCAN, [str(mock), ",".join((*FEATURES, "label", "weight"))]))
    measure("(bare files)", events, _BARE, [str(mock), str(bare), ",".join(FEATURES)])
    chosen = [option for name in FEATURES for option in ("--feature", name)]
    files = ("--signal", f"{bare}_s.parquet", "--background", f"{bare}_b.parquet")
    found.append(cutflow("ingest", "ingest", *files, *chosen, "--out", str(ingested), "--force"))
    for path in directory.glob("bare_*"):
        path.unlink()
    mock.unlink()
    for method in methods:
        run = str(directory / method)
        found.append(cutflow(f"train {method}", "train", method, str(ingested), "--out", run, "--force", *TRAIN))
        report = ("--data", str(ingested), "--out", str(directory / "report"), "--no-figures", "--force")
        found.append(cutflow(f"evaluate {method}", "evaluate", run, *report))
    ingested.unlink()
    return found


def table(found: Sequence[Measured]) -> str:
    """Lay out memory, time, and events per second of every step."""
    sizes = sorted({one.events for one in found})
    lines = [f"{'':24}" + "".join(f"{f'{size:.0e} events':>38}" for size in sizes)]
    floor = {one.events: one.cpu for one in found if one.step == "scan with pyarrow"}
    for step in dict.fromkeys(one.step for one in found):
        cells = {one.events: one for one in found if one.step == step}
        parts = [
            f"{cells[size].memory:6.0f} MB {cells[size].cpu:8.1f} CPU s {cells[size].cpu / floor[size]:7.1f} floors"
            if size in cells
            else ""
            for size in sizes
        ]
        lines.append(f"{step:24}" + "".join(f"{part:>38}" for part in parts))
    return "\n".join(lines)


def draw(found: Sequence[Measured], path: Path) -> None:
    """Draw memory and time against the number of events."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for number, step in enumerate(dict.fromkeys(one.step for one in found)):
        mine = [one for one in found if one.step == step]
        style = {"marker": "osv^Dxp*"[number % 8], "color": f"C{number % 10}", "label": step}
        axes[0].plot([one.events for one in mine], [one.memory for one in mine], **style)
        axes[1].plot([one.events for one in mine], [one.cpu for one in mine], **style)
    axes[0].axhline(_LIMIT, color="black", linestyle="--", linewidth=1)
    axes[0].set(xscale="log", ylim=(0, 1.15 * _LIMIT), xlabel="events", ylabel="peak resident memory [MB]")
    axes[1].set(xscale="log", yscale="log", xlabel="events", ylabel="processor time [s]")
    axes[0].legend(fontsize=8, frameon=False, ncols=2, loc="center", bbox_to_anchor=(0.5, 0.64))
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--directory", type=Path, help="where files of up to 10 GB may be written")
    parser.add_argument("--figure", type=Path, help="draw memory and time to this file")
    parser.add_argument("--json", type=Path, help="keep numbers in this file, beside those that it holds already")
    options = parser.parse_args()
    found = [] if options.json is None or not options.json.exists() else [
        Measured(**item) for item in json.loads(options.json.read_text())
    ]  # fmt: skip
    for events in options.events:
        with tempfile.TemporaryDirectory(dir=options.directory) as folder:
            new = steps(Path(folder), events, options.methods)
        replaced = {(one.step, one.events) for one in new}
        found = [one for one in found if (one.step, one.events) not in replaced] + new
        if options.json is not None:
            options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    print(table(found))
    if options.figure is not None:
        draw(found, options.figure)


if __name__ == "__main__":
    main()
