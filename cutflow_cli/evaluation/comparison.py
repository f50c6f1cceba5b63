"""Train against test: does a selection do on fresh events what it did on those it was learned from?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import Split
from cutflow_cli.metrics.curves import CURVE_METRICS
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.summary import METRICS

#: A difference of more standard deviations than this is called one.
TOLERANCE = 3.0
#: How people call all numbers of a selection or a curve.
TITLES: dict[str, str] = {**METRICS, **CURVE_METRICS}
#: Mass points that a warning gives the differences of.
_MASSES_NAMED = 3
#: What is compared: numbers that do not depend on the size of a split (as the Asimov significance does, through the MC
#: statistics of B) or on its mixture of classes (as accuracy and precision do).
COMPARED = ("signal_efficiency", "background_efficiency", "auc", "s_over_sqrt_b")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one consensus on the splits side by side.

    Attributes:
        run: name of the run.
        working_point: of the flow; None for a number of the run's curve.
        hypothesis: mass point of the signal counted; None for all signal.
        metric: a key of `METRICS` or `CURVE_METRICS`.
        by_split: the numbers, by split.
        pull: (quoted − train) / √(σ_quoted² + σ_train²); None where undefined. The splits are independent samples.
        differs: whether the pull is beyond `TOLERANCE`.
    """

    run: str
    working_point: str | None
    hypothesis: float | None
    metric: str
    by_split: dict[Split, Estimate]
    pull: float | None
    differs: bool


def compare_splits(metrics: Iterable[MetricRow], quoted: Split) -> tuple[Comparison, ...]:
    """Put train beside the quoted split, for the consensus of every run.

    Args:
        metrics: rows of all splits.
        quoted: the split that numbers are quoted on; nothing is compared if it is train itself.
    """
    if quoted == "train":
        return ()
    grouped: dict[tuple[str, str | None, float | None, str], dict[Split, Estimate]] = {}
    for row in metrics:
        if row.kind == "consensus" and row.metric in COMPARED:
            key = (row.run, row.working_point, row.hypothesis, row.metric)
            grouped.setdefault(key, {})[row.split] = Estimate(row.value, row.stat_error, row.reason)
    found = []
    for (run, working_point, hypothesis, metric), by_split in grouped.items():
        pull, differs = _pull(by_split.get("train"), by_split.get(quoted))
        found.append(Comparison(run, working_point, hypothesis, metric, by_split, pull, differs))
    return tuple(found)


def _pull(train: Estimate | None, quoted: Estimate | None) -> tuple[float | None, bool]:
    if train is None or quoted is None or train.value is None or quoted.value is None:
        return None, False
    difference = quoted.value - train.value
    combined = math.hypot(train.error or 0.0, quoted.error or 0.0)
    if combined == 0:
        return (0.0, False) if difference == 0 else (None, True)
    return difference / combined, abs(difference) > TOLERANCE * combined


def overtraining_warnings(comparisons: Sequence[Comparison], quoted: Split) -> tuple[str, ...]:
    """Say which runs do not hold on fresh events, a sentence for each run and one for its mass points together.

    Args:
        comparisons: at the working points that are quoted.
        quoted: the split that numbers are quoted on.
    """
    differing: dict[tuple[str, bool], list[Comparison]] = {}
    masses: dict[str, set[float]] = {}
    for one in comparisons:
        if one.hypothesis is not None:
            masses.setdefault(one.run, set()).add(one.hypothesis)
        if one.differs:
            differing.setdefault((one.run, one.hypothesis is not None), []).append(one)
    found = []
    for (run, by_mass), members in differing.items():
        point = next((one.working_point for one in members if one.working_point is not None), None)
        name = f"{label(run, point, None)}: train and {quoted} differ by more than {TOLERANCE:g} standard deviations"
        if not by_mass:
            found.append(f"{name} in {_listed(members)}")
            continue
        grouped: dict[float | None, list[Comparison]] = {}
        for one in members:
            grouped.setdefault(one.hypothesis, []).append(one)
        said = [f"m={mass:g} in {_listed(those)}" for mass, those in grouped.items()]
        more = f" and {len(said) - _MASSES_NAMED} more" if len(said) > _MASSES_NAMED else ""
        which = "; ".join(said[:_MASSES_NAMED]) + more
        found.append(f"{name} for {len(said)} of {len(masses[run])} hypotheses: {which}")
    return tuple(found)


def _listed(members: Sequence[Comparison]) -> str:
    return ", ".join(f"{TITLES[one.metric]} ({_shown(one.pull)})" for one in members)


def _shown(pull: float | None) -> str:
    return "without spread" if pull is None else f"{pull:+.1f} σ"


def label(run: str, working_point: str | None, hypothesis: float | None) -> str:
    """Name a selection for people: the run, and what tells it from the run's others."""
    text = run if working_point in (None, "default") else f"{run} {working_point}"
    return text if hypothesis is None else f"{text} m={hypothesis:g}"
