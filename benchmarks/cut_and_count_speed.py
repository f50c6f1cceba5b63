"""Time of cut-and-count by figure of merit, order and size of the sample.

    python benchmarks/cut_and_count_speed.py [--events 100000] [--features 10] [--repeats 5]

CPU and wall-clock seconds of `fit` alone, sorting included (events in memory), the least of the repeats, since other
work on the machine only adds. The features are normal, those of the signal shifted by 0.1 to 1 widths.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cut_and_count.model import CutAndCount
from cutflow_cli.models.cut_and_count.settings import PRESETS, CutAndCountSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import resolve_settings

CASES: tuple[dict[str, object], ...] = (
    {},
    {"order": "given"},
    {"strategy": "parallel"},
    {"cross_check": False},
    {"order": "given", "cross_check": False},
    {"fom": "s_over_sqrt_b"},
    {"fom": "s_over_sqrt_s_plus_b"},
    {"fom": "punzi"},
    {"fom": "balanced_accuracy"},
    {"fom": "balanced_accuracy", "order": "given"},
    {"preset": "hml"},
)


def sample(events: int, features: int) -> EventSample:
    """Draw a sample of both classes in turn, background events of a hundred times the weight."""
    rng = np.random.default_rng(0)
    label = (np.arange(events) % 2).astype(np.int8)
    x = rng.normal(label[:, None] * np.linspace(0.1, 1.0, features), 1.0).astype(np.float32)
    weight = np.where(label == 1, 0.01, 1.0)
    names = tuple(f"x{k + 1}" for k in range(features))
    process = label.astype(np.int32)
    types = dict.fromkeys(names, "float32")
    return EventSample(names, x, types, label, weight, weight, process, ("background", "signal"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    events = sample(options.events, options.features)
    print(f"{len(events)} events x {options.features} features")
    for chosen in CASES:
        settings, _ = resolve_settings(CutAndCountSettings, PRESETS, chosen)
        wall, cpu = [], []
        for _ in range(options.repeats):
            started, used = time.perf_counter(), time.process_time()
            fitted = CutAndCount(settings).fit(events, TrainingContext())
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
        name = ", ".join(f"{key} {value}" for key, value in chosen.items()) or "defaults"
        cuts = len(fitted.flows[-1].cuts)
        print(f"  {name:42s} {min(wall):6.2f} s, CPU {min(cpu):6.2f} s, {cuts} cuts")


if __name__ == "__main__":
    main()
