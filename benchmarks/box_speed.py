"""CPU seconds that `train box` takes against the number of events and of features.

    python benchmarks/box_speed.py                    # 10^4, 10^5, 10^6 events; 4, 7, 15, 30 features
    python benchmarks/box_speed.py --events 10000 --features 4

Half of the events are signal; a third of the features separates the classes, and neighbours are correlated. Numbers are
CPU seconds of the process (all threads together), which other jobs on the machine change little; the compiled code is
loaded before. The optimism is estimated as by default: the search is made six times.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.box.model import BoxSearch
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.protocol import TrainingContext


def sample_of(events: int, features: int, seed: int = 1) -> EventSample:
    """Make events of two classes, 3000 of the signal and three million of the background expected."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    x = rng.normal(0, 1, (events, features)).astype(np.float32)
    x[:, 1:] += 0.3 * x[:, :-1]
    x[:, ::3] += np.where(label == 1, 0.7, -0.7).astype(np.float32)[:, None]
    names = tuple(f"x{k}" for k in range(features))
    weight = np.where(label == 1, 3e3, 3e6) / (events / 2)
    return EventSample(
        names, x, dict.fromkeys(names, "float32"), label, weight, weight, label.astype(np.int32), ("b", "s")
    )


def seconds(events: int, features: int, threads: int) -> tuple[float, float]:
    """Return CPU seconds of a whole search with its optimism, and of one search without."""
    sample = sample_of(events, features)
    taken = []
    for folds in (5, 0):
        settings = BoxSettings(background_systematic=0.1, optimism_folds=folds)
        started = time.process_time()
        BoxSearch(settings).fit(sample, TrainingContext(threads=threads))
        taken.append(time.process_time() - started)
    return taken[0], taken[1]


def main() -> None:
    """Print a row for each number of features."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", default="10000,100000,1000000", help="numbers of events of the training split")
    parser.add_argument("--features", default="4,7,15,30", help="numbers of features")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    numbers = [int(text) for text in chosen.events.split(",")]
    seconds(2000, 3, chosen.threads)  # compiles, or loads what was compiled
    print(f"{'features':>8}", *(f"{number:>20} events" for number in numbers))
    for features in map(int, chosen.features.split(",")):
        print(f"{features:>8}", end="")
        for number in numbers:
            whole, once = seconds(number, features, chosen.threads)
            print(f"{whole:>12.1f} ({once:.1f} without optimism)", end="")
            sys.stdout.flush()
        print()


if __name__ == "__main__":
    main()
