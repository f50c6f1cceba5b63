"""Whether `train box` cuts on observables without use: three that tell something among twenty normal ones.

    python benchmarks/box_noise.py [--events 1000,3000,10000] [--samples 3]

Two fifths of the events are signal, shifted by 1, −0.8 and 0.6 standard deviations in three observables; 50 signal and
2000 background events are expected. Z has 10 % on B and the statistics of the training sample, on fresh events too.
"""

from __future__ import annotations

import argparse

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.models.box.model import BoxSearch
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.protocol import TrainingContext

NAMES = tuple(f"x{k}" for k in range(20))
FRESH = 300_000


def draw(events: int, seed: int) -> EventSample:
    random = np.random.default_rng(seed)
    label = (random.random(events) < 0.4).astype(np.int8)
    x = random.normal(size=(events, len(NAMES)))
    x[:, :3] += label[:, None] * np.array([1.0, -0.8, 0.6])
    weight = np.array([2000.0, 50.0])[label] / np.bincount(label)[label]
    return EventSample(NAMES, x.astype(np.float32), dict.fromkeys(NAMES, "float32"), label, weight, weight,
                       label.astype(np.int32), ("background", "signal"))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="1000,3000,10000")
    parser.add_argument("--samples", type=int, default=3)
    options = parser.parse_args()
    fresh = draw(FRESH, 99)
    for events in map(int, options.events.split(",")):
        for chosen in ({"min_gain": 2e-3}, {}):
            found = []
            for seed in range(options.samples):
                sample = draw(events, seed)
                settings = BoxSettings(background_systematic=0.1, optimism_folds=0, starts=8, **chosen)
                fitted = BoxSearch(settings).fit(sample, TrainingContext())
                flow = fitted.flows[-1]
                kept = flow.mask(fresh.columns, len(fresh))
                S, B = (fresh.expected[kept & (fresh.label == role)].sum() for role in (1, 0))
                per_event = sample.expected[sample.label == 0][0]
                Z = float(asimov_significance(S, B, np.sqrt(per_event * B + (0.1 * B) ** 2)))
                found.append((sum(step.active for step in flow.steps), fitted.tables["box"]["objective"][0], Z))
            cuts, train, test = np.mean(found, axis=0)
            how = f"{events} events, {chosen or 'default'}"
            print(f"{how}: {cuts:.1f} cuts, Z {train:.3f} on train, {test:.3f} on fresh events", flush=True)


if __name__ == "__main__":
    main()
