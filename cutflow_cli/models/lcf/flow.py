"""From trained parameters to a cut flow: boundaries, what is applied, and what each cut is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.lcf import combine as rules
from cutflow_cli.models.lcf.constants import BL, BU, WL, WU, K, logit
from cutflow_cli.models.lcf.prepare import Prepared
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


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
    share = np.exp(params[:, K])
    share /= share.sum()
    threshold = logit(settings.threshold)
    combine = rules.combine_by_side if settings.by_side else rules.combine
    steps = []
    for i, name in enumerate(sample.features):
        low, up = params[i, WL] * share[i], params[i, WU] * share[i]
        lower = data.mean[i] + data.std[i] * rules.boundary(low, params[i, BL], threshold)
        upper = data.mean[i] + data.std[i] * rules.boundary(up, params[i, BU], threshold)
        cut = rules.to_cut(name, *combine(lower, upper, low > 0, up > 0, data.centre[i]))
        note = "trained on all events: too few effective events pass the cuts before it" if unmasked[i] else None
        minimum = settings.min_importance / len(sample.features)
        active = cut.region is not Region.ALL
        if data.centre[i] in (cut.lower, cut.upper):
            note = "a boundary is the centre: one side of it is kept, the other not"
        if not active:
            note = "neither side of its centre is divided, so that it keeps every value"
        if share[i] <= minimum:
            active, note = False, f"importance {share[i]:.2g} is not above {minimum:.2g}"
        steps.append(LearnedCut(cut, active=active, importance=float(share[i]), note=note))
    flow = CutFlow(tuple(steps), replica=replica).rounded(sample.dtypes)
    return tidied(flow, sample, settings) if settings.tidy else flow


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
        step = _useful(learned, values[reach], signal[reach]) if learned.active else learned
        if step.active and settings.strategy == "sequential":
            reach = reach & step.cut.passes(values)
        steps.append(step)
    return replace(flow, steps=tuple(steps))


def _useful(step: LearnedCut, values: NDArray[Any], signal: NDArray[np.bool_]) -> LearnedCut:
    cut = step.cut
    kept = cut.passes(values)
    if kept.all():
        return replace(step, active=False, note="keeps every training event that reaches it")
    if signal.any() and not kept[signal].any():
        return replace(step, active=False, note="would keep no signal event of the training split")
    if cut.region not in (Region.INSIDE, Region.OUTSIDE):
        return step
    # A value outside either boundary of a window is rejected, one inside either of an edge cut is kept.
    lower, upper = (cut.lower, step.lower_error), (cut.upper, step.upper_error)
    below, above = (upper, lower) if cut.region is Region.INSIDE else (lower, upper)
    single = Cut(cut.observable, Region.BELOW, None, below[0])
    if np.array_equal(single.passes(values), kept):
        return replace(step, cut=single, lower_error=None, upper_error=below[1])
    single = Cut(cut.observable, Region.ABOVE, above[0])
    if np.array_equal(single.passes(values), kept):
        return replace(step, cut=single, lower_error=above[1], upper_error=None)
    return step
