"""What `train box`, or another method's `--objective`, reaches on fresh events of mock1 to mock6.

    python benchmarks/box_limits.py [--method box] [--mocks mock1,mock2] [--samples 10] [--fresh 2000000]

Trains on 100 000 events (half of them signal) of samples with different seeds, with the figure of merit of
`limits_mocks.md` (Asimov Z, σ_B² = Σw² of 50 000 simulated background events ⊕ 10 %) and for balanced accuracy. Printed
are means over the samples: what the search expected (its estimate less its optimism), what fresh events give, and the
mean optimism as estimated and as it was. The limits are those of the best box of the generating law.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.models.box.model import BoxSearch
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.protocol import Fitted, Method, TrainingContext

MEANS = {"x1": (-2, 2), "x2": (2, -2), "x3": (0, None), "x4": (None, 0), "x5": (-1, 1), "x7": (-5, -5), "x8": (5, 5),
         "x6": (-3, 3)}  # fmt: skip
SLOPES = {"x9": 0.9, "x10": 0.7}
MOCKS = {
    "mock1": ["x1", "x2", "x3", "x4"], "mock2": ["x1", "x5", "x6"], "mock3": ["x1", "x7", "x8"],
    "mock4": ["x1", "x9", "x10"], "mock5": ["x1", "x2", "x3", "x4", "x5", "x7", "x9"],
    "mock6": ["x1", "x2", "x7", "x3", "x5", "x4", "x9"],
}  # fmt: skip
LIMITS = {"mock1": (0.9257, 4.64), "mock2": (0.9431, 4.49), "mock3": (0.8413, 0.84), "mock4": (0.8413, 0.84),
          "mock5": (0.9258, 4.68), "mock6": (0.9258, 4.68)}  # fmt: skip
TOTAL = (3e6, 3e3)  # background, signal


def draw(mock: str, events: int, random: np.random.Generator) -> EventSample:
    """Draw so many events of either class."""
    label = np.repeat([1, 0], events).astype(np.int8)
    columns: dict[str, np.ndarray] = {}
    for name in sorted(MOCKS[mock], key=lambda one: one in SLOPES):
        if name in SLOPES:
            columns[name] = SLOPES[name] * columns["x1"] + random.normal(0, 1, 2 * events)
            continue
        peaks = np.where(random.random(2 * events) < 0.5, -5, 5)
        means = [peaks if mean is None else np.full(2 * events, mean) for mean in MEANS[name]]
        columns[name] = np.where(label == 1, means[0], means[1]) + random.normal(0, 2, 2 * events)
    x = np.stack([columns[name] for name in MOCKS[mock]], axis=1).astype(np.float32)
    weight = np.array(TOTAL)[label] / events
    names = tuple(MOCKS[mock])
    return EventSample(names, x, dict.fromkeys(names, "float32"), label, weight, weight, label.astype(np.int32),
                       ("background", "signal"))  # fmt: skip


def efficiencies(flow, fresh: EventSample) -> tuple[float, float]:
    kept = flow.mask(fresh.columns, len(fresh))
    return tuple(float(kept[fresh.label == role].mean()) for role in (1, 0))


def method_of(name: str, objective: str, settings: dict[str, float | str]) -> Method:
    """Return a method that makes an objective large; those beside box count expected events alone."""
    if name == "box":
        return BoxSearch(BoxSettings(objective=objective, **settings))
    systematic = {"background_systematic": settings.get("background_systematic", 0.0)}
    if name == "cabin-scan":
        return CabinScan(CabinSettings(objective=objective, windows=True, **systematic))
    return LearnableCutFlow(LcfSettings(objective=objective, strategy=name.removeprefix("lcf-"), **systematic))


def outcome(fitted: Fitted) -> list[float]:
    """Return the objective on train, the optimism and its error."""
    if "box" in fitted.tables:
        return [fitted.tables["box"][name][0] for name in ("objective", "optimism", "optimism_error")]
    return [fitted.resolved[f"objective_{name}"] for name in ("consensus", "optimism", "optimism_error")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="box", choices=["box", "lcf-parallel", "lcf-sequential", "cabin-scan"])
    parser.add_argument("--mocks", default=",".join(MOCKS))
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--fresh", type=int, default=2_000_000, help="of each class")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for mock in arguments.mocks.split(","):
        fresh = draw(mock, arguments.fresh, np.random.default_rng(2**31))
        for objective, settings in (
            ("balanced_accuracy", {"class_weights": "unit"}), ("asimov", {"background_systematic": 0.1})
        ):  # fmt: skip
            rows, seconds = [], []
            for seed in range(arguments.samples):
                sample = draw(mock, 50_000, np.random.default_rng(seed))
                started = time.process_time()
                method = method_of(arguments.method, objective, settings)
                fitted = method.fit(sample, TrainingContext(seed=seed, threads=arguments.threads))
                seconds.append(time.process_time() - started)
                s, b = efficiencies(fitted.flows[-1], fresh)
                S, B = TOTAL[1] * s, TOTAL[0] * b
                true = (1 + s - b) / 2
                if objective == "asimov":
                    true = float(asimov_significance(S, B, np.sqrt(TOTAL[0] / 50_000 * B + (0.1 * B) ** 2)))
                rows.append([true, *outcome(fitted)])
            true, found, optimism, error = np.array(rows).T
            limit = LIMITS[mock][objective == "asimov"]
            scatter = np.std(found - true) / np.sqrt(len(rows))
            print(
                f"{mock} {objective:18} on train {found.mean():.4f}, on fresh events {true.mean():.4f} (least "
                f"{true.min():.4f}) of {limit}, {true.mean() / limit:.1%}; optimism estimated {optimism.mean():+.4f} "
                f"± {error.mean():.4f}, was {(found - true).mean():+.4f} ± {scatter:.4f}; "
                f"{np.mean(seconds[1:] or seconds):.1f} s CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
