"""Time and memory of ten cut flows on an events file, against a bare pyarrow scan that applies the same masks.

    python benchmarks/apply_speed.py [--events 4000000] [--repeats 5] [--file kept.parquet] [--sides bare,evaluate]

read      pyarrow reads the eight features, weight and process in row groups, and does nothing with them.
bare      the same scan; numpy compares, joins the masks of each flow and counts what passes it: no weights, no steps.
sums      as bare, and sums weights and their squares of what passes each flow, process by process.
apply     `apply_cuts` with a file of ten cut flows: events, Σw and Σw² after every cut, process by process.
evaluate  `evaluation.tally`, which `cutflow evaluate` streams events with: the same by split and mass point, too.
report    `cutflow evaluate --cuts --no-figures` as a whole: also the pass that finds the scales of the splits, N−1,
          moved boundaries and correlations of the flow that is quoted, and the tables.
details   the same for ten files of a flow each, all of which are quoted, with their overlap.

Each side runs in a process of its own, so that its peak of memory is its own; it runs once to warm up, and the least
time of the repeats counts. The sides take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cutflow_cli.apply.apply import apply_cuts
from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, EventsMetadata, FeatureInfo, ProcessInfo
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.selection.cutflow import CutFlow

FEATURES = [f"x{number}" for number in range(8)]
PROCESSES = (ProcessInfo("signal", "signal"), ProcessInfo("qcd", "background"), ProcessInfo("ttbar", "background"))
REGIONS = ("inside", "above", "below", "outside")


def write_events(path: Path, events: int) -> None:
    generator = np.random.default_rng(1)
    metadata = EventsMetadata(tuple(map(FeatureInfo, FEATURES)), PROCESSES, luminosity=1.0)
    with EventsWriter(path, metadata) as writer:
        for start in range(0, events, ROW_GROUP_EVENTS):
            rows = min(ROW_GROUP_EVENTS, events - start)
            process = generator.integers(0, len(PROCESSES), rows).astype(np.int32)
            columns = {name: generator.normal(0, 1, rows).astype(np.float32) for name in FEATURES}
            label = (process == 0).astype(np.int8)
            split = generator.choice(3, rows, p=(0.6, 0.2, 0.2)).astype(np.int8)
            writer.write(EventBatch(columns, label, generator.normal(1, 0.3, rows), process, split))


def write_cuts(path: Path) -> None:
    """Ten flows, each of cuts on all features, of every region."""
    generator = np.random.default_rng(2)
    flows = []
    for number in range(10):
        cuts = []
        for position, name in enumerate(FEATURES):
            region = REGIONS[(number + position) % 4]
            shift = float(generator.uniform(0, 0.2))
            low, high = (-1.5 - shift, 1.5 + shift) if region == "inside" else (-0.1 - shift, 0.1 + shift)
            sides = {"lower": low if region == "above" or region in ("inside", "outside") else None}
            sides["upper"] = high if region in ("inside", "outside") else None
            if region == "below":
                sides = {"lower": None, "upper": 1.0 + shift}
            elif region == "above":
                sides = {"lower": -1.0 - shift, "upper": None}
            cuts.append({"observable": name, "region": region, **sides})
        flows.append({"working_point": f"flow {number}", "cuts": cuts})
    path.write_text(json.dumps({"schema_version": 1, "cut_flows": flows}))


def flows_of(cuts: Path) -> list[CutFlow]:
    return [flow.rounded(dict.fromkeys(FEATURES, "float32")) for flow in read_cuts(cuts).flows]


def read(data: Path, cuts: Path) -> list[int]:
    rows = 0
    for batch in pq.ParquetFile(data, pre_buffer=False).iter_batches(
        ROW_GROUP_EVENTS, columns=[*FEATURES, "weight", "process"]
    ):
        rows += batch.num_rows
    return [rows]


def scan(data: Path, flows: list[CutFlow]) -> Iterator[tuple[pa.RecordBatch, list[NDArray[np.bool_]]]]:
    for batch in pq.ParquetFile(data, pre_buffer=False).iter_batches(
        ROW_GROUP_EVENTS, columns=[*FEATURES, "weight", "process"]
    ):
        columns = {name: batch.column(name).to_numpy() for name in FEATURES}
        masks = []
        for flow in flows:
            mask = np.ones(batch.num_rows, dtype=bool)
            for cut in flow.cuts:
                mask &= cut.passes(columns[cut.observable])
            masks.append(mask)
        yield batch, masks


def bare(data: Path, cuts: Path) -> list[int]:
    flows = flows_of(cuts)
    kept = [0] * len(flows)
    for _, masks in scan(data, flows):
        for number, mask in enumerate(masks):
            kept[number] += int(np.count_nonzero(mask))
    return kept


def summed(data: Path, cuts: Path) -> list[int]:
    flows = flows_of(cuts)
    sums = np.zeros((len(flows), 3, len(PROCESSES)))
    for batch, masks in scan(data, flows):
        process, weight = batch.column("process").indices.to_numpy(), batch.column("weight").to_numpy()
        square = weight**2
        for number, mask in enumerate(masks):
            own = process[mask]
            for row, values in enumerate((None, weight[mask], square[mask])):
                sums[number, row] += np.bincount(own, values, len(PROCESSES))
    return [int(one[0].sum()) for one in sums]


def applied(data: Path, cuts: Path) -> list[int]:
    return [flow.kept for flow in apply_cuts(cuts, [data]).flows]


def evaluated(data: Path, cuts: Path) -> list[int]:
    flows = flows_of(cuts)
    counted = tally(open_events(data), flows)
    return [int(counted.sums[counted.prefixes[flow.cuts], ..., 0].sum()) for flow in flows]


def reported(data: Path, cuts: Path, *, apart: bool = False) -> list[int]:
    read = json.loads(cuts.read_text())
    with tempfile.TemporaryDirectory() as name:
        files = [cuts]
        if apart:
            files = [Path(name) / f"cuts{number}.json" for number in range(len(read["cut_flows"]))]
            for path, flow in zip(files, read["cut_flows"], strict=True):
                path.write_text(json.dumps({**read, "cut_flows": [flow]}))
        report = evaluate_runs([], data, Path(name) / "report", cuts=files)
    last = {(row.run, row.working_point): 0 for row in report.cut_flow}
    for row in report.cut_flow:
        if row.position == len(FEATURES) and row.process in ("signal", "background"):
            last[row.run, row.working_point] += row.n_raw
    return list(last.values())


SIDES: dict[str, Callable[[Path, Path], list[int]]] = {
    "read": read, "bare": bare, "sums": summed, "apply": applied, "evaluate": evaluated,
    "report": reported, "details": partial(reported, apart=True),
}  # fmt: skip


def run_side(side: str, data: Path, cuts: Path) -> None:
    """Run one side twice, and print the time of the second and the peak of memory."""
    SIDES[side](data, cuts)
    started = time.perf_counter()
    kept = SIDES[side](data, cuts)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "kept": kept}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--file", type=Path, help="keep the events in this file, or take them from it")
    parser.add_argument("--sides", default=",".join(SIDES), help="which, and bare in any case")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--cuts", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        run_side(arguments.side, arguments.file, arguments.cuts)
        return
    with tempfile.TemporaryDirectory() as name:
        data, cuts = arguments.file or Path(name) / "events.parquet", Path(name) / "cuts.json"
        write_cuts(cuts)
        if not data.is_file():
            write_events(data, arguments.events)
        sides = [side for side in SIDES if side in ("bare", *arguments.sides.split(","))]
        compare(data, cuts, arguments.repeats, sides)


def compare(data: Path, cuts: Path, repeats: int, sides: list[str]) -> None:
    events = pq.ParquetFile(data).metadata.num_rows
    results: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, its in results.items():
            command = [sys.executable, __file__, "--side", side, "--file", str(data), "--cuts", str(cuts)]
            its.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    least = {side: min(one["seconds"] for one in its) for side, its in results.items()}
    kept = results["bare"][0]["kept"]
    assert all(its[0]["kept"] == kept for side, its in results.items() if side != "read")
    print(f"{events} events x {len(FEATURES)} features, ten cut flows of {len(FEATURES)} cuts")
    for side, seconds in least.items():
        peak = max(one["peak"] for one in results[side])
        print(f"{side:9} {seconds:6.2f} s, {seconds / least['bare']:5.2f} of bare, peak {peak:4.0f} MB")


if __name__ == "__main__":
    main()
