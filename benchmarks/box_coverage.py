"""How often the intervals that `train box` and `evaluate` quote hold the truth.

    python benchmarks/box_coverage.py [--samples 200] [--replicas 16] [--events 10000]

Each pseudo-sample has three independent observables, N(∓2, 2), N(∓1, 2) and N(∓3, 2) for signal and background. The box
for the largest Z is searched with bootstrap replicas; its consensus has boundaries with errors (half the 16–84 %
interval of the replicas). True boundaries are those of the best box of the law. Then Z of the box is measured on a test
sample with its propagated error, and compared with Z of that same box by the law. Printed is the share of intervals
of one standard deviation that hold the truth; 68.3 % is wanted.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.significance import asimov, asimov_significance
from cutflow_cli.models.box.model import BoxSearch
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cut import Region

MEANS, WIDTH = np.array([2.0, 1.0, 3.0]), 2.0
SIGNAL, BACKGROUND, SYSTEMATIC = 100.0, 2000.0, 0.1
NAMES = ("x1", "x5", "x6")


def draw(events: int, random: np.random.Generator) -> EventSample:
    label = np.repeat([1, 0], events // 2).astype(np.int8)
    x = random.normal(0, WIDTH, (len(label), 3)) + np.where(label == 1, -1, 1)[:, None] * MEANS
    weight = np.array([BACKGROUND, SIGNAL])[label] / (events // 2)
    return EventSample(NAMES, x.astype(np.float32), dict.fromkeys(NAMES, "float32"), label, weight, weight,
                       label.astype(np.int32), ("background", "signal"))  # fmt: skip


def z_of_law(cuts: np.ndarray, per_event: float) -> float:
    """Return Z of upper boundaries, with σ_B of simulated events of a weight."""
    S = SIGNAL * norm.cdf((cuts + MEANS) / WIDTH).prod()
    B = BACKGROUND * norm.cdf((cuts - MEANS) / WIDTH).prod()
    return float(asimov_significance(S, B, math.hypot(math.sqrt(per_event * B), SYSTEMATIC * B)))


def measured(flow, sample: EventSample) -> Estimate:
    kept = flow.mask(sample.columns, len(sample))
    parts = [sample.expected[kept & (sample.label == role)] for role in (1, 0)]
    S, B = (Estimate(float(part.sum()), math.sqrt(float((part**2).sum()))) for part in parts)
    return asimov(S, B, SYSTEMATIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=16)
    parser.add_argument("--events", type=int, default=10_000)
    arguments = parser.parse_args()
    per_event = BACKGROUND / (arguments.events // 2)
    best = minimize(
        lambda cuts: -z_of_law(cuts, per_event), np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-5}
    ).x
    method = BoxSearch(BoxSettings(background_systematic=SYSTEMATIC, starts=3, optimism_folds=0))
    pulls: list[list[float]] = []
    of_z, other = [], 0
    for seed in range(arguments.samples):
        random = np.random.default_rng(seed)
        fitted = method.fit(
            draw(arguments.events, random), TrainingContext(seed=seed, replicas=range(arguments.replicas))
        )
        flow = fitted.flows[-1]
        steps = {step.cut.observable: step for step in flow.steps}
        for k, name in enumerate(NAMES):
            step = steps[name]
            if step.active and step.cut.region is Region.BELOW and step.upper_error:
                pulls.append([k, (step.cut.upper - best[k]) / step.upper_error])
            else:
                other += 1
        estimate = measured(flow, draw(arguments.events, random))
        if any(step.active and step.cut.region is not Region.BELOW for step in flow.steps):
            continue
        cuts = np.array([steps[name].cut.upper if steps[name].active else math.inf for name in NAMES], dtype=float)
        true = z_of_law(cuts, per_event)
        of_z.append((estimate.value - true) / estimate.error)
    print(
        f"{arguments.samples} samples of {arguments.events} events, {arguments.replicas} replicas; "
        f"best box {best.round(3)}"
    )
    table = np.array(pulls)
    for k, name in enumerate(NAMES):
        own = table[table[:, 0] == k, 1]
        print(
            f"boundary of {name}: {np.mean(np.abs(own) < 1):.1%} of {len(own)}, "
            f"mean pull {own.mean():+.2f}, rms {own.std():.2f}"
        )
    print(f"all boundaries: {np.mean(np.abs(table[:, 1]) < 1):.1%}; {other} of another region or without an error")
    z = np.array(of_z)
    print(f"Z on test: {np.mean(np.abs(z) < 1):.1%} of {len(z)}, mean pull {z.mean():+.2f}, rms {z.std():.2f}")


if __name__ == "__main__":
    main()
