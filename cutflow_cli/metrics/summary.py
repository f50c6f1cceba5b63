"""All that is quoted of one selection on one sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cutflow_cli.metrics.classification import balanced_accuracy, efficiency, rejection
from cutflow_cli.metrics.counting import Counts, accuracy, binomial_count, precision
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.exact import binomial, exact_asimov
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.formula import Formula
from cutflow_cli.metrics.sensitivity import UNKNOWN, PunziInputs, punzi_figure, smallest_cross_section
from cutflow_cli.metrics.significance import (
    asimov,
    signal_over_background,
    signal_over_sqrt_all,
    signal_over_sqrt_background,
)
from cutflow_cli.metrics.systematics import BackgroundSystematics
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
    "s_over_b": "S/B",
    "s_over_sqrt_b": "S/√B",
    "s_over_sqrt_s_plus_b": "S/√(S+B)",
    "asimov": "Asimov Z",
    "exact_asimov": "exact Asimov Z",
    "binomial_z": "Z_Bi",
    "punzi_simple": "Punzi ε/(a/2+√B)",
    "punzi_full": "Punzi ε/S_min",
    "punzi_sigma_min": "Punzi σ_min (fb)",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a selection keeps of a class.

    Attributes:
        passed: sums over the events that pass, scaled to the luminosity.
        total: sums over all events of the class, likewise.
        weights: typical weight of each of its processes, for limits where none passes.
        yields: name and expected events that pass of each process, for systematic uncertainties.
        undefined: why weighted sums are undefined; None where they are not.
        shift: uncertainty of what passes by systematic variations, in events; of the background alone.
    """

    passed: Sums
    total: Sums
    weights: tuple[float, ...] = ()
    yields: tuple[tuple[str, float], ...] = ()
    undefined: str | None = None
    shift: float = 0.0

    def relative_uncertainty(self, systematics: BackgroundSystematics | None = None) -> float:
        """Return the systematic uncertainty of what passes as a fraction of it: given fractions ⊕ variations.

        Args:
            systematics: the given fractions.

        Returns:
            σ/|B|; 0 where nothing is expected, or yields are undefined.
        """
        expected = math.fsum(value for _, value in self.yields)
        if self.undefined is not None or not expected:
            return 0.0
        given = 0.0 if systematics is None else systematics.relative(dict(self.yields))
        return math.hypot(given, self.shift / abs(expected))

    def weighted(self, compute: Callable[[], Estimate]) -> Estimate:
        """Compute a weighted number, or say why there is none."""
        return compute() if self.undefined is None else Estimate.undefined(self.undefined)


def summarise(
    signal: Kept,
    background: Kept,
    systematics: BackgroundSystematics | None = None,
    punzi: PunziInputs = UNKNOWN,
    *,
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
    formulas: Sequence[Formula] = (),
) -> dict[str, Estimate]:
    """Compute all of `METRICS`, and the user's formulas, for a selection.

    Counts, accuracy and precision are raw (arXiv:2503.22498 quotes them so); all else uses the signed weights. What
    divides by B is a number of the few events rather than of the selection where few are left: with fewer effective
    background events than the least, it is undefined and the reason says so; what stays finite for B → 0 is marked.

    Args:
        signal: what it keeps of the signal.
        background: what it keeps of the background.
        systematics: systematic uncertainties of B that are given, part of σ_B beside those by variations.
        punzi: what Punzi's figures need beside them.
        min_effective_events: the least effective number of background events.
        formulas: of the user.
    """
    efficiency_s = signal.weighted(lambda: efficiency(signal.passed, signal.total))
    efficiency_b = background.weighted(lambda: efficiency(background.passed, background.total))
    S = signal.weighted(lambda: expected_events(signal.passed, "signal", signal.weights))
    B = background.weighted(lambda: expected_events(background.passed, "background", background.weights))
    relative = background.relative_uncertainty(systematics)
    few = None if background.undefined else too_few(background.passed, min_effective_events)

    def known(number: Estimate) -> Estimate:
        if few is None or number.value is None:
            return number
        return Estimate.undefined(f"{few}: what grows without bound for B → 0 is not quoted")

    def marked(number: Estimate) -> Estimate:
        return number if few is None or number.value is None else Estimate(number.value, number.error, few)

    weighted = {
        "s_over_b": signal_over_background(S, B),
        "s_over_sqrt_b": signal_over_sqrt_background(S, B),
        "asimov": asimov(S, B, relative),
        "exact_asimov": exact_asimov(S, B, relative),
        "binomial_z": binomial(S, B, relative),
        "background_rejection": rejection(efficiency_b, background.total.n_eff),
    }
    found = _raw_numbers(signal, background) | {
        "balanced_accuracy": balanced_accuracy(efficiency_s, efficiency_b),
        "signal_efficiency": efficiency_s,
        "background_efficiency": efficiency_b,
        "signal_yield": S,
        "background_yield": B,
        "background_n_eff": background.weighted(lambda: Estimate(background.passed.n_eff)),
        **{name: known(number) for name, number in weighted.items()},
        "s_over_sqrt_s_plus_b": marked(signal_over_sqrt_all(S, B)),
        "punzi_simple": marked(punzi_figure(efficiency_s, B, punzi, full=False)),
        "punzi_full": marked(punzi_figure(efficiency_s, B, punzi, full=True)),
        "punzi_sigma_min": smallest_cross_section(efficiency_s, B, punzi),
    }
    ordered = {name: found[name] for name in METRICS}
    for one in formulas:
        number = one.estimate(S, B, relative)
        ordered[one.name] = known(number) if one.of_background else number
    return ordered


def too_few(passed: Sums, min_effective_events: float) -> str | None:
    """Say that too few background events are left to quote what divides by them; None where there are enough.

    Where none is left at all other reasons say so.

    Args:
        passed: sums over the background events that pass.
        min_effective_events: the least effective number of them.
    """
    if not passed.events or passed.n_eff >= min_effective_events:
        return None
    return too_few_events(passed.n_eff, min_effective_events)


def too_few_events(effective: float, min_effective_events: float) -> str:
    """Say that fewer effective background events are left than are needed."""
    return f"only {effective:.3g} effective background events are left, fewer than {min_effective_events:g}"


def _raw_numbers(signal: Kept, background: Kept) -> dict[str, Estimate]:
    n_signal, n_background = signal.total.events, background.total.events
    tp, fp = signal.passed.events, background.passed.events
    counts = Counts(tp=tp, fp=fp, tn=n_background - fp, fn=n_signal - tp)
    return {
        "tp": binomial_count(counts.tp, n_signal),
        "fp": binomial_count(counts.fp, n_background),
        "tn": binomial_count(counts.tn, n_background),
        "fn": binomial_count(counts.fn, n_signal),
        "accuracy": accuracy(counts),
        "precision": precision(counts),
    }
