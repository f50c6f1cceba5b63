"""Asimov Z that each method reaches on events not trained on, with 10 % systematic uncertainty on the background.

    python benchmarks/box_significance.py [--samples gaussians,slepton,diboson] [--seeds 2] [--fresh 2000000]

`box` and `lcf-parallel --objective asimov` choose their cuts for this Z on train. Of `cabin-scan --windows` the working
point, of `bdt` and `mlp` (five networks) the threshold is chosen for it on validation, among those that keep ten
effective background events there. σ_B is √Σw² of the simulation and a tenth of B. Means over training samples; the
errors are that of the events judged on, as for one sample, and that of the mean over training samples.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from box_targets import draw
from cabin_common import Samples, load
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.significance import asimov, asimov_significance
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.registry import method_of
from cutflow_cli.models.scores import SCORE, mean_score

SYSTEMATIC = 0.1
FEWEST = 10.0
FOR_Z = {"objective": "asimov", "background_systematic": SYSTEMATIC, "optimism_folds": 0}
#: Name in the table, method, settings, replicas.
METHODS = (
    ("box", "box", FOR_Z, 1),
    ("lcf", "lcf-parallel", FOR_Z, 1),
    ("windows", "cabin-scan", {"windows": True}, 1),
    ("bdt", "bdt", {}, 1),
    ("mlp", "mlp", {}, 5),
)


def z_of(sample: EventSample, kept: NDArray[np.bool_]) -> Estimate:
    """Return Z of a selection, with its statistical error."""
    S, B = (
        Estimate(float(weight.sum()), math.sqrt(float((weight**2).sum())))
        for weight in (sample.expected[kept & (sample.label == role)] for role in (1, 0))
    )
    return asimov(S, B, SYSTEMATIC)


def best_threshold(score: NDArray[np.float64], sample: EventSample) -> float:
    """Return the lower threshold of the best Z, at one of the scores."""
    order = np.argsort(-score, kind="stable")
    weight, signal = sample.expected[order], sample.label[order] == 1
    S = np.cumsum(np.where(signal, weight, 0.0))
    B, variance = (np.cumsum(np.where(signal, 0.0, each)) for each in (weight, weight**2))
    Z = asimov_significance(S, B, np.sqrt(variance + (SYSTEMATIC * B) ** 2))
    enough = FEWEST * variance <= B**2
    ends = np.append(np.diff(score[order]) != 0, True)  # equal scores pass together
    return float(score[order][np.argmax(np.where(enough & ends & (variance > 0), Z, -np.inf))])


def reached(name: str, settings: dict, replicas: int, samples: Samples, context: TrainingContext) -> Estimate:
    """Train, choose on validation what is left to choose, and return Z on events not trained on."""
    validation, test = samples.validation, samples.test
    fitted = method_of(name, settings).fit(samples.train, context)
    if fitted.scorer is not None:
        scores = [mean_score(fitted.scorer.scores(sample.x)[SCORE]) for sample in (validation, test)]
        return z_of(test, scores[1] >= best_threshold(scores[0], validation))
    flows = [flow for flow in fitted.flows if flow.kind == "consensus"]
    if len(flows) > 1:
        flows = [
            max(flows, key=lambda flow: z_on_validation(flow.mask(validation.columns, len(validation)), validation))
        ]
    return z_of(test, flows[0].mask(test.columns, len(test)))


def z_on_validation(kept: NDArray[np.bool_], sample: EventSample) -> float:
    weight = sample.expected[kept & (sample.label == 0)]
    if weight.sum() ** 2 < FEWEST * (weight**2).sum() or not len(weight):
        return -math.inf
    return z_of(sample, kept).value or -math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="gaussians,slepton,diboson")
    parser.add_argument("--seeds", type=int, default=2, help="training samples of each mock")
    parser.add_argument("--fresh", type=int, default=2_000_000, help="events of each mock to judge on")
    parser.add_argument("--methods", default=",".join(name for name, *_ in METHODS))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for name in options.samples.split(","):
        with tempfile.TemporaryDirectory() as folder:
            if name in MOCKS:
                parts = draw(name, Path(folder), options.seeds, options.fresh)
            else:
                found = load(name, Path(folder))
                parts = [] if found is None else [found]
        for shown, method, settings, replicas in METHODS if parts else ():
            if shown not in options.methods.split(","):
                continue
            each = [
                reached(method, settings, replicas, part, context)
                for seed, part in enumerate(parts)
                for context in [
                    TrainingContext(
                        seed=seed, replicas=range(replicas), threads=options.threads, validation=part.validation
                    )
                ]
            ]
            values = np.array([math.nan if one.value is None else one.value for one in each])
            scatter = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
            error = np.mean([one.error or math.nan for one in each])
            print(f"{name:10} {shown:8} Z {values.mean():.5g} ± {error:.2g} ± {scatter:.2g}   {values}", flush=True)


if __name__ == "__main__":
    main()
