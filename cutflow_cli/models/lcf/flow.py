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


def with_n_minus_1(flow: CutFlow, sample: EventSample) -> CutFlow:
    """Fill in for each applied cut what the flow's balanced error on train would gain without it.

    The balanced error is ½ (1 - ε_s + ε_b), with efficiencies of physical weights. A positive number means that the cut
    helps, a negative one that the flow separates better without it, as happens to correlated parallel cuts. Where the
    physical weights of a class do not sum to a positive number there are no efficiencies, and nothing is filled in.
    """
    if not (np.bincount(sample.label, weights=sample.weight, minlength=2) > 0).all():
        return flow
    masks = dict(zip((cut.observable for cut in flow.cuts), flow.step_masks(sample.columns), strict=True))
    failed = np.zeros(len(sample), dtype=np.int32)
    for mask in masks.values():
        failed += ~mask
    whole = balanced_error(sample, failed == 0)
    steps = [
        replace(step, n_minus_1_loss=balanced_error(sample, failed == ~masks[step.cut.observable]) - whole)
        if step.active and step.cut.observable in masks
        else step
        for step in flow.steps
    ]
    return replace(flow, steps=tuple(steps))


def balanced_error(sample: EventSample, kept: NDArray[np.bool_]) -> float:
    """Return ½ (1 - ε_s + ε_b) of a selection, by physical weights."""
    total = np.bincount(sample.label, weights=sample.weight, minlength=2)
    passed = np.bincount(sample.label, weights=sample.weight * kept, minlength=2)
    efficiency = passed / total
    return float(1 - efficiency[1] + efficiency[0]) / 2


def concerns(flow: CutFlow, sample: EventSample) -> tuple[str, ...]:
    """Say in words what a user should look at before trusting a consensus."""
    found = [
        f"{step.cut.observable}: only {step.agreement:.0%} of the replicas agree on its region"
        for step in flow.steps
        if step.agreement is not None and step.agreement < 0.8
    ]
    kept = flow.mask(sample.columns, len(sample))
    for value, role in ((1, "signal"), (0, "background")):
        if not kept[sample.label == value].any():
            found.append(f"the selection keeps no {role} event of the training split")
    if not flow.cuts:
        found.append("no cut is applied: the selection keeps every event")
    return tuple(found)
