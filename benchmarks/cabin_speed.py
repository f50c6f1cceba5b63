"""CPU time of cabin-scan's learning beside the package `cabin` 0.3.3: same events, targets, loss terms and epochs.

    python benchmarks/cabin_speed.py [--samples gaussians,slepton,diboson] [--epochs 100] [--repeats 3]

CPU seconds of learning alone on one thread (events in memory, kernel compiled), the least of the repeats. `preset` is
the published loss with all its terms, as the package computes it; `default` leaves out the cross entropy. The exact
step, which the package does not have, is given beside.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from cabin_common import Samples, load, require_cabin, train_cabin

from cutflow_cli.models.cabin.fused import FusedStepper
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.prepare import Neurons, prepare
from cutflow_cli.models.cabin.settings import PRESETS, CabinSettings
from cutflow_cli.models.protocol import TrainingContext


def learning(samples: Samples, settings: CabinSettings, side: np.ndarray, repeats: int) -> float:
    data = prepare(samples.train, settings)
    neurons = Neurons(np.arange(len(side)), side)
    FusedStepper(data, [data.weight], neurons, settings, 1).run_epoch(0)
    best = np.inf
    for _ in range(repeats):
        started = time.process_time()
        stepper = FusedStepper(data, [data.weight], neurons, settings, 1)
        for epoch in range(settings.epochs):
            stepper.run_epoch(epoch)
        best = min(best, time.process_time() - started)
    return best


def exact_step(samples: Samples) -> float:
    method = CabinScan(CabinSettings(epochs=1))
    method.fit(samples.train, TrainingContext(validation=samples.validation))
    started = time.process_time()
    method.fit(samples.train, TrainingContext(validation=samples.validation))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="gaussians,slepton,diboson")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cabin = require_cabin()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.samples.split(","):
            samples = load(name, Path(folder))
            if samples is None:
                continue
            train = samples.train
            x = train.x.astype(np.float64)
            z = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
            side = np.where(z[train.label == 1].mean(axis=0) > z[train.label == 0].mean(axis=0), 1.0, -1.0)
            default = CabinSettings(epochs=options.epochs)
            preset = CabinSettings(**{**PRESETS["cabin"], "preset": "cabin", "epochs": options.epochs})
            theirs = min(
                train_cabin(cabin, z, train.label, side, default.targets, options.epochs, 1.0)[1]
                for _ in range(options.repeats)
            )
            print(f"{name}: {len(train)} events x {len(side)} features, {options.epochs} epochs, 13 targets")
            print(f"  cabin 0.3.3     {theirs:7.2f} CPU s")
            for label, settings in (("preset", preset), ("default", default)):
                spent = learning(samples, settings, side, options.repeats)
                print(f"  ours, {label:8s}  {spent:7.2f} CPU s, {theirs / spent:5.1f} times less")
            print(f"  exact step      {exact_step(samples):7.2f} CPU s", flush=True)


if __name__ == "__main__":
    main()
