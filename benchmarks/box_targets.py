"""Background kept at given signal efficiencies on events not trained on: box, cabin-scan, bdt and mlp.

    python benchmarks/box_targets.py [--samples gaussians,slepton,diboson] [--seeds 2] [--methods box,windows]

Of each mock several training samples of its usual size are drawn, and judged on the same fresh events; of diboson there
is one, judged on its test split. Boxes are trained once on all training events, `mlp` is the mean of five networks, and
scores are cut at quantiles of the signal judged on. `cut-and-count` can't be given a signal efficiency: it is left out.

Boxes miss the target by a little on events not trained on. So each ε_b is moved to the target along the slope of its
own working points, d ln ε_b/d ln ε_s by central differences. Errors are linear: an event of weight w that is kept moves
ln ε by w/Σ_kept w − w/Σw, which is subtracted between selections before it is squared, so that events that both keep
drop out of the error of a ratio but for the difference of the sums. The second error is that of the mean over training
samples. Both mean little where a handful of background events is kept. Where none is, or where ε_s is more than a tenth
off the target (a box whose background is too little to be counted has no use for giving up more signal), there is `–`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cabin_common import Samples, load
from numpy.typing import NDArray

from cutflow_cli import open_events
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.registry import method_of
from cutflow_cli.models.scores import SCORE, mean_score

#: The last only serves the slope at the one before: that of a line to (1, 1) is much too steep.
TARGETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
#: Name in the tables, method, settings, replicas.
METHODS = (
    ("box", "box", {"signal_efficiencies": TARGETS, "optimism_folds": 0}, 1),
    ("windows", "cabin-scan", {"targets": TARGETS, "windows": True}, 1),
    ("one side", "cabin-scan", {"targets": TARGETS}, 1),
    ("bdt", "bdt", {}, 1),
    ("mlp", "mlp", {}, 5),
)
REFERENCE = "windows"
#: By how much ln ε_s may be off its target: what a slope serves for.
FARTHEST = 0.1


@dataclass(frozen=True, slots=True)
class Judged:
    """What a method keeps of the events that it is judged on.

    Attributes:
        reached: ε_s, shape (training samples, targets).
        log_kept: ln ε_b at the target, shape (training samples, targets).
        influence: by how much each event moves the mean of `log_kept`, shape (targets, events).
    """

    reached: NDArray[np.float64]
    log_kept: NDArray[np.float64]
    influence: NDArray[np.float32]

    def over(self, other: Judged) -> Judged:
        return Judged(self.reached, self.log_kept - other.log_kept, self.influence - other.influence)

    def errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return relative errors for each target: from the events judged on, and from the training samples."""
        count = len(self.log_kept)
        scatter = self.log_kept.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(len(self.influence))
        return np.sqrt((self.influence.astype(np.float64) ** 2).sum(axis=1)), scatter


def draw(name: str, folder: Path, seeds: int, fresh: int) -> list[Samples]:
    """Draw training samples of a mock, and events to judge them on; one file, since a seed may also choose the law."""
    size = MOCKS[name].events
    total = round(0.8 * size * seeds) + fresh
    train, validation = (share * size * seeds / total for share in (0.6, 0.2))
    write_mock(name, folder / name, total, split=SplitFractions(train, validation, 1 - train - validation))
    drawn = open_events(folder / name).load_splits(("train", "validation", "test"))

    def part(sample: EventSample, seed: int) -> EventSample:
        own = sample.take(np.arange(seed, len(sample), seeds))
        return replace(own, expected=own.expected * seeds)

    return [Samples(part(drawn[0], seed), part(drawn[1], seed), drawn[2]) for seed in range(seeds)]


def kept_by(
    method: str, settings: dict, replicas: int, samples: Samples, context: TrainingContext
) -> NDArray[np.bool_]:
    """Train, and say which of the events judged on are kept at each target, shape (targets, events)."""
    context = replace(context, replicas=range(replicas), validation=samples.validation)
    fitted = method_of(method, settings).fit(samples.train, context)
    test = samples.test
    if fitted.scorer is None:
        flows = {flow.target: flow for flow in fitted.flows if flow.kind == "consensus"}
        return np.stack([flows[target].mask(test.columns, len(test)) for target in TARGETS])
    score = mean_score(fitted.scorer.scores(test.x)[SCORE])
    signal = test.label == 1
    descending = np.argsort(-score[signal], kind="stable")
    shares = np.cumsum(test.expected[signal][descending]) / test.expected[signal].sum()
    thresholds = score[signal][descending][np.searchsorted(shares, TARGETS)]
    return score >= thresholds[:, None]


def judge(kept: NDArray[np.bool_], test: EventSample) -> Judged:
    """Count what is kept, and move it to the targets."""
    logs, influences = [], []
    for role in (1, 0):
        weight = np.where(test.label == role, test.expected, 0.0)
        sums = kept @ weight
        one = weight.sum() / np.count_nonzero(weight)
        logs.append(np.log(np.maximum(sums, one) / weight.sum()))
        influences.append((weight * kept / np.maximum(sums, one)[:, None] - weight / weight.sum()).astype(np.float32))
    slopes = np.gradient(logs[1], logs[0])
    missed = logs[0] - np.log(TARGETS)
    moved = np.where((sums > 0) & (np.abs(missed) < FARTHEST), logs[1] - slopes * missed, np.nan)
    return Judged(np.exp(logs[:1]), moved[None], influences[1] - slopes[:, None].astype(np.float32) * influences[0])


def together(judged: list[Judged]) -> Judged:
    """Put training samples together; the events judged on are the same."""
    influence = sum(each.influence for each in judged) / np.float32(len(judged))
    return Judged(
        *(np.concatenate([getattr(each, name) for each in judged]) for name in ("reached", "log_kept")), influence
    )


def show(name: str, parts: list[Samples], judged: dict[str, Judged]) -> None:
    events = f"{len(parts[0].test)} events not trained on"
    print(f"\n{name}: {len(parts)} x {len(parts[0].train)} training events; judged on {events}")
    print("ε_b / % at the target (ε_s reached)")
    print(row("ε_s", list(judged)))
    for i, target in enumerate(TARGETS[:-1]):
        cells = []
        for each in judged.values():
            value = 100 * np.exp(each.log_kept[:, i].mean())
            error = value * np.hypot(*(errors[i] for errors in each.errors()))
            cells.append(f"{value:.4f} ± {error:.4f}" if value > 0 else "–")
            cells[-1] += f" ({each.reached[:, i].mean():.4f})"
        print(row(target, cells))
    others = {each: values.over(judged[REFERENCE]) for each, values in judged.items() if each != REFERENCE}
    print(f"ε_b over that of cabin-scan --windows, ± events judged on{' ± training samples' * (len(parts) > 1)}")
    print(row("ε_s", list(others)))
    for i, target in enumerate(TARGETS[:-1]):
        cells = []
        for each in others.values():
            ratio = np.exp(each.log_kept[:, i].mean())
            errors = [f"{ratio * error[i]:.3f}" for error in each.errors()[: min(len(parts), 2)]]
            cells.append(" ± ".join([f"{ratio:.3f}", *errors]) if ratio > 0 else "–")
        print(row(target, cells), flush=True)


def row(target: object, cells: list[str]) -> str:
    return f"  {target!s:5}{''.join(f'{cell:29}' for cell in cells)}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="gaussians,slepton,diboson")
    parser.add_argument("--seeds", type=int, default=2, help="training samples of each mock")
    parser.add_argument("--fresh", type=int, default=2_000_000, help="events of each mock to judge on")
    parser.add_argument("--methods", default=",".join(name for name, *_ in METHODS), help="windows are needed")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for name in options.samples.split(","):
        with tempfile.TemporaryDirectory() as folder:
            if name in MOCKS:
                parts = draw(name, Path(folder), options.seeds, options.fresh)
            else:
                found = load(name, Path(folder))
                parts = [] if found is None else [found]
        if not parts:
            continue
        judged = {}
        for shown, *choice in METHODS:
            if shown not in options.methods.split(","):
                continue
            contexts = [TrainingContext(seed=seed, threads=options.threads) for seed in range(len(parts))]
            each = [judge(kept_by(*choice, *pair), pair[0].test) for pair in zip(parts, contexts, strict=True)]
            judged[shown] = together(each)
        show(name, parts, judged)


if __name__ == "__main__":
    main()
