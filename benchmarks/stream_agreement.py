"""Cuts of a parallel flow learned from histograms against those learned from events, boundary by boundary.

    python benchmarks/stream_agreement.py [--events 1000000] [--epochs 45] [--replicas 6]

Both trainings make the same number of steps on the same sample. Each boundary is shown with its spread over replicas,
and the difference in units of both spreads together; then how much larger one spread is than the other (the geometric
mean of their ratios), and how well so many replicas and boundaries tell.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.training import run_training
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


def boundaries(step: LearnedCut) -> list[tuple[float, float]]:
    """Boundaries of a cut and their errors, those without an error left out."""
    pairs = ((step.cut.lower, step.lower_error), (step.cut.upper, step.upper_error))
    return [(value, error) for value, error in pairs if value is not None and error is not None]


def spreads(flows: Sequence[CutFlow]) -> dict[tuple[str, Region, str], float]:
    """Standard deviation over replicas of each boundary that all of them have."""
    found: dict[tuple[str, Region, str], list[float]] = {}
    for flow in flows:
        for step in flow.steps:
            for side, value in (("lower", step.cut.lower), ("upper", step.cut.upper)):
                if value is not None:
                    found.setdefault((step.cut.observable, step.cut.region, side), []).append(value)
    return {key: float(np.std(values, ddof=1)) for key, values in found.items() if len(values) == len(flows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--replicas", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "events.parquet"
        write_mock("gaussians", data, options.events)
        runs = []
        for name, memory in (("histograms", 0.0), ("events", math.inf)):
            method = LearnableCutFlow(LcfSettings(epochs=options.epochs))
            plan = TrainingPlan(
                "lcf-parallel", method, data, Path(folder) / name, replicas=range(options.replicas), memory=memory
            )
            run = run_training(plan).run
            print(f"{name:10} {run.manifest.timings['train']:7.1f} s of training")
            runs.append(run.flows)
    for step, other in zip(*(flows[-1].steps for flows in runs), strict=True):
        if step.cut.region is not other.cut.region:
            print(f"{step.cut.observable:6} {step.cut.region} from histograms, {other.cut.region} from events")
            continue
        for (value, error), (exact, spread) in zip(boundaries(step), boundaries(other), strict=False):
            pull = (value - exact) / math.hypot(error, spread)
            print(f"{step.cut.observable:6} {value:9.4f} ± {error:.4f}   {exact:9.4f} ± {spread:.4f}   {pull:+5.1f} σ")
    streamed, held = (spreads(flows[:-1]) for flows in runs)
    ratios = [streamed[key] / held[key] for key in streamed.keys() & held.keys() if streamed[key] and held[key]]
    if ratios:
        ratio, error = math.exp(float(np.mean(np.log(ratios)))), 1 / math.sqrt((options.replicas - 1) * len(ratios))
        print(f"spread of replicas, from histograms over from events: {ratio:.2f} ± {ratio * error:.2f}")


if __name__ == "__main__":
    main()
