"""What networks come to for each hypothesis: ε, B and σ_min at a fixed cut, and at the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.punzi import sigma_min
from cutflow_cli.metrics.sensitivity import PunziInputs, smallest_cross_section
from cutflow_cli.models.punzi.prepare import Acceptance
from cutflow_cli.models.punzi.windows import Windows, shown
from cutflow_cli.models.scores import mean_score
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA

#: What the two networks are called, by the name of their score.
NETWORKS = {"score": "punzi", "pretrained_score": "pretrained"}
FIXED, BEST = "fixed", "best"


@dataclass(frozen=True, slots=True)
class Searched:
    """The events of one split that matter to one hypothesis, best scores first for each class.

    Attributes:
        signal: positions of its signal events in its window.
        background: positions of the background events in its window.
        produced: Σw of all its signal events in the split, in the window or not.
    """

    signal: NDArray[np.int64]
    background: NDArray[np.int64]
    produced: float


def search_windows(sample: EventSample, windows: Windows) -> tuple[Searched, ...]:
    """Find the events of each hypothesis, trained or held out."""
    found = []
    background = sample.label == 0
    for position in range(len(windows.hypotheses)):
        inside, signal = windows.inside(position, sample), windows.signal_of(position, sample)
        produced = float(sample.expected[signal].sum())
        found.append(Searched(np.flatnonzero(signal & inside), np.flatnonzero(background & inside), produced))
    return tuple(found)


def best_cut(
    score: NDArray[np.float32],
    expected: NDArray[np.float64],
    searched: Searched,
    inputs: PunziInputs,
    min_effective_events: float,
) -> float | None:
    """Find the cut on a score with the smallest σ_min, taken at one standard deviation √Σw² above B.

    Every cut that divides the background differently is tried, just above the event that it rejects, and so is none.
    At B itself the tightest cuts win too often: the fewer events are left, the more B fluctuates, and the more heavy
    weights it may have missed. It is the minimum of a number that fluctuates all the same, so what it promises is too
    good: judge it on other events.

    Args:
        score: shape (events,); NaN is never kept.
        expected: expected events that each stands for.
        searched: the events of the hypothesis.
        inputs: luminosity, a, b and form of σ_min.
        min_effective_events: effective background events that must be kept.

    Returns:
        A float32 number above which events are kept; None if no cut keeps that many.
    """
    rows = searched.background[~np.isnan(score[searched.background])]
    rows = rows[np.argsort(-score[rows], kind="stable")]
    values, weight = score[rows], expected[rows]
    B, variance = np.cumsum(weight), np.cumsum(weight**2)
    last = np.append(values[1:] != values[:-1], True) if len(values) else np.zeros(0, dtype=np.bool_)
    thresholds = np.append(values[1:], np.float32(-1.0))[last] if len(values) else np.zeros(0, dtype=np.float32)
    B, variance = B[last], variance[last]
    signal = searched.signal[~np.isnan(score[searched.signal])]
    signal = signal[np.argsort(-score[signal], kind="stable")]
    kept = np.searchsorted(-score[signal], -thresholds, side="left")  # strictly above
    S = np.append(0.0, np.cumsum(expected[signal]))[kept]
    enough = (B > 0) & (min_effective_events * variance <= B**2)
    if not enough.any():
        return None
    sigma = sigma_min(S, B + np.sqrt(variance), inputs.luminosity or 1.0, inputs.a, inputs.b, inputs.form)
    return float(thresholds[np.argmin(np.where(enough, sigma, np.inf))])


def hypothesis_row(
    score: NDArray[np.float32],
    sample: EventSample,
    searched: Searched,
    threshold: float,
    inputs: PunziInputs,
) -> dict[str, float]:
    """Count what a cut keeps of a hypothesis.

    ε is the share of the generated events (of those in the file, where the number generated is not known) and B the
    expected background events at the luminosity; errors are √Σw² and binomial for weighted events; n_eff is
    (Σw)²/Σw² of B. `sigma_min` is eq. 9 of EPJ C 82:121 in 1/luminosity, `fom` its inverse.

    Args:
        score: shape (events,).
        sample: the events.
        searched: those of the hypothesis.
        threshold: events above it are kept.
        inputs: what σ_min needs, the acceptance of this hypothesis included.
    """
    limit = np.float32(threshold)
    kept_s = sample.expected[searched.signal[score[searched.signal] > limit]]
    kept_b = sample.expected[searched.background[score[searched.background] > limit]]
    S, B, variance = float(kept_s.sum()), float(kept_b.sum()), float((kept_b**2).sum())
    share = S / searched.produced if searched.produced else np.nan
    error = np.sqrt(max(share * (1 - share), 0.0) * float((kept_s**2).sum()) / S / searched.produced) if S > 0 else 0.0
    sigma = smallest_cross_section(Estimate(share, float(error)), Estimate(B, float(np.sqrt(variance))), inputs)
    value = np.nan if sigma.value is None else sigma.value
    acceptance = inputs.acceptance or 1.0
    return {
        "threshold": float(limit),
        "signal_efficiency": share * acceptance,
        "signal_efficiency_error": float(error) * acceptance,
        "background": B,
        "background_error": float(np.sqrt(variance)),
        "background_n_eff": B**2 / variance if variance else 0.0,
        "fom": 1 / value if value > 0 else np.nan,
        "sigma_min": value,
        "sigma_min_error": np.nan if sigma.error is None else sigma.error,
    }


Thresholds = Mapping[str, Mapping[str, NDArray[np.float32]]]


def choose_cuts(
    scores: Mapping[str, NDArray[np.float32]],
    sample: EventSample,
    windows: Windows,
    inputs: PunziInputs,
    fixed: float,
    min_effective_events: float,
) -> tuple[dict[str, dict[str, NDArray[np.float32]]], list[str]]:
    """Choose the cuts of every network, replica and hypothesis; the consensus (the mean score) comes last.

    Args:
        scores: by name, shape (replicas, events).
        sample: to choose the best cuts on.
        windows: all hypotheses.
        inputs: of σ_min.
        fixed: the cut for all.
        min_effective_events: see `best_cut`; where no cut keeps that many, all events of the window are kept.

    Returns:
        By name of the score and cut (`fixed`, `best`): shape (replicas + 1, hypotheses). And notes.
    """
    searched = search_windows(sample, windows)
    chosen: dict[str, dict[str, NDArray[np.float32]]] = {}
    failed: dict[str, None] = {}
    for name, values in scores.items():
        best = np.full((len(values) + 1, len(searched)), -1.0, dtype=np.float32)
        for replica, score in enumerate((*values, mean_score(values))):
            for column, events in enumerate(searched):
                cut = best_cut(score, sample.expected, events, inputs, min_effective_events)
                if cut is None:
                    failed[shown(windows.hypotheses[column])] = None
                else:
                    best[replica, column] = cut
        chosen[name] = {FIXED: np.full_like(best, fixed), BEST: best}
    notes = []
    if failed:
        notes.append(
            f"hypothesis {', '.join(failed)}: no cut keeps {min_effective_events:g} effective background events, so "
            "the best cut keeps all of the window"
        )
    return chosen, notes


def hypothesis_rows(
    scores: Mapping[str, NDArray[np.float32]],
    sample: EventSample,
    windows: Windows,
    cuts: Thresholds,
    inputs: PunziInputs,
    shares: Acceptance,
    replicas: Sequence[int],
    split: str,
) -> list[dict[str, Any]]:
    """Tabulate every network, replica, cut and hypothesis on one split.

    Args:
        scores: by name, shape (replicas, events).
        sample: the split.
        windows: all hypotheses.
        cuts: of `choose_cuts`.
        inputs: what σ_min needs, without the acceptance.
        shares: acceptance of each hypothesis.
        replicas: numbers of the replicas.
        split: its name.

    Returns:
        One row for each; replica -1 is the consensus.
    """
    searched = search_windows(sample, windows)
    rows = []
    for name, values in scores.items():
        for index, score in enumerate((*values, mean_score(values))):
            replica = CONSENSUS_REPLICA if index == len(values) else replicas[index]
            for column, (mass, events) in enumerate(zip(windows.hypotheses, searched, strict=True)):
                here = PunziInputs(inputs.luminosity or 1.0, shares[mass], inputs.a, inputs.b, inputs.form)
                for cut, thresholds in cuts[name].items():
                    rows.append(
                        {
                            "hypothesis": mass,
                            "network": NETWORKS[name],
                            "replica": replica,
                            "cut": cut,
                            "split": split,
                            "held_out": windows.held_out[column],
                            **hypothesis_row(score, sample, events, float(thresholds[index, column]), here),
                        }
                    )
    return rows
