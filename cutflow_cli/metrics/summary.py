"""All that is quoted of one selection on one sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cutflow_cli.metrics.classification import balanced_accuracy, efficiency, rejection
from cutflow_cli.metrics.counting import Counts, accuracy, binomial_count, precision
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.sensitivity import UNKNOWN, PunziInputs, smallest_cross_section
from cutflow_cli.metrics.significance import asimov, signal_over_sqrt_all, signal_over_sqrt_background
from cutflow_cli.metrics.yields import Sums, expected_events

#: What is quoted, in the order of the tables, and how people call it.
METRICS: dict[str, str] = {
    "tp": "TP (raw)",
    "fp": "FP (raw)",
    "tn": "TN (raw)",
    "fn": "FN (raw)",
    "accuracy": "accuracy (raw)",
    "precision": "precision (raw)",
    "balanced_accuracy": "balanced accuracy",
    "signal_efficiency": "signal efficiency",
    "background_efficiency": "background efficiency",
    "background_rejection": "background rejection",
    "signal_yield": "S",
    "background_yield": "B",
    "background_n_eff": "n_eff(B)",
    "s_over_sqrt_b": "S/√B",
    "s_over_sqrt_s_plus_b": "S/√(S+B)",
    "asimov": "Asimov Z",
    "punzi_sigma_min": "Punzi σ_min (fb)",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a selection keeps of a class.

    Attributes:
        passed: sums over the events that pass, scaled to the luminosity.
        total: sums over all events of the class, likewise.
        weights: typical weight of each of its processes, for limits where none passes.
        undefined: why weighted sums are undefined; None where they are not.
    """

    passed: Sums
    total: Sums
    weights: tuple[float, ...] = ()
    undefined: str | None = None

    def weighted(self, compute: Callable[[], Estimate]) -> Estimate:
        """Compute a weighted number, or say why there is none."""
        return compute() if self.undefined is None else Estimate.undefined(self.undefined)


def summarise(
    signal: Kept, background: Kept, background_uncertainty: float = 0.0, punzi: PunziInputs = UNKNOWN
) -> dict[str, Estimate]:
    """Compute all of `METRICS` for a selection.

    Counts, accuracy and precision are raw (arXiv:2503.22498 quotes them so); all else uses the signed weights.

    Args:
        signal: what it keeps of the signal.
        background: what it keeps of the background.
        background_uncertainty: systematic uncertainty of B in the Asimov significance, as a fraction of B.
        punzi: what σ_min needs beside them.
    """
    n_signal, n_background = signal.total.events, background.total.events
    tp, fp = signal.passed.events, background.passed.events
    counts = Counts(tp=tp, fp=fp, tn=n_background - fp, fn=n_signal - tp)
    efficiency_s = signal.weighted(lambda: efficiency(signal.passed, signal.total))
    efficiency_b = background.weighted(lambda: efficiency(background.passed, background.total))
    S = signal.weighted(lambda: expected_events(signal.passed, "signal", signal.weights))
    B = background.weighted(lambda: expected_events(background.passed, "background", background.weights))
    return {
        "tp": binomial_count(counts.tp, n_signal),
        "fp": binomial_count(counts.fp, n_background),
        "tn": binomial_count(counts.tn, n_background),
        "fn": binomial_count(counts.fn, n_signal),
        "accuracy": accuracy(counts),
        "precision": precision(counts),
        "balanced_accuracy": balanced_accuracy(efficiency_s, efficiency_b),
        "signal_efficiency": efficiency_s,
        "background_efficiency": efficiency_b,
        "background_rejection": rejection(efficiency_b, background.total.n_eff),
        "signal_yield": S,
        "background_yield": B,
        "background_n_eff": background.weighted(lambda: Estimate(background.passed.n_eff)),
        "s_over_sqrt_b": signal_over_sqrt_background(S, B),
        "s_over_sqrt_s_plus_b": signal_over_sqrt_all(S, B),
        "asimov": asimov(S, B, background_uncertainty),
        "punzi_sigma_min": smallest_cross_section(efficiency_s, B, punzi),
    }
