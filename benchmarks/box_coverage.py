"""How often the intervals that `train box` and `evaluate` quote hold the truth.

    python benchmarks/box_coverage.py [--samples 200] [--replicas 16] [--events 10000] [--processes 1]

Each pseudo-sample has three independent observables, N(∓2, 2), N(∓1, 2) and N(∓3, 2) for signal and background. The box
for the largest Z is searched with bootstrap replicas; its consensus has boundaries with errors (half the 16–84 %
interval of the replicas). True boundaries are those of the best box of the law. Z is told twice: as expected from the
training split (optimism taken off, with its error), and as measured on a test sample with its propagated error. Both
are compared with Z of that same box by the law. Printed is the share of intervals of one standard deviation that hold
the truth; 68.3 % is wanted.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

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
#: Few are enough for three independent observables.
STARTS = 3


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


@dataclass(frozen=True, slots=True)
class Pulls:
    """What one pseudo-sample gives: (found − true) / error; NaN where there is no interval to be judged.

    Attributes:
        boundaries: of each observable's upper boundary.
        expected: of Z as expected on fresh events from the training split alone.
        test: of Z on the test sample.
    """

    boundaries: tuple[float, ...]
    expected: float
    test: float


def pulls_of(seed: int, replicas: int, events: int, best: np.ndarray) -> Pulls:
    """Search one pseudo-sample and judge it on another."""
    random = np.random.default_rng(seed)
    train, test = (draw(events, random) for _ in range(2))
    fitted = BoxSearch(BoxSettings(background_systematic=SYSTEMATIC, starts=STARTS)).fit(
        train, TrainingContext(seed=seed, replicas=range(replicas))
    )
    flow, table = fitted.flows[-1], fitted.tables["box"]
    steps = [next(step for step in flow.steps if step.cut.observable == name) for name in NAMES]
    judged = [step.active and step.cut.region is Region.BELOW and bool(step.upper_error) for step in steps]
    boundaries = tuple(
        (step.cut.upper - wanted) / step.upper_error if good else math.nan
        for step, good, wanted in zip(steps, judged, best, strict=True)
    )
    if any(step.active and step.cut.region is not Region.BELOW for step in steps):
        return Pulls(boundaries, math.nan, math.nan)
    cuts = np.array([step.cut.upper if step.active else math.inf for step in steps], dtype=float)
    true, found = z_of_law(cuts, BACKGROUND / (events // 2)), measured(flow, test)
    expected = float(table["objective"][0] - table["optimism"][0])
    undefined = found.value is None or found.error is None  # too little background for an error to mean anything
    return Pulls(
        boundaries,
        (expected - true) / float(table["optimism_error"][0]),
        math.nan if undefined else (found.value - true) / found.error,
    )


def line(name: str, pulls: np.ndarray) -> str:
    own = pulls[np.isfinite(pulls)]
    share = float(np.mean(np.abs(own) < 1))
    error = math.sqrt(share * (1 - share) / len(own))
    return (
        f"{name}: {share:.1%} ± {error:.1%} of {len(own)} ({len(pulls) - len(own)} without), "
        f"mean pull {own.mean():+.2f}, rms {own.std():.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=16)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    per_event = BACKGROUND / (arguments.events // 2)
    best = minimize(
        lambda cuts: -z_of_law(cuts, per_event), np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-5}
    ).x
    one = partial(pulls_of, replicas=arguments.replicas, events=arguments.events, best=best)
    with ProcessPoolExecutor(arguments.processes) as pool:
        found = []
        for pulls in pool.map(one, range(arguments.samples)):
            found.append(pulls)
            print(f"{len(found)}: {pulls}", file=sys.stderr, flush=True)
    print(
        f"{arguments.samples} samples of {arguments.events} events, {arguments.replicas} replicas; "
        f"best box {best.round(3)}"
    )
    boundaries = np.array([pulls.boundaries for pulls in found])
    for name, column in zip(NAMES, boundaries.T, strict=True):
        print(line(f"boundary of {name}", column))
    print(line("all boundaries", boundaries.ravel()))
    print(line("Z expected from the training split", np.array([pulls.expected for pulls in found])))
    print(line("Z on test", np.array([pulls.test for pulls in found])))


if __name__ == "__main__":
    main()
