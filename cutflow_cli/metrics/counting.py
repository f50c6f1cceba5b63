"""Raw counts of simulated events, as the LCF paper quotes them: never weighted, never scaled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cutflow_cli.metrics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Counts:
    """The confusion matrix of a selection: signal is positive, passing is being called positive.

    Attributes:
        tp: signal events that pass.
        fp: background events that pass.
        tn: background events that fail.
        fn: signal events that fail.
    """

    tp: int
    fp: int
    tn: int
    fn: int


def binomial_count(kept: int, total: int) -> Estimate:
    """Number of events kept out of a given total, with its binomial error √(k (n−k)/n).

    The class totals are taken as given (they were generated so). At k = 0 and k = n the error vanishes, which says
    that the sample is too small to see the spread, not that there is none.
    """
    if total == 0:
        return Estimate(0.0, 0.0, "there are no events of this class")
    return Estimate(float(kept), math.sqrt(kept * (total - kept) / total))


def accuracy(counts: Counts) -> Estimate:
    """Share of events on the right side, (TP + TN) / all, from raw counts as in arXiv:2503.22498.

    The class totals are given, TP and TN are independent binomials, so its variance is
    (TP·FN/N_s + TN·FP/N_b) / N². It depends on the mixture of classes in the sample, which is no property of nature.
    """
    signal, background = counts.tp + counts.fn, counts.fp + counts.tn
    everything = signal + background
    if everything == 0:
        return Estimate.undefined("there are no events")
    variance = sum(
        kept * lost / total
        for kept, lost, total in ((counts.tp, counts.fn, signal), (counts.tn, counts.fp, background))
        if total
    )
    return Estimate((counts.tp + counts.tn) / everything, math.sqrt(variance) / everything)


def precision(counts: Counts) -> Estimate:
    """Share of signal among the events that pass, TP / (TP + FP), from raw counts as in arXiv:2503.22498.

    Errors of TP and FP (independent binomials for given class totals) are propagated to first order, which is good
    for more than a handful of each; with FP = 0 the error vanishes (see `binomial_count`). Undefined where nothing
    passes. It depends on the mixture of classes in the sample: S / (S + B) follows from the yields.
    """
    passed = counts.tp + counts.fp
    if passed == 0:
        return Estimate.undefined("no simulated event passes: the precision is undefined")
    var_tp = counts.tp * counts.fn / (counts.tp + counts.fn) if counts.tp else 0.0
    var_fp = counts.fp * counts.tn / (counts.fp + counts.tn) if counts.fp else 0.0
    variance = (counts.fp**2 * var_tp + counts.tp**2 * var_fp) / passed**4
    nothing = (
        None if counts.tp and counts.fp else "events of one class alone pass: the error vanishes, the spread need not"
    )
    return Estimate(counts.tp / passed, math.sqrt(variance), nothing)
