"""Time of LCF-parallel on mock1: compilation, one replica, ten replicas, and the torch path for scale.

    python benchmarks/lcf_speed.py [--events 200000] [--epochs 200] [--repeats 3]

Times are wall-clock seconds of training alone (events in memory, kernel compiled), the least of the repeats, since
other work on the machine only adds. The torch path runs a few epochs and is given per step, as a ratio to the kernel.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from cutflow_cli import open_events
from cutflow_cli.engine.device import resolve_threads
from cutflow_cli.engine.loop import Stepper, train
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.models.lcf.fused import FusedStepper
from cutflow_cli.models.lcf.prepare import Prepared, prepare
from cutflow_cli.models.lcf.settings import LcfSettings, Strategy, resolve_settings
from cutflow_cli.models.lcf.torch_path import TorchStepper


def seconds(stepper: Stepper, epochs: int) -> float:
    started = time.perf_counter()
    train(stepper, epochs)
    return time.perf_counter() - started


def fused(data: Prepared, settings: LcfSettings, replicas: int, threads: int) -> Stepper:
    return FusedStepper(data, settings, 1, range(replicas), threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="half of them train")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    threads = resolve_threads(None)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "mock1.parquet"
        write_mock("mock1", events, options.events)
        sample = open_events(events).load("train")
    print(f"{len(sample)} events x {len(sample.features)} features, {options.epochs} epochs, {threads} threads")
    strategies: tuple[Strategy, ...] = ("parallel", "sequential")
    for strategy in strategies:
        settings, _ = resolve_settings(strategy, {"epochs": options.epochs})
        data = prepare(sample, settings)
        first = seconds(fused(data, settings, 1, 1), 1)
        again = min(seconds(fused(data, settings, 1, 1), 1) for _ in range(3))
        print(f"\nlcf-{strategy}: compiling or loading the kernel {first - again:.2f} s")
        steps = options.epochs * -(-len(sample) // settings.batch_size)
        for replicas in (1, 10):
            best = min(
                seconds(fused(data, settings, replicas, threads), options.epochs) for _ in range(options.repeats)
            )
            per_step = best / steps / replicas * 1e6
            print(f"  {replicas:2d} replicas: {best:6.2f} s training, {per_step:6.1f} µs per step and replica")
            if replicas == 1:
                kernel = per_step
        epochs = 2
        eager = min(seconds(TorchStepper(data, settings, 1, range(1), "cpu"), epochs) for _ in range(options.repeats))
        per_step = eager / (steps / options.epochs * epochs) * 1e6
        print(f"  torch path, 1 replica: {per_step:6.1f} µs per step, {per_step / kernel:.0f} times the kernel")


if __name__ == "__main__":
    main()
