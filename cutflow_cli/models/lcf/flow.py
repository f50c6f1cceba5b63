"""From trained parameters to a cut flow: boundaries, what is applied, and what each cut is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.lcf import combine as rules
from cutflow_cli.models.lcf.constants import BL, BU, WL, WU, K, logit
from cutflow_cli.models.lcf.prepare import Prepared, Units
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

NO_SIGNAL = "would keep no signal event of the training split"


def learned_flow(
    params: NDArray[np.float64],
    unmasked: NDArray[np.bool_],
    data: Prepared,
    sample: EventSample,
    settings: LcfSettings,
    replica: int,
) -> CutFlow:
    """Turn the parameters of one replica into its cut flow, boundaries rounded to what the columns can hold.

    Args:
        params: shape (features, 5).
        unmasked: features that trained on all events for want of those kept, shape (features,).
        data: the training split in the network's units.
        sample: the training split.
        settings: of the training.
        replica: its number.
    """
    flow = untidied_flow(params, unmasked, data.units, sample.dtypes, sample.features, settings, replica)
    return tidied(flow, sample, settings) if settings.tidy else flow


def untidied_flow(
    params: NDArray[np.float64],
    unmasked: NDArray[np.bool_],
    units: Units,
    dtypes: Mapping[str, str],
    features: Sequence[str],
    settings: LcfSettings,
    replica: int,
) -> CutFlow:
    """Turn the parameters of one replica into its cut flow before any event is looked at.

    Args:
        params: shape (features, 5).
        unmasked: features that trained on all events for want of those kept, shape (features,).
        units: of the network.
        dtypes: type of each feature's column.
        features: their names, in order.
        settings: of the training.
        replica: its number.
    """
    share = np.exp(params[:, K])
    share /= share.sum()
    threshold = logit(settings.threshold)
    combine = rules.combine_by_side if settings.by_side else rules.combine
    steps = []
    for i, name in enumerate(features):
        low, up = params[i, WL] * share[i], params[i, WU] * share[i]
        lower = units.mean[i] + units.std[i] * rules.boundary(low, params[i, BL], threshold)
        upper = units.mean[i] + units.std[i] * rules.boundary(up, params[i, BU], threshold)
        cut = rules.to_cut(name, *combine(lower, upper, low > 0, up > 0, units.centre[i]))
        note = "trained on all events: too few effective events pass the cuts before it" if unmasked[i] else None
        minimum = settings.min_importance / len(features)
        active = cut.region is not Region.ALL
        if units.centre[i] in (cut.lower, cut.upper):
            note = "a boundary is the centre: one side of it is kept, the other not"
        if not active:
            note = "neither side of its centre is divided, so that it keeps every value"
        if share[i] <= minimum:
            active, note = False, f"importance {share[i]:.2g} is not above {minimum:.2g}"
        steps.append(LearnedCut(cut, active=active, importance=float(share[i]), note=note))
    return CutFlow(tuple(steps), replica=replica).rounded(dtypes)


def without_centre_errors(flow: CutFlow, centre: NDArray[np.float64]) -> CutFlow:
    """Take away the errors of boundaries that are the centre, which is the same in all replicas: nothing was fitted."""
    steps = []
    for step, middle in zip(flow.steps, centre, strict=True):
        lower, upper = (
            None if value is not None and np.float32(value) == np.float32(middle) else error
            for value, error in ((step.cut.lower, step.lower_error), (step.cut.upper, step.upper_error))
        )
        steps.append(replace(step, lower_error=lower, upper_error=upper))
    return replace(flow, steps=tuple(steps))


def tidied(flow: CutFlow, sample: EventSample, settings: LcfSettings) -> CutFlow:
    """Drop boundaries that reject no training event that reaches them, and cuts that reject none or every signal event.

    In a parallel flow every event reaches every cut; in a sequential one those that earlier applied cuts keep.
    """
    columns = sample.columns
    reach = np.ones(len(sample), dtype=np.bool_)
    signal = sample.label == 1
    steps = []
    for learned in flow.steps:
        values = columns[learned.cut.observable]
        step = useful(learned, counted(learned.cut, values[reach], signal[reach])) if learned.active else learned
        if step.active and settings.strategy == "sequential":
            reach = reach & step.cut.passes(values)
        steps.append(step)
    return replace(flow, steps=tuple(steps))


@dataclass(frozen=True, slots=True)
class CutCounts:
    """What a cut does to the events that reach it; counts of parts of a sample add up.

    Attributes:
        rejected: how many it rejects.
        signal: how many are signal.
        signal_kept: how many of these it keeps.
        below_differs: of a window or an edge cut, how many its boundary below which it keeps would not treat alike.
        above_differs: likewise the boundary above which it keeps.
    """

    rejected: int = 0
    signal: int = 0
    signal_kept: int = 0
    below_differs: int = 0
    above_differs: int = 0

    def __add__(self, other: CutCounts) -> CutCounts:
        return CutCounts(
            self.rejected + other.rejected,
            self.signal + other.signal,
            self.signal_kept + other.signal_kept,
            self.below_differs + other.below_differs,
            self.above_differs + other.above_differs,
        )


def counted(cut: Cut, values: NDArray[Any], signal: NDArray[np.bool_]) -> CutCounts:
    """Count what a cut does to events.

    Args:
        cut: any cut with a boundary.
        values: of its observable, shape (events,).
        signal: which events are signal.
    """
    kept = cut.passes(values)
    differ = [0, 0]
    if cut.region in (Region.INSIDE, Region.OUTSIDE):
        for side, single in enumerate(_singles(cut)):
            differ[side] = int(np.count_nonzero(single.passes(values) != kept))
    signals = int(np.count_nonzero(signal))
    return CutCounts(int(np.count_nonzero(~kept)), signals, int(np.count_nonzero(kept & signal)), *differ)


def _singles(cut: Cut) -> tuple[Cut, Cut]:
    """Return what each boundary of a window or an edge cut does alone: the one that keeps what is below it first.

    A value outside either boundary of a window is rejected, one inside either of an edge cut is kept.
    """
    below, above = (cut.upper, cut.lower) if cut.region is Region.INSIDE else (cut.lower, cut.upper)
    return Cut(cut.observable, Region.BELOW, None, below), Cut(cut.observable, Region.ABOVE, above)


def useful(step: LearnedCut, counts: CutCounts) -> LearnedCut:
    """Drop what of a cut is of no use, going by the training events that reach it."""
    if not counts.rejected:
        return replace(step, active=False, note="keeps every training event that reaches it")
    if counts.signal and not counts.signal_kept:
        return replace(step, active=False, note=NO_SIGNAL)
    if step.cut.region not in (Region.INSIDE, Region.OUTSIDE):
        return step
    below, above = _singles(step.cut)
    errors = (step.upper_error, step.lower_error)
    below_error, above_error = errors if step.cut.region is Region.INSIDE else errors[::-1]
    if not counts.below_differs:
        return replace(step, cut=below, lower_error=None, upper_error=below_error)
    if not counts.above_differs:
        return replace(step, cut=above, lower_error=above_error, upper_error=None)
    return step
